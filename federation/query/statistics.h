// From a question to the integers that answer it: which coordinates each cell's vector has, on
// which lattice, with what sensitivity and noise.
//
// Everything here follows from the question and the export's public description alone, so that
// asker and site compute the same. The k coordinates of all items share one charge equally
// (privacy.md 2.3): sigma_j = Delta_j sqrt(k M / (2 rho)), where M is the weight of the block that
// is touched most. Exponents are chosen so that sigma is at least 2^10 steps: rounding sigma^2 up
// then costs nothing. Threads: any; pure.
#pragma once

#include <vector>

#include "schemas/agreement.h"
#include "schemas/answer.h"
#include "schemas/question.h"
#include "security/privacy/blocks.h"
#include "security/privacy/lattice.h"

namespace entente::federation {

// What one coordinate counts or sums over the units of a cell.
enum class StatisticKind {
  members,      // every unit
  present,      // units whose column has a value
  satisfying,   // units for which the predicate holds
  decided,      // units for which every column of the predicate has a value
  sum,          // of the column, from zero
  centred_sum,  // of the column, from the middle of its bounds
};

struct StatisticLayout {
  std::size_t item = 0;
  StatisticKind kind = StatisticKind::members;
  std::uint16_t column = 0;    // present, sum, centred_sum
  security::Lattice lattice;   // counts use steps too: one unit is lattice.bound() steps
  std::uint64_t variance = 0;  // of the noise, in squared steps
};

// The items' coordinates one after the other: count: 1; share: satisfying, decided; sum: 1; mean:
// centred_sum, present. Refuses: query_unsupported (another aggregate), epsilon_refused (rho 0, or
// so small that the noise cannot be drawn), shape_refused (sums that could overflow).
[[nodiscard]] Result<std::vector<StatisticLayout>> lay_out(const Question& question,
                                                           const ExportView& view);

// The blocks the question's ticks touch with their weights; the largest weight.
[[nodiscard]] Result<std::vector<security::BlockWeight>> weigh(const Question& question,
                                                               const ExportView& view);
std::uint64_t heaviest(const std::vector<security::BlockWeight>& blocks);

}  // namespace entente::federation
