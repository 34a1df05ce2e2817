// Bounded minimisation of a cost without derivatives, by NLopt's Subplex (Rowan 1990; S. G.
// Johnson's re-implementation of the Nelder-Mead variant). Deterministic: equal problems, equal
// results.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace entente::node {

struct FitProblem {
  std::vector<double> start;  // low <= start <= high, each
  std::vector<double> low, high;
  // A NaN or infinite cost is treated as a very large one.
  std::function<double(std::span<const double>)> cost;
  int evaluations_max = 400;
  double tolerance = 1e-5;  // relative, of the cost and of every parameter
};

struct Fitted {
  std::vector<double> at;
  double cost = 0;
};

// The best point seen; never worse than the start.
Fitted minimise(const FitProblem& problem);

}  // namespace entente::node
