// Words for people to compare by telephone: 256 of them, so that a word is a byte.
//
// Any two differ in at least two letters, so one slip of the tongue does not make another. The list
// is part of the protocol: both sides must have the same, so it never changes within a version.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "schemas/base/ids.h"

namespace entente::security {

inline constexpr std::size_t kWords = 8;  // 64 bits
using EightWords = std::array<std::string_view, kWords>;

// The words for the first eight bytes of `transcript`.
EightWords words_of(const Hash256& transcript);
// "acorn bamboo …".
std::string to_text(const EightWords& words);
// All 256, in the order of their bytes.
const std::array<std::string_view, 256>& word_list();

}  // namespace entente::security
