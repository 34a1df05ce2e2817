// A derived signal of one twin with every name found: which series it reads, and its units checked.
//
// Values are brought to the SI, computed, and given in the declared unit. Other derived signals are
// put in place of their names, so what is left reads series alone; a name that leads back to itself
// is refused. An expression over neighbours is no function of its twin's own readings, which `own`
// says. Pure; immutable; threads: any.
#pragma once

#include <map>
#include <memory>
#include <span>

#include "node/derived/derived_signal.h"
#include "node/derived/expression.h"
#include "node/history/reading.h"
#include "node/twin/twin_graph.h"

namespace entente::node {

// All definitions of a node at one moment, by owner and name.
struct DerivedBook {
  struct Entry {
    DerivedSignal signal;
    std::vector<ExpressionStep> steps;
    MeasureUnit unit;
    Instant since;
    std::string actor;
  };
  std::map<std::pair<std::string, std::string>, Entry> entries;

  // Refuses: config_invalid.
  [[nodiscard]] Outcome add(DerivedSignal signal, Instant since, std::string actor);
  // Of a twin: its own, else that of its type or the first of its ancestors. Null: it has none of
  // that name, or its type has a signal or property of that name, which comes first.
  const Entry* find(const TwinGraph& graph, const Twin& twin, std::string_view name) const;
  // The names of all, sorted.
  std::vector<std::string> names(const TwinGraph& graph, const Twin& twin) const;
};

struct BoundExpression {
  struct Input {
    SeriesKey key;
    Duration hold;
    MeasureUnit unit;
    bool operator==(const Input&) const = default;
  };
  struct Step {
    ExpressionStep::Kind kind{};  // own: the input
    double value = 0;             // of a number, in SI
    std::size_t input = 0;
    std::size_t arity = 0;
  };
  std::vector<Step> steps;
  std::vector<Input> inputs;
  MeasureUnit unit;  // of what `value` gives
  bool own = true;   // it reads series of its twin alone
  std::string none;  // why it has no value whatever is read: no neighbour, a property not set

  // `inputs[i]` in the unit of input i; NaN: there is none. NaN where it cannot be computed.
  double value(std::span<const double> inputs) const;
};

// Refuses: config_invalid (a name that nothing has, units that do not fit, several neighbours where
// one is meant, a name that leads back to itself, more than limits.h allows).
[[nodiscard]] Result<BoundExpression> bind_expression(const DerivedBook& book,
                                                      const TwinGraph& graph, const Twin& twin,
                                                      const DerivedBook::Entry& entry);

}  // namespace entente::node
