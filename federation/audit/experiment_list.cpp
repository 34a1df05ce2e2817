#include "federation/audit/experiment_list.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>

#include "federation/query/limits.h"
#include "federation/query/price.h"
#include "schemas/base/limits.h"
#include "security/privacy/rank_tree.h"
#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

using First = MadeUpTwins::First;
using Value = MadeUpTwins::Value;
using Absence = MadeUpTwins::Absence;

constexpr double kEpsilonMost = 8;  // of one question: more shows nothing more
constexpr std::size_t kBins = 10;
constexpr std::size_t kChunk = 8;  // blocks, of which the first differs
constexpr int kAskers = 16;        // rounds, more than the cap has room for

const First kLowest{Value::lowest, Absence::none, false};
const First kBeyond{Value::beyond, Absence::none, false};
const First kDoubled{Value::lowest, Absence::none, true};
const First kSilent{Value::lowest, Absence::silent, false};
const First kRemoved{Value::lowest, Absence::removed, false};

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

// How an export is asked: by which keys, and about which measure.
class Asking {
 public:
  explicit Asking(const AuditedSite& site) : site_(site) {
    for (const Measure& measure : site.view.measures) {
      for (const ReducerBounds& bounds : measure.bounds) {
        if (bounds.reducer == Reducer::duration) continue;  // asked about a condition of its own
        const bool usual = signal_ == measure.signal && bounds.reducer == measure.default_reducer;
        if (!signal_.empty() && !usual) continue;
        signal_ = measure.signal, bounds_ = bounds;
      }
    }
  }

  bool measured() const { return !signal_.empty(); }
  std::string value() const { return std::string(to_text(bounds_.reducer)) + "(" + signal_ + ")"; }
  // Holds for the first unit at the lower bound, and for none of the others.
  std::string lowest() const {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", bounds_.lower + (bounds_.upper - bounds_.lower) / 5);
    return value() + " < " + text;
  }
  // A sum whose cells may be added up (composition.h); empty without one.
  std::string additive() const {
    if (site_.view.unit != "twin" || !allows(Aggregate::sum)) return {};
    for (const Measure& measure : site_.view.measures) {
      for (const ReducerBounds& bounds : measure.bounds) {
        const bool adds_up =
            bounds.reducer == Reducer::sum && bounds.lower <= 0 && bounds.upper > 0;
        if (adds_up) return "sum(sum(" + measure.signal + "))";
      }
    }
    return {};
  }
  bool allows(Aggregate aggregate) const {
    const auto& allowed = site_.aggregates;
    return allowed.empty() || std::find(allowed.begin(), allowed.end(), aggregate) != allowed.end();
  }
  // Epsilon of a share of what one partner may be sold.
  double epsilon(double share) const {
    const DeltaUnits delta = site_.view.delta;
    auto most = std::min(site_.quota, site_.view.rho_cap);
    if (const auto enough = security::rho_cap_of(kEpsilonMost, delta)) {
      most = std::min(most, *enough);
    }
    const auto part = static_cast<std::uint64_t>(static_cast<double>(most.units) * share);
    return security::epsilon_of({part}, delta);
  }

  // By as many groups as fit an answer of `integers` a cell and each have units enough.
  std::vector<std::string> group_by(std::size_t integers) const {
    const auto& keys = site_.view.keys;
    std::vector<std::string> best;
    for (std::size_t i = 0; i <= keys.size(); ++i) {
      const std::vector<std::string> some = i == 0 ? keys : std::vector<std::string>{keys[i - 1]};
      const std::size_t groups = groups_of(some).size();
      if (groups <= room(integers) && enough_units(some) && groups > groups_of(best).size()) {
        best = some;
      }
    }
    return best;
  }
  static std::size_t room(std::size_t integers) {
    return std::min((entente::limits::kReleaseBytes - 16'384) / (16 + 8 * integers),
                    entente::limits::kCells);
  }

  // How a question is asked besides: the share of what may be sold, as many cells in time as fit
  // but at most so many, and which of the blocks differ.
  struct How {
    double share = 0.9;
    std::size_t cells = entente::limits::kCells;
    std::size_t period = 1;
    std::size_t phase = 0;
    std::size_t split = 1;  // each cell is asked in so many parts
  };
  AuditAsk ask(std::string items, std::size_t integers) const {
    return ask(std::move(items), integers, How{});
  }
  AuditAsk ask(std::string items, std::size_t integers, How how) const {
    AuditAsk ask;
    ask.group_by = group_by(integers);
    const std::size_t cells = room(integers) / groups_of(ask.group_by).size() / how.split;
    ask.items = std::move(items);
    ask.window = audit_window(site_.view, std::clamp<std::size_t>(cells, 1, how.cells), how.period,
                              how.phase);
    ask.epsilon = epsilon(how.share);
    return ask;
  }
  // Levels and integers of a tree of ranks.
  int height() const {
    return site_.view.declared_units() >= kTreeUnitsMany ? kTreeHeightMany : kTreeHeightFew;
  }
  std::size_t nodes() const { return security::RankTreeShape{height()}.nodes(); }

  // Declared units of each group.
  std::map<std::vector<std::string>, std::uint64_t> groups_of(
      const std::vector<std::string>& keys) const {
    std::map<std::vector<std::string>, std::uint64_t> groups;
    for (const PublicCell& cell : site_.view.cells) {
      std::vector<std::string> values;
      for (const std::string& key : keys) values.push_back(value_in(cell, key));
      groups[values] += cell.units;
    }
    return groups;
  }
  bool enough_units(const std::vector<std::string>& keys) const {
    const auto groups = groups_of(keys);
    return groups.size() <= entente::limits::kCells &&
           std::all_of(groups.begin(), groups.end(), [&](const auto& group) {
             return group.second >= std::max<std::uint32_t>(site_.min_units, 1);
           });
  }

 private:
  const std::string& value_in(const PublicCell& cell, const std::string& key) const {
    const auto& keys = site_.view.keys;
    return cell.values.at(
        static_cast<std::size_t>(std::find(keys.begin(), keys.end(), key) - keys.begin()));
  }

  const AuditedSite& site_;
  std::string signal_;
  ReducerBounds bounds_;
};

void add_dropped(const Asking& asking, std::vector<Experiment>& list) {
  const std::string value = asking.value(), lowest = asking.lowest();
  const auto drop = [&](Aggregate aggregate, const std::string& items, std::size_t integers,
                        First with) {
    if (!asking.allows(aggregate)) return;
    list.push_back({"one unit dropped", {asking.ask(items, integers)}, with, kSilent});
  };
  drop(Aggregate::count, "count(" + lowest + ")", 1, kLowest);
  drop(Aggregate::share, "share(" + lowest + ")", 2, kLowest);
  drop(Aggregate::sum, "sum(" + value + ")", 1, kBeyond);
  drop(Aggregate::mean, "mean(" + value + ")", 2, kLowest);
  drop(Aggregate::variance, "variance(" + value + ")", 3, kLowest);
  drop(Aggregate::stddev, "stddev(" + value + ")", 3, kLowest);
  drop(Aggregate::histogram, "histogram(" + value + ", " + std::to_string(kBins) + ")", kBins,
       kLowest);
  drop(Aggregate::median, "median(" + value + ")", asking.nodes(), kLowest);
  if (asking.allows(Aggregate::max)) {
    drop(Aggregate::min, "min(" + value + "), max(" + value + ")", asking.nodes(), kLowest);
  }
  if (asking.allows(Aggregate::count) && asking.allows(Aggregate::sum)) {
    drop(Aggregate::mean, "count(" + lowest + "), mean(" + value + "), sum(" + value + ")", 4,
         kLowest);
  }
}

std::optional<Experiment> smaller_group(const AuditedSite& site, const Asking& asking,
                                        const std::string& items) {
  if (site.view.keys.size() < 2) return std::nullopt;
  const std::vector<std::string> keys(site.view.keys.begin() + 1, site.view.keys.end());
  // The smaller groups are those of all keys.
  if (!asking.enough_units(site.view.keys)) return std::nullopt;
  Experiment smaller{"a group made smaller", {}, kLowest, kSilent};
  for (const bool part : {false, true}) {
    AuditAsk ask = asking.ask(items, 2, {.share = 0.45});
    ask.group_by = keys;
    if (part) ask.keys = site.view.keys[0] + " = " + quoted(site.view.cells[0].values[0]);
    smaller.asks.push_back(std::move(ask));
  }
  return smaller;
}

void add_windows(const AuditedSite& site, const Asking& asking, const std::string& items,
                 std::vector<Experiment>& list) {
  const Duration block = site.view.block, tick = site.view.tick;
  if (block.ns == 0 || tick >= block || asking.ask(items, 2).window.blocks < 2 * kChunk) return;
  const AuditAsk whole = asking.ask(items, 2, {.share = 0.45, .period = 4, .phase = 1});
  Experiment moved{"a window moved by a tick", {whole, whole}, kLowest, kSilent};
  TimeWindow& later = moved.asks[1].window.window;
  later = {later.from + tick, later.to + tick};
  list.push_back(std::move(moved));
  const Duration quarter{block.ns / 4};
  if (block.ns % 4 == 0 && quarter.ns % tick.ns == 0) {
    const AuditAsk part = asking.ask(items, 2, {.share = 0.45, .split = 4});
    list.push_back({"a block and its quarters", {part, part}, kLowest, kSilent});
    list.back().asks[1].window.every = quarter;
  }
  list.push_back(
      {"a block and those after it", {asking.ask(items, 2, {.period = kChunk})}, kLowest, kSilent});
}

// Quarters of blocks, and by `partner` the wholes of them, which are sums of those.
std::vector<AuditAsk> quarters_and_whole(const Asking& asking, Duration quarter) {
  AuditAsk parts = asking.ask(asking.additive(), 1, {.share = 0.45, .split = 4});
  AuditAsk whole = parts;
  parts.window.every = quarter;
  whole.adds_up = 0;
  return {std::move(parts), std::move(whole)};
}

// Whether blocks can be asked in quarters, and enough of them at once.
bool has_sums(const AuditedSite& site, const Asking& asking) {
  const Duration block = site.view.block, tick = site.view.tick;
  if (asking.additive().empty() || block.ns == 0 || tick > block) return false;
  return block.ns % 4 == 0 && block.ns / 4 % tick.ns == 0 &&
         asking.ask(asking.additive(), 1, {.split = 4}).window.blocks >= kChunk;
}

// Sums of what one partner holds, of which any may be subtracted from any other.
Experiment sums_of_cells(const AuditedSite& site, const Asking& asking) {
  const Duration quarter{site.view.block.ns / 4};
  Experiment sums{"sums of released cells", quarters_and_whole(asking, quarter), kBeyond, kSilent};
  AuditAsk halves = sums.asks[1];
  halves.window.every = quarter * 2;
  AuditAsk moved = halves;
  TimeWindow& later = moved.window.window;
  later = {later.from + quarter, later.to + Duration{-quarter.ns}};
  AuditAsk fewer = sums.asks[1];
  fewer.window.window.from = fewer.window.window.from + site.view.block;
  sums.asks.insert(sums.asks.end(), {std::move(halves), std::move(moved), std::move(fewer)});
  return sums;
}

// The same cells by two ways: of one partner's parts, and with the noise of another's question,
// which the first then asks for too.
Experiment sum_and_own_noise(const AuditedSite& site, const Asking& asking) {
  const Duration quarter{site.view.block.ns / 4};
  Experiment both{"a sum of cells and its own noise", quarters_and_whole(asking, quarter), kBeyond,
                  kSilent};
  AuditAsk own = both.asks[1];
  own.adds_up.reset();
  own.fresh = true;
  both.asks.push_back(own);
  both.asks.back().partner = 1;
  both.asks.push_back(std::move(own));
  return both;
}

// What a partner learns of cells that another has paid for, which its quota pays.
Experiment cells_of_another(const AuditedSite& site, const Asking& asking) {
  const AuditAsk whole = asking.ask(asking.additive(), 1, {.share = 0.45});
  Experiment another{"sums of another's cells", {whole, whole}, kBeyond, kSilent};
  TimeWindow& window = another.asks[1].window.window;
  window.from = window.from + site.view.block;
  another.asks[1].adds_up = 0;
  another.asks[1].partner = 1;
  another.observer = 1;
  return another;
}

// Sentences that one unit moves as far as it may, of what the agreement allows.
std::vector<std::string> heavy_items(const Asking& asking) {
  std::vector<std::string> items;
  if (asking.allows(Aggregate::sum)) items.push_back("sum(" + asking.value() + ")");
  if (asking.allows(Aggregate::mean)) items.push_back("mean(" + asking.value() + ")");
  if (asking.allows(Aggregate::count)) items.push_back("count(NOT " + asking.lowest() + ")");
  return items;
}

std::optional<Experiment> many_askers(const Asking& asking) {
  const auto items = heavy_items(asking);
  if (items.empty()) return std::nullopt;
  Experiment many{"many askers until the cap is spent", {}, kBeyond, kSilent};
  many.adaptive = true;
  for (int round = 0; round < kAskers; ++round) {
    for (const std::string& item : {items.front(), items[items.size() > 1 ? 1 : 0]}) {
      many.asks.push_back(asking.ask(item, 2, {.share = 0.08 + 0.001 * round}));
      many.asks.back().partner = static_cast<std::size_t>(round) % ScratchSite::kPartners;
    }
  }
  return many;
}

// At a small charge: what low bits give away does not follow from it.
Experiment low_bits(const Asking& asking) {
  Experiment bits{"low bits of an answer",
                  {asking.ask("count(" + asking.lowest() + ")", 1, {.share = 0.05})},
                  kLowest,
                  kSilent};
  bits.low_bits = true;
  return bits;
}

}  // namespace

std::vector<Experiment> experiments_of(const AuditedSite& site) {
  const Asking asking(site);
  std::vector<Experiment> list;
  if (asking.allows(Aggregate::count)) {
    list.push_back(
        {"one unit dropped", {asking.ask("count(*)", 1, {.cells = 1})}, kLowest, kRemoved});
    list.back().membership = true;
  }
  if (!asking.measured()) return list;
  add_dropped(asking, list);
  const std::string mean = "mean(" + asking.value() + ")";
  if (asking.allows(Aggregate::mean)) {
    list.push_back({"one unit doubled", {asking.ask(mean, 2)}, kDoubled, kLowest});
    list.push_back({"one dominating value", {asking.ask(mean, 2)}, kBeyond, kSilent});
    if (auto smaller = smaller_group(site, asking, mean)) list.push_back(std::move(*smaller));
    add_windows(site, asking, mean, list);
  }
  if (has_sums(site, asking)) {
    list.push_back(sums_of_cells(site, asking));
    list.push_back(sum_and_own_noise(site, asking));
    list.push_back(cells_of_another(site, asking));
  }
  if (auto many = many_askers(asking)) list.push_back(std::move(*many));
  if (asking.allows(Aggregate::count)) list.push_back(low_bits(asking));
  return list;
}

std::vector<Experiment> controls_of(const AuditedSite& site, Random& random) {
  const Asking asking(site);
  std::vector<Experiment> list;
  if (!asking.measured()) return list;
  const std::string value = asking.value();
  const auto add = [&](Aggregate aggregate, const char* name, AuditAsk ask, First with,
                       Fault fault) {
    if (!asking.allows(aggregate)) return;
    list.push_back({name, {std::move(ask)}, with, kSilent, std::move(fault)});
  };
  const AuditAsk mean = asking.ask("mean(" + value + ")", 2);
  const AuditAsk count = asking.ask("count(" + asking.lowest() + ")", 1);
  const AuditAsk sum = asking.ask("sum(" + value + ")", 1);
  const auto heavy = heavy_items(asking);
  if (!heavy.empty()) {
    list.push_back({kHalfTheNoise, {asking.ask(heavy.back(), 2)}, kBeyond, kSilent});
    list.back().fault = less_variance(4);
  }
  if (asking.allows(Aggregate::count)) {
    list.push_back(low_bits(asking));
    list.back().name = "noise from floating point";
    list.back().fault = floating_point(random);
  }
  add(Aggregate::sum, "a raw minimum", sum, kLowest, raw_minimum(site.view));
  add(Aggregate::sum, "a sum without clamping", sum, kBeyond, no_clamping());
  if (auto many = many_askers(asking)) {
    many->name = kWithoutCharge, many->fault = no_charge();
    list.push_back(std::move(*many));
  }
  add(Aggregate::median, "a tree priced as one level",
      asking.ask("median(" + value + ")", asking.nodes()), kLowest,
      less_variance(static_cast<std::uint64_t>(asking.height())));
  add(Aggregate::histogram, "a histogram whose bins add up",
      asking.ask("histogram(" + value + ", " + std::to_string(kBins) + ")", kBins), kLowest,
      cumulative_bins(kBins));
  add(Aggregate::variance, "squares that are not centred", asking.ask("variance(" + value + ")", 3),
      kLowest, uncentred_squares());
  if (asking.allows(Aggregate::sum) && asking.allows(Aggregate::mean)) {
    add(Aggregate::count, "four statistics at the price of one",
        asking.ask("count(" + asking.lowest() + "), mean(" + value + "), sum(" + value + ")", 4),
        kLowest, less_variance(4));
  }
  add(Aggregate::count, "a predicate that reads another unit", count, kLowest, anothers_value());
  if (mean.window.blocks >= 2 * kChunk) {
    add(Aggregate::mean, "a rule that remembers earlier blocks",
        asking.ask("mean(" + value + ")", 2, {.period = kChunk}), kLowest,
        remembering_rule(kChunk));
  }
  if (has_sums(site, asking)) {
    list.push_back(sums_of_cells(site, asking));
    list.back().name = "sums of cells that were never released";
    list.back().fault = unreleased_cells();
    list.push_back(cells_of_another(site, asking));
    list.back().name = "another's cells for nothing";
    list.back().fault = others_cells_for_nothing();
  }
  return list;
}

}  // namespace entente::federation
