// The memory of the twins: readings of signals, durable and judged.
//
// A series is one signal of one twin. A reading is (time, value, quality); a series has one reading a
// time, the latest written. Questions read good readings only; whoever wants the rest scans.
// The interface is made for what follows it: batches go in as columns, scans come out as blocks of
// columns (a chunk decoded, or a piece of a cache), folds are asked of the history itself, which may
// answer them from summaries, and erasing is part of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "node/store/store.h"
#include "schemas/base/time.h"
#include "schemas/question.h"

namespace entente::node {

// The verdict on a reading, kept with it. Values are stored: never renumber.
enum class Quality : std::uint8_t {
  good = 0,
  not_finite = 1,     // NaN or infinite; kept as NaN
  clock_ahead = 2,    // from more than limits::kClockAheadNs after its arrival
  out_of_range = 3,   // outside the range that the type declares
};
std::string_view to_text(Quality quality);

struct SeriesKey {
  std::string twin;
  std::string signal;
  auto operator<=>(const SeriesKey&) const = default;
};

struct Reading {
  Instant time;
  double value = 0;
  Quality quality = Quality::good;
};

// Readings of one series, in any order of time; of two with one time the later in the list counts.
struct SeriesBatch {
  SeriesKey key;
  std::vector<Reading> readings;
};
using Batch = std::vector<SeriesBatch>;

struct AppendReport {
  std::uint64_t added = 0;
  std::uint64_t repeated = 0;   // the same time and value were there
  std::uint64_t corrected = 0;  // the time was there with another value, which is now gone
  std::uint64_t bad = 0;        // of all of these, those with a verdict other than good
};

struct SeriesSummary {
  SeriesKey key;
  std::uint64_t readings = 0;
  std::uint64_t good = 0;
  Instant first;  // meaningless without readings
  Instant last;
};

// Threads: append, erase from any; everything const from workers, several at once, never the loop.
// Throws StoreFault where the file cannot be read.
class History {
 public:
  virtual ~History() = default;

  // Writes all or nothing. `done` comes through the store's deliver, after the commit: what it
  // reports survives kill -9 and power loss, and every later scan and fold sees it.
  // Refuses: payload_too_large (more than limits::kBatchReadings), overloaded (wait for an answer
  // that is outstanding), store_failed, disk_full.
  using Appended = std::function<void(Result<AppendReport>)>;
  virtual void append(Batch batch, Appended done) = 0;
  // The same and waits. Never on the loop: for tools and tests.
  virtual Result<AppendReport> append_now(Batch batch) = 0;

  // Removes a series' readings in the window for ever. `done` as above, with how many there were.
  virtual void erase(SeriesKey key, TimeWindow window,
                     std::function<void(Result<std::uint64_t>)> done) = 0;

  // Readings as columns of equal length, in order of time, valid during the call.
  struct Block {
    std::span<const std::int64_t> times;  // ns
    std::span<const double> values;
    std::span<const Quality> qualities;
  };
  using Visit = std::function<void(const Block&)>;
  // Every reading of the window in order of time, as few or many blocks. Unknown series have none.
  virtual void scan(const SeriesKey& key, TimeWindow window, const Visit& visit) const = 0;

  // Folds the good readings of a unit's series by the column's reducer, one value a tick; NaN where
  // there is none. `out` has as many places as `ticks`. Here: by a scan of each tick.
  virtual void fold(std::span<const SeriesKey> unit, const Column& column,
                    std::span<const TimeWindow> ticks, std::span<double> out) const;

  // The reading with the latest time, whatever its quality.
  virtual std::optional<Reading> latest(const SeriesKey& key) const = 0;
  virtual SeriesSummary summary(const SeriesKey& key) const = 0;
  // All series that ever had a reading, in key order; of one twin when `twin` is not empty.
  virtual std::vector<SeriesKey> series(std::string_view twin) const = 0;
};

// Tables of history.db, for Store::Options::migrations: readings here, twins in twin_registry.h.
const std::vector<const char*>& history_migrations();

// Readings as rows of a table clustered by series and time; columns of used series kept in memory.
// `store` has history.db open and outlives this. Refuses: store_failed.
[[nodiscard]] Result<std::unique_ptr<History>> open_history(Store& store,
                                                            std::size_t cached_readings_max);

}  // namespace entente::node
