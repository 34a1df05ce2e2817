// What a question over 10,000 twins costs by the length of its window: folded means, as a node
// folds them before it answers (FoldSource), over an hour and over a year.
//
// A year of readings, one every four hours, and in its last six hours one a minute; all is sealed.
// The floor is the hour: what a year costs beyond it is the price of its length.
#include <time.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "node/history/fold_source.h"
#include "node/history/history.h"
#include "node/twin/twin_registry.h"
#include "tests/bench/report.h"
#include "tests/bench/scratch.h"

namespace {

using namespace entente;
using Steady = std::chrono::steady_clock;

constexpr const char* kTypes = R"json({"@context": "dtmi:dtdl:context;2",
  "@id": "dtmi:bench:Meter;1", "@type": "Interface",
  "contents": [{"@type": "Property", "name": "state", "schema": "string"},
               {"@type": "Telemetry", "name": "power", "schema": "double"}]})json";
// A day of UTC.
constexpr Instant kBegin{1'672'531'200'000'000'000};
constexpr int kDays = 366;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return std::move(*result);
}
void must(Outcome outcome) {
  if (!outcome) throw std::runtime_error(outcome.error().text());
}

// Of this thread: what a question costs, on a busy machine as well.
double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

double milliseconds_since(Steady::time_point begun) {
  return std::chrono::duration<double, std::milli>(Steady::now() - begun).count();
}

struct Site {
  explicit Site(const std::string& path) {
    node::Store::Options options;
    options.path = path;
    options.migrations = node::history_migrations();
    store = must(node::Store::open(std::move(options)));
    twins = must(node::TwinRegistry::load(*store));
    history = must(node::open_history(*store, clock));
  }

  void fill(std::size_t count) {
    must(twins->commit_now(
        must(twins->plan_types({{"types.json", kTypes}}, node::TwinRegistry::Missing::refuse))));
    std::string text = "{\"twin\":[";
    std::vector<node::SeriesId> series;
    for (std::size_t i = 0; i < count; ++i) {
      const auto id = "meter-" + std::to_string(i);
      text += std::string(i == 0 ? "" : ",") + "{\"id\":\"" + id +
              "\",\"type\":\"dtmi:bench:Meter;1\",\"properties\":{\"state\":\"WA\"}}";
      series.push_back(must(history->open_series(id, "power")));
    }
    must(twins->commit_now(must(twins->plan_twins(text + "]}", "twins.json"))));
    for (auto time = kBegin; time < kBegin + days(kDays);) {
      append(series, time);
      const bool last_hours = time + hours(6) >= kBegin + days(kDays);
      time = time + (last_hours ? minutes(1) : hours(4));
    }
    must(history->seal());
  }

  SystemClock clock;
  std::unique_ptr<node::Store> store;
  std::unique_ptr<node::TwinRegistry> twins;
  std::unique_ptr<node::History> history;

 private:
  void append(const std::vector<node::SeriesId>& series, Instant time) {
    node::Batch batch;
    batch.reserve(series.size());
    for (const auto id : series) {
      state_ = state_ * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
      batch.add(id, {time, static_cast<double>((state_ >> 33) % 4'000) / 100, node::Quality::good});
    }
    auto taken = history->append_now(batch);
    while (!taken && taken.error().code == ErrorCode::overloaded) {
      must(history->seal());
      taken = history->append_now(batch);
    }
    must(std::move(taken));
  }

  std::uint64_t state_ = 1;
};

struct Windowed {
  const char* name;
  const char* figure;
  TimeWindow window;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A question's cost by the length of its window"};
  int rounds = 9;
  std::size_t twins = 10'000;
  std::string folder = ".";
  app.add_option("--rounds", rounds, "how often each figure is measured");
  app.add_option("--twins", twins, "how many");
  app.add_option("--folder", folder, "where the files go: a place on the disk in question");
  CLI11_PARSE(app, argc, argv);

  bench::Scratch scratch(folder);
  bench::Report report("year");
  const auto path = scratch / "history.db";
  Site(path).fill(twins);
  const auto end = kBegin + days(kDays);
  const std::vector<Windowed> windows = {
      {"an hour", "hour", {end - hours(3), end - hours(2)}},
      {"a day", "day", {end - hours(29), end - hours(5)}},
      {"a month", "month", {kBegin + days(200) + hours(7), kBegin + days(230) + hours(7)}},
      {"a year of whole days", "year_of_days", {kBegin, end - days(1)}},
      {"a year of whole hours", "year", {kBegin + hours(13), end - hours(11)}}};
  auto view = std::make_shared<ExportView>();
  view->name = "meters";
  view->type = "dtmi:bench:Meter;1";
  view->unit = "twin";
  view->keys = {"state"};
  view->cells.resize(1);
  view->cells[0].values = {"WA"};
  Column column;
  column.signal = "power";
  column.reducer = Reducer::mean;

  std::vector<std::vector<double>> warm(windows.size());
  std::vector<double> cold;
  double sum = 0;
  for (const auto& each : windows) {
    Site site(path);
    const node::FoldSource source([&] { return site.twins->state(); }, *site.history);
    const auto begun = Steady::now();
    sum += must(source.fold({view, {column}, {each.window}})).units.front().values.front();
    cold.push_back(milliseconds_since(begun));
  }
  Site site(path);
  const node::FoldSource source([&] { return site.twins->state(); }, *site.history);
  for (int round = -1; round < rounds; ++round) {
    for (std::size_t i = 0; i < windows.size(); ++i) {
      const auto begun = cpu_ms();
      const auto table = must(source.fold({view, {column}, {windows[i].window}}));
      const auto took = cpu_ms() - begun;
      if (table.units.size() != twins) throw std::runtime_error("a twin is missing");
      sum += table.units.back().values.front();
      if (round >= 0) warm[i].push_back(took);  // the first round only fills what is kept
    }
  }
  if (!std::isfinite(sum)) throw std::runtime_error("a mean is missing");
  const double floor = bench::spread_of(warm[0]).median;
  std::printf("%zu twins, a mean each\n%-24s %10s %12s %9s\n", twins, "window", "CPU ms",
              "first time", "ratio");
  double ratio = 0;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const double ms = bench::spread_of(warm[i]).median;
    ratio = ms / floor;
    std::printf("%-24s %10.2f %12.1f %8.2fx\n", windows[i].name, ms, cold[i], ratio);
    report.figure(std::string(windows[i].figure) + "_cpu_ms", ms);
    report.figure(std::string(windows[i].figure) + "_cold_ms", cold[i]);
  }
  std::printf("on the disk: %.0f MB\n", scratch.megabytes("history.db"));
  report.floor("hour_cpu_ms", floor, ratio);
  report.print();
  return 0;
}
