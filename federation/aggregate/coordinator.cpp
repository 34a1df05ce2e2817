#include "federation/aggregate/coordinator.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "schemas/base/hash.h"
#include "schemas/envelope.h"
#include "security/identity/secret.h"

namespace entente::federation {
namespace {

Error unverified(std::uint32_t member, std::string what) {
  return make_error(ErrorCode::verification_failed,
                    "member " + std::to_string(member) + " " + std::move(what));
}

Error unfit(std::uint32_t member, std::string what) {
  return make_error(ErrorCode::shape_refused,
                    "member " + std::to_string(member) + " " + std::move(what));
}

template <class Map>
std::vector<std::uint32_t> members_of(const Map& by_member) {
  std::vector<std::uint32_t> out;
  for (const auto& [member, value] : by_member) out.push_back(member);
  return out;
}

using SecretBytes = std::array<std::uint8_t, kSecretBytes>;

// Joins secrets from the shares that the same holders revealed. Where the first `threshold` of them
// do not give what was committed to, somebody's share is wrong, and others are tried: every run of
// neighbours in the holders' order.
class Recovery {
 public:
  Recovery(std::vector<std::uint32_t> holders, std::size_t threshold)
      : holders_(std::move(holders)), threshold_(threshold), joiners_(holders_.size()) {}

  Result<SecretBytes> recover(std::span<const SecretShare> shares,
                              const std::function<bool(const SecretBytes&)>& fits) {
    const std::size_t runs = threshold_ == holders_.size() ? 1 : holders_.size();
    for (std::size_t i = 0; i < runs; ++i) {
      const std::size_t run = (good_ + i) % runs;
      auto secret = joiner(run).join(picked(shares, run));
      if (!secret || !fits(*secret)) continue;
      good_ = run;
      return secret;
    }
    return make_error(ErrorCode::verification_failed, "its shares do not give back its secret");
  }

 private:
  template <class T>
  std::vector<T> picked(std::span<const T> from, std::size_t run) const {
    std::vector<T> out;
    for (std::size_t i = 0; i < threshold_; ++i) out.push_back(from[(run + i) % holders_.size()]);
    return out;
  }
  const SecretJoiner& joiner(std::size_t run) {
    auto& joiner = joiners_[run];
    if (!joiner) joiner.emplace(picked(std::span<const std::uint32_t>(holders_), run));
    return *joiner;
  }

  std::vector<std::uint32_t> holders_;
  std::size_t threshold_;
  std::vector<std::optional<SecretJoiner>> joiners_;  // by where the run begins
  std::size_t good_ = 0;                              // where one began that gave a right secret
};

}  // namespace

std::string_view to_text(RoundPhase phase) {
  switch (phase) {
    case RoundPhase::keys:
      return "keys";
    case RoundPhase::shares:
      return "shares";
    case RoundPhase::masked:
      return "masked vectors";
    case RoundPhase::consents:
      return "consents";
    case RoundPhase::unmasking:
      return "unmasking";
  }
  return "keys";
}

Coordinator::Coordinator(SumProposal proposal, const security::SigningKey& key)
    : proposal_(std::move(proposal)), members_(proposal_.members.size()) {
  Bytes body = canonical_bytes(proposal_);
  round_ = {proposal_.round, sum_proposal_hash(body)};
  signed_proposal_ = to_wire_bytes(security::sign_body(key, kSumProposalContext, std::move(body)));
  common_ = signed_proposal_;
  std::iota(members_.begin(), members_.end(), 0U);
}

Result<Coordinator> Coordinator::make(SumProposal proposal, const security::SigningKey& key) {
  if (auto sound = check_proposal(proposal); !sound) return std::move(sound).error();
  return Coordinator(std::move(proposal), key);
}

Bytes Coordinator::message_for(std::uint32_t member) const {
  return phase_ == RoundPhase::masked ? share_list(member) : common_;
}

template <class Message>
Result<Message> Coordinator::open(std::uint32_t member, ByteView reply, std::string_view context,
                                  Result<Message> (*read)(ByteView)) const {
  auto outer = signed_from_bytes(reply);
  if (!outer) return std::move(outer).error();
  if (!security::verify(proposal_.members[member].key, context, *outer)) {
    return unverified(member, "has not signed this");
  }
  auto message = read(outer->body);
  if (!message) return std::move(message).error();
  if (message->proposal != round_.proposal || message->member != member) {
    return unverified(member, "speaks of another round, or for another member");
  }
  return message;
}

Outcome Coordinator::take(std::uint32_t member, ByteView reply) {
  if (!std::binary_search(members_.begin(), members_.end(), member)) {
    return make_error(ErrorCode::conflict,
                      "member " + std::to_string(member) + " is not in the round any more");
  }
  const Hash256 said = hash("entente sum reply v1", reply);
  const auto before = replies_.find(member);
  if (before != replies_.end()) {
    if (before->second == said) return {};
    return make_error(ErrorCode::conflict,
                      "member " + std::to_string(member) + " has said something else before");
  }
  Outcome taken;
  switch (phase_) {
    case RoundPhase::keys:
      taken = take_keys(member, reply);
      break;
    case RoundPhase::shares:
      taken = take_shares(member, reply);
      break;
    case RoundPhase::masked:
      taken = take_masked(member, reply);
      break;
    case RoundPhase::consents:
      taken = take_consent(member, reply);
      break;
    case RoundPhase::unmasking:
      taken = take_unmasking(member, reply);
      break;
  }
  if (taken) replies_.emplace(member, said);
  return taken;
}

Outcome Coordinator::take_keys(std::uint32_t member, ByteView reply) {
  auto keys = open<SumKeys>(member, reply, kSumKeysContext, sum_keys_from_bytes);
  if (!keys) return std::move(keys).error();
  const auto repeats = [&](const SealKey& key) {
    return std::any_of(keys_.begin(), keys_.end(), [&](const auto& known) {
      return known.second.mask_key == key || known.second.seal_key == key;
    });
  };
  if (keys->mask_key == keys->seal_key || repeats(keys->mask_key) || repeats(keys->seal_key)) {
    return unverified(member, "shows a key that is there already");
  }
  auto outer = signed_from_bytes(reply);
  keys_[member] = {member, keys->mask_key, keys->seal_key, outer->signature};
  return {};
}

Outcome Coordinator::take_shares(std::uint32_t member, ByteView reply) {
  auto shares = open<SumShares>(member, reply, kSumSharesContext, sum_shares_from_bytes);
  if (!shares) return std::move(shares).error();
  std::vector<std::uint32_t> to;
  for (const SealedShare& one : shares->shares) to.push_back(one.member);
  std::vector<std::uint32_t> others = members_;
  others.erase(std::find(others.begin(), others.end(), member));
  if (to != others) return unfit(member, "has not shared with everybody else");
  shares_[member] = std::move(*shares);
  return {};
}

Outcome Coordinator::take_masked(std::uint32_t member, ByteView reply) {
  auto masked = open<SumMasked>(member, reply, kSumMaskedContext, sum_masked_from_bytes);
  if (!masked) return std::move(masked).error();
  if (masked->values.size() != proposal_.layout.integers()) {
    return unfit(member, "has sent a vector of another length");
  }
  masked_[member] = std::move(*masked);
  return {};
}

Outcome Coordinator::take_consent(std::uint32_t member, ByteView reply) {
  auto consent = sum_consent_from_bytes(reply);
  if (!consent) return std::move(consent).error();
  if (consent->proposal != round_.proposal || consent->member != member ||
      !security::verify(proposal_.members[member].key, kSumConsentContext, statement_.view(),
                        consent->signature)) {
    return unverified(member, "has not signed the survivors");
  }
  consents_[member] = consent->signature;
  return {};
}

Outcome Coordinator::take_unmasking(std::uint32_t member, ByteView reply) {
  auto shares = open<SumUnmasking>(member, reply, kSumUnmaskingContext, sum_unmasking_from_bytes);
  if (!shares) return std::move(shares).error();
  const std::size_t alive = survivors_.survivors.size();
  if (shares->seed_shares.size() != alive ||
      shares->key_shares.size() != survivors_.finished.size() - alive) {
    return unfit(member, "has revealed shares of others than it was asked for");
  }
  unmasked_[member] = std::move(*shares);
  return {};
}

std::size_t Coordinator::needed() const {
  const bool late = phase_ == RoundPhase::consents || phase_ == RoundPhase::unmasking;
  return late ? proposal_.threshold : proposal_.members.size() - proposal_.dropouts;
}

Outcome Coordinator::advance() {
  if (replies_.size() < needed()) {
    return make_error(ErrorCode::peer_unreachable,
                      "only " + std::to_string(replies_.size()) + " of " +
                          std::to_string(needed()) + " members that the round needs gave their " +
                          std::string(to_text(phase_)),
                      "ask again: it is another round, at its own charge");
  }
  members_ = members_of(replies_);
  switch (phase_) {
    case RoundPhase::keys:
      common_ = key_list();
      phase_ = RoundPhase::shares;
      break;
    case RoundPhase::shares:
      common_.clear();
      phase_ = RoundPhase::masked;
      break;
    case RoundPhase::masked:
      survivors_ = {round_.proposal, members_of(shares_), members_};
      common_ = canonical_bytes(survivors_);
      statement_ = sum_survivors_hash(common_);
      phase_ = RoundPhase::consents;
      break;
    case RoundPhase::consents:
      common_ = consent_list();
      phase_ = RoundPhase::unmasking;
      break;
    case RoundPhase::unmasking:
      return {};
  }
  replies_.clear();
  return {};
}

Bytes Coordinator::key_list() const {
  SumKeyList out{round_.proposal, {}};
  for (const auto& [member, entry] : keys_) out.entries.push_back(entry);
  return canonical_bytes(out);
}

Bytes Coordinator::share_list(std::uint32_t member) const {
  SumShareList out{round_.proposal, {}};
  for (const auto& [from, shares] : shares_) {
    Bytes sealed;
    const auto own = std::lower_bound(
        shares.shares.begin(), shares.shares.end(), member,
        [](const SealedShare& one, std::uint32_t place) { return one.member < place; });
    if (from != member && own != shares.shares.end()) sealed = own->sealed;
    out.shares.push_back({from, std::move(sealed)});
  }
  return canonical_bytes(out);
}

Bytes Coordinator::consent_list() const {
  SumConsentList out{round_.proposal, {}};
  for (const auto& [member, signature] : consents_) out.consents.push_back({member, signature});
  return canonical_bytes(out);
}

Result<RoundSum> Coordinator::sum() const {
  if (phase_ != RoundPhase::unmasking || unmasked_.size() < proposal_.threshold) {
    return make_error(ErrorCode::peer_unreachable, "the round has not been unmasked by enough");
  }
  std::vector<std::uint64_t> total(proposal_.layout.integers());
  for (const std::uint32_t member : survivors_.survivors) {
    const auto& values = masked_.at(member).values;
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += values[i];
  }
  Recovery recovery(members_of(unmasked_), proposal_.threshold);
  const auto shares_of = [&](auto list, std::size_t place) {
    std::vector<SecretShare> out;
    for (const auto& [holder, revealed] : unmasked_) out.push_back((revealed.*list)[place]);
    return out;
  };
  std::size_t seeds = 0, lost = 0;
  for (const std::uint32_t member : survivors_.finished) {
    const auto& alive = survivors_.survivors;
    if (std::binary_search(alive.begin(), alive.end(), member)) {
      const Hash256& committed = shares_.at(member).commitment;
      auto seed = recovery.recover(shares_of(&SumUnmasking::seed_shares, seeds++),
                                   [&](const SecretBytes& one) {
                                     return seed_commitment(one, round_, member) == committed;
                                   });
      if (!seed) return unverified(member, "cannot be unmasked: " + seed.error().what);
      add_mask(total, self_mask_key(*seed, round_), MaskSign::minus);
      continue;
    }
    const SealKey& shown = keys_.at(member).mask_key;
    auto secret =
        recovery.recover(shares_of(&SumUnmasking::key_shares, lost++),
                         [&](const SecretBytes& one) { return exchange_key_of(one) == shown; });
    if (!secret) return unverified(member, "cannot be unmasked: " + secret.error().what);
    for (const std::uint32_t other : alive) {
      auto shared = shared_secret(*secret, keys_.at(other).mask_key);
      if (!shared) return std::move(shared).error();
      // What `other` masked with: taken away by what the lost member would have put in.
      add_mask(total, pair_mask_key(*shared, round_), pair_sign(member, other));
    }
    security::wipe(*secret);
  }
  RoundSum out{std::vector<std::int64_t>(total.size()), survivors_.survivors};
  for (std::size_t i = 0; i < total.size(); ++i) {
    out.values[i] = static_cast<std::int64_t>(total[i]);
  }
  return out;
}

}  // namespace entente::federation
