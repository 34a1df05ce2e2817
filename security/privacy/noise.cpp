#include "security/privacy/noise.h"

#include <sodium.h>

#include <cstring>

#include "schemas/base/check.h"

namespace entente::security {
namespace {

using Wide = unsigned __int128;

// Reaching this many unit steps of a geometric has probability e^-4096: the generator is broken.
constexpr std::uint64_t kGeometricMost = 4'096;

// floor(sqrt(n)) by Newton's method in integers.
std::uint64_t integer_sqrt(std::uint64_t n) {
  if (n < 2) return n;
  std::uint64_t x = n / 2 + 1;
  for (;;) {
    const std::uint64_t next = (x + n / x) / 2;
    if (next >= x) return x;
    x = next;
  }
}

}  // namespace

ExactNoise::~ExactNoise() {
  sodium_memzero(pool_.data(), pool_.size());
}

std::uint64_t ExactNoise::bits() {
  if (used_ + 8 > pool_.size()) {
    random_.fill(pool_);
    used_ = 0;
  }
  std::uint64_t value = 0;
  std::memcpy(&value, pool_.data() + used_, 8);
  std::memset(pool_.data() + used_, 0, 8);
  used_ += 8;
  return value;
}

// Uniform in [0, bound): the high half of a product, rejecting the uneven rest (Lemire 2019).
std::uint64_t ExactNoise::below(std::uint64_t bound) {
  Wide product = Wide{bits()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t least = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < least) product = Wide{bits()} * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

// k = 1; while Bern(a/b) and Bern(1/k): k++; true when k is odd. The factors are drawn apart, so
// denominators never grow.
bool ExactNoise::bernoulli_exp_unit(std::uint64_t a, std::uint64_t b) {
  std::uint64_t k = 1;
  while (below(b) < a && (k == 1 || below(k) == 0)) ++k;
  return k % 2 == 1;
}

bool ExactNoise::bernoulli_exp(Wide a, Wide b) {
  while (a > b) {
    if (!bernoulli_exp_unit(1, 1)) return false;
    a -= b;
  }
  if ((b >> 64) == 0) {
    return bernoulli_exp_unit(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b));
  }
  // The fraction has more than 64 bits: draw Bern(a/b) by comparing uniform 128-bit numbers below
  // b.
  const auto wide_below = [&] {
    Wide mask = ~Wide{0};
    while ((mask >> 1) >= b) mask >>= 1;
    for (;;) {
      const Wide high = bits(), draw = ((high << 64) | bits()) & mask;
      if (draw < b) return draw;
    }
  };
  std::uint64_t k = 1;
  while (wide_below() < a && (k == 1 || below(k) == 0)) ++k;
  return k % 2 == 1;
}

std::int64_t ExactNoise::laplace(std::uint64_t scale) {
  ENTENTE_CHECK(scale >= 1 && scale <= kScaleMost);
  for (;;) {
    const std::uint64_t u = below(scale);
    if (!bernoulli_exp_unit(u, scale)) continue;
    std::uint64_t v = 0;
    while (bernoulli_exp_unit(1, 1)) {
      ++v;
      ENTENTE_CHECK(v < kGeometricMost);
    }
    const auto magnitude = static_cast<std::int64_t>(u + scale * v);
    const bool negative = (bits() & 1) != 0;
    if (negative && magnitude == 0) continue;
    return negative ? -magnitude : magnitude;
  }
}

std::int64_t ExactNoise::gaussian(std::uint64_t variance) {
  ENTENTE_CHECK(variance >= 1 && variance <= kVarianceMost);
  const std::uint64_t t = integer_sqrt(variance) + 1;
  for (;;) {
    const std::int64_t y = laplace(t);
    const Wide scaled = Wide{static_cast<std::uint64_t>(y < 0 ? -y : y)} * t;
    const Wide distance = scaled > variance ? scaled - variance : variance - scaled;
    const Wide denominator = Wide{2} * variance * t * t;
    if (bernoulli_exp(distance * distance, denominator)) return y;
  }
}

}  // namespace entente::security
