// The remaining life of a unit alone whose wear never goes back: corrosion, abrasion, crack length.
//
// The wear grows by independent increments that are gamma distributed: over t it has shape `rate` t
// and scale `scale`. It fails when it first reaches a limit, which, as wear never goes back, is
// when it is there: P(life <= t) = P(Gamma(rate t, scale) >= what is left). The rate is constant
// and no covariate is known; where measurements can go back, take wiener_life (remaining_life.h).
// Source: van Noortwijk, A survey of the application of gamma processes in maintenance (Reliability
// Engineering and System Safety 94, 2009), sections 2.1 and 4.1 (moments).
#pragma once

#include <span>

#include "schemas/base/result.h"

namespace entente::node {

struct GammaLife {
  double rate = 0;   // shape a unit of time
  double scale = 0;  // of wear
  double left = 0;   // wear that is left
  // P(life <= t); 0 for t <= 0.
  double probability_by(double t) const;
  // The t by which that share has failed; 0 < share < 1.
  double quantile(double share) const;
};

// From wear at ascending times, by moments. Refuses: invalid_argument (sizes, order, a value that
// is missing or below the one before, the limit is reached), not_found (fewer than 3 values, or
// wear that did not grow or grew by one amount each time, which says nothing of its spread).
[[nodiscard]] Result<GammaLife> gamma_life(std::span<const double> times,
                                           std::span<const double> wear, double limit);

}  // namespace entente::node
