// What local models achieve: forecasts a day ahead against the seasonal naive, anomalies by NAB's
// rules, remaining life by cross-validation, and what a filter's step costs against bare Eigen.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <map>

#include "node/model/kalman.h"
#include "node/model/linear_model.h"
#include "tests/bench/forecast_run.h"
#include "tests/bench/life_run.h"
#include "tests/bench/model_data.h"
#include "tests/bench/nab_run.h"
#include "tests/bench/report.h"

using namespace entente;
using namespace entente::bench;
using namespace entente::node;

namespace {

// Two coupled positions with speeds, both positions measured.
using Small = kalman::System<4, 2>;
Small small_system() {
  Small s;
  s.transition << 1, 1, 0, 0, 0, 0.99, 0, 0.01, 0, 0, 1, 1, 0, 0.01, 0, 0.99;
  s.observation << 1, 0, 0, 0, 0, 0, 1, 0;
  s.process_noise = Eigen::Matrix4d::Identity() * 0.01;
  s.observation_noise = Eigen::Matrix2d::Identity();
  return s;
}

ModelSpec small_spec(const Small& s) {
  ModelSpec spec;
  spec.kind = "linear_state_space";
  spec.signals = {"east", "north"};
  spec.step = seconds(1);
  auto& p = spec.parameters;
  p["states"] = {4};
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) p["transition"].push_back(s.transition(i, j));
    p["process_noise"].push_back(0.01);
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 4; ++j) p["observation"].push_back(s.observation(i, j));
  }
  p["observation_noise"] = {1, 1};
  return spec;
}

double nanoseconds_since(std::chrono::steady_clock::time_point begin, std::size_t steps) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin)
             .count() /
         static_cast<double>(steps);
}

struct FilterFigures {
  double model_ns = 0, bare_ns = 0, ratio = 0, bytes = 0;
};

FilterFigures measure_filter(std::size_t twins, int rounds) {
  const Small system = small_system();
  const auto definition = LinearModels::of(small_spec(system));
  if (!definition) throw std::runtime_error(definition.error().text());
  FilterFigures f;
  const auto before = mallinfo2().uordblks;
  std::vector<std::unique_ptr<Model>> models(twins);
  for (auto& model : models) model = definition->make();
  f.bytes = static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(twins);
  std::vector<kalman::State<4>> states(
      twins, {Eigen::Vector4d::Zero(), 1e6 * Eigen::Matrix4d::Identity()});
  std::vector<double> bare, whole, ratios;
  // Of the bare steps nothing else is kept, so that they are the least an Eigen filter can cost.
  for (int round = 0; round < rounds; ++round) {
    const double values[] = {std::sin(round), std::cos(round)};
    auto begin = std::chrono::steady_clock::now();
    for (auto& state : states) {
      kalman::predict<4, 2>(system, Eigen::Vector4d::Zero(), state);
      kalman::correct<4, 2>(system, Eigen::Vector2d(values[0], values[1]), state);
    }
    bare.push_back(nanoseconds_since(begin, twins));
    begin = std::chrono::steady_clock::now();
    for (auto& model : models) {
      if (!model->update({Instant{} + seconds(round + 1), values})) throw std::logic_error("step");
    }
    whole.push_back(nanoseconds_since(begin, twins));
    ratios.push_back(whole.back() / bare.back());
  }
  f.bare_ns = spread_of(bare).median;
  f.model_ns = spread_of(whole).median;
  f.ratio = spread_of(ratios).median;
  return f;
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder, only;
  bool made_up = false;
  std::size_t stations = 1'000, twins = 20'000;
  CLI::App app("accuracy and speed of local models");
  app.add_option("DATA", folder, "with beijing_air, metro_interstate, nab, cmapss_fd001");
  app.add_option("--only", only, "forecast, nab, rul or filter");
  app.add_option("--stations", stations, "no more of air quality than so many");
  app.add_option("--twins", twins, "how many have a filter");
  app.add_flag("--made-up", made_up, "small data made up, for a run without data");
  CLI11_PARSE(app, argc, argv);
  const auto part = [&](const std::string& name) -> std::optional<std::filesystem::path> {
    if (made_up) return std::nullopt;
    if (!folder.empty()) return std::filesystem::path(folder) / name;
    return data_folder(name);
  };
  const auto wanted = [&](const char* what) { return only.empty() || only == what; };
  Report report("models");

  if (wanted("forecast")) {
    std::vector<HourlySeries> series;
    if (const auto path = part("beijing_air")) {
      series = read_beijing(*path);
      series.resize(std::min(series.size(), 2 * stations));
    }
    if (const auto path = part("metro_interstate")) {
      for (auto& one : read_metro(*path)) series.push_back(std::move(one));
    }
    if (series.empty()) series = made_up_hours();
    std::vector<ForecastFigures> all;
    for (const HourlySeries& one : series) all.push_back(forecast(one));
    print_forecasts(all);
    std::map<std::string, std::vector<double>> ratios, covered;
    for (const ForecastFigures& f : all) {
      ratios[f.group].push_back(f.best.score.mae() / f.naive.score.mae());
      covered[f.group].push_back(100 * f.best.score.coverage_ninety());
    }
    for (const auto& [group, values] : ratios) {
      report.figure(group + "_mae_of_seasonal_naive", spread_of(values).median);
      report.figure(group + "_coverage_90_percent", spread_of(covered[group]).median);
    }
  }
  if (wanted("nab")) {
    const auto path = part("nab");
    std::vector<NabSeries> all = path ? read_nab(*path) : made_up_nab();
    print_nab("windowed Gaussian", run_gaussian(all));
    const NabFigures f = run_detector(all);
    print_nab("detector", f);
    report.figure("nab_standard", f.standard);
    report.figure("nab_own_threshold", f.own_threshold);
  }
  if (wanted("rul") && !made_up) {
    if (const auto path = part("cmapss_fd001")) {
      const LifeFigures f = cross_validate(read_runs(*path / "train_FD001.txt"), 125, 5, 10, 1);
      print_life("C-MAPSS FD001, cross-validation", f);
      report.figure("rul_rmse_cycles", f.rmse);
      report.figure("rul_coverage_90_percent", 100 * f.coverage_ninety);
    }
  }
  if (wanted("filter")) {
    if (made_up) twins = 500;
    const FilterFigures f = measure_filter(twins, made_up ? 5 : twins > 100'000 ? 11 : 41);
    std::printf(
        "filter of %zu twins, 4 states, 2 signals: %.0f ns a step, bare Eigen %.0f ns, %.2f times; "
        "%.0f bytes a twin\n",
        twins, f.model_ns, f.bare_ns, f.ratio, f.bytes);
    report.figure("filter_step_ns", f.model_ns);
    report.figure("filter_bytes_a_twin", f.bytes);
    report.floor("bare_eigen_step_ns", f.bare_ns, f.ratio);
  }
  report.print();
}
