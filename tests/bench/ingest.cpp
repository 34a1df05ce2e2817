// Durable readings a second: the history in process against a plain file and what others would do.
//
// Every row keeps the same stream (stream.h) durable batch by batch. Floor: records of 16 bytes
// appended to a file with an fdatasync a batch. Peers: SQLite with a row a reading and a
// transaction a batch; PostgreSQL 15 with a binary COPY a batch, when it is installed.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "node/limits.h"
#include "tests/bench/ingest_peers.h"
#include "tests/bench/report.h"
#include "tests/bench/scratch.h"
#include "tests/bench/stream.h"

namespace {

using namespace entente;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Measured {
  double rate = 0;            // readings a second
  double cpu_s_million = 0;   // CPU seconds a million readings
  double sync_us_median = 0;  // floor only
};

std::vector<node::Batch> batches(node::History* history, std::size_t readings) {
  bench::Stream stream(history);
  std::vector<node::Batch> all;
  while (stream.readings() < readings) all.push_back(stream.next());
  return all;
}

Measured plain_file(const std::string& path, std::size_t readings) {
  const auto all = batches(nullptr, readings);
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  std::vector<std::uint8_t> bytes;
  std::vector<double> syncs;
  const auto cpu = bench::cpu_us();
  const auto begin = Clock::now();
  for (const auto& batch : all) {
    bytes.resize(16 * batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::memcpy(bytes.data() + 16 * i, &batch.times[i], 8);
      std::memcpy(bytes.data() + 16 * i + 8, &batch.values[i], 8);
    }
    if (::write(file, bytes.data(), bytes.size()) < 0) throw std::runtime_error("write");
    const auto sync = Clock::now();
    ::fdatasync(file);
    syncs.push_back(seconds_since(sync) * 1e6);
  }
  const auto took = seconds_since(begin);
  const auto n = static_cast<double>(readings);
  const auto used = bench::cpu_us() - cpu;
  ::close(file);
  return {n / took, used / n, bench::spread_of(syncs).median};
}

// Lets a number of batches be under way.
class Flight {
 public:
  explicit Flight(std::size_t most) : most_(most) {}
  void begin() {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return under_way_ < most_; });
    ++under_way_;
  }
  void end() {
    std::lock_guard guard(mutex_);
    --under_way_;
    changed_.notify_all();
  }
  void drain() {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return under_way_ == 0; });
  }

 private:
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t under_way_ = 0;
};

Measured history(const std::string& path, std::size_t readings, std::size_t in_flight) {
  static const SystemClock clock;
  node::Store::Options options;
  options.path = path;
  options.migrations = node::history_migrations();
  auto store = std::move(*node::Store::open(std::move(options)));
  auto history = std::move(*node::open_history(*store, clock));
  auto all = batches(history.get(), readings);
  Flight flight(in_flight);
  const auto cpu = bench::cpu_us();
  const auto begin = Clock::now();
  for (auto& batch : all) {
    flight.begin();
    history->append(std::move(batch), [&](Result<node::AppendReport> done) {
      ENTENTE_CHECK(done.has_value());
      flight.end();
    });
  }
  flight.drain();
  const auto took = seconds_since(begin);
  // Sealing what is left belongs to the cost of a reading.
  ENTENTE_CHECK(history->seal().has_value());
  const auto used = bench::cpu_us() - cpu;
  const auto n = static_cast<double>(readings);
  return {n / took, used / n, 0};
}

struct Row {
  std::string name;
  std::function<Measured(const std::string&)> run;
  std::vector<double> rates, cpus, syncs;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Durable readings a second"};
  int rounds = 5;
  std::size_t readings = 5'000'000;
  std::size_t in_flight = 64;
  std::string folder = ".";
  app.add_option("--rounds", rounds, "how often each row is measured");
  app.add_option("--readings", readings, "how many");
  app.add_option("--in-flight", in_flight, "batches under way in the history");
  app.add_option("--folder", folder, "where the files go: a place on the disk in question");
  CLI11_PARSE(app, argc, argv);

  // Slow peers are measured over fewer readings.
  const auto few = std::max<std::size_t>(bench::kBatch, readings / 10);
  std::vector<Row> rows;
  rows.push_back({"plain file",
                  [&](const std::string& path) { return plain_file(path, readings); },
                  {},
                  {},
                  {}});
  rows.push_back({"entente history",
                  [&](const std::string& path) { return history(path, readings, in_flight); },
                  {},
                  {},
                  {}});
  rows.push_back({"sqlite row a reading",
                  [&](const std::string& path) -> Measured {
                    const auto rate = bench::sqlite_rows(path, batches(nullptr, few));
                    return {rate.readings_per_s, rate.cpu_us_per_reading, 0};
                  },
                  {},
                  {},
                  {}});
  bench::Postgres postgres;
  if (postgres.running()) {
    rows.push_back({"postgresql copy binary",
                    [&](const std::string&) -> Measured {
                      const auto rate = postgres.copy(batches(nullptr, few));
                      return {rate.readings_per_s, rate.cpu_us_per_reading, 0};
                    },
                    {},
                    {},
                    {}});
  }
  for (int round = 0; round < rounds; ++round) {
    for (auto& row : rows) {
      bench::Scratch scratch(folder);
      const auto measured = row.run(scratch / "data");
      row.rates.push_back(measured.rate);
      row.cpus.push_back(measured.cpu_s_million);
      row.syncs.push_back(measured.sync_us_median);
    }
  }
  bench::Report report("ingest");
  const auto floor = bench::spread_of(rows[0].rates).median;
  const auto own = bench::spread_of(rows[1].rates).median;
  const auto sync = bench::spread_of(rows[0].syncs).median;
  std::printf("%-24s %14s %12s %14s\n", "durable batches of 1,000", "readings/s", "of history",
              "CPU s/million");
  for (const auto& row : rows) {
    const auto rate = bench::spread_of(row.rates).median;
    std::printf("%-24s %14.0f %11.2fx %14.3f\n", row.name.c_str(), rate, own / rate,
                bench::spread_of(row.cpus).median);
    std::string name = row.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    report.figure(name + "_readings_per_s", rate);
    report.figure(name + "_cpu_s_per_million", bench::spread_of(row.cpus).median);
  }
  if (!postgres.running()) std::printf("not measured: postgresql (%s)\n", postgres.why().c_str());
  std::printf("fdatasync p50 %.0f us%s; named limits: %zu readings wait, %zu unsealed at most\n",
              sync, sync > 500 ? ": slower than 500 us, the figures are void" : "",
              node::limits::kPendingReadings, node::limits::kUnsealedReadings);
  report.figure("fdatasync_p50_us", sync);
  report.floor("plain_file_readings_per_s", floor, own / floor);
  report.print();
  return 0;
}
