// How long a unit will last, from a fleet of units that were run to failure.
//
// Sensors are brought to a common scale within each operating regime, constant ones drop out, and
// the rest is smoothed into a few fused indices. Two estimates see them: a quadratic ridge
// regression, and the lives of the most similar moments of other units (similarity, after Wang et
// al., PHM 2008). Their mean is corrected, and gets its bands, from what the same method said of
// fleet units that it had not seen: truths of the calibration moments with the nearest estimates.
// So the distribution is that of units which looked alike, and is as honest as the fleet is like
// the unit. Lives beyond `cap` count as `cap`: an unworn unit does not show when it will fail.
//
// Shapes: a run's rows are cycles, oldest first; the columns are `settings` operating settings and
// then sensors, the same in every run. NaN: the value before counts. Deterministic.
// Threads: any, once fitted. Memory: about 100 bytes a cycle of the fleet.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "node/model/model.h"

namespace entente::node {

using UnitRun = std::vector<std::vector<double>>;

struct LifeOptions {
  std::size_t settings = 0;
  double cap = 125;  // cycles
};

struct RemainingLife {
  double mean = 0;  // cycles from the last row on, at most the cap
  Band half, ninety;
};

class RemainingLifeModel {
 public:
  // Refuses: invalid_argument (rows of other widths, no sensor that varies), not_found (fewer than
  // 10 units, or a unit of fewer than 5 cycles).
  [[nodiscard]] static Result<RemainingLifeModel> fit(std::span<const UnitRun> fleet,
                                                      const LifeOptions& options);
  // Refuses: invalid_argument (no row, or rows of another width).
  [[nodiscard]] Result<RemainingLife> predict(const UnitRun& run) const;

 private:
  struct Fitted;
  explicit RemainingLifeModel(std::shared_ptr<const Fitted> fitted) : fitted_(std::move(fitted)) {}
  std::shared_ptr<const Fitted> fitted_;
};

// The score of NASA's challenge (Saxena et al., PHM 2008): late estimates cost more than early
// ones. `difference`: estimate minus truth, cycles.
double life_score(double difference);

// A unit alone: wear that drifts with noise, W(t) = w + d t + s B(t), fails when it first reaches a
// limit; the time to it is inverse Gaussian (Lee and Whitmore, Statistical Science 21, 2006).
// Drift and noise come from the increments, the drift's own uncertainty widens the noise.
struct WienerLife {
  double drift = 0, noise = 0;  // per unit of time, and per its root
  double left = 0;              // wear that is left
  // P(life <= t); 0 for t <= 0. With drift <= 0 part of the probability never fails.
  double probability_by(double t) const;
  // The t by which that share has failed; infinity where it never does.
  double quantile(double share) const;
};
// From wear at ascending times. Refuses: invalid_argument (sizes, order, the limit is reached),
// not_found (fewer than 3).
[[nodiscard]] Result<WienerLife> wiener_life(std::span<const double> times,
                                             std::span<const double> wear, double limit);

}  // namespace entente::node
