#include "federation/ask/answer_reader.h"

#include <algorithm>

#include "federation/ask/answer_proof.h"
#include "federation/ask/composite_reader.h"
#include "federation/ask/composition.h"
#include "schemas/base/log.h"
#include "schemas/envelope.h"

namespace entente::federation {
namespace {

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

}  // namespace

bool signed_by(const KnownPartner& partner, std::string_view context, const Signed& body) {
  const auto signed_with = [&](const PublicKey& key) {
    return security::verify(key, context, body);
  };
  const auto& others = partner.other_answer_keys;
  return signed_with(partner.answer_key) || std::any_of(others.begin(), others.end(), signed_with);
}

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

std::size_t MemberOutcome::answered() const {
  return static_cast<std::size_t>(std::count_if(
      coverage.begin(), coverage.end(),
      [](const MemberCoverage& member) { return member.state == MemberState::answered; }));
}

MemberOutcome AnswerReader::read(const MemberCall& member) const {
  if (!member.reply) return {{member.coverage}, {}};
  if (member.target.view->composite) return read_composite(member, *parts_.site());
  return read_site(member);
}

MemberOutcome AnswerReader::read_site(const MemberCall& member) const {
  const auto site = parts_.site();
  MemberOutcome out{{member.coverage}, {}};
  MemberCoverage& coverage = out.coverage.front();
  const auto refuse = [&](const Error& error) {
    mark(coverage, MemberState::unverified, error.code, error.what);
    log::warn("ask", "an answer did not verify",
              {{"partner", coverage.name}, {"reason", error.what}});
    return out;
  };
  const Question& question = *member.plan.question;
  const ReleasingSite of{member.target.partner.organisation, member.target.view->site};
  auto opened =
      open_answer(*member.seal, member.target, member.envelope_hash, site->self, *member.reply);
  if (!opened) return refuse(opened.error());
  Answer& answer = opened->answer;
  auto release = open_release(answer, of, question, member.question, member.price);
  if (!release) return refuse(release.error());
  const auto receipt = open_receipt(answer, member.target);
  if (!receipt) return refuse(receipt.error());
  if (*receipt) parts_.receipts.keep(**receipt, answer.receipt);
  coverage.state = MemberState::answered;
  coverage.reused = answer.reused;
  coverage.charged = std::move(answer.charged);
  coverage.left = std::move(answer.left);
  coverage.caps = std::move(answer.caps);
  coverage.delta_charged = answer.delta_charged;
  coverage.age = answer.issued - question.window.to;
  coverage.revision = release->revision;
  coverage.composed_of = release->composed_of;
  coverage.proof = std::make_shared<AnswerProof>(AnswerProof{
      member.envelope, std::move(opened->signed_bytes), canonical_bytes(*member.target.view)});
  if (parts_.answers != nullptr) {
    parts_.answers->keep({of.organisation, of.site, member.target.view->domain, question,
                          release->revision, !release->composed_of.empty(), coverage.left,
                          answer.delta_left, answer.issued});
  }
  out.parts.push_back(
      std::make_shared<AnsweredPart>(AnsweredPart{member.plan, member.price, std::move(*release)}));
  return out;
}

}  // namespace entente::federation
