#include "federation/audit/experiment.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "federation/audit/distinguisher.h"
#include "federation/query/release.h"
#include "security/privacy/accounting.h"
#include "security/privacy/blocks.h"
#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

// However long an answer is: fewer runs show no fault of a factor of two.
constexpr std::size_t kRunsLeast = 5'000;
constexpr std::size_t kSamplesLeast = 100;  // that a bound can be made of
constexpr double kDeltas[] = {1e-6, 1e-4, 1e-3, 1e-2, 5e-2};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

// Of what the noise really is, where it was asked to be of `variance`.
double drawn_variance(const Fault& fault, std::uint64_t variance) {
  if (!fault.variance) return static_cast<double>(variance);
  return static_cast<double>(std::max<std::uint64_t>(fault.variance(variance), 1));
}

RhoUnits rho_of_mu(double mu) {
  return {static_cast<std::uint64_t>(mu * mu / 2 * 0x1p40)};
}

}  // namespace

// The integers of one question before noise, in each world.
struct Observatory::Seen {
  Question question;
  Price price;
  ExactVectors with, without;
  std::vector<std::size_t> group_of;  // of each group, the one of the first question
};

// What one question of a batch was answered.
struct Observatory::Given {
  std::shared_ptr<const Seen> seen;
  Release release;
  bool observed = false;
};

// What was seen in one world by now.
struct Observatory::World {
  std::vector<double> scores;
  std::size_t low_bits = 0;  // in how many cells that event came about
  std::vector<std::string> asked;
  std::map<Instant, std::uint64_t> told;  // rho of each block, as the answers say; of one batch
  std::vector<BlockAmount> spent;         // the same as the ledger says
  std::vector<Given> given;               // of one batch, by the question's place
  std::set<Hash256> hashes;               // of the releases observed, of one batch
  std::size_t base = 0;                   // the batch's first run
  bool odd = false;                       // the last bit of the latest answer
  std::size_t integers = 0, questions = 0;
};

std::string Observatory::sentence_of(const ExportView& view, const AuditAsk& ask) {
  std::string text = "SELECT " + ask.items + " FROM " + view.name;
  if (!ask.keys.empty()) text += " WHERE " + ask.keys;
  for (std::size_t i = 0; i < ask.group_by.size(); ++i) {
    text += (i == 0 ? " GROUP BY " : ", ") + ask.group_by[i];
  }
  text +=
      " OVER '" + to_text(ask.window.window.from) + "' .. '" + to_text(ask.window.window.to) + "'";
  if (ask.window.every) text += " EVERY " + to_text(*ask.window.every);
  return text + " WITH (epsilon = " + number(ask.epsilon) + ", purpose = 'audit')";
}

Result<std::shared_ptr<const Observatory::Seen>> Observatory::look(const Experiment& experiment,
                                                                   const AuditAsk& ask) {
  const std::string sentence = sentence_of(site_.view(), ask);
  if (const auto known = seen_.find(sentence); known != seen_.end()) return known->second;
  auto question = site_.question_of(sentence);
  if (!question) return std::move(question).error();
  auto price = price_of(*question, site_.view());
  if (!price) return std::move(price).error();
  auto seen = std::make_shared<Seen>(Seen{std::move(*question), std::move(*price), {}, {}, {}});
  if (first_groups_.empty()) {
    first_groups_ = seen->question.groups;
    first_cells_.assign(site_.view().cells.size(), false);
    for (const Group& group : first_groups_) first_cells_[group.cells.front()] = true;
  }
  FoldRequest request{std::make_shared<const ExportView>(site_.view()), seen->question.columns, {}};
  for (std::size_t i = 0; i < seen->question.tick_count(); ++i) {
    request.ticks.push_back(seen->question.tick(i));
  }
  for (const bool with : {true, false}) {
    const MadeUpTwins twins(experiment.asks.front().window, first_cells_,
                            with ? experiment.with : experiment.without);
    auto folded = FaultyTwins(twins, experiment.fault).fold(request);
    if (!folded) return std::move(folded).error();
    auto sums = aggregate(seen->question, site_.view(), seen->price, *folded);
    if (!sums) return std::move(sums).error();
    (with ? seen->with : seen->without) = std::move(*sums);
  }
  for (const Group& group : seen->question.groups) {
    const auto same = std::find_if(first_groups_.begin(), first_groups_.end(),
                                   [&](const Group& of) { return of.values == group.values; });
    if (same == first_groups_.end()) {
      return make_error(ErrorCode::conflict, "'" + experiment.name + "' compares other groups");
    }
    seen->group_of.push_back(static_cast<std::size_t>(same - first_groups_.begin()));
  }
  seen_.emplace(sentence, seen);
  return std::shared_ptr<const Seen>(std::move(seen));
}

// The score of the run that a cell belongs to.
double& Observatory::score_at(const Experiment& experiment, const Seen& seen, std::size_t cell,
                              World& world) const {
  const AuditWindow& blocks = experiment.asks.front().window;
  const std::size_t ticks = seen.question.tick_count(), runs = runs_in(blocks);
  const Instant from = seen.question.tick(cell % ticks).from;
  const std::size_t run = std::min(run_of(blocks, block_number(site_.view(), from)), runs - 1);
  return world.scores.at(world.base + seen.group_of.at(cell / ticks) * runs + run);
}

// Adds what an answer with noise of its own tells to the scores.
void Observatory::score(const Experiment& experiment, const Seen& seen, const ScratchAnswer& answer,
                        World& world) const {
  for (std::size_t c = 0; c < answer.release.cells.size(); ++c) {
    const ReleasedCell& cell = answer.release.cells[c];
    double& score = score_at(experiment, seen, c, world);
    std::size_t at = 0;
    for (const StatisticLayout& layout : seen.price.layout) {
      const double drawn = drawn_variance(experiment.fault, layout.variance);
      for (const std::size_t end = at + layout.width; at < end; ++at) {
        const auto without = static_cast<double>(seen.without.cells[c][at]);
        const double shift = static_cast<double>(seen.with.cells[c][at]) - without;
        if (shift == 0) continue;
        score += shift * (static_cast<double>(cell.mantissas.at(at)) - without) / drawn;
      }
    }
    const double y = std::ldexp(static_cast<double>(cell.mantissas.at(0)),
                                answer.release.statistics.at(0).exponent);
    const double scaled = std::ldexp(y, 53);
    world.low_bits += std::fabs(y) < 1 && scaled != std::floor(scaled) ? 1 : 0;
  }
}

// The same of a sum of earlier cells. Cells that reach into two blocks are left out.
void Observatory::score_sum(const Experiment& experiment, const AuditAsk& ask, const Seen& seen,
                            const ScratchAnswer& answer, World& world) const {
  const Given& parts = world.given.at(*ask.adds_up);
  const std::size_t ticks = seen.question.tick_count();
  const std::size_t ticks_of = parts.seen->question.tick_count();
  const auto& shapes = answer.release.statistics;
  for (std::size_t c = 0; c < answer.release.cells.size(); ++c) {
    const TimeWindow tick = seen.question.tick(c % ticks);
    const std::int64_t last = block_number(site_.view(), tick.to + nanoseconds(-1));
    if (block_number(site_.view(), tick.from) != last) continue;
    double& score = score_at(experiment, seen, c, world);
    for (std::size_t s = 0; s < shapes.size(); ++s) {
      std::int64_t with = 0, without = 0, held = 0;
      for (std::size_t part = 0; part < ticks_of; ++part) {
        const TimeWindow window = parts.seen->question.tick(part);
        if (window.from < tick.from || window.to > tick.to) continue;
        const std::size_t of = c / ticks * ticks_of + part;
        with += parts.seen->with.cells[of][s];
        without += parts.seen->without.cells[of][s];
        held += parts.release.cells[of].mantissas[s];
      }
      const std::int64_t told = answer.release.cells[c].mantissas.at(s);
      if (parts.observed && told == held) continue;
      const auto shift = static_cast<double>(with - without);
      score += shift * static_cast<double>(told - without) /
               drawn_variance(experiment.fault, shapes[s].variance);
    }
  }
}

// What is seen of one answer, and what of it is new.
Outcome Observatory::keep(const Experiment& experiment, std::size_t number,
                          std::shared_ptr<const Seen> seen, const ScratchAnswer& answer,
                          World& world) const {
  const AuditAsk& ask = experiment.asks[number];
  if (ask.adds_up.has_value() == answer.release.composed_of.empty()) {
    return make_error(ErrorCode::conflict,
                      "'" + experiment.name + "': the answer to '" + ask.items + "' is " +
                          (ask.adds_up ? "no sum" : "a sum") + " of earlier cells");
  }
  const bool observed = !experiment.observer || *experiment.observer == ask.partner;
  if (experiment.observer ? observed : !answer.reused) {
    for (const BlockAmount& charge : answer.charged) world.told[charge.start] += charge.rho.units;
  }
  world.given.resize(std::max(world.given.size(), number + 1));
  world.given[number] = {seen, answer.release, observed};
  for (const ReleasedCell& cell : answer.release.cells) {
    world.odd = (cell.mantissas.back() & 1) != 0;
    world.integers += cell.mantissas.size();
  }
  if (!observed || !world.hashes.insert(answer.hash).second) return {};
  if (ask.adds_up) {
    score_sum(experiment, ask, *seen, answer, world);
  } else {
    score(experiment, *seen, answer, world);
  }
  return {};
}

Outcome Observatory::answered(const Experiment& experiment, std::size_t number, bool with,
                              World& world) {
  const AuditAsk& ask = experiment.asks[number];
  auto seen = look(experiment, ask);
  if (!seen) return std::move(seen).error();
  const MadeUpTwins twins(experiment.asks.front().window, first_cells_,
                          with ? experiment.with : experiment.without);
  auto answer =
      site_.ask({sentence_of(site_.view(), ask), ask.partner, ask.fresh}, twins, experiment.fault);
  if (!answer) return std::move(answer).error();
  return keep(experiment, number, std::move(*seen), *answer, world);
}

// One batch: every question once, on a domain of its own.
Outcome Observatory::run_world(const Experiment& experiment, bool with, World& world) {
  site_.offer(audited_);
  if (auto first = look(experiment, experiment.asks.front()); !first) {
    return std::move(first).error();
  }
  world.told.clear();
  world.asked.clear();
  world.given.clear();
  world.hashes.clear();
  world.base = world.scores.size();
  world.scores.resize(world.base + first_groups_.size() * runs_in(experiment.asks.front().window),
                      0);
  const std::size_t step = experiment.adaptive ? 2 : 1;
  for (std::size_t i = 0; i + step <= experiment.asks.size(); i += step) {
    const std::size_t number = experiment.adaptive && world.odd ? i + 1 : i;
    auto done = answered(experiment, number, with, world);
    if (!done && experiment.adaptive && done.error().code == ErrorCode::budget_exhausted) continue;
    if (!done) return done;
    world.asked.push_back(experiment.asks[number].items);
    ++world.questions;
  }
  return {};
}

// What the ledger charged to a block in which the worlds differ, the least of them. The answers
// must have said the same.
Result<RhoUnits> Observatory::charged(const Experiment& experiment, const World& world) const {
  const AuditWindow& window = experiment.asks.front().window;
  std::map<Instant, std::uint64_t> booked;
  for (const BlockAmount& one : world.spent) booked[one.start] += one.rho.units;
  if (booked != world.told) {
    return make_error(ErrorCode::conflict, "'" + experiment.name +
                                               "': the ledger's charges are not those that the "
                                               "answers state");
  }
  if (booked.empty()) return RhoUnits{};
  if (experiment.membership) return RhoUnits{booked.begin()->second};
  std::uint64_t least = UINT64_MAX;
  for (const auto& [start, rho] : booked) {
    const bool lifetime = start == security::kLifetimeBlock;
    if (lifetime && site_.view().block.ns != 0) continue;
    if (lifetime || differs(window, block_number(site_.view(), start))) {
      least = std::min(least, rho);
    }
  }
  return RhoUnits{least == UINT64_MAX ? 0 : least};
}

// Both worlds, batch after batch; the charge is that of the first, since the price follows from
// the question.
Result<RhoUnits> Observatory::run(const Experiment& experiment, World& with, World& without) {
  seen_.clear();
  first_groups_.clear();
  RhoUnits rho;
  while (without.scores.size() < options_.runs) {
    const bool first = without.scores.empty();
    for (World* world : {&with, &without}) {
      if (auto ran = run_world(experiment, world == &with, *world); !ran) {
        return std::move(ran).error();
      }
      if (!first) continue;
      world->spent = site_.spent(experiment.observer);
      auto charge = charged(experiment, *world);
      if (!charge) return std::move(charge).error();
      rho = std::max(rho, *charge);
    }
    const bool long_enough = options_.draws > 0 && without.integers >= options_.draws &&
                             without.scores.size() >= kRunsLeast;
    const bool asked_enough =
        without.questions >= options_.questions && without.scores.size() >= kSamplesLeast;
    if (long_enough || asked_enough) break;
  }
  return rho;
}

AuditFinding Observatory::describe(const Experiment& experiment, const World& world,
                                   RhoUnits rho) const {
  AuditFinding finding;
  finding.experiment = experiment.name;
  finding.questions = world.asked.empty() ? "" : world.asked.front();
  if (world.asked.size() > 1) {
    finding.questions += ", " + std::to_string(world.asked.size()) + " questions";
  }
  const DeltaUnits delta = site_.view().delta;
  finding.runs = world.scores.size();
  finding.delta = security::to_double(delta);
  finding.charged = security::epsilon_of(rho, delta);
  finding.gaussian = security::gaussian_epsilon(rho, delta);
  return finding;
}

Result<AuditFinding> Observatory::observe(const Experiment& experiment) {
  if (experiment.low_bits) return observe_low_bits(experiment);
  World with, without;
  auto rho = run(experiment, with, without);
  if (!rho) return std::move(rho).error();
  AuditFinding finding = describe(experiment, with, *rho);
  const double mu = mu_at_least(with.scores, without.scores, options_.risk / 2);
  finding.reached = security::gaussian_epsilon(rho_of_mu(mu), site_.view().delta);
  finding.refuted = mu > security::gaussian_mu(*rho);
  std::vector<double> deltas{finding.delta};
  deltas.insert(deltas.end(), std::begin(kDeltas), std::end(kDeltas));
  const auto bounds = epsilon_at_least(with.scores, without.scores, deltas, options_.risk / 2);
  for (std::size_t d = 0; d < bounds.size(); ++d) {
    const double allowed = security::epsilon_of(*rho, *security::delta_of(deltas[d]));
    finding.refuted = finding.refuted || bounds[d] > allowed;
  }
  finding.any_noise = bounds.front();
  return finding;
}

Result<AuditFinding> Observatory::observe_low_bits(const Experiment& count) {
  World with, without;
  auto rho = run(count, with, without);
  if (!rho) return std::move(rho).error();
  AuditFinding finding = describe(count, with, *rho);
  finding.questions = "low bits of " + finding.questions;
  finding.any_noise =
      epsilon_of_event(without.low_bits, with.low_bits, finding.runs, finding.delta, options_.risk);
  finding.reached = finding.any_noise;
  finding.refuted = finding.any_noise > finding.charged;
  return finding;
}

}  // namespace entente::federation
