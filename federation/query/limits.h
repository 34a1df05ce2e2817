// Limits of questions, beyond those of the wire (schemas/base/limits.h).
#pragma once

namespace entente::federation {

inline constexpr int kConditionDepth = 32;  // parentheses and NOTs within one condition

}  // namespace entente::federation
