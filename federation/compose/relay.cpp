#include "federation/compose/relay.h"

#include <kj/vector.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "federation/ask/answer_proof.h"
#include "federation/ask/composite_reader.h"
#include "federation/ask/limits.h"
#include "federation/compose/merge.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "schemas/base/log.h"

namespace entente::federation {

// One question on its way through this site.
struct Relay::Round {
  Admitted admitted;
  std::shared_ptr<const SiteSnapshot> site;  // holds the composite
  std::shared_ptr<const Composite> composite;
  std::vector<std::shared_ptr<MemberCall>> calls;  // of each member, in order
  bool charged = false;                            // durably: before that nothing is sent on
};

// What the answer is made of.
struct Relay::Assembled {
  std::vector<LeafOutcome> leaves;
  std::vector<std::shared_ptr<const AnsweredPart>> parts;  // merged
  std::set<std::tuple<OrgId, std::string, std::string>> counted;
};

namespace {

Duration kept_for_the_way(Duration remaining) {
  return std::clamp(Duration{remaining.ns / 10}, limits::kHopLeast, limits::kHopMost);
}

AskTarget unreachable_target(const CompositeMember& member) {
  AskTarget target;
  target.partner.organisation = member.organisation;
  target.partner.name = member.alias;
  target.view = &member.view;
  return target;
}

// The member as it can be asked now; its description may have changed since partners were told.
Result<AskTarget> target_of(const std::shared_ptr<const SiteSnapshot>& site,
                            const CompositeMember& member) {
  const KnownPartner* partner = site->partner(member.organisation);
  if (partner == nullptr) {
    return make_error(ErrorCode::link_not_active, "the link '" + member.alias + "' is not active");
  }
  auto target = find_target(site, member.view.name, partner->name);
  if (target && *target->view != member.view) {
    return make_error(ErrorCode::agreement_missing,
                      "the export '" + member.view.name + "' has changed since");
  }
  return target;
}

LeafOutcome leaf_of(const CompositeMember& member, const OrgId& self) {
  LeafOutcome leaf;
  leaf.organisation = member.organisation;
  leaf.site = member.view.site;
  leaf.domain = member.view.domain;
  leaf.export_name = member.view.name;
  leaf.name = member.alias;
  leaf.path = {self};
  return leaf;
}

// A member that did not answer, or not so that it counts: each site behind it.
std::vector<LeafOutcome> silent(const CompositeMember& member, const MemberCoverage& coverage,
                                const OrgId& self) {
  LeafOutcome one = leaf_of(member, self);
  one.state = coverage.state;
  one.code = coverage.code;
  if (!member.view.composite) return {one};
  std::vector<LeafOutcome> out;
  for (const auto& behind : member.view.composite->leaves) {
    one.organisation = behind.organisation;
    one.site = behind.site;
    one.domain = behind.domain;
    one.name = member.alias + "/" + behind.name;
    one.path = {self, member.organisation};
    out.push_back(one);
  }
  return out;
}

auto domain_of(const LeafOutcome& leaf) {
  return std::tuple(leaf.organisation, leaf.site, leaf.domain);
}

// What has ended while the ledger was looked at ends this question too, at no cost.
entente::Outcome still_in_force(const SiteSnapshot& site, const Envelope& envelope, Instant now) {
  if (site.partner(envelope.origin) == nullptr) {
    return make_error(ErrorCode::agreement_missing, "the link ended meanwhile");
  }
  if (envelope.deadline <= now) {
    return make_error(ErrorCode::deadline_exceeded, "the deadline passed meanwhile");
  }
  return still_agreed(site, envelope.agreement, envelope.origin);
}

// Sums that could not be added to others': a faulty member spoils no more than its own part.
bool plausible(const AnsweredPart& part) {
  constexpr std::int64_t kMost = std::int64_t{1} << 52;
  constexpr int kApart = 16;
  const auto& stated = part.release.statistics;
  for (std::size_t s = 0; s < stated.size(); ++s) {
    const int apart = stated[s].exponent - part.price.layout.at(s).exponent();
    if (apart > kApart || apart < -kApart) return false;
  }
  for (const ReleasedCell& cell : part.release.cells) {
    for (const std::int64_t mantissa : cell.mantissas) {
      if (mantissa > kMost || mantissa < -kMost) return false;
    }
  }
  return true;
}

void unverified(LeafOutcome& leaf, const Error& error) {
  leaf.state = MemberState::unverified;
  leaf.code = error.code;
  leaf.routed.reset();
  leaf.charged.clear();
}

// One hop further up: with this site on its way and the member's alias before its name.
void further_up(LeafOutcome& leaf, const OrgId& self, const std::string& alias) {
  leaf.path.insert(leaf.path.begin(), self);
  leaf.name = alias + "/" + leaf.name;
  const bool fits =
      leaf.path.size() <= kPathMost && leaf.name.size() <= entente::limits::kLabelBytes;
  if (fits) return;
  unverified(leaf, make_error(ErrorCode::shape_refused, "it was sent on too often"));
  leaf.path.resize(std::min(leaf.path.size(), kPathMost));
  leaf.name.resize(std::min(leaf.name.size(), entente::limits::kLabelBytes));
}

// A leaf of a composite below: what can be read here is verified here; its groups become those of
// the question that this site was asked.
void verify_below(const MemberCall& call, const SiteSnapshot& site, LeafOutcome& leaf) {
  if (!leaf.routed) return;
  if (leaf.routed->sealed) {
    auto ours = call.seal->open(leaf.routed->answer);
    if (ours) {
      leaf.routed->answer = std::move(*ours);
      leaf.routed->sealed = false;
    }
  }
  if (!leaf.routed->sealed) {
    const ReadLeaf read = read_leaf(call, site, leaf);
    if (!read.part) {
      unverified(leaf, make_error(read.coverage.code, read.coverage.reason));
      return;
    }
  }
  for (std::uint32_t& group : leaf.routed->groups) {
    if (group >= call.plan.groups.size()) {
      unverified(leaf, make_error(ErrorCode::verification_failed, "its groups do not fit"));
      return;
    }
    group = static_cast<std::uint32_t>(call.plan.groups[group]);
  }
}

}  // namespace

Relay::Relay(Parts parts)
    : parts_(std::move(parts)),
      caller_({parts_.loop, parts_.clock, parts_.random, parts_.envelope_key, parts_.site,
               parts_.send, parts_.receipts}),
      reader_({parts_.site, parts_.receipts, nullptr}) {}

bool Relay::concerns(ByteView signed_envelope) const {
  const auto site = parts_.site();
  if (site->composites.empty()) return false;
  const auto outer = signed_from_bytes(signed_envelope);
  if (!outer) return false;
  const auto envelope = envelope_from_bytes(outer->body);
  if (!envelope) return false;
  const auto question = question_from_bytes(envelope->question);
  return question && site->composites.contains(question->export_name);
}

kj::Promise<Relay::Outcome> Relay::answer(const security::PeerIdentity& peer,
                                          ByteView signed_envelope) {
  forget_old();
  const auto site = parts_.site();
  const Instant now = parts_.clock.now();
  auto admitted = admit(*site, peer, signed_envelope, now);
  if (!admitted) return refuse(admitted.error(), nullptr);
  const auto again = rounds_.find(admitted->inquiry.envelope_hash);
  if (again != rounds_.end()) {
    // The ledger books one question of one envelope once, however often it is told.
    if (!again->second->charged) return charge(again->second);
    return send_on(again->second);
  }
  if (*admitted->view != site->composites.find(admitted->question.export_name)->second->view) {
    return refuse(make_error(ErrorCode::internal, "an export has the name of a system twin"),
                  nullptr);
  }
  if (const auto wait = parts_.rates->take(*site, admitted->envelope.agreement, now)) {
    Outcome refusal =
        refuse(make_error(ErrorCode::overloaded,
                          "the agreement's rate of questions is used up for " + to_text(*wait)),
               &admitted->inquiry);
    std::get<Refusal>(refusal).retry_after = *wait;
    return refusal;
  }
  const auto of_partner = std::count_if(rounds_.begin(), rounds_.end(), [&](const auto& round) {
    return round.second->admitted.envelope.origin == peer.organisation;
  });
  if (rounds_.size() >= limits::kRelayed || of_partner >= limits::kRelayedOfPartner) {
    return refuse(make_error(ErrorCode::overloaded, "too many questions are being sent on"),
                  &admitted->inquiry);
  }
  return charge(open_round(std::move(*admitted), site, signed_envelope));
}

std::shared_ptr<Relay::Round> Relay::open_round(Admitted admitted,
                                                const std::shared_ptr<const SiteSnapshot>& site,
                                                ByteView signed_envelope) {
  auto round = std::make_shared<Round>();
  round->site = site;
  round->composite = site->composites.find(admitted.question.export_name)->second;
  round->admitted = std::move(admitted);
  const Composite& composite = *round->composite;
  const Envelope& asked = round->admitted.envelope;
  const Instant now = parts_.clock.now();
  CallTerms terms;
  terms.query_id = asked.query_id;
  terms.purpose = asked.purpose;
  terms.fresh = asked.fresh;
  terms.deadline = asked.deadline - kept_for_the_way(asked.deadline - now);
  terms.via = Bytes(signed_envelope.begin(), signed_envelope.end());
  terms.to_origin = composite.answer() == CompositeTerms::Answer::routed;
  const auto plans = member_questions(composite, round->admitted.question);
  for (std::size_t m = 0; m < composite.members.size(); ++m) {
    const CompositeMember& member = composite.members[m];
    auto target = target_of(site, member);
    // A member counts by itself where answers are handed on: this site's own by the partner's
    // terms.
    const bool own = member.organisation == site->self;
    if (target && own && plans[m].question) {
      const Agreement& theirs = site->agreements.at(asked.agreement).value;
      if (auto shape = check_shape(*plans[m].question, member.view, theirs); !shape) {
        target = std::move(shape).error();
      }
    }
    if (target) {
      round->calls.push_back(caller_.prepare(terms, plans[m], *target));
      continue;
    }
    auto call = std::make_shared<MemberCall>();
    call->target = unreachable_target(member);
    const bool gone = target.error().code == ErrorCode::link_not_active;
    mark(call->coverage, gone ? MemberState::unreachable : MemberState::refused,
         target.error().code, target.error().what);
    round->calls.push_back(std::move(call));
  }
  rounds_.emplace(round->admitted.inquiry.envelope_hash, round);
  return round;
}

// The partner's quota here: charged before anything is sent on, once for one question.
kj::Promise<Relay::Outcome> Relay::charge(std::shared_ptr<Round> round) {
  struct Standing {
    std::optional<ReleaseStanding> standing;
    std::optional<Error> refusal;
    std::vector<BlockAmount> left;
  };
  auto look = [this, round] {
    Standing result;
    const ReleaseInquiry& inquiry = round->admitted.inquiry;
    auto standing = parts_.releases.inquire(inquiry);
    if (standing) {
      result.standing = std::move(*standing);
      return result;
    }
    result.refusal = std::move(standing).error();
    if (result.refusal->code == ErrorCode::budget_exhausted) {
      result.left = parts_.releases.left(inquiry);
    }
    return result;
  };
  return off_loop<Standing>(parts_.loop, parts_.workers, std::move(look))
      .then([this, round](Standing result) -> kj::Promise<Outcome> {
        const ReleaseInquiry& inquiry = round->admitted.inquiry;
        if (result.refusal) {
          rounds_.erase(inquiry.envelope_hash);
          Outcome outcome = refuse(*result.refusal, &inquiry);
          std::get<Refusal>(outcome).left = std::move(result.left);
          return outcome;
        }
        if (auto still =
                still_in_force(*parts_.site(), round->admitted.envelope, parts_.clock.now());
            !still) {
          rounds_.erase(inquiry.envelope_hash);
          return refuse(still.error(), &inquiry);
        }
        using Committed = Result<CommittedRelease>;
        auto pair = kj::newPromiseAndFulfiller<Committed>();
        auto done =
            std::make_shared<kj::Own<kj::PromiseFulfiller<Committed>>>(kj::mv(pair.fulfiller));
        // What is booked: that it was asked and what it cost. The figures are the members'.
        auto draw = [round, now = parts_.clock.now()] {
          Release booked;
          booked.organisation = round->site->self;
          booked.site = round->site->site;
          booked.question_hash = round->admitted.inquiry.question_hash;
          booked.domain = round->admitted.view->domain;
          booked.unit = round->admitted.view->unit;
          booked.charges = round->admitted.price.charges;
          booked.statistics = round->admitted.price.statistics;
          booked.released = now;
          return canonical_bytes(booked);
        };
        parts_.releases.commit(inquiry, std::move(draw), [done](Committed committed) {
          (*done)->fulfill(kj::mv(committed));
        });
        return pair.promise.then([this, round](Committed committed) -> kj::Promise<Outcome> {
          round->charged = committed.has_value();
          if (committed) return send_on(round);
          rounds_.erase(round->admitted.inquiry.envelope_hash);
          return refuse(committed.error(), &round->admitted.inquiry);
        });
      })
      .catch_([this, round](kj::Exception&& fault) -> Outcome {
        rounds_.erase(round->admitted.inquiry.envelope_hash);
        const bool busy = fault.getType() == kj::Exception::Type::OVERLOADED;
        return refuse(make_error(busy ? ErrorCode::overloaded : ErrorCode::store_failed,
                                 fault.getDescription().cStr()),
                      &round->admitted.inquiry);
      });
}

kj::Promise<Relay::Outcome> Relay::send_on(std::shared_ptr<Round> round) {
  kj::Vector<kj::Promise<void>> asked;
  for (const auto& call : round->calls) {
    // Who refused has said so; a repeat asks again whoever was late or out of reach.
    if (call->coverage.state != MemberState::refused) asked.add(caller_.call(call));
  }
  return kj::joinPromises(asked.releaseAsArray()).then([this, round]() -> Outcome {
    return finish(*round);
  });
}

// A site's answer as it came, or opened and vouched for.
LeafOutcome Relay::routed_site(const Round& round, std::size_t m) const {
  const MemberCall& call = *round.calls[m];
  LeafOutcome leaf = leaf_of(round.composite->members[m], round.site->self);
  leaf.state = MemberState::answered;
  leaf.routed =
      RoutedAnswer{call.envelope, *call.reply, true, canonical_bytes(*call.target.view), {}};
  for (const std::size_t group : call.plan.groups) {
    leaf.routed->groups.push_back(static_cast<std::uint32_t>(group));
  }
  if (!call.seal->open(*call.reply)) return leaf;  // it is the asker's to read
  const MemberOutcome outcome = reader_.read(call);
  const MemberCoverage& coverage = outcome.coverage.front();
  if (coverage.state != MemberState::answered) {
    unverified(leaf, make_error(coverage.code, coverage.reason));
    return leaf;
  }
  leaf.routed->answer = coverage.proof->answer;
  leaf.routed->sealed = false;
  return leaf;
}

// What a routed composite below answered, one hop further up.
std::vector<LeafOutcome> Relay::routed_below(const Round& round, std::size_t m) const {
  const MemberCall& call = *round.calls[m];
  const CompositeMember& member = round.composite->members[m];
  const OrgId& self = round.site->self;
  auto answer = open_composite(call, self);
  if (!answer) {
    MemberCoverage coverage = call.coverage;
    mark(coverage, MemberState::unverified, answer.error().code, answer.error().what);
    return silent(member, coverage, self);
  }
  for (LeafOutcome& leaf : answer->leaves) {
    verify_below(call, *round.site, leaf);
    further_up(leaf, self, member.alias);
  }
  return std::move(answer->leaves);
}

// A member's releases, to be merged with the others'; each domain of a site once.
void Relay::add_merged(const Round& round, std::size_t m, Assembled& into) const {
  const MemberCall& call = *round.calls[m];
  const CompositeMember& member = round.composite->members[m];
  const OrgId& self = round.site->self;
  MemberOutcome outcome = reader_.read(call);
  std::vector<LeafOutcome> leaves;
  const auto below =
      member.view.composite ? open_composite(call, self) : Result<CompositeAnswer>(Error{});
  if (below) leaves = below->leaves;
  if (!member.view.composite) leaves = {leaf_of(member, self)};
  if (leaves.empty() || leaves.size() != outcome.coverage.size()) {
    for (LeafOutcome& leaf : silent(member, outcome.coverage.front(), self)) {
      into.leaves.push_back(std::move(leaf));
    }
    return;
  }
  bool twice = false;
  const bool sound = std::all_of(outcome.parts.begin(), outcome.parts.end(),
                                 [](const auto& part) { return plausible(*part); });
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    LeafOutcome& leaf = leaves[i];
    const MemberCoverage& coverage = outcome.coverage[i];
    leaf.state = coverage.state;
    leaf.code = coverage.code;
    leaf.charged = coverage.charged;
    leaf.routed.reset();
    if (!member.view.composite) {
      if (!outcome.parts.empty()) {
        leaf.release = release_hash(canonical_bytes(outcome.parts.front()->release));
      }
    } else {
      further_up(leaf, self, member.alias);
    }
    twice =
        twice || (leaf.state == MemberState::answered && into.counted.contains(domain_of(leaf)));
  }
  for (LeafOutcome& leaf : leaves) {
    if (!sound && leaf.state == MemberState::answered) {
      unverified(leaf, make_error(ErrorCode::verification_failed, "its sums cannot be"));
    }
    if (twice && leaf.state == MemberState::answered) {
      leaf.state = MemberState::refused;
      leaf.code = ErrorCode::replayed;
      leaf.charged.clear();
    }
    if (leaf.state == MemberState::answered) into.counted.insert(domain_of(leaf));
    into.leaves.push_back(std::move(leaf));
  }
  if (twice || !sound) {
    log::warn("relay",
              twice ? "a member was left out: it reaches a domain that is counted already"
                    : "a member was left out: its sums cannot be",
              {{"system", round.composite->view.name}, {"member", member.alias}});
    return;
  }
  std::move(outcome.parts.begin(), outcome.parts.end(), std::back_inserter(into.parts));
}

Relay::Outcome Relay::finish(const Round& round) const {
  const Composite& composite = *round.composite;
  const bool merged = composite.answer() == CompositeTerms::Answer::own;
  Assembled all;
  std::size_t asked = 0, answered = 0;
  for (std::size_t m = 0; m < composite.members.size(); ++m) {
    const MemberCall& call = *round.calls[m];
    const std::size_t before = all.leaves.size();
    if (!call.reply) {
      for (LeafOutcome& leaf : silent(composite.members[m], call.coverage, round.site->self)) {
        all.leaves.push_back(std::move(leaf));
      }
    } else if (merged) {
      add_merged(round, m, all);
    } else if (composite.members[m].view.composite) {
      for (LeafOutcome& leaf : routed_below(round, m)) all.leaves.push_back(std::move(leaf));
    } else {
      all.leaves.push_back(routed_site(round, m));
    }
    asked += call.coverage.state != MemberState::skipped || call.reply.has_value();
    answered +=
        std::any_of(all.leaves.begin() + static_cast<std::ptrdiff_t>(before), all.leaves.end(),
                    [](const LeafOutcome& leaf) { return leaf.state == MemberState::answered; });
  }
  if (answered == 0 || !composite.needs.met(answered, asked)) {
    return refuse(
        make_error(ErrorCode::peer_unreachable,
                   std::to_string(answered) + " of " + std::to_string(asked) +
                       " members answered, the system twin needs " + to_text(composite.needs)),
        &round.admitted.inquiry);
  }
  return sealed(round, std::move(all));
}

Relay::Outcome Relay::sealed(const Round& round, Assembled all) const {
  const Envelope& envelope = round.admitted.envelope;
  CompositeAnswer answer;
  answer.envelope_hash = round.admitted.inquiry.envelope_hash;
  answer.audience = envelope.origin;
  answer.composite = round.composite->view.name;
  answer.issued = parts_.clock.now();
  // Two ways to one site, routed: it answered on one of them, and the other says so.
  std::set<std::tuple<OrgId, std::string, std::string>> seen;
  for (LeafOutcome& leaf : all.leaves) {
    const bool again = leaf.state == MemberState::answered && !seen.insert(domain_of(leaf)).second;
    if (again) {
      unverified(leaf, make_error(ErrorCode::replayed, "counted already"));
      leaf.state = MemberState::refused;
    }
  }
  // More than there may be, since a member named some twice: those that answered first.
  std::stable_partition(all.leaves.begin(), all.leaves.end(), [](const LeafOutcome& leaf) {
    return leaf.state == MemberState::answered;
  });
  if (all.leaves.size() > kLeaves) all.leaves.resize(kLeaves);
  answer.leaves = std::move(all.leaves);
  if (!all.parts.empty()) {
    auto releases = merge_releases(all.parts);
    if (!releases) return refuse(releases.error(), &round.admitted.inquiry);
    for (Release& release : *releases) {
      release.organisation = round.site->self;
      release.site = round.site->site;
      release.question_hash = round.admitted.inquiry.question_hash;
      release.domain = round.composite->view.domain;
      release.unit = round.composite->view.unit;
      release.released = answer.issued;
      answer.releases.push_back(canonical_bytes(release));
    }
  }
  Bytes body = canonical_bytes(answer);
  if (body.size() > kCompositeAnswerBytes) {
    return refuse(make_error(ErrorCode::shape_refused, "the members' answers come to " +
                                                           std::to_string(body.size()) +
                                                           " bytes together, more than fit one"),
                  &round.admitted.inquiry);
  }
  const Signed outer = security::sign_body(parts_.answer_key, kCompositeContext, std::move(body));
  auto bytes = security::seal_to(envelope.seal_key, to_wire_bytes(outer));
  if (!bytes) return refuse(bytes.error(), &round.admitted.inquiry);
  parts_.observer.answered(false);
  return std::move(*bytes);
}

Relay::Outcome Relay::refuse(const Error& error, const ReleaseInquiry* inquiry) const {
  log::info("relay", "question refused", {{"code", code_text(error.code)}, {"reason", error.what}});
  if (inquiry != nullptr) parts_.releases.note(*inquiry, code_name(error.code));
  parts_.observer.refused(error.code);
  Refusal refusal;
  refusal.code = error.code;
  return refusal;
}

void Relay::forget_old() {
  const Instant now = parts_.clock.now();
  std::erase_if(rounds_,
                [&](const auto& round) { return round.second->admitted.envelope.deadline <= now; });
}

}  // namespace entente::federation
