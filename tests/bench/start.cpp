// What a node with a million twins needs to take them in and to start.
//
// The node's folder is made by the product's own code: twins in documents as large as one request
// may be, a reading for every signal, sealed. Then the real binary starts, until /readyz says so,
// and again after it was killed; what it does is also done part by part in a process of its own.
// The floor is history.db read once. Files leave the page cache before each measurement.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "node/history/history.h"
#include "node/limits.h"
#include "node/twin/twin_registry.h"
#include "tests/bench/node_program.h"
#include "tests/bench/report.h"
#include "tests/bench/scratch.h"

namespace {

using namespace entente;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kSignals = 4;
constexpr std::size_t kSites = 1'000;
constexpr std::size_t kTwinsAtOnce = 50'000;  // within one request's 16 MiB
constexpr const char* kTypes = R"json([
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:bench:Site;1", "@type": "Interface",
   "contents": [{"@type": "Property", "name": "state", "schema": "string"}]},
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:bench:Meter;1", "@type": "Interface",
   "contents": [
     {"@type": "Property", "name": "serial", "schema": "string"},
     {"@type": "Property", "name": "elevation", "schema": "double"},
     {"@type": "Relationship", "name": "partOf", "target": "dtmi:bench:Site;1"},
     {"@type": "Telemetry", "name": "power", "schema": "double"},
     {"@type": "Telemetry", "name": "voltage", "schema": "double"},
     {"@type": "Telemetry", "name": "temperature", "schema": "double"},
     {"@type": "Telemetry", "name": "humidity", "schema": "double"}]}])json";
constexpr const char* kSignalNames[kSignals] = {"power", "voltage", "temperature", "humidity"};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return std::move(*result);
}
void must(Outcome outcome) {
  if (!outcome) throw std::runtime_error(outcome.error().text());
}

double since(Steady::time_point begun) {
  return std::chrono::duration<double>(Steady::now() - begun).count();
}

// Work in a process of its own, so that its memory is its own; gives back what it makes.
template <class Figures, class Work>
Figures apart(const Work& work) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  std::fflush(stdout);
  const auto pid = ::fork();
  if (pid == 0) {
    try {
      const Figures figures = work();
      const bool whole = ::write(pipe[1], &figures, sizeof figures) == sizeof figures;
      ::_exit(whole ? 0 : 2);
    } catch (const std::exception& fault) {
      std::fprintf(stderr, "start: %s\n", fault.what());
    }
    ::_exit(2);
  }
  ::close(pipe[1]);
  Figures figures{};
  const auto got = ::read(pipe[0], &figures, sizeof figures);
  ::close(pipe[0]);
  ::waitpid(pid, nullptr, 0);
  if (got != sizeof figures) throw std::runtime_error("a part of the benchmark failed");
  return figures;
}

double resident_mib(const char* what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what)) return std::stod(line.substr(std::strlen(what))) / 1024;
  }
  return 0;
}

void leave_cache(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ::fdatasync(file);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
}

double read_once(const std::string& path) {
  leave_cache(path);
  const auto begun = Steady::now();
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<char> buffer(1 << 20);
  while (::read(file, buffer.data(), buffer.size()) > 0) {
  }
  ::close(file);
  return since(begun);
}

std::unique_ptr<node::Store> open_store(const std::string& path) {
  node::Store::Options options;
  options.path = path;
  options.migrations = node::history_migrations();
  return must(node::Store::open(std::move(options)));
}

std::string meter(std::size_t i) {
  char name[32];
  std::snprintf(name, sizeof name, "meter-%07zu", i);
  return name;
}

struct Intake {
  double first_s = 0, last_s = 0, twins_s = 0, readings_s = 0, peak_mib = 0;
};

std::string documents(std::size_t from, std::size_t to) {
  std::string text = "{\"twin\":[";
  for (auto i = from; i < to; ++i) {
    if (i > from) text += ",\n";
    text += "{\"id\":\"" + meter(i) + "\",\"type\":\"dtmi:bench:Meter;1\",\"properties\":{" +
            "\"serial\":\"SN-" + std::to_string(7'000'000 + i) +
            "\",\"elevation\":" + std::to_string(i % 900) + ".5},\"relationships\":{\"partOf\":[" +
            "\"site-" + std::to_string(i % kSites) + "\"]}}";
  }
  return text + "]}";
}

Intake take_in(const std::string& path, std::size_t twins) {
  Intake figures;
  const SystemClock clock;
  const auto store = open_store(path);
  {
    const auto registry = must(node::TwinRegistry::load(*store));
    must(registry->commit_now(
        must(registry->plan_types({{"types.json", kTypes}}, node::TwinRegistry::Missing::refuse))));
    std::string sites = "{\"twin\":[";
    for (std::size_t i = 0; i < kSites; ++i) {
      sites += std::string(i == 0 ? "" : ",") + "{\"id\":\"site-" + std::to_string(i) +
               "\",\"type\":\"dtmi:bench:Site;1\",\"properties\":{\"state\":\"WA\"}}";
    }
    must(registry->commit_now(must(registry->plan_twins(sites + "]}", "sites.json"))));
    const auto begun = Steady::now();
    for (std::size_t from = 0; from < twins; from += kTwinsAtOnce) {
      const auto part = Steady::now();
      const auto text = documents(from, std::min(twins, from + kTwinsAtOnce));
      must(registry->commit_now(must(registry->plan_twins(text, "twins.json"))));
      figures.last_s = since(part);
      if (from == 0) figures.first_s = figures.last_s;
    }
    figures.twins_s = since(begun);
  }
  const auto begun = Steady::now();
  const auto history = must(node::open_history(*store, clock));
  const auto now = clock.now();
  node::Batch batch;
  for (std::size_t i = 0; i < twins; ++i) {
    for (std::size_t s = 0; s < kSignals; ++s) {
      const auto value = static_cast<double>((i * 7 + s * 13) % 4'000) / 100;
      batch.add(must(history->open_series(meter(i), kSignalNames[s])),
                {now - seconds(static_cast<int>(i % 60)), value, node::Quality::good});
    }
    if (batch.size() < node::limits::kBatchReadings / 2 && i + 1 < twins) continue;
    must(history->append_now(std::move(batch)));
    batch = {};
  }
  must(history->seal());
  figures.readings_s = since(begun);
  figures.peak_mib = resident_mib("VmHWM:");
  return figures;
}

struct Parts {
  double store_s = 0, twins_s = 0, history_s = 0;
  double twins_mib = 0, history_mib = 0, peak_mib = 0;
  std::size_t series = 0;
};

Parts start_by_parts(const std::string& path) {
  Parts parts;
  const SystemClock clock;
  auto begun = Steady::now();
  const auto part = [&](double& seconds) {
    seconds = since(begun);
    begun = Steady::now();
    return resident_mib("VmRSS:");
  };
  const auto store = open_store(path);
  const auto before = part(parts.store_s);
  const auto registry = must(node::TwinRegistry::load(*store));
  const auto with_twins = part(parts.twins_s);
  const auto history = must(node::open_history(*store, clock));
  parts.history_mib = part(parts.history_s) - with_twins;
  parts.twins_mib = with_twins - before;
  parts.peak_mib = resident_mib("VmHWM:");
  for (std::uint32_t id = 0;; ++id, ++parts.series) {
    if (!history->latest(static_cast<node::SeriesId>(id))) break;
  }
  return parts;
}

struct Start {
  double ready_s = 0, peak_mib = 0;
};

Start start(const std::string& home, bool kill) {
  leave_cache(home + "/history.db");
  bench::NodeProgram node(home);
  const Start figures{node.ready_s(), node.program().peak_mib()};
  if (kill) {
    node.program().kill();
  } else if (node.program().stop() != 0) {
    throw std::runtime_error("the node did not stop well");
  }
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A node's start with many twins"};
  int rounds = 3;
  std::size_t twins = 1'000'000 - kSites;
  std::string folder = ".";
  app.add_option("--rounds", rounds, "how often it is started");
  app.add_option("--twins", twins, "how many, with four signals each, besides 1,000 sites");
  app.add_option("--folder", folder, "where the files go: a place on the disk in question");
  CLI11_PARSE(app, argc, argv);

  bench::Scratch scratch(folder);
  bench::Report report("start");
  const auto home = scratch / "home";
  const auto file = home + "/history.db";
  bench::NodeProgram::make(home);
  const auto intake = apart<Intake>([&] { return take_in(file, twins); });
  std::printf(
      "%zu twins taken in within %.1f s (the first %zu in %.2f s, the last in %.2f s), their %zu "
      "readings in %.1f s; at most %.0f MiB\n",
      twins, intake.twins_s, std::min(twins, kTwinsAtOnce), intake.first_s, intake.last_s,
      twins * kSignals, intake.readings_s, intake.peak_mib);

  std::vector<double> floor, ready, killed, peak, store, of_twins, of_history;
  Parts parts;
  for (int round = 0; round < rounds; ++round) {
    floor.push_back(read_once(file));
    leave_cache(file);
    parts = apart<Parts>([&] { return start_by_parts(file); });
    if (parts.series != twins * kSignals) throw std::runtime_error("a latest reading is missing");
    store.push_back(parts.store_s);
    of_twins.push_back(parts.twins_s);
    of_history.push_back(parts.history_s);
    const auto clean = start(home, true);
    ready.push_back(clean.ready_s);
    const auto after_kill = start(home, false);
    killed.push_back(after_kill.ready_s);
    peak.push_back(std::max(clean.peak_mib, after_kill.peak_mib));
  }
  const auto median = [](const std::vector<double>& all) { return bench::spread_of(all).median; };
  const double megabytes = static_cast<double>(std::filesystem::file_size(file)) / 1e6;
  std::printf("\n%-34s %9s %9s\n", "", "s", "MiB");
  std::printf("%-34s %9.2f %9.0f\n", "floor: history.db read once", median(floor), megabytes);
  std::printf("%-34s %9.2f\n", "the file opened and checked", median(store));
  std::printf("%-34s %9.2f %9.0f\n", "twins", median(of_twins), parts.twins_mib);
  std::printf("%-34s %9.2f %9.0f\n", "latest readings", median(of_history), parts.history_mib);
  std::printf("%-34s %9.2f %9.0f  (aims: 20 s, 2048 MiB)\n", "the node until /readyz",
              median(ready), median(peak));
  std::printf("%-34s %9.2f\n", "the same after kill -9", median(killed));
  report.figure("intake_s", intake.twins_s);
  report.figure("intake_last_to_first", intake.last_s / intake.first_s);
  report.figure("intake_peak_mib", intake.peak_mib);
  report.figure("file_mb", megabytes);
  report.figure("open_file_s", median(store));
  report.figure("load_twins_s", median(of_twins));
  report.figure("load_history_s", median(of_history));
  report.figure("ready_s", median(ready));
  report.figure("ready_after_kill_s", median(killed));
  report.figure("peak_mib", median(peak));
  report.floor("read_once_s", median(floor), median(ready) / median(floor));
  report.print();
  return 0;
}
