#include "node/model/fitting.h"

#include <nlopt.h>

#include <cmath>
#include <memory>

#include "schemas/base/check.h"

namespace entente::node {

namespace {

constexpr double kHuge = 1e300;

struct Search {
  const FitProblem* problem;
  Fitted best;
};

double evaluate(unsigned n, const double* at, double*, void* data) {
  auto& search = *static_cast<Search*>(data);
  const double cost = search.problem->cost({at, n});
  const double finite = std::isfinite(cost) ? cost : kHuge;
  if (finite < search.best.cost) search.best = {{at, at + n}, finite};
  return finite;
}

}  // namespace

Fitted minimise(const FitProblem& problem) {
  const std::size_t n = problem.start.size();
  ENTENTE_CHECK(n == problem.low.size() && n == problem.high.size());
  const double first = problem.cost(problem.start);
  Search search{&problem, {problem.start, std::isfinite(first) ? first : kHuge}};
  if (n == 0) return search.best;
  std::unique_ptr<nlopt_opt_s, decltype(&nlopt_destroy)> optimiser(
      nlopt_create(NLOPT_LN_SBPLX, static_cast<unsigned>(n)), &nlopt_destroy);
  nlopt_set_lower_bounds(optimiser.get(), problem.low.data());
  nlopt_set_upper_bounds(optimiser.get(), problem.high.data());
  nlopt_set_min_objective(optimiser.get(), evaluate, &search);
  nlopt_set_maxeval(optimiser.get(), problem.evaluations_max);
  nlopt_set_ftol_rel(optimiser.get(), problem.tolerance);
  nlopt_set_xtol_rel(optimiser.get(), problem.tolerance);
  std::vector<double> at = problem.start;
  double cost = 0;
  // Its verdict does not matter: the best point was kept on the way.
  (void)nlopt_optimize(optimiser.get(), at.data(), &cost);
  return search.best;
}

}  // namespace entente::node
