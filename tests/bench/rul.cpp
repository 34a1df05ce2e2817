// Remaining useful life: TRAIN alone, cross-validation over units cut at random cycles; with TEST
// and RUL, units that the fit has not seen. Lives above the cap count as the cap, on both sides.
#include <CLI/CLI.hpp>

#include "tests/bench/life_run.h"
#include "tests/bench/model_data.h"
#include "tests/bench/report.h"

using namespace entente::bench;
using namespace entente::node;

namespace {

// Units that wear along a curve, for a run without data.
std::vector<UnitRun> made_up() {
  std::vector<UnitRun> fleet;
  for (int unit = 0; unit < 24; ++unit) {
    const int life = 60 + unit * 7 % 50;
    UnitRun& run = fleet.emplace_back();
    for (int t = 0; t < life; ++t) {
      const double wear = static_cast<double>(t * t) / (life * life);
      const double noise = ((t * 7919 + unit * 104729) % 100 - 50) * 0.002;
      run.push_back({0, 0, 100, wear + noise, 5, 2 - wear + noise / 2});
    }
  }
  return fleet;
}

}  // namespace

int main(int argc, char** argv) {
  std::string train, test, truth_file;
  double cap = 125;
  std::size_t cuts = 5, folds = 10;
  std::uint64_t seed = 1;
  bool invented = false;
  CLI::App app("remaining useful life on C-MAPSS files");
  app.add_option("TRAIN", train, "units run to failure");
  app.add_option("TEST", test, "units that end before");
  app.add_option("RUL", truth_file, "cycles left of each");
  app.add_option("--cap", cap);
  app.add_option("--cuts", cuts, "of each unit");
  app.add_option("--folds", folds);
  app.add_option("--seed", seed);
  app.add_flag("--made-up", invented, "units made up, for a run without data");
  CLI11_PARSE(app, argc, argv);
  if (train.empty() && !invented) {
    if (const auto folder = data_folder("cmapss_fd001/train_FD001.txt")) train = *folder;
  }
  if (train.empty()) std::puts("no data: units made up");
  const std::vector<UnitRun> fleet = train.empty() ? made_up() : read_runs(train);
  Report report("rul");
  LifeFigures f;
  if (test.empty()) {
    f = cross_validate(fleet, cap, cuts, folds, seed);
    print_life("cross-validation", f);
  } else {
    std::istringstream cells(text_of(truth_file));
    std::vector<double> truth;
    for (double value; cells >> value;) truth.push_back(value);
    f = score_test(fleet, read_runs(test), truth, cap);
    print_life("test units", f);
  }
  report.figure("rmse_cycles", f.rmse);
  report.figure("mae_cycles", f.mae);
  report.figure("score", f.score);
  report.figure("coverage_90_percent", 100 * f.coverage_ninety);
  report.figure("coverage_50_percent", 100 * f.coverage_half);
  report.figure("fit_ms", f.fit_ms);
  report.floor("rmse_of_the_mean_life", f.rmse_constant, f.rmse / f.rmse_constant);
  report.print();
}
