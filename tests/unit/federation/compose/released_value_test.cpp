#include "federation/compose/released_value.h"

#include <doctest/doctest.h>

#include <limits>
#include <type_traits>

#include "federation/query/exact.h"

using namespace entente;
using namespace entente::federation;

namespace {

// A merged answer of one item over three hours; nobody answered for the last.
FederatedAnswer answer() {
  FederatedAnswer merged;
  for (int hour = 0; hour < 3; ++hour) {
    merged.plan.ticks.push_back({Instant{} + hours(hour), Instant{} + hours(hour + 1)});
  }
  merged.plan.groups = {{}};
  merged.plan.items.resize(1);
  const double wide = std::numeric_limits<double>::infinity();
  for (std::uint32_t tick = 0; tick < 3; ++tick) {
    AnswerRow row;
    row.tick = tick;
    if (tick < 2) {
      row.values = {Estimate{0.1 + tick, 1.0 / 3, -wide, wide}};
    } else {
      row.values = {std::nullopt};
    }
    row.bins = {{}};
    merged.rows.push_back(row);
  }
  return merged;
}

}  // namespace

TEST_SUITE("compose/released_value") {
  TEST_CASE("values of an answer come back from their durable form to the last bit") {
    const auto values = ReleasedValue::of(answer());
    REQUIRE(values.size() == 3);
    CHECK(values[1].window().from == Instant{} + hours(1));
    CHECK(values[1].estimate()->value == 1.1);
    CHECK_FALSE(values[2].estimate());
    const std::string text = ReleasedValue::durable(values);
    const auto back = ReleasedValue::from_durable(text);
    REQUIRE(back);
    CHECK(ReleasedValue::durable(*back) == text);
    CHECK(back->at(1).estimate()->standard_error == 1.0 / 3);
    CHECK(back->at(1).estimate()->upper == std::numeric_limits<double>::infinity());
  }

  TEST_CASE("of several groups the total is the value and histograms keep their bins") {
    FederatedAnswer merged = answer();
    merged.plan.groups = {{"a"}, {"b"}};
    merged.rows[0].total = true;
    merged.rows[0].values = {std::nullopt};
    merged.rows[0].bins = {{Estimate{1, 2, 0, 3}, Estimate{4, 5, 3, 6}}};
    const auto values = ReleasedValue::of(merged);
    CHECK_FALSE(values[0].estimate());
    REQUIRE(values[0].bins().size() == 2);
    CHECK_FALSE(values[1].estimate());
    const auto back = ReleasedValue::from_durable(ReleasedValue::durable(values));
    REQUIRE(back);
    CHECK(back->at(0).bins().at(1).upper == 6);
  }

  TEST_CASE("a durable form that was cut or edited is refused") {
    const std::string text = ReleasedValue::durable(ReleasedValue::of(answer()));
    CHECK(ReleasedValue::from_durable(""));
    CHECK_FALSE(ReleasedValue::from_durable(text.substr(0, text.size() - 1)));
    CHECK_FALSE(ReleasedValue::from_durable("1 2 1 3\n"));
    CHECK_FALSE(ReleasedValue::from_durable("2 1 0 0\n"));
    CHECK_FALSE(ReleasedValue::from_durable("0 1 0 0 7\n"));
    CHECK_FALSE(ReleasedValue::from_durable("a b 0 0\n"));
  }

  TEST_CASE("no figure of the exact lane becomes a released value") {
    static_assert(!std::is_constructible_v<ReleasedValue, Estimate>);
    static_assert(!std::is_constructible_v<ReleasedValue, ExactRow>);
    static_assert(!std::is_constructible_v<ReleasedValue, double>);
    static_assert(!std::is_constructible_v<ReleasedValue, TimeWindow, Estimate>);
    static_assert(!std::is_default_constructible_v<ReleasedValue>);
    static_assert(!std::is_convertible_v<ExactRow, FederatedAnswer>);
    CHECK(std::is_copy_constructible_v<ReleasedValue>);
  }
}
