#include "security/privacy/toeplitz_decoder.h"

#include "schemas/base/check.h"

namespace entente::security {

// A column of C^-1 by forward substitution, and its running sums.
ToeplitzDecoder::ToeplitzDecoder(const Toeplitz& mechanism) {
  const std::span<const std::int64_t> coefficients = mechanism.coefficients();
  std::vector<double> inverse;
  double total = 0;
  for (std::size_t t = 0; t < coefficients.size(); ++t) {
    double rest = t == 0 ? 1 : 0;
    for (std::size_t s = 0; s < t; ++s) {
      rest -= static_cast<double>(coefficients[t - s]) * inverse[s];
    }
    inverse.push_back(rest / static_cast<double>(coefficients[0]));
    total += inverse.back();
    column_.push_back(total);
  }
}

std::vector<double> ToeplitzDecoder::totals(std::span<const std::int64_t> released) const {
  ENTENTE_CHECK(released.size() <= column_.size());
  std::vector<double> totals(released.size(), 0);
  for (std::size_t t = 0; t < released.size(); ++t) {
    for (std::size_t s = 0; s <= t; ++s) {
      totals[t] += column_[t - s] * static_cast<double>(released[s]);
    }
  }
  return totals;
}

std::vector<double> ToeplitzDecoder::variances() const {
  std::vector<double> variances;
  double sum = 0;
  for (const double factor : column_) variances.push_back(sum += factor * factor);
  return variances;
}

}  // namespace entente::security
