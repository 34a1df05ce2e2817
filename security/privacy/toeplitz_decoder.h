// The receiver's half of toeplitz.h: running totals from what was released, in doubles.
//
// Totals are A C^-1 y, in steps: unbiased, since the mean of y is C x. Threads: any; immutable.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "security/privacy/toeplitz.h"

namespace entente::security {

class ToeplitzDecoder {
 public:
  explicit ToeplitzDecoder(const Toeplitz& mechanism);

  // x_0 + … + x_t for each t, from y_0 … y_t; at most the horizon (a bug).
  std::vector<double> totals(std::span<const std::int64_t> released) const;
  // The variance of each of the horizon's totals, in units of the noise's variance; ascending.
  std::vector<double> variances() const;

 private:
  std::vector<double> column_;  // the first of A C^-1
};

}  // namespace entente::security
