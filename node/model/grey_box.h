// Physical models with few unknowns, fitted to history: rooms as resistances and capacities, tanks.
//
// What is minimised is the one-step error of the steady filter of the model (prediction error
// method), so that both measurement noise and disturbances are allowed; their ratio is fitted too.
// Parameters are positive and searched in logarithms between wide bounds, from several starts.
// It assumes inputs held between samples, and that the inputs move enough to tell parameters apart:
// `ranges` (95 %, from the curvature at the optimum) says whether they did.
// Source: Madsen and Holst (Energy and Buildings 22, 1995); Bacher and Madsen (ibid. 43, 2011).
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "node/model/identification.h"

namespace entente::node {

// thermal_*: signal: indoor temperature (K or degC); inputs: outdoor temperature, heat (W).
//   1: C_i, R_ia. 2 (3R2C): C_i, C_e, R_ie, R_ea, R_ia. 3: and C_m, R_im, an inner mass.
// tank: signal: level (m); inputs: inflow, outflow (m3/s). area (m2), leak (m2/s, times level).
enum class GreyBoxKind { thermal_1, thermal_2, thermal_3, tank };

struct GreyBoxParameter {
  std::string name;  // with its unit: "capacity_indoor_j_per_k"
  double value = 0;
  Range range;  // 95 %; infinite where the data do not say
};

struct GreyBox {
  GreyBoxKind kind{};
  std::vector<GreyBoxParameter> parameters;
  ModelSpec model;             // kind linear_state_space, ready to run; review before use
  double one_step_error = 0;   // RMS, of the fit
  double held_back_error = 0;  // RMS one step ahead on what the fit has not seen
  double naive_error = 0;      // the same of "as before"
  Whiteness whiteness;         // of the fit's one-step errors
};

// `step`: of the grid. Refuses: invalid_argument (other than two inputs, lengths, a NaN in an
// input, step <= 0), not_found (fewer than 200 values).
[[nodiscard]] Result<GreyBox> fit_grey_box(GreyBoxKind kind, std::span<const double> values,
                                           const InputColumns& inputs, Duration step,
                                           double held_back = 0.25);

}  // namespace entente::node
