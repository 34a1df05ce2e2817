// "Did you mean": the nearest right words to a wrong one.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace entente::node {

// At most three of `known`, nearest first, within a third of the word's length (at least one edit),
// or beginning with the word. Letter case does not count.
std::vector<std::string> nearest_names(std::string_view word, std::span<const std::string> known);

// "did you mean 'twin' or 'type'?"; empty for none.
std::string did_you_mean(std::span<const std::string> names);

}  // namespace entente::node
