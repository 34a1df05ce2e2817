// The memory of the twins: readings of signals, durable and judged.
//
// A series has one reading a time, the latest written; what it replaced is kept apart as its
// history of corrections. Questions read good readings only; whoever wants the rest scans.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/history/partial.h"
#include "node/history/quantile_sketch.h"
#include "node/history/reading.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "schemas/question.h"

namespace entente::node {

struct AppendReport {
  std::uint64_t added = 0;
  std::uint64_t repeated = 0;  // the same time and value were there
  std::uint64_t corrected =
      0;                      // the time was there with another value (Batch::Purpose: or verdict)
  std::uint64_t bad = 0;      // of all of these, those with a verdict other than good
  std::uint64_t expired = 0;  // from before what retention keeps of their series: not taken
  std::uint64_t forgotten = 0;  // of series that are forgotten: not taken
  void operator+=(const AppendReport& other);
};

// What a correction replaced.
struct Correction {
  Reading before;
  Instant replaced_at;
};

// How long a series is kept: its readings, then minutes, then hours of summaries; days always.
// Nothing: for ever.
struct Retention {
  std::optional<Duration> readings;
  std::optional<Duration> minutes;
  std::optional<Duration> hours;
  bool operator==(const Retention&) const = default;
};
using RetentionOf = std::function<Retention(const SeriesKey&)>;

struct RetentionReport {
  std::uint64_t readings = 0;  // rolled up into summaries and removed
  std::uint64_t buckets = 0;   // summaries removed
};

// Which readings are to go for ever.
struct Erasure {
  std::vector<SeriesId> series;
  TimeWindow window;
  std::optional<Duration> patience;  // after it no further group of series is begun
};
struct Erased {
  std::vector<std::uint64_t> readings;  // of each series, in the order in which they were named
  bool complete = true;                 // false: patience was over before
};

// What there is of a series.
struct KeptSeries {
  std::uint64_t readings = 0;  // one by one
  std::optional<Instant> readings_from, readings_to;
  std::uint64_t summarised = 0;                                // ever, as the summaries say
  std::optional<Instant> minutes_from, hours_from, days_from;  // of its group's summaries
};

// Which figures an aggregate is asked for: `sums` sets count and sum of the partial and leaves the
// rest of it undefined, which is several times cheaper where many summaries are put together; a
// sketch costs more than the rest together.
enum class Figures { sums, moments, moments_and_sketch };
struct Summary {
  Partial partial;
  QuantileSketch sketch;  // empty unless asked for
};

inline constexpr TimeWindow kAllTime{{std::numeric_limits<std::int64_t>::min()},
                                     {std::numeric_limits<std::int64_t>::max()}};

// Threads: any for everything but scan, aggregate, fold, corrections, which may read the file and
// are for workers, several at once, never for the loop.
// Throws StoreFault where the file cannot be read or a block of it fails its checksum.
class History {
 public:
  virtual ~History() = default;

  // The number of a series, given at its first mention; kept in the file with its first reading,
  // and never given to another.
  // Refuses: invalid_argument (an empty or overlong name), overloaded (limits::kSeries exist).
  virtual Result<SeriesId> open_series(std::string_view twin, std::string_view signal) = 0;
  virtual std::optional<SeriesId> find(std::string_view twin, std::string_view signal) const = 0;
  // Empty names: it is forgotten.
  virtual SeriesKey key_of(SeriesId id) const = 0;
  // Series that have a reading, in key order; of one twin when `twin` is not empty.
  virtual std::vector<SeriesKey> series(std::string_view twin) const = 0;
  // Every series that was opened for a twin and is not forgotten.
  virtual std::vector<SeriesId> named(std::string_view twin) const = 0;

  // Writes all or nothing, but for readings that are not to be taken (expired, forgotten). `done`
  // comes through the store's deliver, after the commit: what it reports survives kill -9 and power
  // loss, and every later scan and fold sees it. Refuses: payload_too_large (more than
  // limits::kBatchReadings), overloaded (more than limits::kPendingReadings wait for the disk: come
  // back when an outstanding answer is there), store_failed, disk_full.
  using Appended = std::function<void(Result<AppendReport>)>;
  virtual void append(Batch batch, Appended done) = 0;
  // The same and waits. Never on the loop: for tools and tests.
  virtual Result<AppendReport> append_now(Batch batch) = 0;

  // Removes the readings of each series in the window for ever, their summaries and their
  // corrections: seals once, then writes each group of series once, so that what a crash leaves
  // undone is whole groups. `done` as above, with how many there were.
  virtual void erase(Erasure erasure, std::function<void(Result<Erased>)> done) = 0;

  // Makes the names of those series unknown that nothing refers to: they have no reading, and their
  // twin is in no registry of the file. Whoever still holds such a number writes nothing with it
  // (AppendReport::forgotten); the names may come again, with another. `done` as above, with how
  // many were forgotten.
  virtual void forget(std::vector<SeriesId> series,
                      std::function<void(Result<std::uint64_t>)> done) = 0;

  // Rolls up and removes what is older than `policy` keeps, a group of series at a time, in at most
  // limits::kRetentionShare of the sealer's time. Horizons are whole days of UTC. Beyond them an
  // aggregate is exact for whole minutes (hours, days) and leaves out the part of one at a window's
  // edge; scans find nothing; late readings are not taken (AppendReport::expired) for a series from
  // before the horizon at which something of it was last rolled up. `done` as above.
  virtual void retain(RetentionOf policy, Instant now,
                      std::function<void(Result<RetentionReport>)> done) = 0;
  // Reads directories: for workers.
  virtual KeptSeries kept(SeriesId series) const = 0;

  // Readings as columns of equal length, in order of time, valid during the call.
  struct Block {
    std::span<const std::int64_t> times;  // ns
    std::span<const double> values;
    std::span<const Quality> qualities;
  };
  using Visit = std::function<void(const Block&)>;
  // Every reading of the window in order of time, as few or many blocks.
  virtual void scan(SeriesId series, TimeWindow window, const Visit& visit) const = 0;

  // What the readings of the window come to, one summary a series: out.size() == series.size().
  // Reads summaries and decodes the two edges only. Cheapest for series in ascending order.
  virtual void aggregate(std::span<const SeriesId> series, TimeWindow window, Figures figures,
                         std::span<Summary> out) const = 0;

  // Folds the good readings of a unit's series by the column's reducer, one value a tick; NaN where
  // there is none. `out` has as many places as `ticks`. From summaries, where the reducer allows;
  // median and duration look at every reading.
  virtual void fold(std::span<const SeriesId> unit, const Column& column,
                    std::span<const TimeWindow> ticks, std::span<double> out) const;
  // The same for many units: unit u has the series from ends[u - 1] (0 for the first) to ends[u],
  // and its values begin at out[u * ticks.size()]. Much cheaper than one by one, since units that
  // lie together share the summaries that are read.
  void fold_units(std::span<const SeriesId> series, std::span<const std::size_t> ends,
                  const Column& column, std::span<const TimeWindow> ticks,
                  std::span<double> out) const;

  // Turns what is in the journal into segments now, and waits; it happens by itself from
  // limits::kSealReadings on. Refuses: store_failed, disk_full.
  virtual Outcome seal() = 0;

  // The reading with the latest time, whatever its quality.
  virtual std::optional<Reading> latest(SeriesId series) const = 0;
  // What corrections replaced, oldest first.
  virtual std::vector<Correction> corrections(SeriesId series, TimeWindow window) const = 0;
};

// Tables of history.db, for Store::Options::migrations: readings here, twins in twin_registry.h.
const std::vector<const char*>& history_migrations();

// `store` has history.db open and outlives this. Reads what was not sealed; at most 2 s a million
// such readings. Refuses: store_failed.
[[nodiscard]] Result<std::unique_ptr<History>> open_history(Store& store, const Clock& clock);

}  // namespace entente::node
