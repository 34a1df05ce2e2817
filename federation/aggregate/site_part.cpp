#include "federation/aggregate/site_part.h"

#include <algorithm>
#include <set>

#include "schemas/base/hash.h"
#include "schemas/envelope.h"

namespace entente::federation {
namespace {

Error unverified(std::string what) {
  return make_error(ErrorCode::verification_failed, std::move(what));
}

Error unfit(std::string what) {
  return make_error(ErrorCode::shape_refused, std::move(what));
}

Outcome check_fresh(const SumProposal& proposal, Instant now) {
  if (proposal.issued > now + limits::kRoundClockSkew) {
    return make_error(ErrorCode::stale, "the round was proposed in the future");
  }
  if (proposal.deadline <= now) {
    return make_error(ErrorCode::deadline_exceeded, "the round's deadline has passed");
  }
  if (proposal.deadline - proposal.issued > limits::kRoundLife) {
    return make_error(ErrorCode::stale,
                      "the round would last longer than " + to_text(limits::kRoundLife));
  }
  return {};
}

// Who is in the round, as this site knows them.
Result<std::uint32_t> own_place(const SiteTerms& terms, const SumProposal& proposal) {
  std::optional<std::uint32_t> own;
  std::uint32_t unknown = 0;
  for (std::uint32_t i = 0; i < proposal.members.size(); ++i) {
    const SumMember& member = proposal.members[i];
    const auto known = terms.pinned.find(member.organisation);
    if (known == terms.pinned.end()) {
      ++unknown;
      continue;
    }
    const auto& keys = known->second;
    if (std::find(keys.begin(), keys.end(), member.key) == keys.end()) {
      return unverified("the round names a key for " + member.organisation.short_hex() +
                        " that its charter does not");
    }
    if (member.organisation == terms.self) own = i;
  }
  if (!own || proposal.members[*own].site != terms.site ||
      proposal.members[*own].question != terms.question) {
    return unfit("the round is not about the question that this site was asked");
  }
  if (proposal.members.size() < terms.members_least) {
    return unfit("the round has fewer members than the agreement asks for");
  }
  if (unknown > proposal.colluders) {
    return make_error(ErrorCode::shape_refused,
                      std::to_string(unknown) +
                          " members of the round are no partners of this site, which counts them "
                          "as colluding; the round allows for " +
                          std::to_string(proposal.colluders),
                      "link the members with each other, or ask with mode = 'each'");
  }
  return *own;
}

Outcome check_layout(const SumLayout& asked, const SumLayout& own) {
  if (asked.cells != own.cells || asked.coordinates.size() != own.coordinates.size()) {
    return unfit("the round adds up other cells than the question has");
  }
  for (std::size_t i = 0; i < own.coordinates.size(); ++i) {
    const SumCoordinate& theirs = asked.coordinates[i];
    const SumCoordinate& ours = own.coordinates[i];
    if (theirs.exponent != ours.exponent || theirs.width != ours.width) {
      return unfit("the round adds up other numbers than the question has");
    }
    if (theirs.variance < ours.variance) {
      return unfit("the round has less noise than the question is charged for");
    }
  }
  return {};
}

}  // namespace

std::vector<std::int64_t> noisy_share(const SumLayout& layout, std::span<const std::int64_t> exact,
                                      security::NoiseSource& noise) {
  ENTENTE_CHECK(exact.size() == layout.integers());
  std::vector<std::int64_t> out(exact.begin(), exact.end());
  auto at = out.begin();
  for (std::uint32_t cell = 0; cell < layout.cells; ++cell) {
    for (const SumCoordinate& one : layout.coordinates) {
      for (std::uint32_t i = 0; i < one.width; ++i) *at++ += noise.gaussian(one.share_variance);
    }
  }
  return out;
}

SitePart::SitePart(SiteTerms terms, SumProposal proposal, const RoundContext& round,
                   std::uint32_t own, const Parts& parts)
    : terms_(std::move(terms)),
      proposal_(std::move(proposal)),
      round_(round),
      own_(own),
      parts_(parts),
      secrets_(security::Secret::random(parts.random, 3 * kSecretBytes)),
      keys_(make_keys()) {}

SitePart::~SitePart() {
  for (auto& [member, peer] : peers_) {
    security::wipe(peer.seal_secret);
    if (!peer.held) continue;
    security::wipe(peer.held->seed.bytes);
    security::wipe(peer.held->key.bytes);
  }
}

Result<std::unique_ptr<SitePart>> SitePart::join(SiteTerms terms, ByteView signed_proposal,
                                                 const Parts& parts) {
  auto outer = signed_from_bytes(signed_proposal);
  if (!outer) return std::move(outer).error();
  if (!security::verify(terms.coordinator_key, kSumProposalContext, *outer)) {
    return unverified("the round's proposal is not signed by its coordinator");
  }
  auto proposal = sum_proposal_from_bytes(outer->body);
  if (!proposal) return std::move(proposal).error();
  if (proposal->coordinator != terms.coordinator) {
    return unverified("the round has another coordinator than the one that proposes it");
  }
  if (auto fresh = check_fresh(*proposal, parts.clock.now()); !fresh) {
    return std::move(fresh).error();
  }
  if (auto sound = check_proposal(*proposal); !sound) return std::move(sound).error();
  auto own = own_place(terms, *proposal);
  if (!own) return std::move(own).error();
  if (proposal->members[*own].key != parts.key.public_key()) {
    return unfit("the round names a key of this site that is not in use");
  }
  if (auto fits = check_layout(proposal->layout, terms.layout); !fits) {
    return std::move(fits).error();
  }
  const RoundContext round{proposal->round, sum_proposal_hash(outer->body)};
  if (auto first = parts.account.open(round, proposal->deadline); !first) {
    return std::move(first).error();
  }
  return std::unique_ptr<SitePart>(
      new SitePart(std::move(terms), std::move(*proposal), round, *own, parts));
}

Bytes SitePart::signed_message(std::string_view context, Bytes body) const {
  return to_wire_bytes(security::sign_body(parts_.key, context, std::move(body)));
}

Bytes SitePart::make_keys() {
  const SumKeys keys{round_.proposal, own_, exchange_key_of(mask_secret()),
                     exchange_key_of(seal_secret())};
  return signed_message(kSumKeysContext, canonical_bytes(keys));
}

std::optional<Result<Bytes>> SitePart::standing(const std::optional<Answered>& step,
                                                const std::optional<Answered>* before,
                                                const Hash256& asked) const {
  if (step && step->asked == asked) return step->reply;
  if (step) {
    return make_error(ErrorCode::conflict, "this step of the round was taken with other words");
  }
  if (before != nullptr && !*before) {
    return make_error(ErrorCode::conflict, "the round has not come to this step");
  }
  if (proposal_.deadline <= parts_.clock.now()) {
    return make_error(ErrorCode::deadline_exceeded, "the round's deadline has passed");
  }
  return {};
}

Outcome SitePart::check_keys(const SumKeyList& list) const {
  if (list.proposal != round_.proposal) return unverified("the keys are of another round");
  if (list.entries.size() < least_present()) return unfit("the keys are of too few members");
  std::set<SealKey> distinct;
  bool own = false;
  for (const auto& entry : list.entries) {
    if (entry.member >= proposal_.members.size()) return unfit("the keys are of no member");
    if (!distinct.insert(entry.mask_key).second || !distinct.insert(entry.seal_key).second) {
      return unverified("a key of the round is there twice");
    }
    const SumKeys keys{list.proposal, entry.member, entry.mask_key, entry.seal_key};
    if (!security::verify(proposal_.members[entry.member].key, kSumKeysContext,
                          canonical_bytes(keys), entry.signature)) {
      return unverified("the keys of member " + std::to_string(entry.member) +
                        " are not signed by it");
    }
    own = own || (entry.member == own_ && entry.mask_key == exchange_key_of(mask_secret()) &&
                  entry.seal_key == exchange_key_of(seal_secret()));
  }
  if (own) return {};
  return unverified("the keys of the round are without this site's own");
}

Outcome SitePart::take_keys(const SumKeyList& list) {
  std::map<std::uint32_t, Peer> peers;
  for (const auto& entry : list.entries) {
    Peer peer{entry.mask_key, {}, {}};
    if (entry.member != own_) {
      auto shared = shared_secret(seal_secret(), entry.seal_key);
      if (!shared) return std::move(shared).error();
      peer.seal_secret = *shared;
    }
    peers.emplace(entry.member, peer);
  }
  peers_ = std::move(peers);
  return {};
}

Result<Bytes> SitePart::share(ByteView key_list) {
  const Hash256 asked = hash("entente sum step v1", key_list);
  if (auto before = standing(shared_, nullptr, asked)) return std::move(*before);
  auto list = sum_key_list_from_bytes(key_list);
  if (!list) return std::move(list).error();
  if (auto fits = check_keys(*list); !fits) return std::move(fits).error();
  if (auto taken = take_keys(*list); !taken) return std::move(taken).error();
  const std::size_t members = proposal_.members.size();
  auto seeds = split_secret(seed(), members, proposal_.threshold, parts_.random);
  auto keys = split_secret(mask_secret(), members, proposal_.threshold, parts_.random);
  SumShares out{round_.proposal, own_, seed_commitment(seed(), round_, own_), {}};
  for (auto& [member, peer] : peers_) {
    const HeldShares shares{seeds[member], keys[member]};
    if (member == own_) {
      peer.held = shares;
      continue;
    }
    out.shares.push_back({member, seal_shares(shares, peer.seal_secret, round_, {own_, member})});
  }
  for (auto* shares : {&seeds, &keys}) {
    for (SecretShare& one : *shares) security::wipe(one.bytes);
  }
  shared_ = Answered{asked, signed_message(kSumSharesContext, canonical_bytes(out))};
  return shared_->reply;
}

Outcome SitePart::open_all(const SumShareList& list,
                           std::map<std::uint32_t, HeldShares>& held) const {
  if (list.proposal != round_.proposal) return unverified("the shares are of another round");
  if (list.shares.size() < least_present()) return unfit("too few members have shared");
  bool own = false;
  for (const SealedShare& one : list.shares) {
    const auto peer = peers_.find(one.member);
    if (peer == peers_.end()) return unfit("a member has shared whose keys were not shown");
    if (one.member == own_) {
      own = one.sealed.empty();
      continue;
    }
    auto opened = open_shares(one.sealed, peer->second.seal_secret, round_, {one.member, own_});
    if (!opened) return std::move(opened).error();
    held.emplace(one.member, *opened);
  }
  if (own) return {};
  return unfit("the shares are without this site's own");
}

Result<std::vector<std::uint64_t>> SitePart::masks(
    const std::vector<std::uint32_t>& finished) const {
  std::vector<std::uint64_t> out(proposal_.layout.integers());
  add_mask(out, self_mask_key(seed(), round_), MaskSign::plus);
  for (const std::uint32_t member : finished) {
    if (member == own_) continue;
    auto shared = shared_secret(mask_secret(), peers_.at(member).mask_key);
    if (!shared) return std::move(shared).error();
    StreamKey key = pair_mask_key(*shared, round_);
    add_mask(out, key, pair_sign(own_, member));
    security::wipe(*shared);
    security::wipe(key);
  }
  return out;
}

Result<Bytes> SitePart::mask(ByteView share_list) {
  const Hash256 asked = hash("entente sum step v1", share_list);
  if (auto before = standing(masked_, &shared_, asked)) return std::move(*before);
  auto list = sum_share_list_from_bytes(share_list);
  if (!list) return std::move(list).error();
  std::map<std::uint32_t, HeldShares> held;
  if (auto opened = open_all(*list, held); !opened) return std::move(opened).error();
  std::vector<std::uint32_t> finished;
  for (const SealedShare& one : list->shares) finished.push_back(one.member);
  auto mask = masks(finished);
  if (!mask) return std::move(mask).error();
  const auto apply = [&](std::span<const std::int64_t> noisy) {
    ENTENTE_CHECK(noisy.size() == mask->size());
    SumMasked out{round_.proposal, own_, std::vector<std::uint64_t>(noisy.size())};
    for (std::size_t i = 0; i < noisy.size(); ++i) {
      out.values[i] = (*mask)[i] + static_cast<std::uint64_t>(noisy[i]);
    }
    return signed_message(kSumMaskedContext, canonical_bytes(out));
  };
  auto released = parts_.account.release(round_, proposal_.layout, apply);
  security::wipe({reinterpret_cast<std::uint8_t*>(mask->data()), 8 * mask->size()});
  if (!released) return std::move(released).error();
  for (auto& [member, shares] : held) peers_.at(member).held = shares;
  finished_ = std::move(finished);
  masked_ = Answered{asked, std::move(*released)};
  return masked_->reply;
}

Outcome SitePart::check_survivors(const SumSurvivors& survivors) const {
  if (survivors.proposal != round_.proposal)
    return unverified("the survivors are of another round");
  if (survivors.finished != finished_) {
    return unverified("others were shown another list of who finished the shares");
  }
  const auto& alive = survivors.survivors;
  if (alive.size() < least_present()) return unfit("too few members survived the round");
  // Both ascend.
  if (!std::includes(finished_.begin(), finished_.end(), alive.begin(), alive.end())) {
    return unverified("a survivor is named that never finished the shares");
  }
  if (std::binary_search(alive.begin(), alive.end(), own_)) return {};
  return unfit("this site is not among the survivors");
}

Result<Bytes> SitePart::consent(ByteView survivors) {
  const Hash256 asked = sum_survivors_hash(survivors);
  if (auto before = standing(consented_, &masked_, asked)) return std::move(*before);
  auto list = sum_survivors_from_bytes(survivors);
  if (!list) return std::move(list).error();
  if (auto fits = check_survivors(*list); !fits) return std::move(fits).error();
  if (auto only = parts_.account.agree(round_, asked); !only) return std::move(only).error();
  survivors_ = std::move(*list);
  const SumConsent out{round_.proposal, own_, parts_.key.sign(kSumConsentContext, asked.view())};
  consented_ = Answered{asked, canonical_bytes(out)};
  return consented_->reply;
}

Result<Bytes> SitePart::unmask(ByteView consents) {
  const Hash256 asked = hash("entente sum step v1", consents);
  // Whoever has revealed its shares has: other signatures over the same survivors change nothing.
  if (unmasked_) return unmasked_->reply;
  if (auto before = standing(unmasked_, &consented_, asked)) return std::move(*before);
  auto list = sum_consent_list_from_bytes(consents);
  if (!list) return std::move(list).error();
  if (list->proposal != round_.proposal) return unverified("the consents are of another round");
  const auto& alive = survivors_.survivors;
  std::uint32_t valid = 0;
  for (const auto& one : list->consents) {
    const bool survivor = std::binary_search(alive.begin(), alive.end(), one.member);
    if (survivor && security::verify(proposal_.members[one.member].key, kSumConsentContext,
                                     consented_->asked.view(), one.signature)) {
      ++valid;
    }
    if (valid == proposal_.threshold) break;
  }
  if (valid < proposal_.threshold) {
    return unverified("only " + std::to_string(valid) + " of " +
                      std::to_string(proposal_.threshold) +
                      " members have signed the survivors that this site has");
  }
  SumUnmasking out{round_.proposal, own_, {}, {}};
  for (const std::uint32_t member : finished_) {
    const HeldShares& held = *peers_.at(member).held;
    if (std::binary_search(alive.begin(), alive.end(), member)) {
      out.seed_shares.push_back(held.seed);
    } else {
      out.key_shares.push_back(held.key);
    }
  }
  unmasked_ = Answered{asked, signed_message(kSumUnmaskingContext, canonical_bytes(out))};
  return unmasked_->reply;
}

}  // namespace entente::federation
