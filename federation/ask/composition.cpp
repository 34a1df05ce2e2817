#include "federation/ask/composition.h"

#include <algorithm>
#include <climits>
#include <map>
#include <tuple>

#include "federation/ask/limits.h"
#include "schemas/base/hash.h"
#include "schemas/base/limits.h"
#include "schemas/base/zone.h"
#include "security/privacy/blocks.h"

namespace entente::federation {
namespace {

using Wide = unsigned __int128;

// Exponents further from the question's own are left alone, so that variances add up in 128 bits:
// 2^50 of a drawn variance, 4^32 between two exponents, 2^12 cells.
constexpr int kExponentsApart = 16;

// A stored release, read.
struct Source {
  Release release;
  Hash256 hash;
  TimeWindow window;
  Duration every;
  bool paid = false;
};

// One cell in time of a source; of all groups.
struct Cell {
  TimeWindow window;
  const Source* source = nullptr;
  std::uint32_t tick = 0;
  Wide cost = 0;
};

bool same_shape(const Release& release, const Price& price, std::size_t cells) {
  if (!release.composed_of.empty() || release.cells.size() != cells ||
      release.statistics.size() != price.statistics.size()) {
    return false;
  }
  for (std::size_t s = 0; s < price.statistics.size(); ++s) {
    const Statistic& one = release.statistics[s];
    const int apart = one.exponent - price.statistics[s].exponent;
    if (one.width != 1 || apart > kExponentsApart || apart < -kExponentsApart) return false;
    if (one.variance == 0 || one.variance > std::uint64_t{1} << 50) return false;
  }
  return true;
}

std::vector<Source> read_sources(const Question& question, const Price& price,
                                 const std::vector<StoredRelease>& stored) {
  std::vector<Source> sources;
  for (const StoredRelease& one : stored) {
    const std::int64_t length = one.window.to.ns - one.window.from.ns;
    const std::int64_t every = one.every ? one.every->ns : length;
    if (length <= 0 || every <= 0 || length % every != 0) continue;
    auto release = release_from_bytes(one.release);
    const auto cells = question.groups.size() * static_cast<std::size_t>(length / every);
    if (!release || !same_shape(*release, price, cells)) continue;
    sources.push_back(
        {std::move(*release), release_hash(one.release), one.window, {every}, one.paid});
  }
  return sources;
}

Wide scaled(std::uint64_t variance, int exponent, int to) {
  return static_cast<Wide>(variance) << (2 * (exponent - to));
}

// The cells inside the question's window by their beginning, with what each adds to the variance.
std::vector<Cell> cells_of(const Question& question, const std::vector<Source>& sources,
                           bool paid_only) {
  int finest = INT_MAX;
  for (const Source& source : sources) {
    finest = std::min(finest, source.release.statistics.front().exponent);
  }
  std::vector<Cell> cells;
  for (const Source& source : sources) {
    if (paid_only && !source.paid) continue;
    const Statistic& first = source.release.statistics.front();
    const Wide cost = scaled(first.variance, first.exponent, finest);
    std::uint32_t tick = 0;
    for (Instant at = source.window.from; at < source.window.to; at = at + source.every, ++tick) {
      const TimeWindow window{at, at + source.every};
      const bool inside = window.from >= question.window.from && window.to <= question.window.to;
      if (inside) cells.push_back({window, &source, tick, cost});
    }
  }
  std::stable_sort(cells.begin(), cells.end(),
                   [](const Cell& a, const Cell& b) { return a.window.from < b.window.from; });
  return cells;
}

// The chain of cells from one end of `tick` to the other that adds least variance; empty without
// one. Cells come by their beginning, so a chain up to a cell's beginning is known when it comes.
std::vector<const Cell*> cover(const std::vector<Cell>& cells, TimeWindow tick) {
  struct Reached {
    Wide cost = 0;
    const Cell* by = nullptr;
  };
  std::map<Instant, Reached> reached{{tick.from, {}}};
  for (const Cell& cell : cells) {
    if (cell.window.from < tick.from || cell.window.to > tick.to) continue;
    const auto from = reached.find(cell.window.from);
    if (from == reached.end()) continue;
    const Reached next{from->second.cost + cell.cost, &cell};
    const auto [known, is_new] = reached.emplace(cell.window.to, next);
    if (!is_new && next.cost < known->second.cost) known->second = next;
  }
  std::vector<const Cell*> chain;
  for (Instant at = tick.to; at != tick.from; at = chain.back()->window.from) {
    const auto found = reached.find(at);
    if (found == reached.end()) return {};
    chain.push_back(found->second.by);
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

// Adds the chains up. Nothing where something does not fit, or ticks differ in variance.
class Sum {
 public:
  Sum(const Question& question, const Price& price,
      const std::vector<std::vector<const Cell*>>& chains)
      : question_(question), chains_(chains), exponents_(price.statistics.size(), INT_MAX) {
    for (const auto& chain : chains) {
      for (const Cell* cell : chain) {
        for (std::size_t s = 0; s < exponents_.size(); ++s) {
          exponents_[s] = std::min(exponents_[s], cell->source->release.statistics[s].exponent);
        }
      }
    }
  }

  std::optional<Composition> made() const {
    Composition out;
    for (std::size_t s = 0; s < exponents_.size(); ++s) {
      const Wide variance = variance_of(chains_.front(), s);
      for (const auto& chain : chains_) {
        if (variance_of(chain, s) != variance) return {};
      }
      if (variance > UINT64_MAX) return {};
      out.statistics.push_back({exponents_[s], static_cast<std::uint64_t>(variance), 1});
    }
    for (std::uint32_t group = 0; group < question_.groups.size(); ++group) {
      for (std::uint32_t tick = 0; tick < chains_.size(); ++tick) {
        ReleasedCell cell{group, tick, {}};
        for (std::size_t s = 0; s < exponents_.size(); ++s) {
          const __int128 sum = mantissa_of(chains_[tick], group, s);
          if (sum > INT64_MAX || sum < INT64_MIN) return {};
          cell.mantissas.push_back(static_cast<std::int64_t>(sum));
        }
        out.cells.push_back(std::move(cell));
      }
    }
    for (const auto& chain : chains_) {
      for (const Cell* cell : chain) append(out.composed_of, *cell);
    }
    return out;
  }

 private:
  Wide variance_of(const std::vector<const Cell*>& chain, std::size_t s) const {
    Wide sum = 0;
    for (const Cell* cell : chain) {
      const Statistic& one = cell->source->release.statistics[s];
      sum += scaled(one.variance, one.exponent, exponents_[s]);
    }
    return sum;
  }

  __int128 mantissa_of(const std::vector<const Cell*>& chain, std::uint32_t group,
                       std::size_t s) const {
    __int128 sum = 0;
    for (const Cell* cell : chain) {
      const Release& release = cell->source->release;
      const std::size_t ticks = release.cells.size() / question_.groups.size();
      const __int128 mantissa = release.cells[group * ticks + cell->tick].mantissas[s];
      sum +=
          mantissa * (static_cast<__int128>(1) << (release.statistics[s].exponent - exponents_[s]));
    }
    return sum;
  }

  static void append(std::vector<ComposedOf>& parts, const Cell& cell) {
    const bool goes_on = !parts.empty() && parts.back().release == cell.source->hash;
    if (goes_on) {
      parts.back().window.to = cell.window.to;
    } else {
      parts.push_back({cell.source->hash, cell.window});
    }
  }

  const Question& question_;
  const std::vector<std::vector<const Cell*>>& chains_;
  std::vector<int> exponents_;  // of each statistic: the finest of the cells used
};

bool touches(const TimeWindow& window, Instant block, const ExportView& view) {
  if (block == security::kLifetimeBlock || view.block.ns == 0) return true;
  return window.from < step_end(block, view.block, view.zone) && block < window.to;
}

// What the releases that the asker has not paid for cost on the blocks that the used cells touch.
std::vector<BlockAmount> charges_of(const std::vector<std::vector<const Cell*>>& chains,
                                    const ExportView& view) {
  std::map<const Source*, std::vector<TimeWindow>> used;
  for (const auto& chain : chains) {
    for (const Cell* cell : chain) {
      if (!cell->source->paid) used[cell->source].push_back(cell->window);
    }
  }
  std::map<Instant, Wide> sums;
  for (const auto& [source, windows] : used) {
    for (const BlockAmount& charge : source->release.charges) {
      const bool about = std::any_of(windows.begin(), windows.end(), [&](const TimeWindow& window) {
        return touches(window, charge.start, view);
      });
      if (about) sums[charge.start] += charge.rho.units;
    }
  }
  std::vector<BlockAmount> charges;
  for (const auto& [start, rho] : sums) {
    charges.push_back({start, {rho > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(rho)}});
  }
  return charges;
}

bool as_exact(const Composition& made, const Price& price) {
  for (std::size_t s = 0; s < price.statistics.size(); ++s) {
    const Statistic& own = price.statistics[s];
    const Statistic& sum = made.statistics[s];
    const int finest = std::min(own.exponent, sum.exponent);
    if (scaled(sum.variance, sum.exponent, finest) > scaled(own.variance, own.exponent, finest)) {
      return false;
    }
  }
  return true;
}

bool within(const std::vector<BlockAmount>& charges, const std::vector<BlockAmount>& most) {
  return std::all_of(charges.begin(), charges.end(), [&](const BlockAmount& charge) {
    return std::any_of(most.begin(), most.end(), [&](const BlockAmount& one) {
      return one.start == charge.start && charge.rho <= one.rho;
    });
  });
}

bool fits(const Question& question, const Composition& made) {
  constexpr std::size_t kPart = 64;  // of a release's bytes
  const std::size_t bytes =
      release_bytes(question, made.statistics.size(), made.statistics.size(), 0);
  return made.composed_of.size() <= limits::kComposedParts &&
         bytes + kPart * made.composed_of.size() <= entente::limits::kReleaseBytes;
}

std::optional<Composition> compose_of(const Question& question, const Price& price,
                                      const std::vector<Cell>& cells, const ExportView& view) {
  std::vector<std::vector<const Cell*>> chains;
  for (std::size_t tick = 0; tick < question.tick_count(); ++tick) {
    chains.push_back(cover(cells, question.tick(tick)));
    if (chains.back().empty()) return {};
  }
  auto made = Sum(question, price, chains).made();
  if (!made || !fits(question, *made)) return {};
  made->charges = charges_of(chains, view);
  return made;
}

}  // namespace

bool is_additive(const Question& question) {
  if (!question.private_keys.empty()) return false;
  for (const Item& item : question.items) {
    if (item.aggregate != Aggregate::sum || !item.column) return false;
    const Column& column = question.columns.at(*item.column);
    if (column.reducer != Reducer::sum || column.lower > 0 || column.upper < 0) return false;
  }
  return !question.items.empty();
}

Hash256 cells_key(const Question& question, std::uint32_t revision) {
  Question alike = question;
  alike.window = {};
  alike.every.reset();
  alike.rho_per_block = 0;
  return hash_parts("entente released cells v1",
                    {canonical_bytes(alike), bytes_of(std::to_string(revision))});
}

bool CellsReach::admits(std::size_t bytes) {
  ++releases_;
  bytes_ += bytes;
  return releases_ <= limits::kComposedReleases && bytes_ <= limits::kComposedBytes;
}

bool looked_at_before(const StoredRelease& a, const StoredRelease& b) {
  const auto rank = [](const StoredRelease& one) {
    return std::tuple(!one.paid, -one.window.length().ns, one.window.from);
  };
  return rank(a) < rank(b);
}

Result<StoredRelease> as_if_paid(const Question& question, const ExportView& view) {
  auto price = price_of(question, view);
  if (!price) return std::move(price).error();
  Release release;
  release.site = view.site;
  release.question_hash = question_hash(canonical_bytes(question));
  release.domain = view.domain;
  release.unit = view.unit;
  release.charges = std::move(price->charges);
  release.statistics = std::move(price->statistics);
  const std::vector<std::int64_t> zeros(integers_of(price->layout), 0);
  for (std::uint32_t group = 0; group < question.groups.size(); ++group) {
    for (std::uint32_t tick = 0; tick < question.tick_count(); ++tick) {
      release.cells.push_back({group, tick, zeros});
    }
  }
  return StoredRelease{canonical_bytes(release), question.window, question.every, true};
}

std::optional<Composition> compose(const Question& question, const ExportView& view,
                                   const Price& price, const std::vector<StoredRelease>& stored) {
  if (!is_additive(question)) return {};
  // Where a unit lies in several groups, it counts in others of them from question to question.
  if (view.unit != "twin" && question.groups.size() > 1) return {};
  const std::vector<Source> sources = read_sources(question, price, stored);
  if (sources.empty()) return {};
  auto own = compose_of(question, price, cells_of(question, sources, true), view);
  if (own) return own;
  auto any = compose_of(question, price, cells_of(question, sources, false), view);
  if (any && as_exact(*any, price) && within(any->charges, price.charges)) return any;
  return {};
}

}  // namespace entente::federation
