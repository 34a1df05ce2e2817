#include "security/privacy/threshold.h"

#include <cmath>

#include "security/privacy/noise.h"

namespace entente::security {
namespace {

constexpr std::uint64_t kSummedMost = std::uint64_t{1} << 20;
// All roundings of long double on the way, many times over.
constexpr long double kSlack = 1 + 0x1p-48L;

long double normal_tail(long double z) {
  return std::erfc(z / std::sqrt(2.0L)) / 2;
}

// The least t >= 1 with P[N_Z(0, variance) >= t] <= p, by summing from where nothing is left.
std::int64_t least_by_sum(std::uint64_t variance, long double p) {
  const auto spread = static_cast<long double>(variance);
  const auto weight = [&](std::int64_t x) {
    const auto at = static_cast<long double>(x);
    return std::exp(-at * at / (2 * spread));
  };
  const auto reach = static_cast<std::int64_t>(14 * std::sqrt(spread)) + 14;
  long double total = 0;
  for (std::int64_t x = reach; x > 0; --x) total += 2 * weight(x);
  total += 1;
  long double tail = 1e-40L;  // more than lies beyond `reach`, of `total`
  for (std::int64_t x = reach; x > 0; --x) {
    tail += weight(x) / total;
    if (tail * kSlack > p) return x + 1;
  }
  return 1;
}

// Sums over x >= t of a falling function are below its integral from t - 1, and the normaliser is
// above that of the normal law (Poisson's summation formula), so P[N_Z >= t] < Q((t - 1) / sigma).
std::int64_t least_by_integral(std::uint64_t variance, long double p) {
  const long double sigma = std::sqrt(static_cast<long double>(variance));
  std::int64_t low = 0, high = static_cast<std::int64_t>(14 * sigma);  // Q(low / sigma) > p
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (normal_tail(static_cast<long double>(middle) / sigma) * kSlack > p ? low : high) = middle;
  }
  return high + 1;
}

}  // namespace

Result<std::int64_t> threshold_of(const ThresholdTerms& terms) {
  constexpr std::uint64_t kDeltaMost = std::uint64_t{1} << 58;
  if (terms.delta.units == 0 || terms.delta.units > kDeltaMost) {
    return make_error(ErrorCode::epsilon_refused,
                      "delta must be above 0 and at most 0.25 for groups of a private key");
  }
  if (terms.groups == 0 || terms.variance == 0 || terms.variance > kVarianceMost || terms.one < 1 ||
      terms.one > (std::int64_t{1} << 50)) {
    return make_error(ErrorCode::shape_refused,
                      "a threshold needs at least one group and noise that can be drawn");
  }
  const long double delta = static_cast<long double>(terms.delta.units) * 0x1p-60L;
  const long double p =
      -std::expm1(std::log1p(-delta) / static_cast<long double>(terms.groups)) / kSlack;
  const std::int64_t tail = terms.variance <= kSummedMost ? least_by_sum(terms.variance, p)
                                                          : least_by_integral(terms.variance, p);
  return tail + terms.one;
}

}  // namespace entente::security
