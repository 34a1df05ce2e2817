// Help in refusals: the line with a caret under the character, and the nearest right words.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace entente::federation {

// How many insertions, deletions, replacements and swaps of neighbours turn one word into the
// other, letter case apart (optimal string alignment). Words beyond 64 bytes count as their
// first 64.
std::size_t edit_distance(std::string_view a, std::string_view b);

// At most three of `known`, nearest first: within a third of the word's length (at least one edit),
// or beginning with the word. Empty when nothing is near.
std::vector<std::string> nearest(std::string_view word, std::span<const std::string> known);

// "did you mean 'pm25' or 'pm10'?"; empty for no names.
std::string did_you_mean(std::span<const std::string> names);
// "; did you mean 'pm25'?" with the nearest of `known`, to end a sentence; empty when none is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

// Up to twelve names with a word for the rest: "'a', 'b' and 3 more". "none" when there are none.
std::string listed(std::span<const std::string> names);

// The line of `text` that holds byte `offset`, indented, and below it a caret under that character.
// A long line is cut around the place, control characters become spaces. Columns count code points.
std::string pointed(std::string_view text, std::size_t offset);

// "character 12", or "line 2, character 5" when the text has several lines.
std::string place(std::string_view text, std::size_t offset);

}  // namespace entente::federation
