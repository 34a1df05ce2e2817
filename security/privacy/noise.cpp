#include "security/privacy/noise.h"

#include <pthread.h>
#include <sodium.h>

#include <array>
#include <atomic>
#include <cstring>

#include "schemas/base/check.h"

namespace entente::security {
namespace {

// Reaching this many unit steps of a geometric has probability e^-4096: the generator is broken.
constexpr std::uint64_t kGeometricMost = 4'096;

// 4 KiB each: the generator is asked for a new key after every MiB.
constexpr unsigned kRefillsPerKey = 256;

// How many forks led to this process.
std::atomic<std::uint64_t> fork_count{0};

void count_forks() {
  static const int failure = pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1); });
  ENTENTE_CHECK(failure == 0);
}

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

// The binary digits of exp(-1) in words of 16 bits, summed exactly from 1 - 1 + 1/2! - 1/3! + ...
// when this is compiled. Words beyond kInverseE guard its last ones against the terms' truncation.
constexpr std::size_t kInverseEWords = 16;
constexpr std::array<std::uint16_t, kInverseEWords> inverse_e() {
  constexpr std::size_t kWords = kInverseEWords + 4;
  std::array<std::uint32_t, kWords> term{}, sum{};
  term[0] = 0x8000;  // 1/2!
  sum[0] = 0x8000;
  for (std::uint32_t k = 3; k < 90; ++k) {
    std::uint32_t rest = 0;
    for (std::uint32_t& word : term) {
      const std::uint32_t whole = (rest << 16) | word;
      word = whole / k;
      rest = whole % k;
    }
    std::uint32_t carry = 0;
    for (std::size_t i = kWords; i-- > 0;) {
      const std::uint32_t next = k % 2 == 0 ? sum[i] + term[i] + carry : sum[i] - term[i] - carry;
      carry = next >> 16 != 0 ? 1 : 0;  // or the borrow
      sum[i] = next & 0xFFFF;
    }
  }
  std::array<std::uint16_t, kInverseEWords> digits{};
  for (std::size_t i = 0; i < digits.size(); ++i) digits[i] = static_cast<std::uint16_t>(sum[i]);
  return digits;
}
constexpr auto kInverseE = inverse_e();
// 0.5E2D58D8 B3BCDF1A BADEC782 9054F90D … in hexadecimal.
static_assert(kInverseE[0] == 0x5E2D && kInverseE[1] == 0x58D8 && kInverseE[2] == 0xB3BC &&
              kInverseE[3] == 0xDF1A && kInverseE[4] == 0xBADE && kInverseE[5] == 0xC782 &&
              kInverseE[15] == 0xDAED);

}  // namespace

std::uint64_t forks_so_far() {
  return fork_count.load(std::memory_order_relaxed);
}

ExactNoise::ExactNoise(Random& random) : random_(random) {
  count_forks();
  forks_ = fork_count.load();
}

ExactNoise::~ExactNoise() {
  sodium_memzero(pool_.data(), pool_.size());
  sodium_memzero(key_.data(), key_.size());
}

void ExactNoise::expand(std::span<const std::uint8_t> key, std::span<std::uint8_t> stream) {
  static_assert(kKeyBytes == crypto_stream_chacha20_KEYBYTES);
  // Every key makes one stretch of the stream only, so the nonce may stay the same.
  constexpr std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> kNonce{};
  crypto_stream_chacha20(stream.data(), stream.size(), kNonce.data(), key.data());
}

void ExactNoise::refill() {
  const std::uint64_t forks = fork_count.load();
  if (forks_ != forks || refills_ % kRefillsPerKey == 0) {
    random_.fill(key_);
    forks_ = forks;
    refills_ = 0;
  }
  ++refills_;
  expand(key_, pool_);
  std::memcpy(key_.data(), pool_.data(), key_.size());
  sodium_memzero(pool_.data(), key_.size());
  used_ = key_.size();
}

template <class Word>
Word ExactNoise::bits() {
  const bool forked = forks_ != fork_count.load(std::memory_order_relaxed);
  if (forked || used_ + sizeof(Word) > pool_.size()) refill();
  Word value = 0;
  std::memcpy(&value, pool_.data() + used_, sizeof value);
  std::memset(pool_.data() + used_, 0, sizeof value);
  used_ += sizeof value;
  return value;
}

// Uniform in [0, bound): the high half of a product, rejecting the uneven rest (Lemire 2019).
std::uint64_t ExactNoise::below(std::uint64_t bound) {
  if (bound <= UINT32_MAX) {
    std::uint64_t product = bits<std::uint32_t>() * bound;
    if (static_cast<std::uint32_t>(product) < bound) {
      const std::uint32_t least = (0 - static_cast<std::uint32_t>(bound)) % bound;
      while (static_cast<std::uint32_t>(product) < least) product = bits<std::uint32_t>() * bound;
    }
    return product >> 32;
  }
  Wide product = Wide{bits<std::uint64_t>()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t least = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < least) {
      product = Wide{bits<std::uint64_t>()} * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

// A uniform real is below exp(-1) iff its first digit that differs is smaller; nearly always that
// is the first. All 256 bits agree with probability 2^-256: the generator is broken.
bool ExactNoise::bernoulli_exp_one() {
  for (const std::uint16_t digit : kInverseE) {
    const auto draw = bits<std::uint16_t>();
    if (draw != digit) return draw < digit;
  }
  ENTENTE_CHECK(false);
  return false;
}

// k = 1; while Bern(a/b) and Bern(1/k): k++; true when k is odd. The factors are drawn apart, so
// denominators never grow.
bool ExactNoise::bernoulli_exp_unit(std::uint64_t a, std::uint64_t b) {
  std::uint64_t k = 1;
  while (below(b) < a && (k == 1 || below(k) == 0)) ++k;
  return k % 2 == 1;
}

// Likewise for a fraction of more than 64 bits: its binary digits come from long division, 24 at a
// time, only as far as they are needed to tell a uniform real from it.
bool ExactNoise::bernoulli_exp_wide(Wide a, Wide b) {
  const auto below_fraction = [&] {
    for (Wide rest = a;;) {
      const Wide shifted = rest << 24;
      const auto digit = static_cast<std::uint32_t>(shifted / b);
      const std::uint32_t draw = bits<std::uint32_t>() >> 8;
      if (draw != digit) return draw < digit;
      rest = shifted - digit * b;
    }
  };
  std::uint64_t k = 1;
  while (below_fraction() && (k == 1 || below(k) == 0)) ++k;
  return k % 2 == 1;
}

bool ExactNoise::bernoulli_exp(Wide a, Wide b) {
  while (a > b) {
    if (!bernoulli_exp_one()) return false;
    a -= b;
  }
  if ((b >> 64) != 0) return bernoulli_exp_wide(a, b);
  return bernoulli_exp_unit(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b));
}

std::int64_t ExactNoise::laplace(std::uint64_t scale) {
  ENTENTE_CHECK(scale >= 1 && scale <= kScaleMost);
  for (;;) {
    const std::uint64_t u = below(scale);
    if (!bernoulli_exp_unit(u, scale)) continue;
    std::uint64_t v = 0;
    while (bernoulli_exp_one()) {
      ++v;
      ENTENTE_CHECK(v < kGeometricMost);
    }
    const auto magnitude = static_cast<std::int64_t>(u + scale * v);
    const bool negative = (bits<std::uint8_t>() & 1) != 0;
    if (negative && magnitude == 0) continue;
    return negative ? -magnitude : magnitude;
  }
}

std::int64_t ExactNoise::gaussian(std::uint64_t variance) {
  ENTENTE_CHECK(variance >= 1 && variance <= kVarianceMost);
  if (variance != variance_) {
    variance_ = variance;
    scale_ = integer_sqrt(variance) + 1;
  }
  const std::uint64_t t = scale_;
  for (;;) {
    const std::int64_t y = laplace(t);
    const Wide scaled = Wide{static_cast<std::uint64_t>(y < 0 ? -y : y)} * t;
    const Wide distance = scaled > variance ? scaled - variance : variance - scaled;
    const Wide denominator = Wide{2} * variance * t * t;
    if (bernoulli_exp(distance * distance, denominator)) return y;
  }
}

}  // namespace entente::security
