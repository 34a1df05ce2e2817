#include "node/daemon/preview.h"

#include <boost/json/value_from.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <tuple>

#include "federation/ask/composition.h"
#include "node/daemon/answer_json.h"
#include "schemas/base/zone.h"
#include "security/privacy/accounting.h"
#include "security/privacy/blocks.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using namespace federation;

std::string block_text(Instant start) {
  return start == security::kLifetimeBlock ? "lifetime" : to_text(start);
}

constexpr const char* kAddsUp = "earlier answers add up to it";

// One site's account in the batch.
struct Total {
  const AskTarget* target = nullptr;
  std::map<Instant, RhoUnits> charges;  // without blocks that are not charged
  DeltaUnits delta;                     // of the questions by private keys, of each block
  Duration longest;                     // window and lateness of what is charged
};

class Batch {
 public:
  Batch(const AnswerBook& answers, Instant now) : answers_(answers), now_(now) {}

  // What a member's part of a question is charged, and why nothing.
  struct Part {
    std::vector<BlockAmount> charges;
    std::string free;
  };

  Result<Part> add(std::size_t number, const PreviewedQuestion& asked, const AskTarget& target,
                   const Question& question, const Price& price) {
    const ExportView& view = *target.view;
    const OrgId& organisation = target.partner.organisation;
    const std::uint32_t revision = view.revision_at(now_, question.window.to);
    const Hash256 hash = question_hash(canonical_bytes(question));
    const Seat seat{organisation, view.site};
    Total& total = totals_[{seat, view.domain}];
    total.target = &target;
    const auto [same, is_first] = asked_.emplace(Key{seat, hash, revision}, number);
    if (!is_first) return Part{{}, "the same as question " + std::to_string(same->second)};
    const auto way = asked.plan.fresh ? AnswerBook::Way::own_noise : AnswerBook::Way::any;
    if (answers_.holds(organisation, view.site, hash, revision, way)) {
      return Part{{}, "answered before"};
    }
    if (!asked.plan.fresh && adds_up(seat, target, question, price, revision)) {
      return Part{{}, kAddsUp};
    }
    for (const BlockAmount& charge : price.charges) {
      std::uint64_t& sum = total.charges[charge.start].units;
      if (__builtin_add_overflow(sum, charge.rho.units, &sum)) sum = UINT64_MAX;
    }
    total.delta.units += price.delta.units;
    total.longest = std::max(total.longest, question.window.length() + view.lateness);
    if (is_additive(question)) {
      auto stored = as_if_paid(question, view);
      if (!stored) return std::move(stored).error();
      paid_[{seat, cells_key(question, revision)}].push_back(std::move(*stored));
    }
    return Part{price.charges, {}};
  }

  // What is left of a block for this organisation, as far as it knows.
  RhoUnits left(const Total& total, Instant block) const {
    const AskTarget& target = *total.target;
    const RhoUnits most = std::min(target.agreement->rho_per_block, target.view->rho_cap);
    const auto known = answers_.left(target.partner.organisation, target.view->domain, block);
    return std::min(known.value_or(most), most);
  }

  using Seat = std::pair<OrgId, std::string>;
  const std::map<std::pair<Seat, std::string>, Total>& totals() const { return totals_; }

 private:
  using Key = std::tuple<Seat, Hash256, std::uint32_t>;

  bool adds_up(const Seat& seat, const AskTarget& target, const Question& question,
               const Price& price, std::uint32_t revision) const {
    if (!is_additive(question)) return false;
    const Hash256 cells = cells_key(question, revision);
    std::vector<StoredRelease> stored;
    const auto bought = paid_.find({seat, cells});
    if (bought != paid_.end()) stored = bought->second;
    for (const Question& had : answers_.alike(seat.first, seat.second, cells, question.window)) {
      auto one = as_if_paid(had, *target.view);
      if (one) stored.push_back(std::move(*one));
    }
    return compose(question, *target.view, price, stored).has_value();
  }

  const AnswerBook& answers_;
  const Instant now_;
  std::map<Key, std::size_t> asked_;
  std::map<std::pair<Seat, Hash256>, std::vector<StoredRelease>> paid_;
  std::map<std::pair<Seat, std::string>, Total> totals_;
};

struct Shown {
  json::array blocks;
  double epsilon = 0;  // of the block charged most
};

Shown blocks_json(const std::vector<BlockAmount>& charges, DeltaUnits delta) {
  Shown out;
  for (const BlockAmount& block : charges) {
    const double epsilon = shown_epsilon(block.rho, delta);
    out.blocks.push_back({{"start", block_text(block.start)}, {"epsilon", epsilon}});
    out.epsilon = std::max(out.epsilon, epsilon);
  }
  return out;
}

// When windows as long as the batch's lie in blocks that it does not touch; none for the lifetime.
std::optional<Instant> until_of(const Total& total) {
  if (total.charges.empty() || total.charges.begin()->first == security::kLifetimeBlock) return {};
  const ExportView& view = *total.target->view;
  if (view.block.ns == 0) return {};
  return step_end(total.charges.rbegin()->first, view.block, view.zone) + total.longest;
}

json::object total_json(const Batch& batch, const Total& total) {
  const ExportView& view = *total.target->view;
  const Agreement& terms = *total.target->agreement;
  std::vector<BlockAmount> charges;
  RhoUnits left = std::min(terms.rho_per_block, view.rho_cap), after = left;
  std::optional<std::uint64_t> more;
  bool enough = true;
  for (const auto& [start, rho] : total.charges) {
    charges.push_back({start, rho});
    if (rho.units == 0) continue;
    const std::uint64_t here = batch.left(total, start).units;
    left.units = std::min(left.units, here);
    enough = enough && here >= rho.units;
    const std::uint64_t rest = here >= rho.units ? here - rho.units : 0;
    after.units = std::min(after.units, rest);
    more = std::min(more.value_or(UINT64_MAX), rest / rho.units);
  }
  Shown shown = blocks_json(charges, view.delta);
  json::object out{{"organisation", total.target->partner.name},
                   {"domain", view.domain},
                   {"epsilon", shown.epsilon},
                   {"delta", shown_delta(total.delta)},
                   {"quota_epsilon", shown_epsilon(terms.rho_per_block, view.delta)},
                   {"guaranteed_epsilon", shown_epsilon(terms.rho_guaranteed, view.delta)},
                   {"blocks", std::move(shown.blocks)}};
  if (charges.empty()) return out;
  // What earlier questions by private keys spent is not known here; the cap is.
  enough = enough && total.delta <= view.threshold_delta;
  out["left_epsilon"] = shown_epsilon(left, view.delta);
  out["left_epsilon_after"] = shown_epsilon(after, view.delta);
  out["enough"] = enough;
  out["more"] = enough ? more.value_or(0) : 0;
  const auto until = until_of(total);
  out["until"] = until ? json::value(to_text(*until)) : json::value(nullptr);
  return out;
}

void add_expected(const PreviewedQuestion& asked, const std::vector<PreviewMember>& members,
                  std::size_t number, json::array& into) {
  for (const ExpectedError& row : expected_errors(asked.plan, members)) {
    for (std::size_t i = 0; i < asked.plan.items.size(); ++i) {
      const bool bins = asked.plan.items[i].aggregate == Aggregate::histogram;
      const double error = row.half_width[i];
      into.push_back({{"question", number},
                      {"label", asked.plan.items[i].label + (bins ? ", each bin" : "")},
                      {"group", json::value_from(row.group)},
                      {"total", row.total},
                      {"error95", std::isfinite(error) ? json::value(error) : nullptr}});
    }
  }
}

std::string hundredths(double probability) {
  // Rounded up: a bound is never said to be less than it is.
  return std::to_string(static_cast<int>(std::ceil(probability * 100 - 1e-9)));
}

// Of the block that the batch is charged most for, at the site where that is.
void add_odds(const Batch& batch, json::object& out) {
  double guesses = 0.5, epsilon = 0;
  std::string_view unit = "twin";
  for (const auto& [seat, total] : batch.totals()) {
    for (const auto& [start, rho] : total.charges) {
      guesses = std::max(guesses, security::right_guesses_most(rho, total.target->view->delta));
      epsilon = std::max(epsilon, shown_epsilon(rho, total.target->view->delta));
      unit = total.target->view->unit;
    }
  }
  if (epsilon == 0) {
    out["protects"] = "";
    out["odds"] = nullptr;
    return;
  }
  char times[64];
  std::snprintf(times, sizeof times, "%.*f", epsilon < 3 ? 2 : 0, std::exp(epsilon));
  out["protects"] =
      protected_words(unit) + ": the odds about any one of them move by at most x" + times;
  const std::string right = hundredths(guesses);
  const std::string wrong = std::to_string(100 - std::stoi(right));
  out["odds"] = {{"right_at_most", guesses},
                 {"text",
                  "an outsider who knows all the rest and guesses, at even odds, between "
                  "two stories of " +
                      protected_words(unit) + " is right " + right +
                      " times in 100 at most with these answers: even odds become " + right + ":" +
                      wrong + " at best"}};
}

}  // namespace

Result<json::value> preview_json(const std::vector<PreviewedQuestion>& batch,
                                 const AnswerBook& answers, Instant now) {
  Batch charged(answers, now);
  json::array questions, expected;
  std::set<std::string> notes;
  bool additive = false, paid = false;
  for (std::size_t q = 0; q < batch.size(); ++q) {
    const PreviewedQuestion& asked = batch[q];
    notes.insert(asked.notes.begin(), asked.notes.end());
    json::array charge;
    if (asked.exact) notes.insert("own twins are answered exactly and cost nothing");
    std::vector<Price> prices(asked.targets.size());
    std::vector<PreviewMember> members;
    bool adds_up = false;
    for (std::size_t i = 0; i < asked.targets.size(); ++i) {
      const MemberPlan& part = asked.plan.members[i];
      const AskTarget& target = asked.targets[i];
      if (!part.question) {
        notes.insert(target.partner.name +
                     " is not asked: none of its public cells is in the question");
        continue;
      }
      auto price = price_of(*part.question, *target.view);
      if (!price) return std::move(price).error();
      prices[i] = std::move(*price);
      if (prices[i].naming) notes.insert(naming_words(*target.view));
      members.push_back({&part, &prices[i], target.view});
      auto cost = charged.add(q + 1, asked, target, *part.question, prices[i]);
      if (!cost) return std::move(cost).error();
      adds_up = adds_up || cost->free == kAddsUp;
      Shown shown = blocks_json(cost->charges, target.view->delta);
      additive = additive || (is_additive(*part.question) && cost->free.empty());
      paid = paid || cost->free.empty();
      charge.push_back({{"organisation", target.partner.name},
                        {"epsilon", shown.epsilon},
                        {"delta", cost->free.empty() ? shown_delta(prices[i].delta) : 0.0},
                        {"free", cost->free.empty() ? json::value() : json::value(cost->free)},
                        {"blocks", std::move(shown.blocks)}});
    }
    // Sums of earlier cells have the noise of all of these, which is not what fresh noise would be.
    if (!members.empty() && !adds_up) add_expected(asked, members, q + 1, expected);
    if (adds_up) {
      notes.insert(
          "question " + std::to_string(q + 1) +
          ": the answer adds up earlier ones, with the noise of each; --fresh asks it anew, "
          "at its own charge");
    }
    json::object one = question_head(asked.text, asked.plan);
    one["charge"] = std::move(charge);
    questions.push_back(std::move(one));
  }
  if (paid) notes.insert("a question that was answered before is free and gives the same figures");
  if (additive) {
    notes.insert(
        "a sum may cost less: where a site released its parts to others, it may add them "
        "up at their charge");
  }
  json::object out;
  if (batch.size() == 1) out = question_head(batch.front().text, batch.front().plan);
  json::array totals;
  for (const auto& [seat, total] : charged.totals()) totals.push_back(total_json(charged, total));
  out["charge"] = std::move(totals);
  out["expected"] = std::move(expected);
  out["questions"] = std::move(questions);
  add_odds(charged, out);
  out["notes"] = json::value_from(std::vector<std::string>(notes.begin(), notes.end()));
  return json::value(std::move(out));
}

}  // namespace entente::node
