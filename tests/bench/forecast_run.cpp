#include "tests/bench/forecast_run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "tests/bench/model_data.h"

namespace entente::bench {

using namespace entente::node;

namespace {

constexpr std::size_t kDay = 24;

std::vector<double> column_of(const Table& table, const std::string& name, double low,
                              double high) {
  const std::size_t j = table.column(name);
  std::vector<double> values;
  for (const auto& row : table.rows) {
    const double value = number_of(row[j]);
    values.push_back(value >= low && value <= high ? value : kMissing);
  }
  return values;
}

}  // namespace

std::vector<HourlySeries> read_beijing(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".csv") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<HourlySeries> all;
  for (const auto& path : paths) {
    const Table table = read_table(path);
    const auto temperature = column_of(table, "TEMP", -60, 60);
    const auto dew = column_of(table, "DEWP", -60, 60);
    const auto pressure = column_of(table, "PRES", 900, 1'100);
    const auto wind = column_of(table, "WSPM", 0, 100);
    const auto monoxide = column_of(table, "CO", 0, 9'999);
    const auto particles = column_of(table, "PM2.5", 0, 998);
    const std::string station = path.stem().string();
    all.push_back({"PM2.5", station, particles, {dew, pressure, wind, monoxide}, {kDay}});
    all.push_back({"TEMP", station, temperature, {dew, pressure, wind}, {kDay}});
  }
  return all;
}

std::vector<HourlySeries> read_metro(const std::filesystem::path& folder) {
  const Table table = read_table(folder / "Metro_Interstate_Traffic_Volume.csv");
  const std::size_t time = table.column("date_time"), volume = table.column("traffic_volume");
  std::map<std::int64_t, double> hours_of;
  for (const auto& row : table.rows) {
    std::string text = row[time];
    if (text.size() > 10) text[10] = 'T';
    const auto at = parse_instant(text);
    if (at) hours_of.emplace(at->ns / hours(1).ns, number_of(row[volume]));
  }
  std::vector<double> longest, now;
  std::int64_t last = 0;
  for (const auto& [hour, value] : hours_of) {
    if (!now.empty() && hour - last > 24 * 30) {
      if (now.size() > longest.size()) longest = now;
      now.clear();
    }
    while (!now.empty() && ++last < hour) now.push_back(kMissing);
    now.push_back(value);
    last = hour;
  }
  if (now.size() > longest.size()) longest = now;
  return {{"traffic", "metro_interstate", longest, {}, {kDay, 7 * kDay}}};
}

std::vector<HourlySeries> made_up_hours() {
  std::vector<double> values;
  for (std::size_t t = 0; t < 1'500; ++t) {
    const double place = static_cast<double>(t);
    values.push_back(10 + 3 * std::sin(place * 0.2617993878) +
                     static_cast<double>(t * 7'919 % 101) / 100);
  }
  return {{"made up", "sine", values, {}, {kDay}}};
}

ForecastFigures forecast(const HourlySeries& series) {
  const std::size_t n = series.values.size();
  const std::span<const double> known = std::span(series.values).first(n * 6 / 10);
  const auto candidates = usual_candidates(known, series.periods, kDay, series.inputs.size());
  BacktestOptions options;
  options.horizon = kDay;
  options.every = kDay + 11;
  options.refit_every = n;
  options.scale_period = kDay;
  options.from = n * 45 / 100, options.to = n * 6 / 10;
  const auto rows = backtest(series.values, series.inputs, candidates, options);
  const std::size_t best = best_of(rows);
  // The same from the choice on; bands are calibrated by origins from before it.
  options.from = n * 45 / 100, options.to = n - kDay;
  options.scored_from = n * 6 / 10;
  options.every = 11;
  options.refit_every = 30 * kDay;
  std::vector<Candidate> two{candidates[0]};
  if (best != 0) two.push_back(candidates[best]);
  const auto scored = backtest(series.values, series.inputs, two, options);
  return {series.group, series.name, candidates[best].name, scored.front(), scored.back()};
}

void print_forecasts(const std::vector<ForecastFigures>& all) {
  std::printf("%-8s %-17s %-26s %8s %8s %6s %6s %7s %7s %8s\n", "signal", "series", "chosen", "MAE",
              "naive", "ratio", "MASE", "50 %", "90 %", "pinball");
  for (const ForecastFigures& f : all) {
    std::printf("%-8s %-17s %-26s %8.3f %8.3f %6.3f %6.3f %6.1f%% %6.1f%% %8.3f\n", f.group.c_str(),
                f.name.c_str(), f.chosen.c_str(), f.best.score.mae(), f.naive.score.mae(),
                f.best.score.mae() / f.naive.score.mae(), f.best.mase,
                100 * f.best.score.coverage_half(), 100 * f.best.score.coverage_ninety(),
                f.best.score.mean_pinball());
  }
}

}  // namespace entente::bench
