#include "federation/feed/feed_price.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "federation/feed/limits.h"
#include "federation/query/contribution.h"
#include "schemas/base/limits.h"
#include "schemas/base/zone.h"
#include "security/privacy/dyadic.h"
#include "security/privacy/noise.h"
#include "security/privacy/noise_grid.h"
#include "security/privacy/toeplitz.h"
#include "security/privacy/toeplitz_decoder.h"

namespace entente::federation {
namespace {

using Wide = unsigned __int128;
// 2250-01-01: far enough from the end of int64 for every sum made here.
constexpr Instant kLatest{8'835'955'200'000'000'000};

Error shape(std::string what, std::string remedy = {}) {
  return make_error(ErrorCode::shape_refused, std::move(what), std::move(remedy));
}

using Sums = std::map<Instant, Wide>;

// What the ticks as questions of `rho` cost each block together.
Result<Sums> bucket_sums(const FeedTerms& terms, const std::vector<TimeWindow>& ticks,
                         const ExportView& view, std::uint64_t rho) {
  Sums sums;
  Question question = terms.question;
  question.rho_per_block = rho;
  for (const TimeWindow& tick : ticks) {
    question.window = tick;
    auto price = price_of(question, view);
    if (!price) return std::move(price).error();
    for (const BlockAmount& charge : price->charges) sums[charge.start] += charge.rho.units;
  }
  return sums;
}

Wide most(const Sums& sums) {
  Wide most = 0;
  for (const auto& [block, sum] : sums) most = std::max(most, sum);
  return most;
}

Result<std::vector<BlockAmount>> amounts(const Sums& sums) {
  if (sums.size() > entente::limits::kBlocks) {
    return shape(
        "the feed touches more than " + std::to_string(entente::limits::kBlocks) + " blocks",
        "ask for a shorter horizon");
  }
  std::vector<BlockAmount> out;
  for (const auto& [block, sum] : sums) {
    if (sum > UINT64_MAX) {
      return make_error(ErrorCode::epsilon_refused,
                        "epsilon: the feed's charge is too large to count");
    }
    out.push_back({block, {static_cast<std::uint64_t>(sum)}});
  }
  return out;
}

Result<FeedPrice> price_buckets(const FeedTerms& terms, FeedPrice price, const ExportView& view) {
  const Wide rho = terms.question.rho_per_block;
  auto sums = bucket_sums(terms, price.ticks, view, terms.question.rho_per_block);
  if (!sums) return std::move(sums).error();
  price.tick_rho = static_cast<std::uint64_t>(rho * rho / std::max(most(*sums), rho));
  // Shares are rounded up tick by tick: a few units less make room for that.
  for (int round = 0; round < 4; ++round) {
    if (price.tick_rho == 0) {
      return make_error(ErrorCode::epsilon_refused, "epsilon is too small for this many ticks");
    }
    sums = bucket_sums(terms, price.ticks, view, price.tick_rho);
    if (!sums) return std::move(sums).error();
    if (most(*sums) <= rho) break;
    price.tick_rho -= std::min<std::uint64_t>(price.tick_rho, 8);
  }
  auto charges = amounts(*sums);
  if (!charges) return std::move(charges).error();
  price.charges = std::move(*charges);
  auto tick = price_of(tick_question(terms, price, 0), view);
  if (!tick) return std::move(tick).error();
  price.tick = std::move(*tick);
  return price;
}

struct Touched {
  std::uint32_t ticks = 0;
  bool straddled = false;
};

Result<std::map<Instant, Touched>> touched(const std::vector<TimeWindow>& ticks,
                                           const ExportView& view) {
  std::map<Instant, Touched> blocks;
  for (const TimeWindow& tick : ticks) {
    auto weights = security::weigh_blocks({tick}, view.block, view.zone);
    if (!weights) return std::move(weights).error();
    for (const security::BlockWeight& block : *weights) {
      Touched& one = blocks[block.start];
      ++one.ticks;
      one.straddled = one.straddled || block.weight > 1;
    }
  }
  return blocks;
}

// ceil(bound^2 parts weight 2^39 / rho), on the grid; nothing when it cannot be drawn.
std::optional<std::uint64_t> noise_for(std::int64_t bound, std::uint64_t parts, Wide weight,
                                       std::uint64_t rho) {
  Wide product = static_cast<Wide>(bound) * static_cast<Wide>(bound);
  if (__builtin_mul_overflow(product, weight, &product) ||
      __builtin_mul_overflow(product, static_cast<Wide>(parts), &product) ||
      __builtin_mul_overflow(product, static_cast<Wide>(1) << 39, &product)) {
    return {};
  }
  const Wide variance = (product + rho - 1) / rho;
  if (variance > security::kVarianceMost) return {};
  return security::grid_variance(std::max<std::uint64_t>(static_cast<std::uint64_t>(variance), 1));
}

// The coordinate with the noise that a share of `rho` buys, on a lattice as coarse as that takes.
Outcome add_noise_to(StatisticLayout& layout, const Question& question, std::uint64_t parts,
                     Wide weight) {
  const bool counts = counts_units(layout.kind);
  const Column* column = counts ? nullptr : &question.columns[layout.column];
  for (int exponent = layout.lattice.exponent(); !counts || exponent <= 0; ++exponent) {
    auto lattice = counts ? security::Lattice::make(0, 1, 0, exponent)
                          : security::Lattice::make(column->lower, column->upper, 0, exponent);
    if (!lattice) return std::move(lattice).error();
    if (lattice->bound() < (counts ? 1 : limits::kFeedFineness)) break;
    layout.lattice = *lattice;
    if (const auto variance = noise_for(layout.bound(), parts, weight, question.rho_per_block)) {
      layout.variance = *variance;
      return {};
    }
  }
  return make_error(ErrorCode::epsilon_refused, "epsilon is too small for this feed",
                    "ask with more epsilon, or for fewer ticks in a block");
}

Outcome check_overflow(const StatisticLayout& layout, std::uint64_t units, const FeedTerms& terms,
                       const FeedPrice& price) {
  const Wide tick = static_cast<Wide>(layout.bound()) * units;
  const Wide limit = static_cast<Wide>(1) << 61;
  const bool fits =
      tick < limit >> (terms.mechanism == FeedMechanism::dyadic ? price.level_most : 0);
  if (!fits) return shape("the sums of this feed could overflow");
  if (terms.mechanism != FeedMechanism::toeplitz) return {};
  auto toeplitz = security::Toeplitz::make(terms.ticks);
  if (!toeplitz) return std::move(toeplitz).error();
  return toeplitz->check_overflow(static_cast<std::int64_t>(tick), layout.variance);
}

// What one tick releases and what all of them keep, at most.
Outcome check_kept(const FeedTerms& terms, int level_most) {
  // A cell's places and what holds them; an item has at most three figures.
  const std::size_t cell_bytes = 32 + 24 * terms.question.items.size();
  const std::size_t groups = terms.question.groups.size();
  const std::size_t figures = groups * terms.question.items.size();
  const std::size_t cells = groups * static_cast<std::size_t>(level_most + 1);
  if (cells > entente::limits::kCells || cells * cell_bytes > entente::limits::kReleaseBytes) {
    return shape("a tick of this feed would be larger than an answer may be",
                 "ask for fewer groups or a shorter horizon");
  }
  if (figures * terms.ticks > limits::kFeedFrozen) {
    return shape("this feed would keep too many figures until its end",
                 "ask for fewer groups, items or ticks");
  }
  return {};
}

Result<FeedPrice> price_sums(const FeedTerms& terms, FeedPrice price, const ExportView& view) {
  auto blocks = touched(price.ticks, view);
  if (!blocks) return std::move(blocks).error();
  const bool dyadic = terms.mechanism == FeedMechanism::dyadic;
  if (dyadic) {
    price.level_most = security::dyadic_level_of(
        terms.kind == FeedKind::sliding ? terms.window_ticks : terms.ticks);
  }
  if (auto fits = check_kept(terms, price.level_most); !fits) return std::move(fits).error();
  auto toeplitz = security::Toeplitz::make(terms.ticks);
  if (!toeplitz) return std::move(toeplitz).error();
  Sums weights;
  std::map<std::uint32_t, std::uint64_t> squares;  // most blocks have as many ticks
  for (const auto& [start, block] : *blocks) {
    const auto [known, is_new] = squares.emplace(block.ticks, 0);
    if (is_new) {
      known->second = dyadic ? security::dyadic_weight(block.ticks, price.level_most)
                             : toeplitz->squares(block.ticks);
    }
    weights[start] = static_cast<Wide>(known->second) * (block.straddled ? 4 : 1);
  }
  const Wide heaviest = most(weights);
  auto layout = lay_out(terms.question, view);
  if (!layout) return std::move(layout).error();
  // A unit that may be counted in G groups of a tick, others in other ticks, moves all of a tick's
  // streams together by at most G times what it moves one that it is in throughout: each by no more
  // than that, and their sum by no more than G of it.
  price.tick.groups_touched = groups_touched(terms.question, view);
  const std::uint64_t parts = layout->size() * price.tick.groups_touched;
  for (StatisticLayout& one : *layout) {
    if (auto done = add_noise_to(one, terms.question, parts, heaviest); !done) {
      return std::move(done).error();
    }
    if (auto fits = check_overflow(one, view.declared_units(), terms, price); !fits)
      return std::move(fits).error();
    price.tick.statistics.push_back({one.exponent(), one.variance, one.width});
  }
  price.tick.layout = std::move(*layout);
  for (auto& [start, weight] : weights) {
    weight = (weight * terms.question.rho_per_block + heaviest - 1) / heaviest;
  }
  auto charges = amounts(weights);
  if (!charges) return std::move(charges).error();
  price.charges = std::move(*charges);
  return price;
}

// The most nodes that a window of the feed is made of.
std::size_t nodes_most(const FeedTerms& terms, int level_most) {
  std::size_t nodes = 1;
  for (std::uint64_t end = 1; end <= terms.ticks; ++end) {
    const bool sliding = terms.kind == FeedKind::sliding;
    if (sliding && end < terms.window_ticks) continue;
    const std::uint64_t from = sliding ? end - terms.window_ticks : 0;
    nodes = std::max(nodes, security::dyadic_nodes({from, end}, level_most).size());
  }
  return nodes;
}

}  // namespace

Outcome check_additive(const Question& question) {
  if (question.every) {
    return shape("a feed of sums takes one value a tick", "leave EVERY out");
  }
  for (const Item& item : question.items) {
    const Reducer reducer = item.column ? question.columns[*item.column].reducer : Reducer::mean;
    const bool sum =
        item.aggregate == Aggregate::sum &&
        (reducer == Reducer::sum || reducer == Reducer::delta || reducer == Reducer::duration);
    const bool count = item.aggregate == Aggregate::count && !item.predicate.empty();
    if (sum || count) continue;
    return shape(std::string(to_text(item.aggregate)) + " does not add up over ticks",
                 "ask for sum(sum(x)), sum(delta(x)), sum(duration(c)) or count(c), or repeat the "
                 "question without adding up");
  }
  return {};
}

Result<std::vector<TimeWindow>> feed_ticks(const FeedTerms& terms, const ExportView& view) {
  const TimeWindow first = terms.question.window;
  const Duration length = first.length();
  std::int64_t span = 0;
  if (length.ns <= 0 || __builtin_mul_overflow(length.ns, terms.ticks, &span) ||
      __builtin_add_overflow(span, first.from.ns, &span) || Instant{span} > kLatest) {
    return shape("the feed's windows are empty or reach beyond the year 2249");
  }
  const bool local_days = view.zone != "UTC" && view.tick.ns % days(1).ns == 0;
  int steps = 0;
  for (Instant at = first.from; local_days && at < first.to; ++steps) {
    at = step_end(at, view.tick, view.zone);
  }
  std::vector<TimeWindow> ticks;
  Instant from = first.from;
  for (std::uint32_t i = 0; i < terms.ticks; ++i) {
    Instant to = from + length;
    if (local_days) {
      to = from;
      for (int step = 0; step < steps; ++step) to = step_end(to, view.tick, view.zone);
    }
    const bool divides = !terms.question.every || (to - from).ns % terms.question.every->ns == 0;
    if (!divides || !is_aligned(from, view.tick, view.zone) ||
        !is_aligned(to, view.tick, view.zone)) {
      return shape("the window that begins at " + to_text(from) + " does not fit the ticks of '" +
                       view.name + "'; the zone's clocks change within the horizon",
                   "let the feed end before, and start another after the change");
    }
    ticks.push_back({from, to});
    from = to;
  }
  return ticks;
}

Result<FeedPrice> price_feed(const FeedTerms& terms, const ExportView& view) {
  if (terms.question.rho_per_block == 0) {
    return make_error(ErrorCode::epsilon_refused, "epsilon is 0: the feed names no charge");
  }
  if (!terms.question.private_keys.empty()) {
    return shape("feeds have public group keys only", "group by the export's public keys");
  }
  if (terms.kind != FeedKind::repeat) {
    if (auto fits = check_additive(terms.question); !fits) return std::move(fits).error();
  }
  FeedPrice price;
  auto ticks = feed_ticks(terms, view);
  if (!ticks) return std::move(ticks).error();
  price.ticks = std::move(*ticks);
  if (terms.mechanism == FeedMechanism::buckets)
    return price_buckets(terms, std::move(price), view);
  return price_sums(terms, std::move(price), view);
}

Outcome check_sums(const FeedTerms& terms, const FeedPrice& price, std::uint64_t units) {
  if (terms.mechanism == FeedMechanism::buckets) return {};
  for (const StatisticLayout& one : price.tick.layout) {
    if (auto fits = check_overflow(one, units, terms, price); !fits) return fits;
  }
  return {};
}

Question tick_question(const FeedTerms& terms, const FeedPrice& price, std::uint32_t sequence) {
  Question question = terms.question;
  question.window = price.ticks.at(sequence);
  question.rho_per_block = price.tick_rho;
  return question;
}

double worst_factor(const FeedTerms& terms, const FeedPrice& price) {
  if (terms.kind == FeedKind::repeat) return 1;
  if (terms.mechanism == FeedMechanism::buckets) {
    return terms.kind == FeedKind::sliding ? terms.window_ticks : terms.ticks;
  }
  if (terms.mechanism == FeedMechanism::dyadic) {
    return static_cast<double>(nodes_most(terms, price.level_most));
  }
  const auto toeplitz = security::Toeplitz::make(terms.ticks);
  ENTENTE_CHECK(toeplitz.has_value());
  return security::ToeplitzDecoder(*toeplitz).variances().back();
}

Instant due_at(const FeedPrice& price, const ExportView& view, std::uint32_t sequence) {
  return price.ticks.at(sequence).to + view.lateness;
}

}  // namespace entente::federation
