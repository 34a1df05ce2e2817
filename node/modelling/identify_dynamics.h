// The choice of a physical or subspace model of a twin by its one-step error on values that it has
// not seen. Part of identify.h; its own file because it tries orders of one kind, not methods.
//
// Grey boxes (grey_box.h) and N4SID (identification.h) fit x(t+1) = A x(t) + B u(t), the input of a
// step held until the next. The kind `linear_state_space` is told an input at the time at which it
// takes effect, so the proposal has the last inputs, and where the signals' level is no zero a
// constant, as states of their own. The fit sees the first three quarters; the order is the
// smallest whose error on the rest is within 1 % of the least.
#pragma once

#include "node/modelling/identify.h"

namespace entente::node {

// "thermal" tries one to three nodes; "thermal_1" to "thermal_3", "tank", "subspace".
bool is_dynamic_kind(std::string_view word);

// Refuses: invalid_argument (numbers of signals or inputs), not_found (too little history).
[[nodiscard]] Result<Identified> identify_dynamics(const std::vector<Seen>& seen,
                                                   const ModelKinds& kinds,
                                                   const IdentifyRequest& request,
                                                   Identified found);

}  // namespace entente::node
