#include "security/privacy/noise_grid.h"

#include <algorithm>
#include <array>

#include "schemas/base/check.h"
#include "security/privacy/noise.h"

namespace entente::security {
namespace {

// 2^(r/4) for r = 1, 2, 3, in units of 2^-62, rounded down. They are irrational, so a power of two
// times one of them is never whole, and its ceiling is its whole part plus one.
constexpr std::array<std::uint64_t, 4> kFourthRoots = {0, 0x4C1BF828C6DC54B7, 0x5A827999FCEF3242,
                                                       0x6BA27E656B4EB57A};

constexpr std::size_t kPoints = 4 * 50 + 1;
constexpr std::array<std::uint64_t, kPoints> points() {
  std::array<std::uint64_t, kPoints> grid{};
  for (std::size_t k = 0; k < kPoints; ++k) {
    const std::size_t power = k / 4, rest = k % 4;
    grid[k] = rest == 0 ? std::uint64_t{1} << power : (kFourthRoots[rest] >> (62 - power)) + 1;
  }
  return grid;
}
constexpr auto kGrid = points();
static_assert(kGrid.front() == 1 && kGrid.back() == kVarianceMost);

}  // namespace

std::uint64_t grid_variance(std::uint64_t variance) {
  ENTENTE_CHECK(variance >= 1 && variance <= kVarianceMost);
  return *std::lower_bound(kGrid.begin(), kGrid.end(), variance);
}

bool on_grid(std::uint64_t variance) {
  return std::binary_search(kGrid.begin(), kGrid.end(), variance);
}

}  // namespace entente::security
