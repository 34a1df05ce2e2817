// Shares of a secret of which any t give it back and fewer say nothing.
//
// Source: Shamir, "How to share a secret" (1979). The secret's 256 bits are five limbs of at most
// 52 bits, each the value at 0 of a random polynomial of degree t - 1 over the prime field of
// 2^61 - 1; a share is the five values at x, the holder's place plus one, in eight bytes each,
// least significant first. Threads: any; pure but for the randomness it is given.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "schemas/base/random.h"
#include "schemas/base/result.h"
#include "schemas/sum_round.h"

namespace entente::federation {

inline constexpr std::size_t kSecretBytes = 32;
inline constexpr std::uint64_t kFieldPrime = (std::uint64_t{1} << 61) - 1;

// The share of each holder from 0 to `holders` - 1. `secret` has kSecretBytes;
// 1 <= threshold <= holders.
std::vector<SecretShare> split_secret(ByteView secret, std::size_t holders, std::size_t threshold,
                                      Random& random);

// Gives back secrets that the same holders have shares of: what depends on the holders alone is
// computed once.
class SecretJoiner {
 public:
  // Of holders, each once.
  explicit SecretJoiner(std::span<const std::uint32_t> holders);
  // shares[i] is of holders[i]. Refuses (verification_failed) what is no share, and what does not
  // give 32 bytes; too few or wrong shares otherwise give a wrong secret, which the caller tells by
  // a commitment.
  [[nodiscard]] Result<std::array<std::uint8_t, kSecretBytes>> join(
      std::span<const SecretShare> shares) const;

 private:
  std::vector<std::uint64_t> weights_;  // of Lagrange's polynomials at 0
};

}  // namespace entente::federation
