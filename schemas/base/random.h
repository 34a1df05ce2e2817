// Randomness as an interface: the system's generator in production, a seeded stream in tests.
#pragma once

#include <cstdint>
#include <span>

#include "schemas/base/ids.h"

namespace entente {

// Threads: one at a time for each object.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;
  virtual std::uint64_t u64();
  // Uniform in [0, bound), without modulo bias. bound > 0.
  std::uint64_t below(std::uint64_t bound);
  template <class Id>
  Id id() {
    Id value;
    fill(value.bytes);
    return value;
  }
};

// libsodium's randombytes_buf. Ends the process when the system has no entropy.
class SystemRandom final : public Random {
 public:
  SystemRandom();
  void fill(std::span<std::uint8_t> out) override;
};

// ChaCha20 keyed by `seed`: equal seeds, equal streams, on every machine. Never in production.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::array<std::uint8_t, 32> key_{};
  std::uint64_t block_ = 0;
};

// Calls sodium_init once; ends the process if the library cannot start. Cheap to call again.
void ensure_sodium();

}  // namespace entente
