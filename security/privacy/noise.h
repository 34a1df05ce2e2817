// Exact noise from integers: discrete Gaussian and discrete Laplace without a single rounding.
//
// Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020),
// algorithms 1 to 3, in the integer form of privacy.md 2.4: Bernoulli(exp(-a/b)) by counting,
// Laplace from two geometric parts, Gaussian by rejection from Laplace. All intermediate values fit
// in unsigned 128-bit for variance <= 2^50. The distributions are exact, up to a stream of uniform
// bits. Threads: one at a time for each object.
#pragma once

#include <array>
#include <cstdint>

#include "schemas/base/random.h"

namespace entente::security {

inline constexpr std::uint64_t kVarianceMost = std::uint64_t{1} << 50;
inline constexpr std::uint64_t kScaleMost = std::uint64_t{1} << 26;

class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  // P[x] proportional to exp(-x^2 / (2 variance)). 1 <= variance <= kVarianceMost (a bug
  // otherwise).
  virtual std::int64_t gaussian(std::uint64_t variance) = 0;
  // P[x] proportional to exp(-|x| / scale). 1 <= scale <= kScaleMost.
  virtual std::int64_t laplace(std::uint64_t scale) = 0;
};

// Draws from `random`, 512 bytes at a time; used bytes are wiped. In production `random` is the
// system's generator, which ends the process rather than give predictable bytes.
class ExactNoise final : public NoiseSource {
 public:
  explicit ExactNoise(Random& random) : random_(random) {}
  ~ExactNoise() override;
  std::int64_t gaussian(std::uint64_t variance) override;
  std::int64_t laplace(std::uint64_t scale) override;

 private:
  std::uint64_t bits();
  std::uint64_t below(std::uint64_t bound);
  bool bernoulli_exp_unit(std::uint64_t a, std::uint64_t b);     // exp(-a/b), a <= b
  bool bernoulli_exp(unsigned __int128 a, unsigned __int128 b);  // exp(-a/b), any a

  Random& random_;
  std::array<std::uint8_t, 512> pool_{};
  std::size_t used_ = 512;
};

}  // namespace entente::security
