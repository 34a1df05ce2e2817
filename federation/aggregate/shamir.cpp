#include "federation/aggregate/shamir.h"

#include "schemas/base/check.h"
#include "security/identity/secret.h"

namespace entente::federation {
namespace {

using Wide = unsigned __int128;
constexpr std::size_t kLimbs = 5;
constexpr unsigned kLimbBits = 52;
static_assert(SecretShare::kSize == kLimbs * 8);

std::uint64_t reduce(std::uint64_t value) {
  value = (value & kFieldPrime) + (value >> 61);
  return value - (kFieldPrime & (0 - static_cast<std::uint64_t>(value >= kFieldPrime)));
}

std::uint64_t add(std::uint64_t a, std::uint64_t b) {
  return reduce(a + b);
}

std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return add(static_cast<std::uint64_t>(product) & kFieldPrime,
             static_cast<std::uint64_t>(product >> 61));
}

std::uint64_t inverse(std::uint64_t value) {
  std::uint64_t out = 1;
  for (std::uint64_t power = kFieldPrime - 2; power > 0; power >>= 1) {
    if ((power & 1) != 0) out = multiply(out, value);
    value = multiply(value, value);
  }
  return out;
}

std::uint64_t word_at(ByteView bytes, std::size_t at) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) out |= std::uint64_t{bytes[at + i]} << (8 * i);
  return out;
}

// Bit `i` is bit i % 8 of byte i / 8.
std::array<std::uint64_t, kLimbs> limbs_of(ByteView secret) {
  std::array<std::uint64_t, kLimbs> limbs{};
  for (std::size_t bit = 0; bit < 8 * kSecretBytes; ++bit) {
    const std::uint64_t value = secret[bit / 8] >> (bit % 8) & 1;
    limbs[bit / kLimbBits] |= value << (bit % kLimbBits);
  }
  return limbs;
}

// Uniform in the field: 61 bits, drawn again where they are the prime itself.
void fill_field(std::span<std::uint64_t> out, Random& random) {
  random.fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size_bytes()});
  for (std::uint64_t& one : out) {
    one >>= 3;
    while (one == kFieldPrime) one = random.u64() >> 3;
  }
}

}  // namespace

std::vector<SecretShare> split_secret(ByteView secret, std::size_t holders, std::size_t threshold,
                                      Random& random) {
  ENTENTE_CHECK(secret.size() == kSecretBytes && threshold >= 1 && threshold <= holders);
  auto limbs = limbs_of(secret);
  std::vector<std::uint64_t> polynomial(threshold);
  std::vector<SecretShare> shares(holders);
  for (std::size_t limb = 0; limb < kLimbs; ++limb) {
    fill_field(polynomial, random);
    polynomial[0] = limbs[limb];
    for (std::size_t holder = 0; holder < holders; ++holder) {
      const std::uint64_t x = holder + 1;
      std::uint64_t value = 0;
      for (std::size_t i = threshold; i-- > 0;) value = add(multiply(value, x), polynomial[i]);
      for (std::size_t i = 0; i < 8; ++i) {
        shares[holder].bytes[8 * limb + i] = static_cast<std::uint8_t>(value >> (8 * i));
      }
    }
  }
  security::wipe({reinterpret_cast<std::uint8_t*>(polynomial.data()), 8 * polynomial.size()});
  security::wipe({reinterpret_cast<std::uint8_t*>(limbs.data()), sizeof limbs});
  return shares;
}

SecretJoiner::SecretJoiner(std::span<const std::uint32_t> holders) {
  for (const std::uint32_t own : holders) {
    std::uint64_t top = 1, bottom = 1;
    for (const std::uint32_t other : holders) {
      if (other == own) continue;
      const std::uint64_t x = std::uint64_t{other} + 1;
      top = multiply(top, x);
      bottom = multiply(bottom, add(x, kFieldPrime - (std::uint64_t{own} + 1)));
    }
    weights_.push_back(multiply(top, inverse(bottom)));
  }
}

Result<std::array<std::uint8_t, kSecretBytes>> SecretJoiner::join(
    std::span<const SecretShare> shares) const {
  ENTENTE_CHECK(shares.size() == weights_.size());
  const auto unfit = make_error(ErrorCode::verification_failed,
                                "shares of a secret are no shares, or not of one secret");
  std::array<std::uint8_t, kSecretBytes> secret{};
  for (std::size_t limb = 0; limb < kLimbs; ++limb) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      const std::uint64_t word = word_at(shares[i].bytes, 8 * limb);
      if (word >= kFieldPrime) return unfit;
      value = add(value, multiply(word, weights_[i]));
    }
    const std::size_t first = limb * kLimbBits;
    const std::size_t bits = std::min<std::size_t>(kLimbBits, 8 * kSecretBytes - first);
    if (value >> bits != 0) return unfit;
    for (std::size_t i = 0; i < bits; ++i) {
      const auto bit = static_cast<std::uint8_t>(value >> i & 1);
      secret[(first + i) / 8] |= static_cast<std::uint8_t>(bit << ((first + i) % 8));
    }
  }
  return secret;
}

}  // namespace entente::federation
