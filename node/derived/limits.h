// Limits of derived signals.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::node::limits {

inline constexpr std::size_t kDerivedSignals = 10'000;  // definitions of one node
inline constexpr std::size_t kDerivedText = 1 << 20;    // of one file of definitions
inline constexpr std::size_t kExpressionBytes = 4'096;
inline constexpr int kExpressionDepth = 64;  // parentheses, signs and calls inside each other
inline constexpr int kDerivedDepth = 16;     // derived signals inside each other
inline constexpr std::size_t kBoundSteps = 16'384;  // of one expression, with all that it names
inline constexpr std::size_t kBoundInputs = 1'024;
inline constexpr Duration kDerivedHold = minutes(15);  // unless the definition says it
inline constexpr Duration kDerivedHoldMost = days(31);
inline constexpr std::size_t kDerivedPage = 20'000;      // readings of all inputs read at once
inline constexpr std::size_t kDerivedNumbers = 1 << 20;  // series that were ever asked for
// Twins of a type whose neighbours a definition is tried on before it is taken.
inline constexpr std::size_t kDerivedTried = 10'000;

}  // namespace entente::node::limits
