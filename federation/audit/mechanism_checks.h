// The parts that every answer rests on, held against what is published about them: the laws of the
// noise (Canonne, Kamath, Steinke 2020) by a chi-squared test over the exact probabilities, and the
// conversion of epsilon by known answers. Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "security/privacy/noise.h"

namespace entente::federation {

struct MechanismCheck {
  std::string what;    // "discrete Gaussian, variance 4"
  double allowed = 0;  // largest chi-squared statistic, or the published figure
  double measured = 0;
  bool known_answer = false;
  bool refuted = false;  // above what is allowed; of a known answer, another figure
};

// `draws` of one law, 10,000 at least; a sound sampler is refuted with probability `risk`.
MechanismCheck check_gaussian(security::NoiseSource& noise, std::uint64_t variance,
                              std::size_t draws, double risk);
MechanismCheck check_laplace(security::NoiseSource& noise, std::uint64_t scale, std::size_t draws,
                             double risk);
std::vector<MechanismCheck> check_known_answers();

}  // namespace entente::federation
