// Limits of questions, beyond those of the wire (schemas/base/limits.h).
#pragma once

#include <cstdint>

namespace entente::federation {

inline constexpr int kConditionDepth = 32;  // parentheses and NOTs within one condition

// Levels of the trees of ranks, 16 nodes to a node: 272 and 4,368 numbers a cell.
inline constexpr std::uint8_t kTreeHeightFew = 2;
inline constexpr std::uint8_t kTreeHeightMany = 3;
inline constexpr std::uint32_t kTreeUnitsMany = 1'000;  // declared by the largest member

}  // namespace entente::federation
