#include "security/privacy/toeplitz.h"

#include "schemas/base/check.h"
#include "security/privacy/noise.h"

namespace entente::security {
namespace {

using Wide = unsigned __int128;

Error uncountable(const char* what) {
  return make_error(ErrorCode::epsilon_refused, what);
}

// reach^2 |C 1_k|^2 2^39: what a charge of one unit of rho needs as variance.
Result<Wide> variance_units(std::uint64_t squares, std::int64_t reach) {
  if (reach < 1) return uncountable("a unit must move a tick by at least one step");
  const Wide once = static_cast<Wide>(reach);
  Wide product = 0;
  if (__builtin_mul_overflow(once * once, static_cast<Wide>(squares), &product) ||
      __builtin_mul_overflow(product, static_cast<Wide>(1) << 39, &product)) {
    return uncountable("the bounds are too many steps wide for this feed");
  }
  return product;
}

}  // namespace

Result<Toeplitz> Toeplitz::make(std::uint32_t horizon) {
  if (horizon < 1 || horizon > kToeplitzHorizonMost) {
    return make_error(ErrorCode::shape_refused, "a feed of running totals has 1 to " +
                                                    std::to_string(kToeplitzHorizonMost) +
                                                    " ticks, not " + std::to_string(horizon));
  }
  Toeplitz made;
  // b_k in units of 2^-100: each division loses less than one of them, 4,096 in all, and none of
  // 2^8 b_k comes that close to a half (the test compares with exact fractions).
  Wide b = static_cast<Wide>(1) << 100;
  for (std::uint32_t k = 0; k < horizon; ++k) {
    if (k > 0) b = b * (2 * k - 1) / (2 * k);
    made.coefficients_.push_back(
        static_cast<std::int64_t>((b + (static_cast<Wide>(1) << 91)) >> 92));
    made.sum_ += made.coefficients_.back();
  }
  return made;
}

std::uint64_t Toeplitz::squares(std::uint32_t unit_ticks) const {
  ENTENTE_CHECK(unit_ticks >= 1 && unit_ticks <= horizon());
  std::uint64_t sum = 0;
  std::int64_t window = 0;  // (C 1_k)_t: the latest k coefficients
  for (std::size_t t = 0; t < coefficients_.size(); ++t) {
    window += coefficients_[t];
    if (t >= unit_ticks) window -= coefficients_[t - unit_ticks];
    sum += static_cast<std::uint64_t>(window * window);
  }
  return sum;
}

Result<RhoUnits> Toeplitz::charge(std::uint32_t unit_ticks, std::int64_t reach,
                                  std::uint64_t variance) const {
  if (variance < 1) return uncountable("a feed needs noise");
  auto product = variance_units(squares(unit_ticks), reach);
  if (!product) return std::move(product).error();
  const Wide units = *product / variance + (*product % variance != 0 ? 1 : 0);
  if (units > UINT64_MAX) return uncountable("the charge is too large to count");
  return RhoUnits{static_cast<std::uint64_t>(units)};
}

Result<std::uint64_t> Toeplitz::variance_for(std::uint32_t unit_ticks, std::int64_t reach,
                                             RhoUnits rho) const {
  if (rho.units == 0) return uncountable("a feed names no charge");
  auto product = variance_units(squares(unit_ticks), reach);
  if (!product) return std::move(product).error();
  const Wide variance = *product / rho.units + (*product % rho.units != 0 ? 1 : 0);
  if (variance > kVarianceMost) return uncountable("epsilon is too small for this feed");
  return static_cast<std::uint64_t>(variance);
}

Outcome Toeplitz::check_overflow(std::int64_t value_most, std::uint64_t variance) const {
  if (value_most >= 0 && variance >= 1 && variance <= kVarianceMost) {
    std::uint64_t deviation = 1;  // a power of two that is not below sigma
    while (deviation * deviation < variance) deviation *= 2;
    const Wide reach = static_cast<Wide>(value_most) * static_cast<Wide>(sum_);
    if (reach + (static_cast<Wide>(deviation) << 13) < static_cast<Wide>(1) << 62) return {};
  }
  return make_error(ErrorCode::shape_refused, "the sums of this feed could overflow");
}

std::int64_t Toeplitz::encode(std::span<const std::int64_t> values) const {
  ENTENTE_CHECK(!values.empty() && values.size() <= coefficients_.size());
  std::int64_t sum = 0;
  for (std::size_t s = 0; s < values.size(); ++s) {
    std::int64_t term = 0;
    ENTENTE_CHECK(!__builtin_mul_overflow(coefficients_[values.size() - 1 - s], values[s], &term) &&
                  !__builtin_add_overflow(sum, term, &sum));
  }
  return sum;
}

}  // namespace entente::security
