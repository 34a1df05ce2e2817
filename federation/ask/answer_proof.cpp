#include "federation/ask/answer_proof.h"

#include <algorithm>
#include <numeric>

#include "federation/ask/asker.h"
#include "federation/query/canonical_text.h"
#include "federation/query/price.h"

namespace entente::federation {
namespace {

Error broken(const std::string& why) {
  return make_error(ErrorCode::verification_failed, why,
                    "keep the file as it is, and ask the partner for its own record");
}

std::string column_text(const Column& column, const ExportView& view);

// A reading's test stands alone in duration(…); a folded value's names its column.
std::string predicate_text(const Predicate& predicate, const Question* question,
                           const std::string& reading, const ExportView& view) {
  std::vector<std::string> stack;
  for (const PredicateNode& node : predicate) {
    if (const auto* compare = std::get_if<Compare>(&node)) {
      const std::string left =
          question == nullptr ? reading : column_text(question->columns.at(compare->column), view);
      stack.push_back(left + " " + std::string(to_text(compare->comparison)) + " " +
                      number_text(compare->constant));
      continue;
    }
    const Connective connective = std::get<Connective>(node);
    ENTENTE_CHECK(!stack.empty());
    std::string last = std::move(stack.back());
    stack.pop_back();
    if (connective == Connective::not_) {
      stack.push_back("NOT (" + last + ")");
      continue;
    }
    ENTENTE_CHECK(!stack.empty());
    stack.back() =
        "(" + stack.back() + (connective == Connective::and_ ? " AND " : " OR ") + last + ")";
  }
  std::string text = stack.empty() ? "" : stack.back();
  const bool wrapped = predicate.size() > 1 && text.starts_with('(') && text.ends_with(')') &&
                       std::holds_alternative<Connective>(predicate.back()) &&
                       std::get<Connective>(predicate.back()) != Connective::not_;
  return wrapped ? text.substr(1, text.size() - 2) : text;
}

std::string column_text(const Column& column, const ExportView& view) {
  if (column.reducer == Reducer::duration) {
    return "duration(" + predicate_text(column.predicate, nullptr, column.signal, view) + ")";
  }
  const Measure* measure = view.measure(column.signal);
  if (measure != nullptr && measure->default_reducer == column.reducer) return column.signal;
  return std::string(to_text(column.reducer)) + "(" + column.signal + ")";
}

// The plan of this one member, as far as a question tells it.
Plan plan_of(const Question& question, const Envelope& envelope, const ExportView& view) {
  Plan plan;
  for (const Item& item : question.items) {
    plan.items.push_back({item_text(question, item, view), "", item.aggregate, item.edges});
  }
  plan.group_keys = question.group_keys;
  for (std::size_t i = 0; i < question.private_keys.size(); ++i) {
    plan.private_places.push_back(plan.group_keys.size());
    plan.group_keys.push_back(question.private_keys[i]);
  }
  for (const Group& group : question.groups) {
    plan.groups.push_back(group.values);
    plan.groups.back().resize(plan.group_keys.size());
  }
  plan.window = question.window;
  for (std::size_t i = 0; i < question.tick_count(); ++i) plan.ticks.push_back(question.tick(i));
  MemberPlan member;
  member.question = question;
  member.groups.resize(question.groups.size());
  std::iota(member.groups.begin(), member.groups.end(), std::size_t{0});
  plan.members.push_back(std::move(member));
  plan.purpose = envelope.purpose;
  plan.fresh = envelope.fresh;
  return plan;
}

// The body, when a key that the charters vouch for has signed it.
Result<Bytes> signed_by(const security::PinnedOrganisation& organisation, KeyPurpose purpose,
                        std::string_view context, ByteView bytes, const std::string& what) {
  auto outer = signed_from_bytes(bytes);
  if (!outer) return broken(what + " does not read: " + outer.error().what);
  const std::vector<PublicKey> keys = organisation.keys_ever(purpose);
  const bool known = std::any_of(keys.begin(), keys.end(), [&](const PublicKey& key) {
    return security::verify(key, context, *outer);
  });
  if (known) return std::move(outer->body);
  return broken("no key that the charters of " + organisation.current().name +
                " vouch for has signed " + what);
}

Result<std::optional<LedgerReceipt>> receipt_of(const Answer& answer, const Release& release,
                                                const security::PinnedOrganisation& site) {
  if (answer.receipt.empty()) return std::optional<LedgerReceipt>();
  auto body = signed_by(site, KeyPurpose::answer, security::contexts::kReceipt, answer.receipt,
                        "the receipt of the audit log");
  if (!body) return std::move(body).error();
  auto receipt = ledger_receipt_from_bytes(*body);
  if (!receipt || receipt->organisation != site.id() || receipt->site != release.site ||
      receipt->head.link != answer.audit_head || receipt->issued != answer.issued) {
    return broken("the receipt of the audit log belongs to another answer");
  }
  return std::optional(std::move(*receipt));
}

Result<ExportView> view_of(const AnswerProof& proof, const Question& question) {
  auto view = export_view_from_bytes(proof.export_view);
  if (!view) return broken("the description of the export does not read: " + view.error().what);
  if (export_hash(*view) == question.export_hash) return view;
  return broken("the description of the export is not the one that the question names");
}

}  // namespace

std::string item_text(const Question& question, const Item& item, const ExportView& view) {
  std::string inner = "*";
  if (item.column) inner = column_text(question.columns.at(*item.column), view);
  if (!item.predicate.empty()) inner = predicate_text(item.predicate, &question, "", view);
  if (item.aggregate == Aggregate::quantile) inner += ", " + number_text(item.rank);
  if (item.aggregate == Aggregate::histogram) {
    inner += ", " + std::to_string(item.edges.empty() ? 0 : item.edges.size() - 1);
  }
  return std::string(to_text(item.aggregate)) + "(" + inner + ")";
}

Result<ProvenAnswer> prove(const AnswerProof& proof, const security::PinnedOrganisation& site,
                           const security::PinnedOrganisation& asker) {
  auto asked = signed_by(asker, KeyPurpose::envelope, security::contexts::kEnvelope, proof.envelope,
                         "the question");
  if (!asked) return std::move(asked).error();
  auto envelope = envelope_from_bytes(*asked);
  if (!envelope) return broken("the question does not read: " + envelope.error().what);
  auto said =
      signed_by(site, KeyPurpose::answer, security::contexts::kAnswer, proof.answer, "the answer");
  if (!said) return std::move(said).error();
  auto answer = answer_from_bytes(*said);
  if (!answer) return broken("the answer does not read: " + answer.error().what);
  if (answer->envelope_hash != envelope_hash(*asked)) {
    return broken("the answer belongs to another question");
  }
  if (envelope->origin != asker.id() || answer->audience != asker.id() ||
      envelope->audience != site.id()) {
    return broken("question and answer name other organisations");
  }
  auto question = question_from_bytes(envelope->question);
  if (!question) return broken("the question does not read: " + question.error().what);
  auto view = view_of(proof, *question);
  if (!view) return std::move(view).error();
  if (auto offered = check_question(*question, *view, answer->issued); !offered) {
    return broken("the export never offered this question: " + offered.error().what);
  }
  auto price = price_of(*question, *view);
  if (!price) return broken("the export never offered this question: " + price.error().what);
  auto release = open_release(*answer, {site.id(), envelope->audience_site}, *question,
                              envelope->question, *price);
  if (!release) return broken(release.error().what);
  if (release->domain != view->domain || release->unit != view->unit) {
    return broken("the release is of another domain than its export");
  }
  auto receipt = receipt_of(*answer, *release, site);
  if (!receipt) return std::move(receipt).error();
  ProvenAnswer proven;
  proven.plan = plan_of(*question, *envelope, *view);
  proven.rows = merge_rows(proven.plan, {{&proven.plan.members.front(), &*price, &*release}});
  proven.domain = view->domain;
  proven.delta = view->delta;
  proven.envelope = std::move(*envelope);
  proven.answer = std::move(*answer);
  proven.release = std::move(*release);
  proven.receipt = std::move(*receipt);
  return proven;
}

}  // namespace entente::federation
