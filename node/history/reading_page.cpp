#include "node/history/reading_page.h"

#include <numeric>

namespace entente::node {
namespace {

// A window with no more than so many pages of readings is decoded as a whole.
constexpr std::size_t kPagesDecoded = 4;

std::uint64_t count(const History& history, SeriesId series, TimeWindow window, Keep keep) {
  Summary summary;
  history.aggregate({&series, 1}, window, Figures::moments, {&summary, 1});
  return keep == Keep::good ? summary.partial.count : summary.partial.readings;
}

// The beginning of a window, with some readings but not many; empty when there is none.
TimeWindow narrowed(const History& history, SeriesId series, TimeWindow window, std::uint64_t most,
                    Keep keep) {
  auto there = count(history, series, window, keep);
  if (there == 0) return {window.to, window.to};
  while (there > most && window.from.ns < window.to.ns - 1) {
    const Instant middle{std::midpoint(window.from.ns, window.to.ns)};
    const auto before = count(history, series, {window.from, middle}, keep);
    if (before == 0) {
      window.from = middle;
    } else {
      window.to = middle;
      there = before;
    }
  }
  return window;
}

}  // namespace

std::vector<Reading> read_page(const History& history, SeriesId series, TimeWindow window,
                               std::size_t limit, Keep keep) {
  if (const auto* paged = dynamic_cast<const PagedHistory*>(&history)) {
    return paged->page(series, window, limit, keep);
  }
  std::vector<Reading> page;
  while (page.size() < limit && window.from < window.to) {
    const auto part = narrowed(history, series, window, kPagesDecoded * limit, keep);
    if (part.from < part.to) {
      history.scan(series, part, [&](const History::Block& block) {
        for (std::size_t i = 0; i < block.times.size() && page.size() < limit; ++i) {
          if (keep == Keep::good && block.qualities[i] != Quality::good) continue;
          page.push_back({{block.times[i]}, block.values[i], block.qualities[i]});
        }
      });
    }
    window.from = part.to;
  }
  return page;
}

}  // namespace entente::node
