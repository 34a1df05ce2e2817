// An expression over a twin's signals and those of its neighbours: text to a program of steps.
//
//   flow_in - flow_out                 signals of this twin, or other derived signals, or numbers
//                                      among its properties
//   power / volume
//   inlet - 20 degreeCelsius           a number with its unit
//   feeds->temperature                 of the one twin that the relationship `feeds` points at
//   sum(contains->power)               of all of them: sum, mean, min, max, count
//   mean(partOf<-pm25, pm25)           of those that point here by partOf, and of this twin
//   abs(level - mean(feeds->level))
//
// * and / bind tighter than + and -; the same rank goes from the left. A name is letters, digits,
// '_' and '.' as types write their signals. Steps are in reverse Polish order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/result.h"

namespace entente::node {

struct ExpressionStep {
  enum class Kind {
    number,    // `value` in `unit`
    own,       // `name` of this twin
    outgoing,  // `name` of the twins that `relationship` points at
    incoming,  // `name` of the twins that point here by `relationship`
    negate,
    absolute,
    add,
    subtract,
    multiply,
    divide,
    // Over the `arity` things before; one that stands for many twins counts as many.
    sum,
    mean,
    minimum,
    maximum,
    count
  };
  Kind kind = Kind::number;
  double value = 0;
  std::string unit;
  std::string relationship;
  std::string name;
  std::size_t arity = 0;
  bool operator==(const ExpressionStep&) const = default;
};

// Refuses: config_invalid, with the place, what is wrong there, and the text with a mark below it.
[[nodiscard]] Result<std::vector<ExpressionStep>> parse_expression(std::string_view text);

}  // namespace entente::node
