#include "node/daemon/preview.h"

#include <boost/json/value_from.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <tuple>

#include "federation/ask/admission.h"
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

std::string delta_text(DeltaUnits delta) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", shown_delta(delta));
  return text;
}

constexpr const char* kAddsUp = "earlier answers add up to it";

// One site's account in the batch.
struct Amount {
  RhoUnits rho;
  DeltaUnits delta;  // of the questions by private keys
};
struct Total {
  const AskTarget* target = nullptr;
  std::map<Instant, Amount> charges;  // without blocks that are not charged
  Duration longest;                   // window and lateness of what is charged
};

void add_to(std::uint64_t& sum, std::uint64_t more) {
  if (__builtin_add_overflow(sum, more, &sum)) sum = UINT64_MAX;
}

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
      Amount& sum = total.charges[charge.start];
      add_to(sum.rho.units, charge.rho.units);
      add_to(sum.delta.units, price.delta.units);
    }
    total.longest = std::max(total.longest, question.window.length() + view.lateness);
    if (is_additive(question)) {
      auto stored = as_if_paid(question, view);
      if (!stored) return std::move(stored).error();
      paid_[{seat, cells_key(question, revision)}].push_back(std::move(*stored));
    }
    return Part{price.charges, {}};
  }

  // What is left of a block for this organisation, as far as it knows: delta only if it was told.
  KnownLeft left(const Total& total, Instant block) const {
    const AskTarget& target = *total.target;
    const RhoUnits most = std::min(target.agreement->rho_per_block, target.view->rho_cap);
    auto known = answers_.left(target.partner.organisation, target.view->domain, block);
    if (!known) return {most, {}};
    known->rho = std::min(known->rho, most);
    if (known->delta) known->delta = std::min(*known->delta, target.view->threshold_delta);
    return *known;
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
    std::stable_sort(stored.begin(), stored.end(), looked_at_before);
    CellsReach reach;
    const auto beyond = std::find_if_not(
        stored.begin(), stored.end(),
        [&](const StoredRelease& one) { return reach.admits(one.release.size()); });
    stored.erase(beyond, stored.end());
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

// What is left over the blocks of a total, of rho or of delta.
class Rest {
 public:
  explicit Rest(std::uint64_t most) : left_(most), after_(most) {}
  void take(std::uint64_t here, std::uint64_t charged) {
    if (charged == 0) return;
    left_ = std::min(left_, here);
    enough_ = enough_ && here >= charged;
    const std::uint64_t rest = here >= charged ? here - charged : 0;
    after_ = std::min(after_, rest);
    more_ = std::min(more_, rest / charged);
  }
  std::uint64_t left() const { return left_; }
  std::uint64_t after() const { return after_; }
  std::uint64_t more() const { return more_; }
  bool enough() const { return enough_; }

 private:
  std::uint64_t left_, after_;
  std::uint64_t more_ = UINT64_MAX;
  bool enough_ = true;
};

json::object total_json(const Batch& batch, const Total& total, std::set<std::string>& notes) {
  const ExportView& view = *total.target->view;
  const Agreement& terms = *total.target->agreement;
  std::vector<BlockAmount> charges;
  Rest rho(std::min(terms.rho_per_block, view.rho_cap).units), delta(view.threshold_delta.units);
  DeltaUnits spends;
  bool told = true;  // what is left of delta, of every block
  for (const auto& [start, amount] : total.charges) {
    charges.push_back({start, amount.rho});
    const KnownLeft left = batch.left(total, start);
    rho.take(left.rho.units, amount.rho.units);
    delta.take(left.delta.value_or(view.threshold_delta).units, amount.delta.units);
    spends = std::max(spends, amount.delta);
    told = told && left.delta.has_value();
  }
  Shown shown = blocks_json(charges, view.delta);
  json::object out{{"organisation", total.target->partner.name},
                   {"domain", view.domain},
                   {"epsilon", shown.epsilon},
                   {"delta", shown_delta(spends)},
                   {"quota_epsilon", shown_epsilon(terms.rho_per_block, view.delta)},
                   {"guaranteed_epsilon", shown_epsilon(terms.rho_guaranteed, view.delta)},
                   {"blocks", std::move(shown.blocks)}};
  if (charges.empty()) return out;
  const bool enough = rho.enough() && delta.enough();
  const std::uint64_t more = std::min(rho.more(), delta.more());
  out["left_epsilon"] = shown_epsilon({rho.left()}, view.delta);
  out["left_epsilon_after"] = shown_epsilon({rho.after()}, view.delta);
  if (spends.units > 0) {
    out["left_delta"] = told ? json::value(shown_delta({delta.left()})) : nullptr;
    out["left_delta_after"] = told ? json::value(shown_delta({delta.after()})) : nullptr;
    if (!told) {
      notes.insert(
          total.target->partner.name +
          " has not said yet how much delta is left for private keys; the export's cap is " +
          delta_text(view.threshold_delta));
    }
  }
  out["enough"] = enough;
  out["more"] = enough && more < UINT64_MAX ? more : 0;
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

// What the terms say about a question that both sides can know.
void note_terms(const Question& question, const Price& price, const AskTarget& target,
                std::set<std::string>& notes) {
  if (auto fits = check_shape(question, *target.view, *target.agreement); !fits) {
    notes.insert(target.partner.name + " will refuse it: " + fits.error().what);
  }
  if (price.naming) notes.insert(naming_words(*target.view));
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
    for (const auto& [start, amount] : total.charges) {
      const DeltaUnits delta = total.target->view->delta;
      guesses = std::max(guesses, security::right_guesses_most(amount.rho, delta));
      epsilon = std::max(epsilon, shown_epsilon(amount.rho, delta));
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
      note_terms(*part.question, prices[i], target, notes);
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
  for (const auto& [seat, total] : charged.totals()) {
    totals.push_back(total_json(charged, total, notes));
  }
  out["charge"] = std::move(totals);
  out["expected"] = std::move(expected);
  out["questions"] = std::move(questions);
  add_odds(charged, out);
  out["notes"] = json::value_from(std::vector<std::string>(notes.begin(), notes.end()));
  return json::value(std::move(out));
}

}  // namespace entente::node
