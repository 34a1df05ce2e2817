#include "security/identity/secret.h"

#include <sodium.h>

#include <algorithm>
#include <new>
#include <utility>

namespace entente::security {

Secret::Secret(std::size_t size) : size_(size) {
  ensure_sodium();
  data_ = static_cast<std::uint8_t*>(sodium_malloc(std::max<std::size_t>(size, 1)));
  if (data_ == nullptr) throw std::bad_alloc();
  sodium_memzero(data_, size);
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    sodium_free(data_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() { sodium_free(data_); }

Secret Secret::random(Random& random, std::size_t size) {
  Secret out(size);
  random.fill(out.bytes());
  return out;
}

Secret Secret::take(std::span<std::uint8_t> source) {
  Secret out(source.size());
  std::copy(source.begin(), source.end(), out.data_);
  wipe(source);
  return out;
}

Secret Secret::copy() const {
  Secret out(size_);
  std::copy_n(data_, size_, out.data_);
  return out;
}

bool Secret::equals(ByteView other) const {
  return other.size() == size_ && sodium_memcmp(data_, other.data(), size_) == 0;
}

void wipe(std::span<std::uint8_t> bytes) { sodium_memzero(bytes.data(), bytes.size()); }

}  // namespace entente::security
