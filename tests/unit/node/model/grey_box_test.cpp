#include "node/model/grey_box.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "node/model/model_kinds.h"

using namespace entente;
using namespace entente::node;

namespace {

struct Recorded {
  std::vector<double> values;
  InputColumns inputs;
};

// Outdoors a daily wave with weather, heating on and off at random.
InputColumns weather_and_heat(std::size_t size, std::mt19937_64& random) {
  std::normal_distribution<> normal;
  InputColumns inputs(2, std::vector<double>(size));
  double weather = 0, heat = 0;
  for (std::size_t t = 0; t < size; ++t) {
    weather += 0.05 * normal(random) - 0.002 * weather;
    inputs[0][t] = 5 + 5 * std::sin(static_cast<double>(t) * 2 * 3.14159265 / 288) + weather;
    if (t % 12 == 0) heat = random() % 2 == 0 ? 0 : 6'000;
    inputs[1][t] = heat;
  }
  return inputs;
}

// 3R2C by small Euler steps: C_i 2e6, C_e 2e7, R_ie 2e-3, R_ea 8e-3, R_ia 2e-2.
Recorded room(std::size_t size, double noise, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<> normal;
  Recorded recorded{std::vector<double>(size), weather_and_heat(size, random)};
  double indoor = 20, envelope = 15;
  for (std::size_t t = 0; t < size; ++t) {
    recorded.values[t] = indoor + noise * normal(random);
    for (int i = 0; i < 300; ++i) {
      const double out = recorded.inputs[0][t];
      const double di = (envelope - indoor) / 2e-3 + (out - indoor) / 2e-2 + recorded.inputs[1][t];
      const double de = (indoor - envelope) / 2e-3 + (out - envelope) / 8e-3;
      indoor += di / 2e6, envelope += de / 2e7;
    }
  }
  return recorded;
}

}  // namespace

TEST_SUITE("node/model/grey_box") {
  TEST_CASE("a room of three resistances and two capacities is found from 14 days") {
    const Recorded recorded = room(14 * 288, 0.02, 1);
    const auto box =
        fit_grey_box(GreyBoxKind::thermal_2, recorded.values, recorded.inputs, minutes(5), 0);
    REQUIRE(box);
    const double truth[] = {2e6, 2e7, 2e-3, 8e-3, 2e-2};
    for (std::size_t i = 0; i < 5; ++i) {
      CAPTURE(box->parameters[i].name);
      CHECK(box->parameters[i].value == doctest::Approx(truth[i]).epsilon(0.05));
      CHECK(box->parameters[i].range.low < box->parameters[i].value);
    }
    CHECK(box->one_step_error == doctest::Approx(0.02).epsilon(0.1));
    CHECK(box->whiteness.p_value > 0.01);
  }

  TEST_CASE("one node too few leaves structure in the residuals") {
    const Recorded recorded = room(7 * 288, 0.02, 2);
    const auto small =
        fit_grey_box(GreyBoxKind::thermal_1, recorded.values, recorded.inputs, minutes(5));
    REQUIRE(small);
    CHECK(small->one_step_error > 0.025);
    CHECK(small->held_back_error < small->naive_error);
  }

  TEST_CASE("a tank's area and leak are found and the proposal runs") {
    std::mt19937_64 random(3);
    std::normal_distribution<> normal;
    Recorded recorded{std::vector<double>(1'000), InputColumns(2, std::vector<double>(1'000))};
    double level = 2;
    for (std::size_t t = 0; t < 1'000; ++t) {
      recorded.inputs[0][t] = 0.02 + 0.01 * static_cast<double>(t / 40 % 2);
      recorded.inputs[1][t] = 0.015 + 0.01 * static_cast<double>(t / 70 % 2);
      recorded.values[t] = level + 0.002 * normal(random);
      const double in = recorded.inputs[0][t] - recorded.inputs[1][t];
      // Exact over a minute: area 5, leak 0.002.
      const double rate = 0.002 / 5, rest = in / 0.002;
      level = rest + (level - rest) * std::exp(-rate * 60);
    }
    const auto box = fit_grey_box(GreyBoxKind::tank, recorded.values, recorded.inputs, minutes(1));
    REQUIRE(box);
    CHECK(box->parameters[0].value == doctest::Approx(5).epsilon(0.05));
    CHECK(box->parameters[1].value == doctest::Approx(0.002).epsilon(0.1));
    CHECK(box->held_back_error < box->naive_error);
    const auto model = ModelKinds().make(box->model);
    REQUIRE(model);
    const double inputs[] = {0.02, 0.015};
    REQUIRE((*model)->update({Instant{0}, {&recorded.values[0], 1}, inputs}));
    CHECK((*model)->predict(minutes(30), {{0.02, 0.015}}).has_value());
  }

  TEST_CASE("what cannot be fitted is refused") {
    const Recorded recorded = room(300, 0.02, 4);
    CHECK_FALSE(fit_grey_box(GreyBoxKind::tank, recorded.values, {recorded.inputs[0]}, minutes(5)));
    CHECK_FALSE(fit_grey_box(GreyBoxKind::tank, std::span(recorded.values).first(100),
                             {std::vector<double>(100, 0.0), std::vector<double>(100, 0.0)},
                             minutes(5)));
    auto missing = recorded.inputs;
    missing[1][7] = kMissing;
    CHECK_FALSE(fit_grey_box(GreyBoxKind::thermal_1, recorded.values, missing, minutes(5)));
  }
}
