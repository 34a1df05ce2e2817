// Set-points: inputs of one twin's model that cost least under bounds on them and on what comes of
// them.
//
// The plan is cut into equal pieces of time in which each free input is constant; other inputs are
// held at their last value. The cost is the mean over the steps of an expression of inputs and
// predicted signals (derived/expression.h), in their own units: `0.3 * heat + abs(indoor - 21)`.
// Bounds of signals hold for the predicted mean at every step. Several starts, drawn with the seed;
// equal seeds and models give equal results. It assumes that the model is right far from what it
// has seen, which nobody can promise: the result is a proposal.
// Source: Kraft, a software package for sequential quadratic programming (DFVLR-FB 88-28, 1988), in
// NLopt, with slopes by differences. Computes long: for workers.
#pragma once

#include <atomic>
#include <functional>

#include "node/model/model.h"

namespace entente::node {

struct Bounded {
  std::string name;
  double low = 0, high = 0;
};
// "inlet=[0,10]". An end may be empty where `open`: "level=[,2]". Refuses: invalid_argument.
enum class Ends { both, open };
[[nodiscard]] Result<Bounded> bounded_of(std::string_view text, Ends ends);

struct OptimisationPlan {
  std::string minimise;
  std::vector<Bounded> set;   // inputs of the model
  std::vector<Bounded> keep;  // signals of the model
  std::size_t steps = 24;
  std::size_t pieces = 4;
  std::uint64_t seed = 1;
};

struct Optimised {
  std::vector<Instant> begins;              // of each piece
  std::vector<std::vector<double>> inputs;  // of each piece, in the order of plan.set
  double cost = 0;
  double cost_held = kMissing;  // if every input were held at its last value; NaN: none known
  std::vector<std::vector<PredictedPoint>> paths;  // one a signal
  // Steps at which the 90 % band of a kept signal leaves its bounds.
  std::size_t steps_at_risk = 0;
  std::size_t evaluations = 0;
  std::uint64_t seed = 0;
};

// `progress` is told shares of 1 and may be empty; true from `cancelled` ends it.
struct OptimisationWatch {
  std::function<void(double)> progress;
  std::function<bool()> cancelled;
};

// Refuses: invalid_argument (no such input or signal, bounds the wrong way round, an expression
// that does not read, too much at once), conflict (nothing within the bounds of the inputs keeps
// the signals in theirs: says which, where and by how much; or it was cancelled), and as
// Model::predict.
[[nodiscard]] Result<Optimised> optimise(const Model& model, const std::vector<double>& last_inputs,
                                         const OptimisationPlan& plan,
                                         const OptimisationWatch& watch = {});

}  // namespace entente::node
