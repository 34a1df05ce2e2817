#include "node/modelling/released_forecast.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <type_traits>

#include "node/history/history.h"

using namespace entente;
using namespace entente::node;
using federation::AnswerRow;
using federation::Estimate;
using federation::FederatedAnswer;
using federation::ReleasedValue;

namespace {

// Released values of days with a weekly swing; every ninth one is missing.
std::vector<ReleasedValue> released(int count, std::uint32_t seed) {
  std::mt19937 draw(seed);
  std::normal_distribution<double> noise(0, 1);
  FederatedAnswer answer;
  answer.plan.groups = {{}};
  answer.plan.items.resize(1);
  for (int day = 0; day < count; ++day) {
    answer.plan.ticks.push_back({Instant{} + days(day), Instant{} + days(day + 1)});
    AnswerRow row;
    row.tick = static_cast<std::uint32_t>(day);
    const double value = 50 + 10 * std::sin(day * 2 * 3.14159265 / 7) + noise(draw);
    if (day % 9 == 8) {
      row.values = {std::nullopt};
    } else {
      row.values = {Estimate{value, 1, value - 2, value + 2}};
    }
    row.bins = {{}};
    answer.rows.push_back(std::move(row));
  }
  return ReleasedValue::of(answer);
}

}  // namespace

TEST_SUITE("modelling/released_forecast") {
  TEST_CASE("a forecast of released values follows their week and its bands hold the noise") {
    int inside = 0, points = 0;
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      CAPTURE(seed);
      const auto made = forecast_released(released(70, seed), days(1), days(7));
      REQUIRE_MESSAGE(made, (made ? "" : made.error().what));
      const auto& path = made->prediction.paths.at(0);
      REQUIRE(path.size() == 7);
      CHECK(made->values == 63);
      for (std::size_t i = 0; i < path.size(); ++i) {
        const double truth =
            50 + 10 * std::sin((70.0 + static_cast<double>(i)) * 2 * 3.14159265 / 7);
        CHECK(path[i].time == Instant{} + days(70 + static_cast<int>(i)));
        CHECK(std::abs(path[i].mean - truth) < 8);
        CHECK(path[i].ninety.low < path[i].ninety.high);
        inside += path[i].ninety.contains(truth);
        ++points;
      }
    }
    CHECK(inside > points * 3 / 4);
  }

  TEST_CASE("too few values and horizons that are none are refused with what it takes") {
    const auto few = forecast_released(released(20, 1), days(1), days(1));
    REQUIRE_FALSE(few);
    CHECK(few.error().code == ErrorCode::not_found);
    CHECK(few.error().what.find("24") != std::string::npos);
    CHECK_FALSE(forecast_released(released(70, 1), days(1), hours(1)));
    CHECK_FALSE(forecast_released(released(70, 1), Duration{}, days(1)));
    CHECK_FALSE(forecast_released(released(70, 1), days(1), days(2'000)));
    CHECK_FALSE(forecast_released({}, days(1), days(1)));
  }

  TEST_CASE("readings of the own history cannot be handed to it") {
    static_assert(!std::is_invocable_v<decltype(&forecast_released), const std::vector<Reading>&,
                                       Duration, Duration>);
    static_assert(!std::is_convertible_v<Reading, ReleasedValue>);
    CHECK(released_points(released(3, 1)).size() == 3);
  }
}
