// What 20 million readings cost on the disk, and what an aggregate over any window of them costs.
//
// The stream is stream.h's. An aggregate asks one summary of every sensor (GROUP BY twin). The
// floor is a scan of a table with a row a reading, clustered by sensor and time, that SQLite
// groups: the same answer. Windows lie within the stream at unaligned ends, each length at several
// places; "all" has no edge within a segment and stands apart. The rows' p95 sorts what it reads:
// it is measured on a tenth of the sensors and counted ten times, which is in its favour. Times are
// CPU of the one thread that asks, so that they hold on a busy machine; cold is wall time.
// "unsealed" measures with what the sealer has not yet taken.
#include <sqlite3.h>
#include <time.h>

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

double cpu_milliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}
template <class Work>
double cpu_of(const Work& work) {
  const auto begin = cpu_milliseconds();
  work();
  return cpu_milliseconds() - begin;
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

constexpr std::size_t kSortedPart = 10;  // one sensor in so many counts for the rows' p95

// The same readings as rows, loaded in order and without care for durability: only scans are
// measured. Of every sensor the same number.
class Rows {
 public:
  Rows(const std::string& path, std::size_t readings) {
    sqlite3_open(path.c_str(), &database_);
    exec(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-1000000;"
        "PRAGMA temp_store=MEMORY; CREATE TABLE reading (series INTEGER, time INTEGER, value REAL, "
        "PRIMARY KEY (series, time)) WITHOUT ROWID; BEGIN");
    const auto seconds = readings / bench::kSensors;
    std::vector<float> values(readings);  // sensor after sensor, in hundredths
    bench::Stream stream(nullptr);
    for (std::size_t made = 0; made < readings; made = stream.readings()) {
      const auto batch = stream.next();
      for (std::size_t i = 0; i < batch.size(); ++i) {
        const auto sensor = static_cast<std::size_t>(batch.series[i]);
        values[sensor * seconds + made / bench::kSensors] =
            static_cast<float>(std::llround(batch.values[i] * 100));
      }
    }
    sqlite3_stmt* insert = nullptr;
    sqlite3_prepare_v2(database_, "INSERT INTO reading VALUES (?, ?, ?)", -1, &insert, nullptr);
    for (std::size_t i = 0; i < readings; ++i) {
      const auto second = static_cast<std::int64_t>(i % seconds);
      sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(i / seconds));
      sqlite3_bind_int64(insert, 2, bench::Stream::kBegin + second * entente::seconds(1).ns);
      sqlite3_bind_double(insert, 3, values[i] / 100.0);
      sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    exec("COMMIT");
  }
  ~Rows() { sqlite3_close(database_); }
  Rows(const Rows&) = delete;

  // Sums over all series (p95: over the first tenth), to compare the answers.
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
        "FROM reading WHERE time >= ? AND time < ? AND series < 1000) "
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

double aggregate(const node::History& history, std::span<const node::SeriesId> ids,
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

struct Length {
  std::string name;
  double share = 0;  // of the stream
  double from = 0;   // the first place, as a share; others follow a second and a bit apart
};
constexpr int kPlaces = 5;

class Windows {
 public:
  Windows(std::int64_t begin, std::int64_t length) : begin_(begin), length_(length) {}
  TimeWindow at(const Length& of, int place) const {
    if (of.share >= 1) return {{begin_}, {begin_ + length_ + 1}};
    const auto shift = 777 + place * 1'370'000'000LL;
    const auto point = [&](double share) {
      return Instant{begin_ + static_cast<std::int64_t>(static_cast<double>(length_) * share) +
                     shift};
    };
    return {point(of.from), point(of.from + of.share)};
  }

 private:
  std::int64_t begin_, length_;
};

struct Times {
  double ms = 0, p95_ms = 0, cold_ms = 0, scan_ms = 0, scan_p95_ms = 0;
};

Times measure(const std::string& path, Rows& rows, const std::vector<node::SeriesId>& ids,
              const Windows& windows, const Length& length, int rounds) {
  using node::Figures;
  auto here = opened(path);
  const auto& history = *here.history;
  const auto first = windows.at(length, 0);
  Times times;
  times.cold_ms = milliseconds_of([&] { aggregate(history, ids, first, Figures::moments); });
  std::vector<double> own, own_p95;
  for (int round = -1; round < rounds; ++round) {
    for (int place = 0; place < kPlaces; ++place) {
      const auto window = windows.at(length, place);
      const auto ms = cpu_of([&] { aggregate(history, ids, window, Figures::moments); });
      const auto p95 =
          cpu_of([&] { aggregate(history, ids, window, Figures::moments_and_sketch); });
      if (round >= 0) own.push_back(ms), own_p95.push_back(p95);  // before: only made warm
    }
  }
  times.ms = bench::spread_of(own).median, times.p95_ms = bench::spread_of(own_p95).median;
  double expected = 0, expected_p95 = 0;
  times.scan_ms = cpu_of([&] { expected = rows.aggregate(first); });
  times.scan_p95_ms = cpu_of([&] { expected_p95 = rows.p95(first); }) * kSortedPart;
  const auto got = aggregate(history, ids, first, Figures::moments);
  const auto got_p95 = aggregate(history, std::span(ids).first(ids.size() / kSortedPart), first,
                                 Figures::moments_and_sketch);
  ENTENTE_CHECK(std::abs(got - expected) <= 1e-9 * std::abs(expected));
  ENTENTE_CHECK(std::abs(got_p95 - expected_p95) <=
                node::QuantileSketch::kRelativeError * std::abs(expected_p95) * 1.01);
  return times;
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

  readings = (readings + bench::kSensors - 1) / bench::kSensors * bench::kSensors;
  bench::Scratch scratch(folder);
  bench::Report report("history");
  auto here = opened(scratch / "history.db");
  bench::Stream stream(here.history.get());
  fill(*here.history, stream, readings);
  const auto ids = stream.ids();
  const Windows windows(bench::Stream::kBegin, stream.time() - bench::Stream::kBegin);
  const std::vector<Length> lengths = {
      {"1/64", 1.0 / 64, 0.31}, {"1/16", 1.0 / 16, 0.31},         {"1/4", 0.25, 0.2},
      {"1/2", 0.5, 0.13},       {"all but the ends", 0.98, 0.01}, {"all", 1, 0}};

  const double unsealed = milliseconds_of(
      [&] { aggregate(*here.history, ids, windows.at(lengths[4], 0), node::Figures::moments); });
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

  here.history.reset();
  here.store.reset();
  Rows rows(scratch / "rows.db", readings);
  std::printf("\n%-18s %10s %10s %12s %9s %10s %12s %9s\n", "window", "ms", "cold ms",
              "row scan ms", "ratio", "p95 ms", "row p95 ms", "ratio");
  double least = 1e300, most = 0;
  for (const auto& length : lengths) {
    const auto times = measure(scratch / "history.db", rows, ids, windows, length, rounds);
    const double ratio = times.scan_ms / times.ms, p95_ratio = times.scan_p95_ms / times.p95_ms;
    std::printf("%-18s %10.2f %10.1f %12.0f %8.0fx %10.2f %12.0f %8.0fx\n", length.name.c_str(),
                times.ms, times.cold_ms, times.scan_ms, ratio, times.p95_ms, times.scan_p95_ms,
                p95_ratio);
    if (length.share >= 1) {
      report.figure("whole_ms", times.ms);
      continue;
    }
    least = std::min(least, times.ms);
    most = std::max(most, times.ms);
    if (length.name != "all but the ends") continue;
    report.figure("aggregate_ms", times.ms);
    report.figure("aggregate_cold_ms", times.cold_ms);
    report.figure("p95_ms", times.p95_ms);
    report.figure("row_p95_ms", times.scan_p95_ms);
    report.figure("p95_ratio", p95_ratio);
    report.floor("row_scan_ms", times.scan_ms, ratio);
  }
  std::printf(
      "slowest to quickest length with edges: %.2f; with at most %zu readings unsealed: %.1f ms\n",
      most / least, std::size_t{node::limits::kSealReadings}, unsealed);
  report.figure("slowest_to_quickest_length", most / least);
  report.figure("unsealed_ms", unsealed);
  report.print();
  return 0;
}
