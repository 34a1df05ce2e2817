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
#include <span>

#include "schemas/base/random.h"

namespace entente::security {

inline constexpr std::uint64_t kVarianceMost = std::uint64_t{1} << 50;
inline constexpr std::uint64_t kScaleMost = std::uint64_t{1} << 26;

// How many forks led from the first to this process, counted from the first ExactNoise on: what was
// drawn under another number belongs to a parent.
std::uint64_t forks_so_far();

class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  // P[x] proportional to exp(-x^2 / (2 variance)). 1 <= variance <= kVarianceMost (a bug
  // otherwise).
  virtual std::int64_t gaussian(std::uint64_t variance) = 0;
  // P[x] proportional to exp(-|x| / scale). 1 <= scale <= kScaleMost.
  virtual std::int64_t laplace(std::uint64_t scale) = 0;
};

// Draws from a ChaCha20 stream keyed by `random` (in production the system's generator, which ends
// the process rather than give predictable bytes) and keyed again for every MiB. Each 4 KiB of the
// stream begin with the key of the next, and used bytes are wiped, so that memory read later tells
// nothing of noise drawn before. A child of fork() keys itself anew: no two processes draw the
// same. Failure: what `random` throws passes through, and no draw comes before it has given a key;
// a stream that no working generator gives (4,096 successes of exp(-1), 256 bits foretold) ends the
// process, so that what was being released is not.
class ExactNoise : public NoiseSource {
 public:
  explicit ExactNoise(Random& random);
  ~ExactNoise() override;
  std::int64_t gaussian(std::uint64_t variance) override;
  std::int64_t laplace(std::uint64_t scale) override;

 private:
  using Wide = unsigned __int128;
  // Fills `stream` from `key`. Tests alone put another stream in its place.
  virtual void expand(std::span<const std::uint8_t> key, std::span<std::uint8_t> stream);
  void refill();
  template <class Word>
  Word bits();
  std::uint64_t below(std::uint64_t bound);
  bool bernoulli_exp_one();                                   // exp(-1)
  bool bernoulli_exp_unit(std::uint64_t a, std::uint64_t b);  // exp(-a/b), a <= b
  bool bernoulli_exp_wide(Wide a, Wide b);                    // the same, b <= 2^104
  bool bernoulli_exp(Wide a, Wide b);                         // exp(-a/b), any a

  Random& random_;
  static constexpr std::size_t kKeyBytes = 32;
  std::array<std::uint8_t, kKeyBytes> key_{};
  std::array<std::uint8_t, kKeyBytes + 4'096> pool_{};
  std::size_t used_ = kKeyBytes + 4'096;
  unsigned refills_ = 0;        // since the latest key
  std::uint64_t forks_ = 0;     // that had led to the process when it was drawn
  std::uint64_t variance_ = 0;  // of the latest Gaussian, and the scale of its proposals
  std::uint64_t scale_ = 0;
};

}  // namespace entente::security
