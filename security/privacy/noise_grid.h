// The grid of variances on which noise is drawn: ceil(2^(k/4)) squared steps, k = 0 to 200.
//
// A variance is public, but every variance needs a pool of its own if noise is to be drawn before
// it is asked for (noise_pool.h). Rounding up to a grid makes few of many, and costs less than
// 19 % of variance (2^(1/4)), 9 % of standard deviation; it never takes noise away. The table is of
// whole numbers, so that asker and site agree on every machine. Whoever lays out a question's price
// rounds there, so that the variance that is stated is the one that is drawn. Threads: any; pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace entente::security {

// The least grid point that is not below `variance`; 1 <= variance <= kVarianceMost (a bug
// otherwise), which are grid points themselves. Idempotent.
std::uint64_t grid_variance(std::uint64_t variance);
bool on_grid(std::uint64_t variance);

}  // namespace entente::security
