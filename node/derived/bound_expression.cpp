#include "node/derived/bound_expression.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "node/derived/limits.h"

namespace entente::node {
namespace {

using Kind = ExpressionStep::Kind;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Error refused(const std::string& why) {
  return make_error(ErrorCode::config_invalid, why);
}

// What stands on the stack while names and units are found.
struct Item {
  MeasureUnit unit;
  std::size_t width = 1;  // values that it stands for
};

std::string_view word_of(Kind kind) {
  switch (kind) {
    case Kind::negate:
      return "-";
    case Kind::absolute:
      return "abs";
    case Kind::add:
      return "+";
    case Kind::subtract:
      return "-";
    case Kind::multiply:
      return "*";
    case Kind::divide:
      return "/";
    case Kind::sum:
      return "sum";
    case Kind::mean:
      return "mean";
    case Kind::minimum:
      return "min";
    case Kind::maximum:
      return "max";
    default:
      return "count";
  }
}

std::string shown(const MeasureUnit& unit) {
  return unit.scale ? "a temperature scale" : dimension_text(unit);
}

Error misfit(Kind kind, const MeasureUnit& a, const MeasureUnit& b) {
  return refused("the units do not fit: " + shown(a) + " " + std::string(word_of(kind)) + " " +
                 shown(b));
}

// The unit of a sum or difference.
Result<MeasureUnit> added(Kind kind, const MeasureUnit& a, const MeasureUnit& b) {
  const bool minus = kind == Kind::subtract;
  if (!a.measures_same(b) || (minus ? b.scale && !a.scale : a.scale && b.scale)) {
    return misfit(kind, a, b);
  }
  MeasureUnit unit;
  unit.powers = a.powers;
  unit.scale = minus ? a.scale && !b.scale : a.scale || b.scale;
  return unit;
}

Result<MeasureUnit> combined(Kind kind, std::span<const Item> items) {
  MeasureUnit unit = items.empty() ? MeasureUnit{} : items.front().unit;
  if (kind == Kind::count) return MeasureUnit{};
  if (kind == Kind::negate || kind == Kind::absolute) {
    if (unit.scale) return refused(std::string(word_of(kind)) + " of a temperature scale");
    return unit;
  }
  if (kind == Kind::multiply || kind == Kind::divide) {
    const MeasureUnit& right = items[1].unit;
    if (unit.scale || right.scale) {
      auto error = misfit(kind, unit, right);
      error.what += "; take a difference of temperatures first";
      return error;
    }
    return kind == Kind::multiply ? times(unit, right) : per(unit, right);
  }
  const bool adds = kind == Kind::add || kind == Kind::subtract || kind == Kind::sum;
  if (kind == Kind::sum && items.front().width > 1 && unit.scale) return misfit(kind, unit, unit);
  for (const Item& item : items.subspan(1)) {
    if (!adds) {  // mean, minimum, maximum
      if (!unit.measures_same(item.unit) || unit.scale != item.unit.scale) {
        return misfit(kind, unit, item.unit);
      }
      continue;
    }
    auto next = added(kind, unit, item.unit);
    if (!next) return next;
    unit = *next;
  }
  return unit;
}

// In SI, so that only the powers are left of a unit.
MeasureUnit coherent(MeasureUnit unit) {
  unit.factor = 1;
  unit.offset = 0;
  return unit;
}

class Binder {
 public:
  Binder(const DerivedBook& book, const TwinGraph& graph, const Twin& twin)
      : book_(book), graph_(graph), twin_(twin) {}

  Result<BoundExpression> bind(const DerivedBook::Entry& entry) {
    auto unit = derived(twin_, entry);
    if (!unit) return std::move(unit).error();
    out_.unit = entry.unit;
    return std::move(out_);
  }

 private:
  // The steps of a whole definition for one twin; its unit.
  Result<MeasureUnit> derived(const Twin& twin, const DerivedBook::Entry& entry) {
    const auto place = std::pair(twin.id, entry.signal.name);
    if (!path_.insert(place).second) {
      return refused("'" + entry.signal.name + "' of '" + twin.id + "' leads back to itself");
    }
    if (path_.size() > static_cast<std::size_t>(limits::kDerivedDepth)) {
      return refused("derived signals stand in each other more than " +
                     std::to_string(limits::kDerivedDepth) + " deep");
    }
    auto unit = steps(twin, entry);
    path_.erase(place);
    if (!unit) {
      Error error = std::move(unit).error();
      if (path_.empty()) {
        const std::string of = twin.id.empty() ? entry.signal.owner() : "'" + twin.id + "'";
        error.what = "'" + entry.signal.name + "' of " + of + ": " + error.what;
      }
      return error;
    }
    return unit;
  }

  Result<MeasureUnit> steps(const Twin& twin, const DerivedBook::Entry& entry) {
    std::vector<Item> stack;
    for (const ExpressionStep& step : entry.steps) {
      auto done = one(twin, entry, step, stack);
      if (!done) return std::move(done).error();
      if (!out_.none.empty()) return entry.unit;  // nothing more can be found out
      if (out_.steps.size() > limits::kBoundSteps || out_.inputs.size() > limits::kBoundInputs) {
        return refused("with all that it names it is too large: at most " +
                       std::to_string(limits::kBoundInputs) + " series and " +
                       std::to_string(limits::kBoundSteps) + " steps");
      }
    }
    const Item& result = stack.back();
    if (result.width != 1) {
      return refused("it stands for " + std::to_string(result.width) +
                     " twins: take sum, mean, min, max or count of them");
    }
    const bool same = result.unit.measures_same(entry.unit);
    if (!same || (entry.unit.scale && !result.unit.scale)) {
      return refused("it is " + shown(result.unit) + ", and its unit '" + entry.signal.unit +
                     "' is " + shown(entry.unit));
    }
    // In a unit without a zero of its own it is a plain quantity from here on.
    MeasureUnit unit = coherent(entry.unit);
    return unit;
  }

  Outcome one(const Twin& twin, const DerivedBook::Entry& entry, const ExpressionStep& step,
              std::vector<Item>& stack) {
    switch (step.kind) {
      case Kind::number: {
        auto unit = measure_unit(step.unit);
        if (!unit) return std::move(unit).error();
        out_.steps.push_back({Kind::number, unit->to_si(step.value), 0, 0});
        stack.push_back({coherent(*unit), 1});
        return {};
      }
      case Kind::own: {
        auto unit = named(twin, entry, step.name);
        if (!unit) return std::move(unit).error();
        stack.push_back({*unit, 1});
        return {};
      }
      case Kind::outgoing:
      case Kind::incoming:
        return far(twin, entry, step, stack);
      default:
        return computed(step, stack);
    }
  }

  Outcome computed(const ExpressionStep& step, std::vector<Item>& stack) {
    const bool called = step.kind >= Kind::sum;
    const bool single = step.kind == Kind::negate || step.kind == Kind::absolute;
    const std::size_t taken = called ? step.arity : single ? 1 : 2;
    const std::span<const Item> items(stack.data() + stack.size() - taken, taken);
    std::size_t width = 0;
    for (const Item& item : items) width += item.width;
    if (!called && width != taken) {
      return refused("'" + std::string(word_of(step.kind)) +
                     "' stands between single values: take sum, mean, min, max or count of what "
                     "stands for several twins");
    }
    auto unit = combined(step.kind, items);
    if (!unit) return std::move(unit).error();
    stack.resize(stack.size() - taken);
    stack.push_back({*unit, 1});
    out_.steps.push_back({step.kind, 0, 0, width});
    return {};
  }

  std::vector<std::string> neighbours(const Twin& twin, const ExpressionStep& step) const {
    std::vector<std::string> ids;
    if (step.kind == Kind::outgoing) {
      const auto found = twin.relationships.find(step.relationship);
      if (found != twin.relationships.end()) ids = found->second;
      return ids;
    }
    for (const TwinGraph::Incoming& one : graph_.incoming(twin.id)) {
      if (one.relationship == step.relationship) ids.push_back(one.from);
    }
    return ids;
  }

  Outcome far(const Twin& twin, const DerivedBook::Entry& entry, const ExpressionStep& step,
              std::vector<Item>& stack) {
    const ResolvedType& type = *graph_.type_of(twin);
    if (step.kind == Kind::outgoing && type.relationship(step.relationship) == nullptr) {
      return refused(type.id + " has no relationship '" + step.relationship + "'");
    }
    const auto ids = neighbours(twin, step);
    out_.own = false;
    if (ids.empty()) {
      out_.none = "'" + twin.id + "' has no neighbour by " + step.relationship;
      return {};
    }
    Item item{{}, 0};
    for (const std::string& id : ids) {
      const Twin* neighbour = graph_.find(id);
      if (neighbour == nullptr) continue;
      auto unit = named(*neighbour, entry, step.name);
      if (!unit) return std::move(unit).error();
      if (!out_.none.empty()) return {};
      if (item.width > 0 && (!unit->measures_same(item.unit) || unit->scale != item.unit.scale)) {
        return refused("'" + step.name + "' of '" + id + "' is " + shown(*unit) +
                       ", of its neighbours before " + shown(item.unit));
      }
      item.unit = *unit;
      ++item.width;
    }
    stack.push_back(item);
    return {};
  }

  // Pushes what a name of a twin stands for: a series, another derived signal, a property.
  Result<MeasureUnit> named(const Twin& twin, const DerivedBook::Entry& entry,
                            const std::string& name) {
    const ResolvedType& type = *graph_.type_of(twin);
    if (const Signal* signal = type.signal(name)) {
      if (!signal->numeric) return refused("'" + name + "' of " + type.id + " is no number");
      auto unit = measure_unit(signal->unit);
      if (!unit) return std::move(unit).error();
      push_input({{twin.id, name}, entry.signal.hold, *unit});
      return coherent(*unit);
    }
    if (const auto* inner = book_.find(graph_, twin, name)) return derived(twin, *inner);
    if (const Content* property = type.property(name)) {
      return constant(twin, type, *property);
    }
    return refused(type.id + " has no signal, derived signal or property '" + name + "'");
  }

  void push_input(BoundExpression::Input input) {
    const auto found = std::find(out_.inputs.begin(), out_.inputs.end(), input);
    const auto at = static_cast<std::size_t>(found - out_.inputs.begin());
    if (found == out_.inputs.end()) out_.inputs.push_back(std::move(input));
    out_.steps.push_back({Kind::own, 0, at, 0});
  }

  Result<MeasureUnit> constant(const Twin& twin, const ResolvedType& type,
                               const Content& property) {
    if (!property.schema || !property.schema->numeric()) {
      return refused("the property '" + property.name + "' of " + type.id + " is no number");
    }
    auto unit = measure_unit(property.unit);
    if (!unit) return std::move(unit).error();
    const auto found = twin.properties.find(property.name);
    double value = kNone;
    if (found != twin.properties.end()) {
      if (const auto* real = std::get_if<double>(&found->second)) value = *real;
      if (const auto* whole = std::get_if<std::int64_t>(&found->second)) {
        value = static_cast<double>(*whole);
      }
    }
    if (!std::isfinite(value)) {
      out_.none = "the property '" + property.name + "' of '" + twin.id + "' is not set";
    }
    out_.steps.push_back({Kind::number, unit->to_si(value), 0, 0});
    return coherent(*unit);
  }

  const DerivedBook& book_;
  const TwinGraph& graph_;
  const Twin& twin_;
  BoundExpression out_;
  std::set<std::pair<std::string, std::string>> path_;
};

double reduced(Kind kind, std::span<const double> values) {
  double result = kind == Kind::multiply ? 1 : 0;
  if (kind == Kind::count) {
    return static_cast<double>(std::count_if(values.begin(), values.end(),
                                             [](double value) { return std::isfinite(value); }));
  }
  for (const double value : values) {
    if (!std::isfinite(value)) return kNone;
  }
  switch (kind) {
    case Kind::negate:
      return -values[0];
    case Kind::absolute:
      return std::abs(values[0]);
    case Kind::add:
      return values[0] + values[1];
    case Kind::subtract:
      return values[0] - values[1];
    case Kind::multiply:
      return values[0] * values[1];
    case Kind::divide:
      return values[0] / values[1];
    case Kind::minimum:
      return *std::min_element(values.begin(), values.end());
    case Kind::maximum:
      return *std::max_element(values.begin(), values.end());
    default:
      for (const double value : values) result += value;
      return kind == Kind::mean ? result / static_cast<double>(values.size()) : result;
  }
}

}  // namespace

Outcome DerivedBook::add(DerivedSignal signal, Instant since, std::string actor) {
  auto steps = parse_expression(signal.value);
  if (!steps) return std::move(steps).error();
  auto unit = derived_unit(signal.unit);
  if (!unit) return std::move(unit).error();
  const auto key = std::pair(signal.owner(), signal.name);
  entries[key] = {std::move(signal), std::move(*steps), *unit, since, std::move(actor)};
  return {};
}

const DerivedBook::Entry* DerivedBook::find(const TwinGraph& graph, const Twin& twin,
                                            std::string_view name) const {
  const ResolvedType& type = *graph.type_of(twin);
  if (type.signal(name) != nullptr || type.property(name) != nullptr) return nullptr;
  const std::string wanted(name);
  if (const auto found = entries.find({"twin " + twin.id, wanted}); found != entries.end()) {
    return &found->second;
  }
  if (const auto found = entries.find({"type " + type.id, wanted}); found != entries.end()) {
    return &found->second;
  }
  for (const std::string& ancestor : type.ancestors) {
    const auto found = entries.find({"type " + ancestor, wanted});
    if (found != entries.end()) return &found->second;
  }
  return nullptr;
}

std::vector<std::string> DerivedBook::names(const TwinGraph& graph, const Twin& twin) const {
  std::set<std::string> all;
  const auto take = [&](const std::string& owner) {
    for (auto at = entries.lower_bound({owner, ""}); at != entries.end(); ++at) {
      if (at->first.first != owner) break;
      if (find(graph, twin, at->first.second) != nullptr) all.insert(at->first.second);
    }
  };
  if (entries.empty()) return {};
  take("twin " + twin.id);
  for (const std::string& ancestor : graph.type_of(twin)->ancestors) take("type " + ancestor);
  return {all.begin(), all.end()};
}

double BoundExpression::value(std::span<const double> given) const {
  if (!none.empty()) return kNone;
  std::vector<double> stack;
  for (const Step& step : steps) {
    if (step.kind == Kind::number) {
      stack.push_back(step.value);
    } else if (step.kind == Kind::own) {
      stack.push_back(inputs[step.input].unit.to_si(given[step.input]));
    } else {
      const double result = reduced(step.kind, std::span(stack).last(step.arity));
      stack.resize(stack.size() - step.arity);
      stack.push_back(result);
    }
  }
  const double result = unit.from_si(stack.back());
  return std::isfinite(result) ? result : kNone;
}

Result<BoundExpression> bind_expression(const DerivedBook& book, const TwinGraph& graph,
                                        const Twin& twin, const DerivedBook::Entry& entry) {
  return Binder(book, graph, twin).bind(entry);
}

}  // namespace entente::node
