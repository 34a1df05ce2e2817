#include "node/model/identification.h"

#include <doctest/doctest.h>

#include <Eigen/QR>
#include <algorithm>
#include <array>
#include <cmath>
#include <random>

using namespace entente;
using namespace entente::node;

namespace {

struct Recorded {
  std::vector<double> values, input;
};

// y(t) = 1.2 y(t-1) - 0.5 y(t-2) + 0.8 u(t-2) + e(t) + c e(t-1)
Recorded second_order(std::size_t size, double noise, double c, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<> normal;
  Recorded recorded{std::vector<double>(size, 0.0), std::vector<double>(size)};
  double before = 0;
  for (std::size_t t = 0; t < size; ++t) {
    recorded.input[t] = normal(random);
    const double e = noise * normal(random);
    if (t >= 2) {
      recorded.values[t] = 1.2 * recorded.values[t - 1] - 0.5 * recorded.values[t - 2] +
                           0.8 * recorded.input[t - 2] + e + c * before;
    }
    before = e;
  }
  return recorded;
}

using Poles = std::array<std::pair<double, double>, 4>;  // as StateSpace orders them

// Two signals, one input, a pair of complex poles between two real ones.
void fourth_order(const Poles& poles, std::size_t size, double noise, std::uint64_t seed,
                  InputColumns& signals, InputColumns& inputs) {
  std::mt19937_64 random(seed);
  std::normal_distribution<> normal;
  Eigen::Matrix4d a = Eigen::Matrix4d::Zero();
  a(0, 0) = poles[2].first, a(1, 1) = poles[1].first, a(2, 2) = a(3, 3) = poles[0].first;
  a(2, 3) = poles[3].second, a(3, 2) = poles[0].second;
  const Eigen::Vector4d b(1, -1, 0.5, 1);
  Eigen::Matrix<double, 2, 4> c;
  c << 1, 0.5, 1, 0, -0.3, 1, 0.2, 1;
  signals.assign(2, std::vector<double>(size));
  inputs.assign(1, std::vector<double>(size));
  Eigen::Vector4d x = Eigen::Vector4d::Zero();
  double power = 0;
  for (std::size_t t = 0; t < size; ++t) {
    const double u = normal(random);
    const Eigen::Vector2d y = c * x;
    for (int i = 0; i < 2; ++i) signals[i][t] = y(i);
    inputs[0][t] = u;
    power += y.squaredNorm() / 2;
    x = a * x + b * u;
  }
  const double deviation = noise * std::sqrt(power / static_cast<double>(size));
  for (auto& column : signals) {
    for (double& value : column) value += deviation * normal(random);
  }
}

double worst_pole(const StateSpace& found, const Poles& truth) {
  double worst = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    worst = std::max(worst, std::hypot(found.poles[i].first - truth[i].first,
                                       found.poles[i].second - truth[i].second) /
                                std::hypot(truth[i].first, truth[i].second));
  }
  return worst;
}

}  // namespace

TEST_SUITE("node/model/identification") {
  TEST_CASE("recursive least squares equals batch least squares") {
    std::mt19937_64 random(1);
    std::normal_distribution<> normal;
    Eigen::MatrixXd x(300, 4);
    Eigen::VectorXd y(300);
    RecursiveLeastSquares recursive(4, 1, 1e10);
    for (Eigen::Index i = 0; i < 300; ++i) {
      std::vector<double> row(4);
      for (int j = 0; j < 4; ++j) x(i, j) = row[static_cast<std::size_t>(j)] = normal(random);
      y(i) = x(i, 0) - 2 * x(i, 1) + 0.5 * x(i, 3) + normal(random);
      recursive.update(row, y(i));
      row[2] = kMissing;
      CHECK(std::isnan(recursive.update(row, 1e9)));  // learns nothing
    }
    const Eigen::VectorXd batch = x.householderQr().solve(y);
    for (int j = 0; j < 4; ++j) {
      CHECK(std::abs(recursive.coefficients()[static_cast<std::size_t>(j)] - batch(j)) < 1e-8);
    }
  }

  TEST_CASE("forgetting follows parameters that change") {
    std::mt19937_64 random(2);
    std::normal_distribution<> normal;
    RecursiveLeastSquares forgets(1, 0.97), remembers(1, 1);
    for (int t = 0; t < 1'000; ++t) {
      const double x = normal(random), y = (t < 500 ? 1 : 3) * x;
      forgets.update({&x, 1}, y);
      remembers.update({&x, 1}, y);
    }
    CHECK(forgets.coefficients()[0] == doctest::Approx(3).epsilon(1e-4));
    CHECK(remembers.coefficients()[0] < 2.2);
  }

  TEST_CASE("ARX finds order and parameters and its residuals are white") {
    const Recorded recorded = second_order(4'000, 0.5, 0, 3);
    const auto chosen = choose_arx(recorded.values, {recorded.input}, {4, 3, 3, 0});
    REQUIRE(chosen);
    CHECK(chosen->order.own_terms == 2);
    CHECK(chosen->own[0] == doctest::Approx(1.2).epsilon(0.03));
    CHECK(chosen->own[1] == doctest::Approx(-0.5).epsilon(0.06));
    CHECK(chosen->ranges[0].low < 1.2);
    CHECK(chosen->ranges[0].high > 1.2);
    CHECK(chosen->held_back_error < 0.6 * chosen->naive_error);
    CHECK(chosen->noise_variance == doctest::Approx(0.25).epsilon(0.1));
    CHECK(chosen->whiteness.p_value > 0.01);
    const auto too_small = identify_arx(recorded.values, {recorded.input}, {1, 1, 2, 0});
    REQUIRE(too_small);
    CHECK(too_small->whiteness.p_value < 1e-6);  // the negative control
  }

  TEST_CASE("ARMAX finds the noise's memory that biases ARX") {
    const Recorded recorded = second_order(8'000, 1, 0.8, 4);
    const auto armax = identify_arx(recorded.values, {recorded.input}, {2, 1, 2, 1});
    const auto arx = identify_arx(recorded.values, {recorded.input}, {2, 1, 2, 0});
    REQUIRE((armax && arx));
    CHECK(armax->own[0] == doctest::Approx(1.2).epsilon(0.04));
    CHECK(armax->noise[0] == doctest::Approx(0.8).epsilon(0.1));
    CHECK(std::abs(arx->own[0] - 1.2) > 3 * std::abs(armax->own[0] - 1.2));
    CHECK(armax->held_back_error < arx->held_back_error);
  }

  TEST_CASE("too little history is refused and says so") {
    const Recorded recorded = second_order(20, 1, 0, 5);
    CHECK(identify_arx(recorded.values, {recorded.input}, {5, 5, 1, 0}).error().code ==
          ErrorCode::not_found);
    CHECK(identify_arx(recorded.values, {{1, 2}}, {1, 1, 1, 0}).error().code ==
          ErrorCode::invalid_argument);
    CHECK(identify_subspace({recorded.values}, {recorded.input}, {8, 8, 0}).error().code ==
          ErrorCode::not_found);
  }

  TEST_CASE("subspace identification recovers the poles of a fourth-order system") {
    const Poles close{{{0.7, -0.3}, {0.8, 0}, {0.9, 0}, {0.7, 0.3}}};
    const Poles apart{{{0.3, -0.8}, {-0.6, 0}, {0.9, 0}, {0.3, 0.8}}};
    InputColumns signals, inputs;
    for (const Poles& poles : {close, apart}) {
      fourth_order(poles, 2'000, 0, 6, signals, inputs);
      const auto exact = identify_subspace(signals, inputs, {});
      REQUIRE(exact);
      CHECK(exact->states == 4);
      CHECK(worst_pole(*exact, poles) < 1e-6);
    }
    // At 20 dB. Of poles as close as these the Cramer-Rao bound of the one at 0.8 is a deviation of
    // 1.4 %: no method is within 2 % each time, so it is asked of the median.
    std::vector<double> errors;
    for (std::uint64_t seed = 7; seed < 28; ++seed) {
      CAPTURE(seed);
      fourth_order(apart, 2'000, 0.1, seed, signals, inputs);
      const auto noisy = identify_subspace(signals, inputs, {4, 8, 0});
      REQUIRE(noisy);
      CHECK(worst_pole(*noisy, apart) < 0.02);
      fourth_order(close, 2'000, 0.1, seed, signals, inputs);
      const auto harder = identify_subspace(signals, inputs, {4, 8, 0});
      REQUIRE(harder);
      errors.push_back(worst_pole(*harder, close));
      CHECK(errors.back() < 0.045);  // three deviations
    }
    std::sort(errors.begin(), errors.end());
    CHECK(errors[errors.size() / 2] < 0.02);
    signals[0][5] = kMissing;
    CHECK_FALSE(identify_subspace(signals, inputs, {}));
  }

  TEST_CASE("Ljung-Box tells white noise from its neighbour") {
    std::mt19937_64 random(8);
    std::normal_distribution<> normal;
    int rejected = 0;
    for (int run = 0; run < 200; ++run) {
      std::vector<double> white(500);
      for (double& value : white) value = normal(random);
      rejected += ljung_box(white, 20, 0).p_value < 0.05;
    }
    CHECK(rejected > 2);
    CHECK(rejected < 25);  // 10 expected
    std::vector<double> coloured(500, 0.0);
    for (std::size_t t = 1; t < 500; ++t) coloured[t] = 0.4 * coloured[t - 1] + normal(random);
    CHECK(ljung_box(coloured, 20, 0).p_value < 1e-6);
  }
}
