// The exact blend, for local users: the same sentence over the same folded values without noise, so
// that it means to them what it means to partners. Values are limited to the bounds of their
// column, which are infinite where nothing is declared; predicates read them as they are. Its
// values never travel to another organisation. Threads: any; pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "federation/query/twin_source.h"
#include "schemas/question.h"

namespace entente::federation {

struct ExactRow {
  std::size_t group = 0;  // index into Question::groups; not in a total
  std::uint32_t tick = 0;
  bool total = false;
  // One per item: one number, or a histogram's counts; empty when no unit has a value.
  std::vector<std::vector<double>> values;
  std::vector<std::string> keys = {};  // the values of the question's private keys
};

// Rows as merge_rows gives them; of private keys every value that there is. No total where a unit
// is no twin and may lie in several groups. Variance is that of the population; quantiles
// interpolate linearly between order statistics (Hyndman and Fan 1996, type 7); a histogram's last
// bin includes its edge.
std::vector<ExactRow> blend_exact(const Question& question, const ExportView& view,
                                  const FoldedTable& folded);

}  // namespace entente::federation
