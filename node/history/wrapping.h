// Arithmetic modulo 2^64 on signed integers, and the refusals that the decoders of this folder
// share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "schemas/base/error.h"

namespace entente::node {

inline std::int64_t wrapping_sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
inline std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
inline std::int64_t wrapping_product(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

inline Error cut_short() {
  return make_error(ErrorCode::store_failed, "a column of the history is cut short");
}
inline Error damaged(std::string_view why) {
  return make_error(ErrorCode::store_failed,
                    "a column of the history is damaged: " + std::string(why));
}

}  // namespace entente::node
