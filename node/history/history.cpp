#include "node/history/history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <shared_mutex>

#include "federation/query/fold.h"
#include "node/history/column_cache.h"
#include "node/history/series_table.h"
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
    return store_.run<void>([this](Database& database) -> Outcome {
      auto& query = database.cached("SELECT twin, signal FROM series ORDER BY id");
      while (query.step()) {
        if (auto opened = table_.open(query.text(0), query.text(1)); !opened) {
          return std::move(opened).error();
        }
      }
      named_ = table_.size();
      return {};
    });
  }

  Result<SeriesId> open_series(std::string_view twin, std::string_view signal) override {
    return table_.open(twin, signal);
  }
  std::optional<SeriesId> find(std::string_view twin, std::string_view signal) const override {
    return table_.find(twin, signal);
  }
  SeriesKey key_of(SeriesId id) const override { return table_.key_of(id); }

  void append(Batch batch, Appended done) override {
    if (auto refused = check(batch); !refused) return done(std::move(refused).error());
    auto shared = std::make_shared<const Batch>(std::move(batch));
    store_.post<AppendReport>(
        [this, shared](Database& database) { return write(database, *shared); },
        [this, shared, done = std::move(done)](Result<AppendReport> written) {
          if (written) remember(*shared);
          done(std::move(written));
        });
  }

  Result<AppendReport> append_now(Batch batch) override {
    if (auto refused = check(batch); !refused) return std::move(refused).error();
    auto written =
        store_.run<AppendReport>([&](Database& database) { return write(database, batch); });
    if (written) remember(batch);
    return written;
  }

  void erase(SeriesId series, TimeWindow window,
             std::function<void(Result<std::uint64_t>)> done) override {
    const auto id = number(series);
    store_.post<std::uint64_t>(
        [id, window](Database& database) -> Result<std::uint64_t> {
          database.cached("DELETE FROM reading WHERE series = ? AND time >= ? AND time < ?")
              .bind(1, id)
              .bind(2, window.from.ns)
              .bind(3, window.to.ns)
              .run();
          return static_cast<std::uint64_t>(database.changes());
        },
        [this, id, window, done = std::move(done)](Result<std::uint64_t> erased) {
          if (erased) cache_.patch(id, [&](SeriesColumn& column) { column.erase(window); });
          done(std::move(erased));
        });
  }

  void scan(SeriesId series, TimeWindow window, const Visit& visit) const override {
    const auto column = column_of(series);
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

  std::optional<Reading> latest(SeriesId series) const override {
    const auto column = column_of(series);
    std::shared_lock guard(column->mutex);
    if (column->times.empty()) return std::nullopt;
    return Reading{{column->times.back()}, column->values.back(), column->qualities.back()};
  }

  std::vector<SeriesKey> series(std::string_view twin) const override {
    std::vector<SeriesKey> all;
    for (const auto id : twin.empty() ? table_.all() : table_.of_twin(twin)) {
      if (latest(id)) all.push_back(table_.key_of(id));
    }
    return all;
  }

 private:
  static std::int64_t number(SeriesId id) { return static_cast<std::int64_t>(id); }

  Outcome check(const Batch& batch) const {
    const auto known = table_.size();
    for (const auto id : batch.series) {
      if (static_cast<std::size_t>(id) >= known) {
        return make_error(ErrorCode::invalid_argument, "a batch names a series that nobody opened");
      }
    }
    if (batch.size() > limits::kBatchReadings) {
      return make_error(ErrorCode::payload_too_large,
                        "a batch has at most " + std::to_string(limits::kBatchReadings) +
                            " readings, not " + std::to_string(batch.size()));
    }
    return {};
  }

  // --- the store thread ----------------------------------------------------------------------

  Result<AppendReport> write(Database& database, const Batch& batch) {
    AppendReport report;
    name_series(database);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      write_one(database, number(batch.series[i]),
                {{batch.times[i]}, batch.values[i], batch.qualities[i]}, report);
    }
    return report;
  }

  // Every series gets its row with the first batch after its first mention.
  void name_series(Database& database) {
    const auto size = table_.size();
    for (auto id = named_; id < size; ++id) {
      const auto key = table_.key_of(static_cast<SeriesId>(id));
      database.cached("INSERT OR IGNORE INTO series (id, twin, signal) VALUES (?, ?, ?)")
          .bind(1, static_cast<std::int64_t>(id))
          .bind(2, key.twin)
          .bind(3, key.signal)
          .run();
    }
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
    bind(
        database.cached("INSERT INTO reading (series, time, value, quality) "
                        "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"));
    if (database.changes() > 0) {
      ++report.added;
      return;
    }
    bind(
        database.cached("UPDATE reading SET value = ?3, quality = ?4 WHERE series = ?1 AND "
                        "time = ?2 AND (value IS NOT ?3 OR quality <> ?4)"));
    ++(database.changes() > 0 ? report.corrected : report.repeated);
  }

  // --- after the commit ----------------------------------------------------------------------

  void remember(const Batch& batch) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      cache_.patch(number(batch.series[i]), [&](SeriesColumn& column) {
        column.merge({{{batch.times[i]}, batch.values[i], batch.qualities[i]}});
      });
    }
  }

  // --- reading -------------------------------------------------------------------------------

  std::shared_ptr<SeriesColumn> column_of(SeriesId series) const {
    return cache_.get(number(series), [&] { return loaded(number(series)); });
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
  SeriesTable table_;
  std::size_t named_ = 0;  // series that had a row when the file was opened
  mutable std::mutex readers_mutex_;
  mutable std::vector<std::unique_ptr<Database>> readers_;
};

}  // namespace

void AppendReport::operator+=(const AppendReport& other) {
  added += other.added;
  repeated += other.repeated;
  corrected += other.corrected;
  bad += other.bad;
}

void History::fold(std::span<const SeriesId> unit, const Column& column,
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

Result<std::unique_ptr<History>> open_history(Store& store, const Clock&) {
  auto history = std::make_unique<SqliteHistory>(store, limits::kCachedReadings);
  if (auto loaded = history->load(); !loaded) return std::move(loaded).error();
  return std::unique_ptr<History>(std::move(history));
}

}  // namespace entente::node
