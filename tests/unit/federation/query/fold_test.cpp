#include "federation/query/fold.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "schemas/base/random.h"

namespace {

using namespace entente;
using namespace entente::federation;

constexpr TimeWindow kTick{{1'000}, {2'000}};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Reading {
  Instant time;
  double value;
};
using Series = std::vector<Reading>;

Column column(Reducer reducer, Predicate predicate = {}) {
  return {"x", reducer, 0, 1, std::move(predicate)};
}

Predicate above(double limit) {
  return {Compare{0, Comparison::greater, limit}};
}

double folded(const Column& how, const std::vector<Series>& unit) {
  Fold fold(how, kTick);
  for (const Series& series : unit) {
    for (const Reading& reading : series) fold.add(reading.time, reading.value);
    fold.next_series();
  }
  return fold.value();
}

double folded(Reducer reducer, const Series& series) {
  return folded(column(reducer), {series});
}

// The definitions again, by other means: over all readings at once, looking at neighbours by index.
double recomputed(const Column& how, const std::vector<Series>& unit) {
  std::vector<double> values;
  std::optional<Reading> latest;
  double rise = 0;
  double held = 0;
  for (const Series& whole : unit) {
    Series series;
    std::copy_if(whole.begin(), whole.end(), std::back_inserter(series),
                 [](const Reading& r) { return kTick.contains(r.time) && std::isfinite(r.value); });
    for (std::size_t i = 0; i < series.size(); ++i) {
      values.push_back(series[i].value);
      if (!latest || series[i].time >= latest->time) latest = series[i];
      const Instant until = i + 1 < series.size() ? series[i + 1].time : kTick.to;
      if (how.reducer == Reducer::duration &&
          satisfied(how.predicate, [&](std::uint16_t) { return series[i].value; })) {
        held += (until - series[i].time).seconds();
      }
      if (i == 0) continue;
      const double step = series[i].value - series[i - 1].value;
      rise += step >= 0 ? step : std::max(0.0, series[i].value);
    }
  }
  if (values.empty()) return kNan;
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  double sum = 0;
  for (const double value : values) sum += value;
  const std::size_t n = sorted.size();
  switch (how.reducer) {
    case Reducer::mean:
      return sum / static_cast<double>(n);
    case Reducer::sum:
      return sum;
    case Reducer::min:
      return sorted.front();
    case Reducer::max:
      return sorted.back();
    case Reducer::median:
      return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    case Reducer::last:
      return latest->value;
    case Reducer::delta:
      return rise;
    case Reducer::duration:
      return held;
  }
  return kNan;
}

std::vector<Series> random_unit(Random& random) {
  std::vector<Series> unit(1 + random.below(3));
  for (Series& series : unit) {
    std::int64_t time = 800;
    for (auto n = random.below(12); n > 0; --n) {
      time += static_cast<std::int64_t>(random.below(200));
      double value = (static_cast<double>(random.below(4'000)) - 1'000) / 8;
      if (random.below(12) == 0) value = kNan;
      series.push_back({{time}, value});
    }
  }
  return unit;
}

constexpr Reducer kAll[] = {Reducer::mean, Reducer::delta, Reducer::last,   Reducer::min,
                            Reducer::max,  Reducer::sum,   Reducer::median, Reducer::duration};

Column any_column(Reducer reducer) {
  return column(reducer, reducer == Reducer::duration ? above(100) : Predicate{});
}

bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)});
}

}  // namespace

TEST_SUITE("federation/query/fold") {
  TEST_CASE("each reducer has its own value of the same readings") {
    const Series readings = {{{1'000}, 10}, {{1'100}, 40}, {{1'400}, 5}, {{1'900}, 25}};
    CHECK(folded(Reducer::mean, readings) == 20);
    CHECK(folded(Reducer::sum, readings) == 80);
    CHECK(folded(Reducer::min, readings) == 5);
    CHECK(folded(Reducer::max, readings) == 40);
    CHECK(folded(Reducer::last, readings) == 25);
    CHECK(folded(Reducer::median, readings) == 17.5);
    // 30 up, a reset that counts 5 from zero, 20 up.
    CHECK(folded(Reducer::delta, readings) == 55);
    // Above 8 from 1000 to 1400 and from 1900 to the tick's end at 2000.
    CHECK(folded(column(Reducer::duration, above(8)), {readings}) == doctest::Approx(500e-9));
  }

  TEST_CASE("no reading gives no value, one reading gives what one reading can") {
    for (const Reducer reducer : kAll) {
      CAPTURE(to_text(reducer));
      CHECK(std::isnan(folded(any_column(reducer), {{}})));
      CHECK(std::isnan(folded(any_column(reducer), {{{{1'500}, kNan}}})));
      CHECK(std::isnan(folded(any_column(reducer), {{{{999}, 1}, {{2'000}, 1}}})));
    }
    const Series one = {{{1'500}, 120}};
    CHECK(folded(Reducer::delta, one) == 0);
    CHECK(folded(Reducer::median, one) == 120);
    CHECK(folded(any_column(Reducer::duration), {one}) == doctest::Approx(500e-9));
    CHECK(folded(any_column(Reducer::duration), {{{{1'500}, 99}}}) == 0);
  }

  TEST_CASE("folding reading by reading equals recomputing from all readings") {
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const auto unit = random_unit(random);
      for (const Reducer reducer : kAll) {
        CAPTURE(to_text(reducer));
        const Column how = any_column(reducer);
        const double got = folded(how, unit);
        const double wanted = recomputed(how, unit);
        CAPTURE(got);
        CAPTURE(wanted);
        CHECK(same(got, wanted));
      }
    }
  }

  TEST_CASE("nothing outside the tick influences a value") {
    int changed_inside = 0;
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const auto unit = random_unit(random);
      auto outside = unit;
      auto inside = unit;
      for (auto* changed : {&outside, &inside}) {
        for (Series& series : *changed) {
          for (Reading& reading : series) {
            if (kTick.contains(reading.time) == (changed == &inside)) reading.value += 1'000;
          }
        }
      }
      for (Series& series : outside) {
        series.insert(series.begin(), {{500}, 1e6});
        series.push_back({{5'000}, -1e6});
      }
      for (const Reducer reducer : kAll) {
        CAPTURE(to_text(reducer));
        const Column how = any_column(reducer);
        CHECK(same(folded(how, outside), folded(how, unit)));
        changed_inside += same(folded(how, inside), folded(how, unit)) ? 0 : 1;
      }
    }
    CHECK(changed_inside > 1000);  // the comparison can fail
  }

  TEST_CASE("a fold can be read while it grows and used again for the next tick") {
    const Column how = any_column(Reducer::duration);
    Fold fold(how, kTick);
    fold.add({1'200}, 150);
    CHECK(fold.value() == doctest::Approx(800e-9));
    fold.add({1'300}, 50);
    CHECK(fold.value() == doctest::Approx(100e-9));
    CHECK(fold.count() == 2);
    fold.restart({{2'000}, {3'000}});
    CHECK(std::isnan(fold.value()));
    fold.add({2'900}, 150);
    CHECK(fold.value() == doctest::Approx(100e-9));
  }

  TEST_CASE("several twins of one unit pool their readings, and their rises and durations add up") {
    const Series a = {{{1'000}, 200}, {{1'500}, 210}};
    const Series b = {{{1'250}, 1}, {{1'750}, 4}};
    CHECK(folded(column(Reducer::delta), {a, b}) == 13);
    CHECK(folded(column(Reducer::delta), {b, a}) == 13);
    CHECK(folded(column(Reducer::last), {b, a}) == 4);
    CHECK(folded(any_column(Reducer::duration), {a, b}) == doctest::Approx(1'000e-9));
    CHECK(folded(any_column(Reducer::duration), {a, a}) == doctest::Approx(2'000e-9));
  }

  TEST_CASE("readings out of order do not make a counter rise or time run backwards") {
    const Series series = {{{1'500}, 10}, {{1'200}, 1'000}, {{1'600}, 12}};
    CHECK(folded(Reducer::delta, series) == 2);
    CHECK(folded(Reducer::last, series) == 12);
    CHECK(folded(column(Reducer::duration, above(500)), {series}) == 0);
  }

  TEST_CASE("a value beyond all numbers is no value") {
    const double huge = std::numeric_limits<double>::max();
    CHECK(std::isnan(folded(Reducer::sum, {{{1'000}, huge}, {{1'001}, huge}})));
    CHECK(folded(Reducer::median, {{{1'000}, huge}, {{1'001}, huge}}) == huge);
  }

  TEST_CASE("a predicate is evaluated in postfix order over its columns") {
    const Predicate either = {Compare{0, Comparison::greater, 5},
                              Compare{1, Comparison::less_equal, 2},
                              Connective::not_,
                              Connective::and_,
                              Compare{0, Comparison::equal, 0},
                              Connective::or_};
    const auto holds = [&](double a, double b) {
      return satisfied(either, [&](std::uint16_t column_) { return column_ == 0 ? a : b; });
    };
    CHECK(holds(6, 3));
    CHECK_FALSE(holds(6, 2));
    CHECK_FALSE(holds(5, 3));
    CHECK(holds(0, 0));
    CHECK(compares(1, Comparison::greater_equal, 1));
    CHECK(compares(1, Comparison::not_equal, 2));
    CHECK_FALSE(compares(kNan, Comparison::equal, kNan));
  }
}
