#include "node/modelling/optimise.h"

#include <doctest/doctest.h>

#include <cmath>

#include "node/model/model_kinds.h"

using namespace entente;
using namespace entente::node;

namespace {

constexpr double kPole = 0.9, kGain = 0.5, kStart = 10;

// level(t + 1) = 0.9 level(t) + 0.5 inlet(t + 1), seen without noise to speak of.
std::unique_ptr<Model> tank() {
  ModelSpec spec;
  spec.kind = "linear_state_space";
  spec.signals = {"level"};
  spec.inputs = {"inlet"};
  spec.step = hours(1);
  spec.parameters = {{"states", {1}},    {"transition", {kPole}},   {"observation", {1}},
                     {"input", {kGain}}, {"process_noise", {0.01}}, {"observation_noise", {1e-12}}};
  auto model = std::move(*ModelKinds().make(spec));
  const double value = kStart, input = 1;
  REQUIRE(model->update({Instant{0}, {&value, 1}, {&input, 1}}).has_value());
  return model;
}

double free_level(std::size_t k) {
  return std::pow(kPole, static_cast<double>(k)) * kStart;
}
double response(std::size_t k) {
  return kGain * (1 - std::pow(kPole, static_cast<double>(k))) / (1 - kPole);
}

OptimisationPlan plan_of(std::size_t pieces) {
  OptimisationPlan plan;
  plan.minimise = "(level - 4) * (level - 4) + 0.1 * inlet * inlet";
  plan.set = {{"inlet", -5, 5}};
  plan.steps = 12;
  plan.pieces = pieces;
  return plan;
}

// The same cost by hand, with the input `first` in the first half and `second` after.
double cost(double first, double second) {
  double level = kStart, sum = 0;
  for (int k = 0; k < 12; ++k) {
    const double inlet = k < 6 ? first : second;
    level = kPole * level + kGain * inlet;
    sum += (level - 4) * (level - 4) + 0.1 * inlet * inlet;
  }
  return sum / 12;
}

}  // namespace

TEST_SUITE("node/modelling/optimise") {
  TEST_CASE("one input under a quadratic cost is that of the normal equation") {
    double products = 0, squares = 12 * 0.1;
    for (std::size_t k = 1; k <= 12; ++k) {
      products += response(k) * (4 - free_level(k));
      squares += response(k) * response(k);
    }
    const double analytic = products / squares;
    const auto model = tank();
    const auto found = optimise(*model, {1}, plan_of(1));
    INFO((found ? std::string() : found.error().what));
    REQUIRE(found.has_value());
    CHECK(found->inputs[0][0] == doctest::Approx(analytic).epsilon(1e-4));
    CHECK(found->cost == doctest::Approx(cost(analytic, analytic)).epsilon(1e-6));
    CHECK(found->cost_held == doctest::Approx(cost(1, 1)).epsilon(1e-6));
    // And another place costs more, so that the check above could fail.
    CHECK(cost(analytic + 0.05, analytic + 0.05) > found->cost + 1e-4);
    CHECK(cost(analytic - 0.05, analytic - 0.05) > found->cost + 1e-4);
    CHECK(found->paths[0][0].ninety.low < found->paths[0][0].mean);
  }

  TEST_CASE("two pieces of time are the two unknowns of the normal equations") {
    // cost is quadratic: its three second differences and two slopes at 0 give the optimum.
    const double at0 = cost(0, 0);
    const double hxx = cost(1, 0) - 2 * at0 + cost(-1, 0), hyy = cost(0, 1) - 2 * at0 + cost(0, -1);
    const double hxy = (cost(1, 1) - cost(1, -1) - cost(-1, 1) + cost(-1, -1)) / 4;
    const double gx = (cost(1, 0) - cost(-1, 0)) / 2, gy = (cost(0, 1) - cost(0, -1)) / 2;
    const double determinant = hxx * hyy - hxy * hxy;
    const double x = -(gx * hyy - gy * hxy) / determinant;
    const double y = -(gy * hxx - gx * hxy) / determinant;
    const auto model = tank();
    const auto found = optimise(*model, {1}, plan_of(2));
    REQUIRE(found.has_value());
    CHECK(found->inputs[0][0] == doctest::Approx(x).epsilon(1e-3));
    CHECK(found->inputs[1][0] == doctest::Approx(y).epsilon(1e-3));
    CHECK(found->begins[1] - found->begins[0] == hours(6));
  }

  TEST_CASE("a bound of a predicted signal is met exactly where it binds") {
    OptimisationPlan plan = plan_of(1);
    plan.minimise = "inlet";
    plan.keep = {{"level", 5, 20}};
    double least = -5;
    for (std::size_t k = 1; k <= 12; ++k) {
      least = std::max(least, (5 - free_level(k)) / response(k));
    }
    const auto model = tank();
    const auto found = optimise(*model, {1}, plan);
    REQUIRE(found.has_value());
    CHECK(found->inputs[0][0] == doctest::Approx(least).epsilon(1e-4));
    CHECK(found->steps_at_risk > 0);  // the mean stays within, its band does not
    double lowest = 100;
    for (const PredictedPoint& point : found->paths[0]) lowest = std::min(lowest, point.mean);
    CHECK(lowest == doctest::Approx(5).epsilon(1e-4));
  }

  TEST_CASE("what no input can keep is said with the bound and by how much") {
    OptimisationPlan plan = plan_of(2);
    plan.keep = {{"level", 30, 40}};
    const auto model = tank();
    const auto found = optimise(*model, {1}, plan);
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().code == ErrorCode::conflict);
    CHECK(found.error().what.find("keep 'level' above 30") != std::string::npos);
    CHECK(found.error().what.find("at best it is 11.5") != std::string::npos);  // 9 + 2.5 at once
  }

  TEST_CASE("equal seeds give equal proposals and a cancelled search ends") {
    const auto model = tank();
    const auto first = optimise(*model, {1}, plan_of(3)),
               second = optimise(*model, {1}, plan_of(3));
    REQUIRE(first.has_value());
    CHECK(first->inputs == second->inputs);
    CHECK(first->evaluations == second->evaluations);
    std::size_t asked = 0;
    double told = 0;
    OptimisationWatch watch{[&](double share) { told = share; }, [&] { return ++asked > 3; }};
    CHECK(optimise(*model, {1}, plan_of(3), watch).error().what == "it was cancelled");
    watch.cancelled = {};
    CHECK(optimise(*model, {1}, plan_of(3), watch).has_value());
    CHECK(told == 1);
  }

  TEST_CASE("what is asked is read strictly") {
    const auto model = tank();
    OptimisationPlan plan = plan_of(1);
    plan.minimise = "pressure";
    CHECK(optimise(*model, {1}, plan).error().remedy.find("inlet, level") != std::string::npos);
    plan = plan_of(1);
    plan.set = {{"outlet", 0, 1}};
    CHECK_FALSE(optimise(*model, {1}, plan).has_value());
    plan = plan_of(13);
    CHECK_FALSE(optimise(*model, {1}, plan).has_value());
    CHECK(bounded_of("inlet=[0,2.5]", Ends::both)->high == 2.5);
    CHECK(std::isinf(bounded_of("level=[,2]", Ends::open)->low));
    for (const char* bad :
         {"inlet", "=[0,1]", "inlet=0,1", "inlet=[0]", "inlet=[a,1]", "inlet=[,]"}) {
      CAPTURE(bad);
      CHECK_FALSE(bounded_of(bad, Ends::open).has_value());
    }
    CHECK_FALSE(bounded_of("level=[,2]", Ends::both).has_value());
  }
}
