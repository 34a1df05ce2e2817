#include "tests/bench/life_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <sstream>
#include <stdexcept>

#include "tests/bench/model_data.h"

namespace entente::bench {

using namespace entente::node;

namespace {

constexpr std::size_t kSettings = 3;

struct Sums {
  LifeFigures figures;
  double squares = 0, floor_squares = 0;

  void add(const RemainingLife& said, double truth, double constant) {
    const double error = said.mean - truth;
    ++figures.predictions;
    squares += error * error;
    floor_squares += (constant - truth) * (constant - truth);
    figures.mae += std::abs(error);
    figures.score += life_score(error);
    figures.coverage_ninety += said.ninety.contains(truth);
    figures.coverage_half += said.half.contains(truth);
  }
  LifeFigures done() {
    const double n = static_cast<double>(std::max<std::size_t>(figures.predictions, 1));
    figures.rmse = std::sqrt(squares / n);
    figures.rmse_constant = std::sqrt(floor_squares / n);
    figures.mae /= n, figures.coverage_ninety /= n, figures.coverage_half /= n;
    return figures;
  }
};

RemainingLifeModel fitted(const std::vector<UnitRun>& fleet, double cap, LifeFigures& figures) {
  const auto begin = std::chrono::steady_clock::now();
  auto model = RemainingLifeModel::fit(fleet, {kSettings, cap});
  if (!model) throw std::runtime_error(model.error().text());
  figures.fit_ms +=
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  return std::move(*model);
}

// Mean of the capped lives over all cycles.
double constant_of(const std::vector<UnitRun>& fleet, double cap) {
  double sum = 0, count = 0;
  for (const UnitRun& run : fleet) {
    for (std::size_t t = 0; t < run.size(); ++t) {
      sum += std::min(static_cast<double>(run.size() - 1 - t), cap), count += 1;
    }
  }
  return sum / count;
}

}  // namespace

std::vector<UnitRun> read_runs(const std::filesystem::path& path) {
  std::istringstream text(text_of(path));
  std::vector<UnitRun> runs;
  std::string line;
  double last = -1;
  while (std::getline(text, line)) {
    std::istringstream cells(line);
    std::vector<double> row;
    for (double value; cells >> value;) row.push_back(value);
    if (row.size() < 3 + kSettings) continue;
    if (row[0] != last) runs.emplace_back(), last = row[0];
    runs.back().emplace_back(row.begin() + 2, row.end());
  }
  return runs;
}

LifeFigures cross_validate(const std::vector<UnitRun>& fleet, double cap, std::size_t cuts,
                           std::size_t folds, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::size_t> order(fleet.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  Sums sums;
  for (std::size_t fold = 0; fold < folds; ++fold) {
    std::vector<UnitRun> others;
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i % folds != fold) others.push_back(fleet[order[i]]);
    }
    const RemainingLifeModel model = fitted(others, cap, sums.figures);
    const double constant = constant_of(others, cap);
    for (std::size_t i = fold; i < order.size(); i += folds) {
      const UnitRun& run = fleet[order[i]];
      for (std::size_t cut = 0; cut < cuts; ++cut) {
        const std::size_t seen = 1 + random() % run.size();
        const UnitRun part(run.begin(), run.begin() + static_cast<std::ptrdiff_t>(seen));
        const double truth = std::min(static_cast<double>(run.size() - seen), cap);
        sums.add(model.predict(part).value(), truth, constant);
      }
    }
  }
  sums.figures.units = fleet.size();
  return sums.done();
}

LifeFigures score_test(const std::vector<UnitRun>& fleet, const std::vector<UnitRun>& units,
                       const std::vector<double>& truth, double cap) {
  if (truth.size() != units.size()) throw std::runtime_error("not one life for each unit");
  Sums sums;
  const RemainingLifeModel model = fitted(fleet, cap, sums.figures);
  for (std::size_t i = 0; i < units.size(); ++i) {
    sums.add(model.predict(units[i]).value(), std::min(truth[i], cap), constant_of(fleet, cap));
  }
  sums.figures.units = units.size();
  return sums.done();
}

void print_life(const std::string& what, const LifeFigures& f) {
  std::printf(
      "%-34s %5zu units %5zu cuts  RMSE %6.2f (constant %6.2f)  MAE %6.2f  score %9.1f  "
      "90 %% covers %5.1f %%  50 %% covers %5.1f %%\n",
      what.c_str(), f.units, f.predictions, f.rmse, f.rmse_constant, f.mae, f.score,
      100 * f.coverage_ninety, 100 * f.coverage_half);
}

}  // namespace entente::bench
