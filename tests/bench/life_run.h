// Remaining useful life on files of NASA's C-MAPSS form, for the benchmarks `rul` and `models`.
#pragma once

#include <filesystem>
#include <string>

#include "node/model/remaining_life.h"

namespace entente::bench {

struct LifeFigures {
  std::size_t units = 0, predictions = 0;
  double rmse = 0, mae = 0, score = 0;  // score: NASA's, summed
  double coverage_ninety = 0, coverage_half = 0;
  double rmse_constant = 0;  // of the mean life of the fleet, the floor
  double fit_ms = 0;
};

// Columns: unit, cycle, 3 settings, sensors; separated by spaces.
std::vector<node::UnitRun> read_runs(const std::filesystem::path& path);
// Each unit is cut at random cycles (seeded) and told by a model of the other folds.
LifeFigures cross_validate(const std::vector<node::UnitRun>& fleet, double cap, std::size_t cuts,
                           std::size_t folds, std::uint64_t seed);
// Units that end before they fail; `truth`: the cycles that were left, one a unit.
LifeFigures score_test(const std::vector<node::UnitRun>& fleet,
                       const std::vector<node::UnitRun>& units, const std::vector<double>& truth,
                       double cap);
void print_life(const std::string& what, const LifeFigures& figures);

}  // namespace entente::bench
