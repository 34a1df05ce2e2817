// The forecasting methods, their bands, their scores and the choice among them.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "node/model/backtest.h"
#include "node/model/conformal.h"
#include "node/model/model_kinds.h"

using namespace entente;
using namespace entente::node;

namespace {

constexpr double kPi = 3.14159265358979;

// Two seasons, a level, noise of that deviation.
std::vector<double> two_seasons(std::size_t size, double noise, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<> normal;
  std::vector<double> values(size);
  for (std::size_t t = 0; t < size; ++t) {
    const double place = static_cast<double>(t);
    values[t] = 50 + 10 * std::sin(place * 2 * kPi / 8) + 5 * std::cos(place * 2 * kPi / 40) +
                noise * normal(random);
  }
  return values;
}

double path_error(const Forecaster& method, std::span<const double> truth) {
  std::vector<double> path(truth.size());
  method.continue_path(path, {});
  double sum = 0;
  for (std::size_t k = 0; k < path.size(); ++k) sum += std::abs(truth[k] - path[k]);
  return sum / static_cast<double>(path.size());
}

BacktestOptions from_half(std::size_t size, std::size_t horizon, std::size_t period) {
  BacktestOptions options;
  options.horizon = options.every = horizon;
  options.from = size / 2, options.to = size - horizon;
  options.refit_every = size;
  options.scale_period = period;
  return options;
}

}  // namespace

TEST_SUITE("node/model/forecast") {
  TEST_CASE("the seasonal naive repeats the youngest value of each place") {
    const auto method = seasonal_naive(3);
    const std::vector<double> values{1, 2, 3, 4, kMissing, 6};
    REQUIRE(method->fit(values, {}));
    std::vector<double> path(5);
    method->continue_path(path, {});
    CHECK(path == std::vector<double>{4, 2, 6, 4, 2});
  }

  TEST_CASE("smoothing continues two seasons and missing values do not derail it") {
    std::vector<double> values = two_seasons(840, 0, 1);
    const std::span<const double> truth = std::span(values).last(40);
    std::vector<double> past(values.begin(), values.end() - 40);
    const auto method = exponential_smoothing({{8, 40}, true, 8});
    REQUIRE(method->fit(past, {}));
    CHECK(path_error(*method, truth) < 0.05);
    for (std::size_t t = 700; t < 760; ++t) past[t] = kMissing;
    REQUIRE(method->fit(past, {}));
    CHECK(path_error(*method, truth) < 0.5);
    const auto wrong = seasonal_naive(7);
    REQUIRE(wrong->fit(past, {}));
    CHECK(path_error(*wrong, truth) > 1);  // a wrong period is seen
  }

  TEST_CASE("theta continues a line with half its slope as drift") {
    std::vector<double> values(100);
    for (std::size_t t = 0; t < values.size(); ++t) values[t] = 3 + 0.5 * static_cast<double>(t);
    const auto method = theta(0);
    REQUIRE(method->fit(values, {}));
    std::vector<double> path(10);
    method->continue_path(path, {});
    CHECK(path[9] - path[0] == doctest::Approx(9 * 0.25).epsilon(1e-6));
    CHECK(path[0] == doctest::Approx(53).epsilon(0.01));
  }

  TEST_CASE("regression uses an exogenous signal that leads and is worse without it") {
    std::mt19937_64 random(5);
    CAPTURE(5);
    std::normal_distribution<> normal;
    std::vector<double> input(1'500), values(1'500, 0.0);
    for (std::size_t t = 0; t < values.size(); ++t) {
      input[t] = normal(random);
      if (t >= 2) values[t] = 0.6 * values[t - 1] + 2 * input[t - 2] + 0.1 * normal(random);
    }
    const auto options = from_half(values.size(), 2, 8);
    const auto with = [] { return direct_regression({{8}, 2, 1, 1, 1e-6, false}); };
    const auto without = [] { return direct_regression({{8}, 2, 0, 1, 1e-6, false}); };
    const auto told = backtest(values, {input}, {{"with", with}}, options);
    const auto untold = backtest(values, {}, {{"without", without}}, options);
    // Two steps ahead the newest input counts fully: what is left is noise of 0.1.
    CHECK(told[0].score.rmse() < 0.3);
    CHECK(told[0].score.rmse() < 0.5 * untold[0].score.rmse());
  }

  TEST_CASE("logarithms keep a path positive and bounded") {
    std::mt19937_64 random(6);
    std::vector<double> values(400);
    for (double& value : values) value = std::exp(std::normal_distribution<>(0, 2)(random));
    const auto method = on_logarithms(exponential_smoothing({{8}, true, 8}));
    REQUIRE(method->fit(values, {}));
    std::vector<double> path(1'000);
    method->continue_path(path, {});
    for (const double value : path) CHECK((value >= 0 && value < 1e4));
    values[7] = -1;
    CHECK_FALSE(method->fit(values, {}));
  }

  TEST_CASE("conformal bands cover what they say for errors of any shape") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      ConformalBands bands(1);
      double half = 0, ninety = 0, count = 0;
      for (int i = 0; i < 4'000; ++i) {
        const double error = std::exp(std::normal_distribution<>(0, 1)(random)) - 1;
        if (i >= 250) {
          half += bands.half(0, 0).contains(error), ninety += bands.ninety(0, 0).contains(error);
          count += 1;
        }
        bands.learn(0, error);
      }
      CHECK(half / count == doctest::Approx(0.5).epsilon(0.06));
      CHECK(ninety / count == doctest::Approx(0.9).epsilon(0.03));
    }
  }

  TEST_CASE("conformal bands widen after errors have grown") {
    std::mt19937_64 random(3);
    std::normal_distribution<> normal;
    ConformalBands bands(1);
    double inside = 0;
    for (int i = 0; i < 2'000; ++i) {
      const double error = normal(random) * (i < 1'000 ? 1 : 4);
      if (i >= 1'100) inside += bands.ninety(0, 0).contains(error);
      bands.learn(0, error);
    }
    CHECK(inside / 900 > 0.85);
    ConformalBands fresh(1);
    CHECK(std::isnan(fresh.ninety(0, 0).low));
  }

  TEST_CASE("scores are those of their definitions") {
    CHECK(pinball_loss(3, 1, 0.9) == doctest::Approx(1.8));
    CHECK(pinball_loss(1, 3, 0.9) == doctest::Approx(0.2));
    const std::vector<double> values{1, 2, 4, kMissing, 5};
    CHECK(naive_scale(values, 2) == doctest::Approx((3 + 1) / 2.0));
    ForecastScore score;
    score.add(5, {{}, 3, {2, 6}, {1, 4}});
    score.add(kMissing, {{}, 3, {2, 6}, {1, 4}});
    CHECK(score.points == 1);
    CHECK(score.mae() == 2);
    CHECK(score.coverage_half() == 1);
    CHECK(score.coverage_ninety() == 0);
  }

  TEST_CASE("the backtest chooses what fits and never looks ahead") {
    std::vector<double> values = two_seasons(1'200, 1, 7);
    const auto options = from_half(values.size(), 8, 8);
    const auto candidates = usual_candidates(values, {8, 40}, 8, 0);
    const auto rows = backtest(values, {}, candidates, options);
    const std::size_t best = best_of(rows);
    CHECK(best != 0);
    CHECK(rows[best].score.mae() < 0.85 * rows[0].score.mae());
    CHECK(rows[best].score.coverage_ninety() > 0.8);
    // What lies beyond the last path changes nothing.
    auto until = options;
    until.to = 700;
    const auto before = backtest(values, {}, {candidates[3]}, until);
    for (std::size_t t = 720; t < values.size(); ++t) values[t] = -1'000;
    const auto after = backtest(values, {}, {candidates[3]}, until);
    CHECK(before[0].score.mae() == after[0].score.mae());
  }

  TEST_CASE("a model forecasts with calibrated bands once it is warm") {
    ModelSpec spec;
    spec.kind = "exponential_smoothing";
    spec.signals = {"flow"};
    spec.step = minutes(5);
    spec.parameters = {{"periods", {8, 40}}, {"horizon", {8}}, {"warm_up", {480}}};
    const auto model = ModelKinds().make(spec);
    REQUIRE(model);
    const std::vector<double> values = two_seasons(2'000, 1, 9);
    const Instant begin{1'700'000'000'000'000'000};
    double inside = 0, points = 0;
    for (std::size_t t = 0; t < values.size(); ++t) {
      if (t % 8 == 0 && t + 8 <= values.size()) {
        const auto said = (*model)->predict(minutes(40), {});
        CHECK(said.has_value() == (t >= 480));
        for (std::size_t k = 0; said && k < 8; ++k) {
          CHECK(said->paths[0][k].time == begin + minutes(5) * static_cast<std::int64_t>(t + k));
          inside += said->paths[0][k].ninety.contains(values[t + k]), points += 1;
        }
      }
      REQUIRE(
          (*model)->update({begin + minutes(5) * static_cast<std::int64_t>(t), {&values[t], 1}}));
    }
    CHECK(inside / points == doctest::Approx(0.9).epsilon(0.05));
    CHECK((*model)->residual().scales[0] == doctest::Approx(1).epsilon(0.3));
  }
}
