#include "node/history/history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <shared_mutex>

#include "federation/query/fold.h"
#include "node/history/column_cache.h"
#include "node/limits.h"

namespace entente::node {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A reading's value NULL stands for NaN, which SQLite has not.
constexpr const char* kTables = R"sql(
  CREATE TABLE type_file (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE twin (id TEXT PRIMARY KEY, definition TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    twin TEXT NOT NULL,
    signal TEXT NOT NULL,
    UNIQUE (twin, signal)
  ) STRICT;
  CREATE TABLE reading (
    series INTEGER NOT NULL REFERENCES series (id),
    time INTEGER NOT NULL,
    value REAL,
    quality INTEGER NOT NULL,
    PRIMARY KEY (series, time)
  ) STRICT, WITHOUT ROWID;
)sql";

void read_rows(Statement& rows, SeriesColumn& column) {
  while (rows.step()) {
    column.times.push_back(rows.integer(0));
    column.values.push_back(rows.is_null(1) ? kNan : rows.real(1));
    column.qualities.push_back(static_cast<Quality>(rows.integer(2)));
  }
}

class SqliteHistory final : public History {
 public:
  SqliteHistory(Store& store, std::size_t cached_readings_max)
      : store_(store), cache_(cached_readings_max) {}

  Outcome load() {
    using Rows = std::vector<std::pair<SeriesKey, std::int64_t>>;
    auto rows = store_.run<Rows>([](Database& database) -> Result<Rows> {
      Rows all;
      auto& query = database.cached("SELECT twin, signal, id FROM series");
      while (query.step()) {
        all.push_back({{query.text(0), query.text(1)}, query.integer(2)});
      }
      return all;
    });
    if (!rows) return std::move(rows).error();
    for (auto& [key, id] : *rows) ids_.emplace(std::move(key), id);
    return {};
  }

  void append(Batch batch, Appended done) override {
    if (auto refused = check(batch); !refused) return done(std::move(refused).error());
    auto shared = std::make_shared<const Batch>(std::move(batch));
    store_.post<Written>(
        [this, shared](Database& database) { return write(database, *shared); },
        [this, shared, done = std::move(done)](Result<Written> written) {
          if (!written) return done(std::move(written).error());
          remember(*shared, *written);
          done(written->report);
        });
  }

  Result<AppendReport> append_now(Batch batch) override {
    if (auto refused = check(batch); !refused) return std::move(refused).error();
    auto written =
        store_.run<Written>([&](Database& database) { return write(database, batch); });
    if (!written) return std::move(written).error();
    remember(batch, *written);
    return written->report;
  }

  void erase(SeriesKey key, TimeWindow window,
             std::function<void(Result<std::uint64_t>)> done) override {
    const auto id = id_of(key);
    if (!id) return done(std::uint64_t{0});
    store_.post<std::uint64_t>(
        [id = *id, window](Database& database) -> Result<std::uint64_t> {
          database.cached("DELETE FROM reading WHERE series = ? AND time >= ? AND time < ?")
              .bind(1, id)
              .bind(2, window.from.ns)
              .bind(3, window.to.ns)
              .run();
          return static_cast<std::uint64_t>(database.changes());
        },
        [this, id = *id, window, done = std::move(done)](Result<std::uint64_t> erased) {
          if (erased) cache_.patch(id, [&](SeriesColumn& column) { column.erase(window); });
          done(std::move(erased));
        });
  }

  void scan(const SeriesKey& key, TimeWindow window, const Visit& visit) const override {
    const auto column = column_of(key);
    if (!column) return;
    std::shared_lock guard(column->mutex);
    const auto& times = column->times;
    const auto first = std::lower_bound(times.begin(), times.end(), window.from.ns);
    const auto last = std::lower_bound(first, times.end(), window.to.ns);
    if (first == last) return;
    const auto from = static_cast<std::size_t>(first - times.begin());
    const auto size = static_cast<std::size_t>(last - first);
    visit({{times.data() + from, size},
           {column->values.data() + from, size},
           {column->qualities.data() + from, size}});
  }

  std::optional<Reading> latest(const SeriesKey& key) const override {
    const auto column = column_of(key);
    if (!column) return std::nullopt;
    std::shared_lock guard(column->mutex);
    if (column->times.empty()) return std::nullopt;
    return Reading{{column->times.back()}, column->values.back(), column->qualities.back()};
  }

  SeriesSummary summary(const SeriesKey& key) const override {
    SeriesSummary summary;
    summary.key = key;
    const auto column = column_of(key);
    if (!column) return summary;
    std::shared_lock guard(column->mutex);
    if (column->times.empty()) return summary;
    summary.readings = column->times.size();
    summary.good = static_cast<std::uint64_t>(
        std::count(column->qualities.begin(), column->qualities.end(), Quality::good));
    summary.first = {column->times.front()};
    summary.last = {column->times.back()};
    return summary;
  }

  std::vector<SeriesKey> series(std::string_view twin) const override {
    std::shared_lock guard(ids_mutex_);
    std::vector<SeriesKey> all;
    auto each = twin.empty() ? ids_.begin() : ids_.lower_bound({std::string(twin), ""});
    for (; each != ids_.end() && (twin.empty() || each->first.twin == twin); ++each) {
      all.push_back(each->first);
    }
    return all;
  }

 private:
  struct Written {
    AppendReport report;
    std::vector<std::int64_t> ids;  // of the batch's series, in its order
  };

  static Outcome check(const Batch& batch) {
    std::size_t readings = 0;
    for (const auto& each : batch) {
      readings += each.readings.size();
      if (each.key.twin.empty() || each.key.signal.empty() ||
          each.key.signal.size() > limits::kSignalNameBytes) {
        return make_error(ErrorCode::invalid_argument, "a series needs a twin and a signal");
      }
    }
    if (readings > limits::kBatchReadings) {
      return make_error(ErrorCode::payload_too_large,
                        "a batch has at most " + std::to_string(limits::kBatchReadings) +
                            " readings, not " + std::to_string(readings));
    }
    return {};
  }

  std::optional<std::int64_t> id_of(const SeriesKey& key) const {
    std::shared_lock guard(ids_mutex_);
    const auto found = ids_.find(key);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

  // --- the store thread ----------------------------------------------------------------------

  Result<Written> write(Database& database, const Batch& batch) const {
    Written written;
    for (const auto& each : batch) {
      const auto id = series_id(database, each.key);
      written.ids.push_back(id);
      for (const auto& reading : each.readings) write_one(database, id, reading, written.report);
    }
    return written;
  }

  // Ids known here are committed ones; a new one is made inside the job and known after it.
  std::int64_t series_id(Database& database, const SeriesKey& key) const {
    if (const auto known = id_of(key)) return *known;
    database.cached("INSERT OR IGNORE INTO series (twin, signal) VALUES (?, ?)")
        .bind(1, key.twin)
        .bind(2, key.signal)
        .run();
    auto& query = database.cached("SELECT id FROM series WHERE twin = ? AND signal = ?");
    query.bind(1, key.twin).bind(2, key.signal);
    ENTENTE_CHECK(query.step());
    return query.integer(0);
  }

  static void write_one(Database& database, std::int64_t id, const Reading& reading,
                        AppendReport& report) {
    const auto bind = [&](Statement& statement) {
      statement.bind(1, id).bind(2, reading.time.ns);
      if (std::isfinite(reading.value)) {
        statement.bind(3, reading.value);
      } else {
        statement.bind_null(3);
      }
      statement.bind(4, static_cast<std::int64_t>(reading.quality));
      statement.run();
    };
    if (reading.quality != Quality::good) ++report.bad;
    bind(database.cached("INSERT INTO reading (series, time, value, quality) "
                         "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"));
    if (database.changes() > 0) {
      ++report.added;
      return;
    }
    bind(database.cached("UPDATE reading SET value = ?3, quality = ?4 WHERE series = ?1 AND "
                         "time = ?2 AND (value IS NOT ?3 OR quality <> ?4)"));
    ++(database.changes() > 0 ? report.corrected : report.repeated);
  }

  // --- after the commit ----------------------------------------------------------------------

  void remember(const Batch& batch, const Written& written) {
    {
      std::unique_lock guard(ids_mutex_);
      for (std::size_t i = 0; i < batch.size(); ++i) ids_.emplace(batch[i].key, written.ids[i]);
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      cache_.patch(written.ids[i], [&](SeriesColumn& column) { column.merge(batch[i].readings); });
    }
  }

  // --- reading -------------------------------------------------------------------------------

  std::shared_ptr<SeriesColumn> column_of(const SeriesKey& key) const {
    const auto id = id_of(key);
    if (!id) return nullptr;
    return cache_.get(*id, [&] { return loaded(*id); });
  }

  std::shared_ptr<SeriesColumn> loaded(std::int64_t id) const {
    auto column = std::make_shared<SeriesColumn>();
    auto reader = borrow();
    auto& rows =
        reader->cached("SELECT time, value, quality FROM reading WHERE series = ? ORDER BY time");
    rows.bind(1, id);
    read_rows(rows, *column);
    rows.reset();
    give_back(std::move(reader));
    return column;
  }

  std::unique_ptr<Database> borrow() const {
    {
      std::lock_guard guard(readers_mutex_);
      if (!readers_.empty()) {
        auto reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
    }
    auto opened = store_.reader();
    if (!opened) throw StoreFault(opened.error().what, 0);
    return std::make_unique<Database>(std::move(*opened));
  }

  void give_back(std::unique_ptr<Database> reader) const {
    std::lock_guard guard(readers_mutex_);
    if (readers_.size() < limits::kIdleReaders) readers_.push_back(std::move(reader));
  }

  Store& store_;
  mutable ColumnCache cache_;
  mutable std::shared_mutex ids_mutex_;
  std::map<SeriesKey, std::int64_t> ids_;  // committed series only
  mutable std::mutex readers_mutex_;
  mutable std::vector<std::unique_ptr<Database>> readers_;
};

}  // namespace

std::string_view to_text(Quality quality) {
  switch (quality) {
    case Quality::good: return "good";
    case Quality::not_finite: return "not_finite";
    case Quality::clock_ahead: return "clock_ahead";
    case Quality::out_of_range: return "out_of_range";
  }
  return "unknown";
}

void History::fold(std::span<const SeriesKey> unit, const Column& column,
                   std::span<const TimeWindow> ticks, std::span<double> out) const {
  ENTENTE_CHECK(out.size() == ticks.size());
  if (ticks.empty()) return;
  federation::Fold fold(column, ticks.front());
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    if (i > 0) fold.restart(ticks[i]);
    for (const auto& series : unit) {
      scan(series, ticks[i], [&](const Block& block) {
        for (std::size_t r = 0; r < block.times.size(); ++r) {
          if (block.qualities[r] == Quality::good) fold.add({block.times[r]}, block.values[r]);
        }
      });
      fold.next_series();
    }
    out[i] = fold.value();
  }
}

const std::vector<const char*>& history_migrations() {
  static const std::vector<const char*> all = {kTables};
  return all;
}

Result<std::unique_ptr<History>> open_history(Store& store, std::size_t cached_readings_max) {
  auto history = std::make_unique<SqliteHistory>(store, cached_readings_max);
  if (auto loaded = history->load(); !loaded) return std::move(loaded).error();
  return std::unique_ptr<History>(std::move(history));
}

}  // namespace entente::node
