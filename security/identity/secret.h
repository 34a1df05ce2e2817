// Secret bytes: guarded memory, wiped at the end, never copied, printed or compared by ==.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "schemas/base/bytes.h"
#include "schemas/base/random.h"

namespace entente::security {

// Owns bytes on libsodium's guarded heap: locked against swapping, fenced by inaccessible pages,
// zeroed when freed. A moved-from Secret is empty. Throws std::bad_alloc when memory cannot be
// locked or had. Threads: as a value.
class Secret {
 public:
  explicit Secret(std::size_t size);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  static Secret random(Random& random, std::size_t size);
  // Takes the bytes over: `source` is zero afterwards.
  static Secret take(std::span<std::uint8_t> source);
  Secret copy() const;

  std::size_t size() const { return size_; }
  ByteView view() const { return {data_, size_}; }
  std::span<std::uint8_t> bytes() { return {data_, size_}; }
  // In constant time for equal sizes.
  bool equals(ByteView other) const;

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Zeroes bytes that are no Secret in a way the compiler may not leave out.
void wipe(std::span<std::uint8_t> bytes);

}  // namespace entente::security
