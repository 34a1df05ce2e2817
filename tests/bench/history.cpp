// What 20 million readings cost on the disk, and what an aggregate over any window of them costs.
//
// The stream is stream.h's. An aggregate asks one summary of every sensor (GROUP BY twin). The
// floor is a scan of a table with a row a reading, clustered by sensor and time, that SQLite
// groups: the same answer. Windows lie within the stream at unaligned ends. "unsealed" measures
// with what the sealer has not yet taken.
#include <sqlite3.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "node/limits.h"
#include "tests/bench/report.h"
#include "tests/bench/scratch.h"
#include "tests/bench/stream.h"

namespace {

using namespace entente;
using Clock = std::chrono::steady_clock;

template <class Work>
double milliseconds_of(const Work& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

struct Opened {
  std::unique_ptr<node::Store> store;
  std::unique_ptr<node::History> history;
};

Opened opened(const std::string& path) {
  static const SystemClock clock;
  node::Store::Options options;
  options.path = path;
  options.migrations = node::history_migrations();
  auto store = std::move(*node::Store::open(std::move(options)));
  auto history = std::move(*node::open_history(*store, clock));
  return {std::move(store), std::move(history)};
}

void fill(node::History& history, bench::Stream& stream, std::size_t readings) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t under_way = 0;
  while (stream.readings() < readings) {
    {
      std::unique_lock guard(mutex);
      changed.wait(guard, [&] { return under_way < 64; });
      ++under_way;
    }
    history.append(stream.next(), [&](Result<node::AppendReport> done) {
      ENTENTE_CHECK(done.has_value());
      std::lock_guard guard(mutex);
      --under_way;
      changed.notify_all();
    });
  }
  std::unique_lock guard(mutex);
  changed.wait(guard, [&] { return under_way == 0; });
}

// The same readings as rows, loaded without care for durability: only the scan is measured.
class Rows {
 public:
  Rows(const std::string& path, std::size_t readings) {
    sqlite3_open(path.c_str(), &database_);
    exec(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-2000000;"
        "CREATE TABLE arrived (series INTEGER, time INTEGER, value REAL); BEGIN");
    sqlite3_stmt* insert = nullptr;
    sqlite3_prepare_v2(database_, "INSERT INTO arrived VALUES (?, ?, ?)", -1, &insert, nullptr);
    bench::Stream stream(nullptr);
    while (stream.readings() < readings) {
      const auto batch = stream.next();
      for (std::size_t i = 0; i < batch.size(); ++i) {
        sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(batch.series[i]));
        sqlite3_bind_int64(insert, 2, batch.times[i]);
        sqlite3_bind_double(insert, 3, batch.values[i]);
        sqlite3_step(insert);
        sqlite3_reset(insert);
      }
    }
    sqlite3_finalize(insert);
    exec(
        "COMMIT; CREATE TABLE reading (series INTEGER, time INTEGER, value REAL, "
        "PRIMARY KEY (series, time)) WITHOUT ROWID;"
        "INSERT INTO reading SELECT * FROM arrived ORDER BY series, time; DROP TABLE arrived");
  }
  ~Rows() { sqlite3_close(database_); }
  Rows(const Rows&) = delete;

  // Sums over all series, to compare the answers.
  double aggregate(TimeWindow window) {
    return sum(
        "SELECT series, count(*), sum(value), avg(value * value), min(value), max(value) "
        "FROM reading WHERE time >= ? AND time < ? GROUP BY series",
        window);
  }
  double p95(TimeWindow window) {
    return sum(
        "SELECT series, count(*), max(value) FROM (SELECT series, value, row_number() OVER "
        "(PARTITION BY series ORDER BY value) AS place, count(*) OVER (PARTITION BY series) AS n "
        "FROM reading WHERE time >= ? AND time < ?) "
        "WHERE place <= (n * 95 + 99) / 100 GROUP BY series",
        window);
  }

 private:
  void exec(const char* sql) { sqlite3_exec(database_, sql, nullptr, nullptr, nullptr); }
  double sum(const char* sql, TimeWindow window) {
    sqlite3_stmt* query = nullptr;
    sqlite3_prepare_v2(database_, sql, -1, &query, nullptr);
    sqlite3_bind_int64(query, 1, window.from.ns);
    sqlite3_bind_int64(query, 2, window.to.ns);
    double total = 0;
    while (sqlite3_step(query) == SQLITE_ROW) total += sqlite3_column_double(query, 2);
    sqlite3_finalize(query);
    return total;
  }
  sqlite3* database_ = nullptr;
};

struct Windowed {
  std::string name;
  TimeWindow window;
};

double aggregate(const node::History& history, const std::vector<node::SeriesId>& ids,
                 TimeWindow window, node::Figures figures) {
  static thread_local std::vector<node::Summary> out;
  out.resize(ids.size());
  history.aggregate(ids, window, figures, out);
  double total = 0;
  for (const auto& summary : out) {
    total += figures == node::Figures::moments ? summary.partial.sum
                                               : summary.sketch.quantile(0.95).value_or(0);
  }
  return total;
}

// What a crash leaves: a journal that was not sealed. The floor is a read of the file.
void measure_opening(const std::string& path, std::size_t readings, int rounds,
                     bench::Report& report) {
  std::size_t written = 0;
  {
    auto here = opened(path);
    bench::Stream stream(here.history.get());
    fill(*here.history, stream, std::min<std::size_t>(readings, node::limits::kSealReadings / 2));
    written = stream.readings();
  }
  const auto millions = static_cast<double>(written) * 1e-6;
  std::vector<double> own, floor;
  for (int round = 0; round < rounds; ++round) {
    floor.push_back(milliseconds_of([&] {
      std::vector<char> part(1 << 20);
      std::FILE* file = std::fopen(path.c_str(), "rb");
      ENTENTE_CHECK(file != nullptr);
      while (std::fread(part.data(), 1, part.size(), file) > 0) {
      }
      std::fclose(file);
    }));
    Opened here;
    own.push_back(milliseconds_of([&] { here = opened(path); }));
  }
  const double each = bench::spread_of(own).median / 1e3 / millions;
  const double read = bench::spread_of(floor).median / 1e3 / millions;
  std::printf(
      "%zu readings unsealed: opened in %.2f s a million (at most 2); its file read in %.4f s\n",
      written, each, read);
  report.figure("open_s_per_million_unsealed", each);
  report.figure("open_unsealed_to_file_read", each / read);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Disk and aggregates of a long history"};
  int rounds = 5;
  std::size_t readings = 20'000'000;
  std::string folder = ".";
  app.add_option("--rounds", rounds, "how often each figure is measured");
  app.add_option("--readings", readings, "how many");
  app.add_option("--folder", folder, "where the files go: a place on the disk in question");
  CLI11_PARSE(app, argc, argv);

  bench::Scratch scratch(folder);
  bench::Report report("history");
  auto here = opened(scratch / "history.db");
  bench::Stream stream(here.history.get());
  fill(*here.history, stream, readings);
  const auto ids = stream.ids();
  const auto begin = bench::Stream::kBegin;
  const auto length = stream.time() - begin;
  const auto part = [&](double from, double to) {
    return TimeWindow{{begin + static_cast<std::int64_t>(static_cast<double>(length) * from) + 777},
                      {begin + static_cast<std::int64_t>(static_cast<double>(length) * to) + 777}};
  };
  const std::vector<Windowed> windows = {{"1/16", part(0.31, 0.3725)},
                                         {"1/4", part(0.2, 0.45)},
                                         {"1/2", part(0.13, 0.63)},
                                         {"all but the ends", part(0.01, 0.99)},
                                         {"all", {{begin}, {begin + length + 1}}}};

  const double unsealed = milliseconds_of(
      [&] { aggregate(*here.history, ids, windows[3].window, node::Figures::moments); });
  ENTENTE_CHECK(here.history->seal().has_value());
  here.history.reset();
  here.store.reset();
  const auto n = static_cast<double>(stream.readings());
  const double bytes = scratch.megabytes("history.db") * 1e6 / n;
  const double opening = milliseconds_of([&] { here = opened(scratch / "history.db"); });
  std::printf("%.0f readings: %.2f bytes a reading on the disk (16 raw); opened in %.0f ms\n", n,
              bytes, opening);
  report.figure("disk_bytes_per_reading", bytes);
  report.figure("open_ms", opening);
  measure_opening(scratch / "journal.db", readings, rounds, report);

  Rows rows(scratch / "rows.db", readings);
  std::printf("\n%-18s %10s %10s %12s %9s %10s %12s %9s\n", "window", "ms", "cold ms",
              "row scan ms", "ratio", "p95 ms", "row p95 ms", "ratio");
  double least = 1e300, most = 0, worst_ratio = 1e300, worst_p95 = 1e300, floor = 0;
  for (const auto& [name, window] : windows) {
    here.history.reset();
    here.store.reset();
    here = opened(scratch / "history.db");
    const double cold = milliseconds_of(
        [&, w = window] { aggregate(*here.history, ids, w, node::Figures::moments); });
    std::vector<double> own, own_p95;
    double got = 0, got_p95 = 0, expected = 0, expected_p95 = 0;
    for (int round = 0; round < rounds; ++round) {
      own.push_back(milliseconds_of(
          [&, w = window] { got = aggregate(*here.history, ids, w, node::Figures::moments); }));
      own_p95.push_back(milliseconds_of([&, w = window] {
        got_p95 = aggregate(*here.history, ids, w, node::Figures::moments_and_sketch);
      }));
    }
    const double scan = milliseconds_of([&, w = window] { expected = rows.aggregate(w); });
    const double scan_p95 = milliseconds_of([&, w = window] { expected_p95 = rows.p95(w); });
    ENTENTE_CHECK(std::abs(got - expected) <= 1e-9 * std::abs(expected));
    ENTENTE_CHECK(std::abs(got_p95 - expected_p95) <=
                  node::QuantileSketch::kRelativeError * std::abs(expected_p95) * 1.01);
    const double ms = bench::spread_of(own).median, p95 = bench::spread_of(own_p95).median;
    std::printf("%-18s %10.2f %10.1f %12.0f %8.0fx %10.2f %12.0f %8.0fx\n", name.c_str(), ms, cold,
                scan, scan / ms, p95, scan_p95, scan_p95 / p95);
    least = std::min(least, ms);
    most = std::max(most, ms);
    if (name == "all but the ends") {
      worst_ratio = scan / ms, worst_p95 = scan_p95 / p95, floor = scan;
      report.figure("aggregate_ms", ms);
      report.figure("aggregate_cold_ms", cold);
      report.figure("p95_ms", p95);
      report.figure("row_p95_ms", scan_p95);
    }
  }
  std::printf(
      "longest to shortest window: %.2f in time; with at most %zu readings unsealed: %.1f ms\n",
      most / least, std::size_t{node::limits::kSealReadings}, unsealed);
  report.figure("longest_to_shortest", most / least);
  report.figure("unsealed_ms", unsealed);
  report.figure("p95_ratio", worst_p95);
  report.floor("row_scan_ms", floor, worst_ratio);
  report.print();
  return 0;
}
