#include "federation/ask/asker.h"

#include <kj/vector.h>

#include <algorithm>

#include "federation/ask/admission.h"
#include "federation/ask/answer_proof.h"
#include "federation/ask/composition.h"
#include "federation/ask/limits.h"
#include "federation/link/loop.h"
#include "federation/query/suggest.h"
#include "schemas/base/log.h"
#include "schemas/envelope.h"

namespace entente::federation {

// One member while it is being asked, and what it answered.
struct Asker::Member {
  AskTarget target;
  MemberPlan plan;
  Price price;
  Bytes question;
  MemberCoverage coverage;
  std::optional<security::SealPair> seal;
  Hash256 envelope_hash;
  Bytes envelope;
  std::optional<Release> release;
};

namespace {

// What the asker knows of an unanswered member in words; codes come from the partner.
void mark(MemberCoverage& coverage, MemberState state, ErrorCode code, std::string reason) {
  coverage.state = state;
  coverage.code = code;
  coverage.reason = std::move(reason);
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::vector<std::string> near = nearest(word, known);
  return near.empty() ? "" : "; " + did_you_mean(near);
}

MemberCoverage coverage_of(const AskTarget& target) {
  MemberCoverage coverage;
  coverage.organisation = target.partner.organisation;
  coverage.name = target.partner.name;
  coverage.site = target.view->site;
  coverage.export_name = target.view->name;
  coverage.delta = target.view->delta;
  coverage.unit = target.view->unit;
  return coverage;
}

std::string words_of(ErrorCode code) {
  std::string name(code_name(code));
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

// Whether a release states the statistics that were asked for. Cells of earlier releases that were
// added up have noise of other variances and cover the window exactly.
bool states(const Release& release, const Question& question, const Price& price) {
  if (release.composed_of.empty()) return release.statistics == price.statistics;
  const bool covers = release.composed_of.front().window.from == question.window.from &&
                      release.composed_of.back().window.to == question.window.to;
  return is_additive(question) && covers &&
         std::equal(release.statistics.begin(), release.statistics.end(), price.statistics.begin(),
                    price.statistics.end(), [](const Statistic& stated, const Statistic& asked) {
                      return stated.width == asked.width && stated.variance > 0;
                    });
}

// While a key is rotated the partner signs with one of two that its charter names.
bool signed_by(const KnownPartner& partner, std::string_view context, const Signed& body) {
  const auto signed_with = [&](const PublicKey& key) {
    return security::verify(key, context, body);
  };
  const auto& others = partner.other_answer_keys;
  return signed_with(partner.answer_key) || std::any_of(others.begin(), others.end(), signed_with);
}

}  // namespace

Result<OpenedAnswer> open_answer(const security::SealPair& seal, const AskTarget& target,
                                 const Hash256& envelope_hash, const OrgId& self, ByteView sealed) {
  auto opened = seal.open(sealed);
  if (!opened) return std::move(opened).error();
  auto outer = signed_from_bytes(*opened);
  if (!outer) return std::move(outer).error();
  if (!signed_by(target.partner, security::contexts::kAnswer, *outer)) {
    return make_error(ErrorCode::verification_failed, "the answer's signature is not valid");
  }
  auto answer = answer_from_bytes(outer->body);
  if (!answer) return std::move(answer).error();
  if (answer->envelope_hash != envelope_hash || answer->audience != self) {
    return make_error(ErrorCode::verification_failed, "the answer belongs to another question");
  }
  return OpenedAnswer{std::move(*answer), std::move(*opened)};
}

Result<Release> open_release(const Answer& answer, const ReleasingSite& of,
                             const Question& question, ByteView question_bytes,
                             const Price& price) {
  auto release = release_from_bytes(answer.release);
  if (!release) return std::move(release).error();
  const bool fits =
      release->organisation == of.organisation && release->site == of.site &&
      release->question_hash == question_hash(question_bytes) &&
      states(*release, question, price) &&
      (price.naming || release->cells.size() == question.groups.size() * question.tick_count());
  if (!fits) {
    return make_error(ErrorCode::verification_failed, "the release does not fit the question");
  }
  for (const ReleasedCell& cell : release->cells) {
    if (cell.group >= question.groups.size() || cell.tick >= question.tick_count() ||
        cell.values.size() != question.private_keys.size()) {
      return make_error(ErrorCode::verification_failed, "the release has cells nobody asked for");
    }
  }
  return release;
}

Result<std::optional<LedgerReceipt>> open_receipt(const Answer& answer, const AskTarget& target) {
  if (answer.receipt.empty()) return std::optional<LedgerReceipt>();
  const auto unfit = make_error(ErrorCode::verification_failed,
                                "the answer's receipt is not its site's, or of another answer");
  const auto outer = signed_from_bytes(answer.receipt);
  if (!outer || !signed_by(target.partner, security::contexts::kReceipt, *outer)) return unfit;
  const auto receipt = ledger_receipt_from_bytes(outer->body);
  const bool fits = receipt && receipt->organisation == target.partner.organisation &&
                    receipt->site == target.view->site && receipt->head.link == answer.audit_head &&
                    receipt->issued == answer.issued;
  if (!fits) return unfit;
  return std::optional(*receipt);
}

std::string_view to_text(MemberState state) {
  switch (state) {
    case MemberState::answered:
      return "answered";
    case MemberState::refused:
      return "refused";
    case MemberState::late:
      return "late";
    case MemberState::unreachable:
      return "unreachable";
    case MemberState::unverified:
      return "unverified";
    case MemberState::skipped:
      return "skipped";
  }
  return "skipped";
}

std::size_t FederatedAnswer::answered() const {
  return static_cast<std::size_t>(std::count_if(
      coverage.begin(), coverage.end(),
      [](const MemberCoverage& member) { return member.state == MemberState::answered; }));
}

bool FederatedAnswer::partial() const {
  return std::any_of(coverage.begin(), coverage.end(), [](const MemberCoverage& member) {
    return member.state != MemberState::answered && member.state != MemberState::skipped;
  });
}

Result<AskTarget> find_target(const std::shared_ptr<const SiteSnapshot>& snapshot,
                              std::string_view export_name, std::string_view organisation) {
  const SiteSnapshot& site = *snapshot;
  const KnownPartner* partner = site.partner_named(organisation);
  const auto closed = site.closed_links.find(organisation);
  if (partner == nullptr && closed != site.closed_links.end()) {
    return make_error(ErrorCode::link_not_active,
                      "the link '" + closed->first + "' is " + closed->second);
  }
  if (partner == nullptr) {
    std::vector<std::string> names;
    for (const auto& [org, known] : site.partners) names.push_back(known.name);
    return make_error(ErrorCode::query_unknown_name,
                      "there is no active link named '" + std::string(organisation) + "'" +
                          suggestion(organisation, names),
                      "see 'entente link list'");
  }
  const ActiveAgreement* best = nullptr;
  for (const auto& [id, agreement] : site.agreements) {
    const bool ours = agreement.value.consumer == site.self &&
                      agreement.value.provider == partner->organisation &&
                      agreement.value.find_export(export_name) != nullptr;
    if (ours && (best == nullptr || agreement.value.issued > best->value.issued)) best = &agreement;
  }
  if (best == nullptr) {
    for (const auto& [id, agreement] : site.suspended) {
      if (agreement.value.provider != partner->organisation ||
          agreement.value.find_export(export_name) == nullptr) {
        continue;
      }
      return make_error(
          ErrorCode::agreement_missing,
          "the agreement '" + agreement.value.name + "' with '" + partner->name + "' is suspended",
          std::string(kUntilResumed));
    }
    return make_error(ErrorCode::agreement_missing, "no active agreement with '" + partner->name +
                                                        "' covers the export '" +
                                                        std::string(export_name) + "'");
  }
  AskTarget target;
  target.partner = *partner;
  target.agreement_id = best->id;
  target.agreement = std::shared_ptr<const Agreement>(snapshot, &best->value);
  target.view = target.agreement->find_export(export_name);
  return target;
}

kj::Promise<void> Asker::ask_member(std::shared_ptr<Member> member, Duration timeout) {
  auto reply =
      parts_.send(member->target.partner.organisation, member->envelope)
          .then([this, member](MemberReply outcome) {
            if (const Refusal* refusal = std::get_if<Refusal>(&outcome)) {
              mark(member->coverage, MemberState::refused, refusal->code, words_of(refusal->code));
              member->coverage.left = refusal->left;
              return;
            }
            accept(*member, std::get<Bytes>(outcome));
          });
  auto late = parts_.loop.after(timeout).then([member] {
    mark(member->coverage, MemberState::late, ErrorCode::deadline_exceeded,
         "no answer within the deadline");
  });
  return reply.exclusiveJoin(kj::mv(late)).catch_([member](kj::Exception&& fault) {
    log::info("ask", "a member could not be asked",
              {{"partner", member->coverage.name}, {"reason", fault.getDescription().cStr()}});
    const bool busy = fault.getType() == kj::Exception::Type::OVERLOADED;
    mark(member->coverage, MemberState::unreachable,
         busy ? ErrorCode::overloaded : ErrorCode::peer_unreachable,
         busy ? "the partner is overloaded" : "the link is down");
  });
}

void Asker::accept(Member& member, const Bytes& sealed) {
  const auto site = parts_.site();
  const Question& question = *member.plan.question;
  const auto refuse = [&](const Error& error) {
    mark(member.coverage, MemberState::unverified, error.code, error.what);
    log::warn("ask", "an answer did not verify",
              {{"partner", member.coverage.name}, {"reason", error.what}});
  };
  auto opened = open_answer(*member.seal, member.target, member.envelope_hash, site->self, sealed);
  if (!opened) return refuse(opened.error());
  Answer* const answer = &opened->answer;
  auto release =
      open_release(*answer, {member.target.partner.organisation, member.target.view->site},
                   question, member.question, member.price);
  if (!release) return refuse(release.error());
  const auto receipt = open_receipt(*answer, member.target);
  if (!receipt) return refuse(receipt.error());
  if (*receipt) parts_.receipts.keep(**receipt, answer->receipt);
  member.coverage.state = MemberState::answered;
  member.coverage.reused = answer->reused;
  member.coverage.charged = std::move(answer->charged);
  member.coverage.left = std::move(answer->left);
  member.coverage.caps = std::move(answer->caps);
  member.coverage.delta_charged = answer->delta_charged;
  member.coverage.age = answer->issued - question.window.to;
  member.coverage.revision = release->revision;
  member.coverage.composed_of = release->composed_of;
  member.coverage.proof = std::make_shared<AnswerProof>(AnswerProof{
      member.envelope, std::move(opened->signed_bytes), canonical_bytes(*member.target.view)});
  if (parts_.answers != nullptr) {
    parts_.answers->keep({member.target.partner.organisation, member.target.view->site,
                          member.target.view->domain, question, release->revision,
                          !release->composed_of.empty(), member.coverage.left, answer->delta_left,
                          answer->issued});
  }
  member.release = std::move(*release);
}

std::shared_ptr<Asker::Member> Asker::prepare(const Plan& plan, const MemberPlan& part,
                                              const AskTarget& target, const QueryId& query_id,
                                              Duration timeout) {
  auto member = std::make_shared<Member>();
  member->target = target;
  member->plan = part;
  member->coverage = coverage_of(target);
  if (!part.question) {
    mark(member->coverage, MemberState::skipped, ErrorCode::shape_refused,
         "none of its public cells is in the question");
    return member;
  }
  auto price = price_of(*part.question, *target.view);
  if (!price) {
    mark(member->coverage, MemberState::refused, price.error().code, price.error().what);
    return member;
  }
  // What the site will refuse by the terms that both have signed need not be sent to it.
  if (auto fits = check_shape(*part.question, *target.view, *target.agreement); !fits) {
    mark(member->coverage, MemberState::refused, fits.error().code, fits.error().what);
    return member;
  }
  member->price = std::move(*price);
  member->seal.emplace(security::SealPair::generate(parts_.random));
  member->question = canonical_bytes(*part.question);
  Envelope envelope;
  envelope.origin = parts_.site()->self;
  envelope.audience = target.partner.organisation;
  envelope.audience_site = target.view->site;
  envelope.query_id = query_id;
  envelope.issued = parts_.clock.now();
  envelope.deadline = envelope.issued + std::min(timeout, limits::kDeadlineMax);
  envelope.agreement = target.agreement_id;
  envelope.purpose = plan.purpose;
  envelope.seal_key = member->seal->public_key();
  envelope.question = member->question;
  envelope.fresh = plan.fresh;
  envelope.receipt = parts_.receipts.newest(envelope.audience, envelope.audience_site);
  const Signed body = security::sign_body(parts_.envelope_key, security::contexts::kEnvelope,
                                          canonical_bytes(envelope));
  member->envelope_hash = envelope_hash(body.body);
  member->envelope = to_wire_bytes(body);
  return member;
}

kj::Promise<FederatedAnswer> Asker::ask(Plan plan, std::vector<AskTarget> targets,
                                        Duration timeout) {
  auto answer = std::make_shared<FederatedAnswer>();
  answer->query_id = parts_.random.id<QueryId>();
  std::vector<std::shared_ptr<Member>> members;
  kj::Vector<kj::Promise<void>> asked;
  for (std::size_t i = 0; i < plan.members.size(); ++i) {
    auto member = prepare(plan, plan.members[i], targets.at(i), answer->query_id, timeout);
    if (!member->envelope.empty()) asked.add(ask_member(member, timeout));
    members.push_back(std::move(member));
  }
  answer->plan = std::move(plan);
  return kj::joinPromises(asked.releaseAsArray()).then([answer, members] {
    std::vector<MemberRelease> releases;
    for (const auto& member : members) {
      answer->coverage.push_back(member->coverage);
      if (member->release) releases.push_back({&member->plan, &member->price, &*member->release});
    }
    answer->rows = merge_rows(answer->plan, releases);
    return kj::mv(*answer);
  });
}

}  // namespace entente::federation
