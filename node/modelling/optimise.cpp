#include "node/modelling/optimise.h"

#include <nlopt.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "node/derived/expression.h"
#include "node/modelling/limits.h"
#include "schemas/base/random.h"

namespace entente::node {
namespace {

constexpr double kHuge = 1e300;
constexpr double kTolerance = 1e-6;  // of a bound, as a share of its width
constexpr std::size_t kStarts = 3;
constexpr std::size_t kPredictedSteps = 4'000'000;  // of all evaluations together
constexpr int kRoundsMost = 300;

using Kind = ExpressionStep::Kind;

Error refused(const std::string& why, const std::string& remedy = {}) {
  return make_error(ErrorCode::invalid_argument, why, remedy);
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// An expression over numbers that have names.
class Cost {
 public:
  static Result<Cost> of(const std::string& text, const std::vector<std::string>& names) {
    auto steps = parse_expression(text);
    if (!steps) return refused("--minimise: " + steps.error().what);
    Cost cost;
    for (ExpressionStep& step : *steps) {
      std::size_t at = 0;
      if (step.kind == Kind::own) {
        at = static_cast<std::size_t>(std::find(names.begin(), names.end(), step.name) -
                                      names.begin());
        if (at == names.size()) {
          return refused("--minimise: the model has no input or signal '" + step.name + "'",
                         "it has: " + listed(names));
        }
      }
      const bool far = step.kind == Kind::outgoing || step.kind == Kind::incoming;
      if (far || !step.unit.empty()) {
        return refused("--minimise: a cost is of plain numbers, inputs and signals of this model");
      }
      cost.at_.push_back(at);
    }
    cost.steps_ = std::move(*steps);
    return cost;
  }

  double value(std::span<const double> given) const {
    std::vector<double>& stack = stack_;
    stack.clear();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const ExpressionStep& step = steps_[i];
      if (step.kind == Kind::number) {
        stack.push_back(step.value);
      } else if (step.kind == Kind::own) {
        stack.push_back(given[at_[i]]);
      } else {
        const bool single = step.kind == Kind::negate || step.kind == Kind::absolute;
        const std::size_t taken = step.kind >= Kind::sum ? step.arity : single ? 1 : 2;
        const double result = computed(step.kind, std::span(stack).last(taken));
        stack.resize(stack.size() - taken);
        stack.push_back(result);
      }
    }
    return stack.back();
  }

 private:
  static double computed(Kind kind, std::span<const double> v) {
    double total = 0;
    switch (kind) {
      case Kind::negate:
        return -v[0];
      case Kind::absolute:
        return std::abs(v[0]);
      case Kind::add:
        return v[0] + v[1];
      case Kind::subtract:
        return v[0] - v[1];
      case Kind::multiply:
        return v[0] * v[1];
      case Kind::divide:
        return v[0] / v[1];
      case Kind::minimum:
        return *std::min_element(v.begin(), v.end());
      case Kind::maximum:
        return *std::max_element(v.begin(), v.end());
      case Kind::count:
        return static_cast<double>(v.size());
      default:
        for (const double one : v) total += one;
        return kind == Kind::mean ? total / static_cast<double>(v.size()) : total;
    }
  }
  std::vector<ExpressionStep> steps_;
  std::vector<std::size_t> at_;
  mutable std::vector<double> stack_;
};

// What one plan comes to.
struct Outlook {
  double cost = kHuge;
  std::vector<double> beyond;  // of each bound at each step, in widths; positive: it is broken
  double worst = kHuge;        // the largest of them
};

class Search {
 public:
  Search(const Model& model, const std::vector<double>& last, const OptimisationPlan& plan,
         Cost cost, const OptimisationWatch& watch)
      : model_(model), plan_(plan), watch_(watch), cost_(std::move(cost)), row_(last) {
    const ModelSpec& spec = model.spec();
    row_.resize(spec.inputs.size(), kMissing);
    for (const Bounded& one : plan.set) place_.push_back(place(spec.inputs, one.name));
    for (const Bounded& one : plan.keep) kept_.push_back(place(spec.signals, one.name));
    const std::size_t rounds = kPredictedSteps / (plan.steps * (2 * size() + 1) * kStarts);
    rounds_ = static_cast<int>(std::clamp<std::size_t>(rounds, 10, kRoundsMost));
  }

  std::size_t size() const { return plan_.set.size() * plan_.pieces; }
  std::size_t evaluations() const { return evaluations_; }
  bool stopped() const { return stopped_; }
  const std::optional<Error>& fault() const { return fault_; }
  const std::vector<double>& best() const { return best_; }
  const Outlook& outlook() const { return best_outlook_; }

  InputPlan rows(std::span<const double> at) const {
    InputPlan rows;
    for (std::size_t k = 0; k < plan_.steps; ++k) {
      const std::size_t piece = k * plan_.pieces / plan_.steps;
      auto& row = rows.emplace_back(row_);
      for (std::size_t i = 0; i < plan_.set.size(); ++i) row[place_[i]] = setting(at, piece, i);
    }
    return rows;
  }
  double setting(std::span<const double> at, std::size_t piece, std::size_t input) const {
    const Bounded& one = plan_.set[input];
    return one.low + at[piece * plan_.set.size() + input] * (one.high - one.low);
  }

  Outlook look(const InputPlan& rows, std::vector<std::vector<PredictedPoint>>* paths = nullptr) {
    ++evaluations_;
    Outlook found;
    auto predicted =
        model_.predict(model_.spec().step * static_cast<std::int64_t>(plan_.steps), rows);
    if (!predicted) {
      fault_ = std::move(predicted).error();
      return found;
    }
    const auto& all = predicted->paths;
    std::vector<double> named;
    double sum = 0;
    for (std::size_t k = 0; k < plan_.steps; ++k) {
      named = rows[k];
      for (const auto& path : all) named.push_back(path[k].mean);
      sum += cost_.value(named);
    }
    found.cost = sum / static_cast<double>(plan_.steps);
    if (!std::isfinite(found.cost)) found.cost = kHuge;
    found.worst = -kHuge;
    for (std::size_t j = 0; j < kept_.size(); ++j) {
      const Bounded& bound = plan_.keep[j];
      for (std::size_t k = 0; k < plan_.steps; ++k) {
        const double value = all[kept_[j]][k].mean;
        for (const double over : {bound.low - value, value - bound.high}) {
          const double share = std::isfinite(over) ? over / width(bound) : -1;
          found.beyond.push_back(share);
          found.worst = std::max(found.worst, share);
        }
      }
    }
    if (paths != nullptr) *paths = std::move(predicted->paths);
    return found;
  }

  static double width(const Bounded& bound) {
    const double width = bound.high - bound.low;
    return std::isfinite(width) && width > 0 ? width : 1;
  }

  // One start of what is minimised: the cost under the bounds, or how far they are broken.
  enum class Aim { cost, bounds };
  void run(std::vector<double> start, Aim aim) {
    aim_ = aim;
    std::unique_ptr<nlopt_opt_s, decltype(&nlopt_destroy)> optimiser(
        nlopt_create(NLOPT_LD_SLSQP, static_cast<unsigned>(size())), &nlopt_destroy);
    optimiser_ = optimiser.get();
    nlopt_set_lower_bounds1(optimiser_, 0);
    nlopt_set_upper_bounds1(optimiser_, 1);
    nlopt_set_min_objective(optimiser_, objective, this);
    const std::size_t bounds = 2 * plan_.keep.size() * plan_.steps;
    if (aim == Aim::cost && bounds > 0) {
      const std::vector<double> tolerances(bounds, kTolerance / 2);
      nlopt_add_inequality_mconstraint(optimiser_, static_cast<unsigned>(bounds), constraints, this,
                                       tolerances.data());
    }
    nlopt_set_maxeval(optimiser_, rounds_);
    nlopt_set_ftol_rel(optimiser_, 1e-12);
    nlopt_set_xtol_rel(optimiser_, 1e-9);
    double value = 0;
    known_.clear();
    // Its verdict does not matter: the best point was kept on the way.
    (void)nlopt_optimize(optimiser_, start.data(), &value);
    optimiser_ = nullptr;
  }
  bool feasible() const { return best_outlook_.worst <= kTolerance; }
  void tell(double share) const {
    if (watch_.progress) watch_.progress(share);
  }

 private:
  static std::size_t place(const std::vector<std::string>& names, const std::string& name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  }

  void take(std::span<const double> at, const Outlook& found) {
    const bool fits = found.worst <= kTolerance;
    const bool better = best_.empty() || (fits && !feasible()) ||
                        (fits == feasible() && (fits ? found.cost < best_outlook_.cost
                                                     : found.worst < best_outlook_.worst));
    if (!better) return;
    best_.assign(at.begin(), at.end());
    best_outlook_ = found;
  }

  // The outlook at a point, and its slopes when they are asked for.
  void know(std::span<const double> at, bool slopes) {
    if (!std::equal(at.begin(), at.end(), known_.begin(), known_.end())) {
      known_.assign(at.begin(), at.end());
      here_ = look(rows(at));
      take(at, here_);
      slopes_known_ = false;
    }
    if (watch_.cancelled && watch_.cancelled()) stopped_ = true;
    if (stopped_ || fault_) nlopt_force_stop(optimiser_);
    if (!slopes || slopes_known_ || stopped_ || fault_) return;
    slopes_known_ = true;
    up_.resize(size());
    down_.resize(size());
    spans_.resize(size());
    for (std::size_t i = 0; i < size(); ++i) {
      constexpr double kStep = 1e-5;
      std::vector<double> moved(at.begin(), at.end());
      const double high = std::min(at[i] + kStep, 1.0), low = std::max(at[i] - kStep, 0.0);
      moved[i] = high;
      up_[i] = look(rows(moved));
      moved[i] = low;
      down_[i] = look(rows(moved));
      spans_[i] = high - low;
    }
  }

  // Of bounds broken: a half of the squares' sum, whose slope is continuous.
  static double broken(const Outlook& outlook) {
    double sum = 0;
    for (const double one : outlook.beyond) sum += one > 0 ? one * one / 2 : 0;
    return sum;
  }

  static double objective(unsigned n, const double* at, double* slope, void* data) {
    auto& self = *static_cast<Search*>(data);
    self.know({at, n}, slope != nullptr);
    const auto value = [&](const Outlook& outlook) {
      return self.aim_ == Aim::cost ? outlook.cost : broken(outlook);
    };
    for (unsigned i = 0; slope != nullptr && i < n && self.slopes_known_; ++i) {
      slope[i] = (value(self.up_[i]) - value(self.down_[i])) / self.spans_[i];
    }
    return value(self.here_);
  }

  static void constraints(unsigned m, double* result, unsigned n, const double* at, double* slope,
                          void* data) {
    auto& self = *static_cast<Search*>(data);
    self.know({at, n}, slope != nullptr);
    for (unsigned j = 0; j < m; ++j) {
      const auto value = [j](const Outlook& o) { return j < o.beyond.size() ? o.beyond[j] : 0; };
      result[j] = value(self.here_);
      for (unsigned i = 0; slope != nullptr && i < n; ++i) {
        slope[j * n + i] =
            self.slopes_known_ ? (value(self.up_[i]) - value(self.down_[i])) / self.spans_[i] : 0;
      }
    }
  }

  const Model& model_;
  const OptimisationPlan& plan_;
  const OptimisationWatch& watch_;
  const Cost cost_;
  std::vector<double> row_;
  std::vector<std::size_t> place_, kept_;
  int rounds_ = 0;
  Aim aim_ = Aim::cost;
  nlopt_opt optimiser_ = nullptr;
  std::vector<double> known_, best_, spans_;
  Outlook here_, best_outlook_;
  std::vector<Outlook> up_, down_;
  bool slopes_known_ = false, stopped_ = false;
  std::optional<Error> fault_;
  std::size_t evaluations_ = 0;
};

Outcome check(const ModelSpec& spec, const OptimisationPlan& plan) {
  if (plan.set.empty()) return refused("there is no input to set", "name one with --set");
  const auto named = [](const std::vector<std::string>& names, const Bounded& one,
                        const char* what) -> Outcome {
    if (std::count(names.begin(), names.end(), one.name) == 0) {
      return refused(
          "the model has no " + std::string(what) + " '" + one.name + "'",
          names.empty() ? "identify it with --input SIGNAL first" : "it has: " + listed(names));
    }
    if (one.low < one.high) return {};
    return refused("the bounds of '" + one.name + "' leave nothing between them");
  };
  for (const Bounded& one : plan.set) {
    if (auto fine = named(spec.inputs, one, "input"); !fine) return fine;
  }
  for (const Bounded& one : plan.keep) {
    if (auto fine = named(spec.signals, one, "signal"); !fine) return fine;
  }
  const std::size_t numbers = plan.pieces * plan.set.size();
  if (plan.pieces < 1 || plan.pieces > plan.steps || numbers > limits::kOptimisedNumbers ||
      plan.steps > limits::kOptimisedSteps) {
    return refused("that many steps or pieces are too much at once",
                   "take at most " + std::to_string(limits::kOptimisedSteps) + " steps, and " +
                       std::to_string(limits::kOptimisedNumbers) +
                       " inputs times pieces, none shorter than a step");
  }
  return {};
}

Error infeasible(const Model& model, const OptimisationPlan& plan, const Outlook& outlook,
                 Instant begin) {
  const auto worst = static_cast<std::size_t>(
      std::max_element(outlook.beyond.begin(), outlook.beyond.end()) - outlook.beyond.begin());
  const std::size_t step = worst / 2 % plan.steps;
  const Bounded& bound = plan.keep[worst / 2 / plan.steps];
  const bool below = worst % 2 == 0;
  const double by = outlook.worst * Search::width(bound);
  const Instant time = begin + model.spec().step * static_cast<std::int64_t>(step + 1);
  return make_error(ErrorCode::conflict,
                    "no inputs within their bounds keep '" + bound.name + "' " +
                        (below ? "above " + shown(bound.low) : "below " + shown(bound.high)) +
                        ": at best it is " + shown(below ? bound.low - by : bound.high + by) +
                        " at " + to_text(time),
                    "loosen that bound, or widen those of the inputs");
}

bool number_of(std::string_view text, double& value) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && std::isfinite(value);
}

}  // namespace

Result<Bounded> bounded_of(std::string_view text, Ends ends) {
  const auto refuse =
      refused("'" + std::string(text) + "' is no name with bounds", "write NAME=[LOW,HIGH]");
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return refuse;
  Bounded bounded{std::string(text.substr(0, equals)), -std::numeric_limits<double>::infinity(),
                  std::numeric_limits<double>::infinity()};
  std::string_view rest = text.substr(equals + 1);
  if (rest.size() < 3 || rest.front() != '[' || rest.back() != ']') return refuse;
  rest = rest.substr(1, rest.size() - 2);
  const auto comma = rest.find(',');
  if (comma == std::string_view::npos) return refuse;
  const std::string_view low = rest.substr(0, comma), high = rest.substr(comma + 1);
  const bool open = ends == Ends::open && !(low.empty() && high.empty());
  if (!(low.empty() && open) && !number_of(low, bounded.low)) return refuse;
  if (!(high.empty() && open) && !number_of(high, bounded.high)) return refuse;
  return bounded;
}

Result<Optimised> optimise(const Model& model, const std::vector<double>& last_inputs,
                           const OptimisationPlan& plan, const OptimisationWatch& watch) {
  const ModelSpec& spec = model.spec();
  if (auto fine = check(spec, plan); !fine) return std::move(fine).error();
  std::vector<std::string> names = spec.inputs;
  names.insert(names.end(), spec.signals.begin(), spec.signals.end());
  auto cost = Cost::of(plan.minimise, names);
  if (!cost) return std::move(cost).error();
  auto begun = model.predict(spec.step, {});
  if (!begun) return std::move(begun).error();
  Search search(model, last_inputs, plan, std::move(*cost), watch);
  SeededRandom random(plan.seed);
  for (std::size_t start = 0; start < kStarts && !search.stopped() && !search.fault(); ++start) {
    std::vector<double> at(search.size(), 0.5);
    for (double& one : at) {
      if (start > 0) one = static_cast<double>(random.u64() >> 11) * 0x1p-53;
    }
    search.run(at, Search::Aim::cost);
    if (!search.feasible() && !search.stopped() && !search.fault()) {
      search.run(search.best(), Search::Aim::bounds);
      if (search.feasible()) search.run(search.best(), Search::Aim::cost);
    }
    search.tell(static_cast<double>(start + 1) / kStarts);
  }
  if (search.fault()) return *search.fault();
  if (search.stopped()) return make_error(ErrorCode::conflict, "it was cancelled");
  if (!search.feasible()) return infeasible(model, plan, search.outlook(), begun->issued);
  Optimised out;
  out.cost = search.look(search.rows(search.best()), &out.paths).cost;
  if (std::all_of(last_inputs.begin(), last_inputs.end(),
                  [](double value) { return std::isfinite(value); }) &&
      last_inputs.size() == spec.inputs.size()) {
    out.cost_held = search.look(InputPlan(plan.steps, last_inputs)).cost;
  }
  for (std::size_t piece = 0; piece < plan.pieces; ++piece) {
    const auto first =
        static_cast<std::int64_t>((piece * plan.steps + plan.pieces - 1) / plan.pieces);
    out.begins.push_back(begun->issued + spec.step * (first + 1));
    auto& row = out.inputs.emplace_back();
    for (std::size_t i = 0; i < plan.set.size(); ++i) {
      row.push_back(search.setting(search.best(), piece, i));
    }
  }
  for (std::size_t k = 0; k < plan.steps; ++k) {
    bool risk = false;
    for (const Bounded& bound : plan.keep) {
      const auto at = std::find(spec.signals.begin(), spec.signals.end(), bound.name);
      const Band& band = out.paths[static_cast<std::size_t>(at - spec.signals.begin())][k].ninety;
      risk = risk || band.low < bound.low || band.high > bound.high;
    }
    out.steps_at_risk += risk;
  }
  out.evaluations = search.evaluations();
  out.seed = plan.seed;
  return out;
}

}  // namespace entente::node
