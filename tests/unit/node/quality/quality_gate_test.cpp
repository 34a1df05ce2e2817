#include "node/quality/quality_gate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <thread>

namespace entente::node {
namespace {

constexpr Instant kStart{1'000'000'000'000'000'000};

SeriesId id(std::uint32_t number) {
  return static_cast<SeriesId>(number);
}

// One series, one reading at a time, each arriving `late` after its own time.
struct Sensor {
  explicit Sensor(Rule given) : rule(std::move(given)) { gate.watch(id(0), rule); }
  Quality at(Instant time, double value, Duration late = {}) {
    Batch batch;
    batch.add(id(0), {time, value, Quality::good});
    gate.judge(batch, time + late);
    return batch.qualities[0];
  }
  // Seconds after the start.
  Quality at(double second, double value) {
    return at(kStart + nanoseconds(std::llround(second * 1e9)), value);
  }
  SeriesHealth health() const { return *gate.health(id(0)); }
  Rule rule;
  QualityGate gate;
};

Rule ranged(double least, double most) {
  Rule rule;
  rule.range = Range{least, most};
  return rule;
}

}  // namespace

TEST_SUITE("node/quality_gate") {
  TEST_CASE("each fault by itself has its verdict and the limits belong to the good side") {
    const auto judge = [](Instant time, double value, const Rule& rule, Instant now) {
      return judge_alone(rule, time, value, now);
    };
    const Instant now = kStart;
    const Rule rule = ranged(-5, 5);
    CHECK(judge(now, 1, rule, now) == Quality::good);
    CHECK(judge(now, 5, rule, now) == Quality::good);
    CHECK(judge(now, -5, rule, now) == Quality::good);
    CHECK(judge(now, std::nextafter(5.0, 6.0), rule, now) == Quality::out_of_range);
    CHECK(judge(now, std::nextafter(-5.0, -6.0), rule, now) == Quality::out_of_range);
    CHECK(judge(now, 1e300, Rule{}, now) == Quality::good);
    CHECK(judge(now, std::nan(""), rule, now) == Quality::not_finite);
    CHECK(judge(now, INFINITY, Rule{}, now) == Quality::not_finite);
    CHECK(judge(now + minutes(5), 1, rule, now) == Quality::good);
    CHECK(judge(now + minutes(5) + nanoseconds(1), 1, rule, now) == Quality::clock_ahead);
    CHECK(judge({0}, 1, rule, now) == Quality::good);
    constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
    CHECK(judge({kEnd}, 1, rule, {-1}) == Quality::clock_ahead);
    CHECK(judge({kEnd}, 1, rule, {std::numeric_limits<std::int64_t>::min()}) ==
          Quality::clock_ahead);
    Rule behind = rule;
    behind.clock_behind = hours(1);
    CHECK(judge(now, 1, behind, now + hours(1)) == Quality::good);
    CHECK(judge(now, 1, behind, now + hours(1) + nanoseconds(1)) == Quality::clock_behind);
    CHECK(judge({-kEnd}, 1, behind, {kEnd}) == Quality::clock_behind);
  }

  TEST_CASE("a value that another unit would have is a unit mismatch before it is out of range") {
    Rule rule = ranged(-50, 60);
    rule.unit_expected = Range{-30, 40};
    rule.other_units = {*conversion("degreeCelsius", "degreeFahrenheit"),
                        *conversion("degreeCelsius", "kelvin")};
    const auto judge = [&](double value) { return judge_alone(rule, kStart, value, kStart); };
    CHECK(judge(40) == Quality::good);  // 104 F, but usual as it is
    CHECK(judge(std::nextafter(40.0, 41.0)) == Quality::unit_mismatch);  // 4.4 C in Fahrenheit
    CHECK(judge(103.9) == Quality::unit_mismatch);                       // 39.9 C
    CHECK(judge(150) == Quality::out_of_range);      // 65 C as Fahrenheit, no Kelvin
    CHECK(judge(293.15) == Quality::unit_mismatch);  // 20 C in Kelvin
    CHECK(judge(-45) == Quality::good);              // unusual, allowed, no other unit
    CHECK(judge(-60) == Quality::out_of_range);
    const auto pressure = conversion("hectopascal", "pascal");
    REQUIRE(pressure.has_value());
    CHECK(pressure->factor == doctest::Approx(100));
    CHECK(conversion("degreeCelsius", "degreeFahrenheit")->factor == doctest::Approx(1.8));
    CHECK(conversion("degreeCelsius", "degreeFahrenheit")->offset == doctest::Approx(32));
    CHECK_FALSE(conversion("kelvin", "pascal").has_value());
    CHECK_FALSE(conversion("kelvin", "furlong").has_value());
  }

  TEST_CASE("a rate is exceeded only by more than its limit and is measured from what is not bad") {
    Rule rule = ranged(-100, 100);
    rule.rate_per_second = 2;
    Sensor sensor(rule);
    CHECK(sensor.at(0.0, 0) == Quality::good);
    CHECK(sensor.at(1.0, 2) == Quality::good);
    CHECK(sensor.at(2.0, 4.5) == Quality::rate_of_change);
    CHECK(sensor.at(3.0, 2.5) == Quality::good);            // from the uncertain 4.5
    CHECK(sensor.at(4.0, 5'000) == Quality::out_of_range);  // leaves no value
    CHECK(sensor.at(5.0, 6.5) == Quality::good);            // 4 in 2 s since 2.5
    CHECK(sensor.at(6.0, std::nextafter(4.5, 4.0)) == Quality::rate_of_change);
  }

  TEST_CASE("stuck begins after its time and dithering around the first value is the same value") {
    Rule rule;
    rule.stuck = seconds(10);
    rule.dither = 0.5;
    Sensor sensor(rule);
    for (int second = 0; second <= 10; ++second) {
      CHECK(sensor.at(second, second % 2 == 0 ? 7.0 : 7.5) == Quality::good);
    }
    CHECK(sensor.at(10.5, 6.5) == Quality::stuck);
    CHECK(sensor.at(11.0, 7.5) == Quality::stuck);
    CHECK(sensor.at(12.0, 7.51) == Quality::good);  // it moved: a new run
    CHECK(sensor.at(22.0, 7.51) == Quality::good);
    CHECK(sensor.at(22.1, 7.51) == Quality::stuck);
    CHECK(sensor.at(22.2, std::nan("")) == Quality::not_finite);
    CHECK(sensor.at(22.3, 7.51) == Quality::stuck);  // what was no value is no movement
  }

  TEST_CASE("a spike is far from the median of those before it and a true step is believed") {
    Rule rule;
    rule.spike = 4;
    rule.spike_window = 5;
    rule.spike_floor = 0.25;
    Sensor sensor(rule);
    CHECK(sensor.at(0.0, 10) == Quality::good);
    CHECK(sensor.at(1.0, 500) == Quality::good);  // nothing to compare with yet
    Sensor other(rule);
    for (int second = 0; second < 5; ++second) CHECK(other.at(second, 10) == Quality::good);
    CHECK(other.at(5.0, 11) == Quality::good);  // 4 times the floor
    CHECK(other.at(6.0, 11.1) == Quality::spike);
    CHECK(other.at(7.0, 10) == Quality::good);
    int spikes = 0;
    int second = 8;
    while (other.at(second++, 50) == Quality::spike) REQUIRE(++spikes < 10);
    CHECK(spikes == 3);  // until most of the window has stepped
    CHECK(other.at(second, 50) == Quality::good);
    Rule floorless = rule;
    floorless.spike_floor = 0;
    Sensor third(floorless);
    for (second = 0; second < 5; ++second) third.at(second, 10);
    CHECK(third.at(5.0, 11) == Quality::good);  // without any scatter there is no measure
  }

  TEST_CASE("after a gap the value from before it is flat until it moves") {
    Rule rule;
    rule.period = seconds(1);
    rule.gap_factor = 3;
    rule.stuck = seconds(5);
    rule.flat_after_gap = true;
    Sensor sensor(rule);
    CHECK(sensor.at(0.0, 4) == Quality::good);
    CHECK(sensor.at(3.0, 4) == Quality::good);  // 3 periods are no gap
    CHECK(sensor.at(6.1, 4) == Quality::flat_after_gap);
    CHECK(sensor.at(7.0, 4) == Quality::flat_after_gap);
    CHECK(sensor.at(8.0, 5) == Quality::good);
    CHECK(sensor.at(9.0, 4) == Quality::good);
    CHECK(sensor.health().gaps == 1);
    CHECK(sensor.health().gap_longest->ns == 3'100'000'000);
    rule.flat_after_gap = false;
    Sensor lenient(rule);
    lenient.at(0.0, 4);
    CHECK(lenient.at(20.0, 4) == Quality::good);  // stuck counts from the gap's end
    for (int second = 21; second <= 25; ++second) CHECK(lenient.at(second, 4) == Quality::good);
    CHECK(lenient.at(25.5, 4) == Quality::stuck);
  }

  TEST_CASE("of several verdicts the first in order is given") {
    Rule rule = ranged(-10, 10);
    rule.unit_expected = Range{-4, 4};
    rule.other_units = {{1, 20}};
    rule.spike = 3;
    rule.spike_floor = 0.1;
    rule.spike_window = 3;
    rule.rate_per_second = 1;
    rule.period = seconds(1);
    rule.stuck = seconds(2);
    rule.flat_after_gap = true;
    rule.clock_behind = seconds(30);
    Sensor sensor(rule);
    const auto late = [&](double second, double value) {
      return sensor.at(kStart + nanoseconds(std::llround(second * 1e9)), value, minutes(1));
    };
    CHECK(sensor.at(kStart, std::nan(""), minutes(-6)) == Quality::not_finite);
    CHECK(sensor.at(kStart, 20, minutes(-6)) == Quality::clock_ahead);
    CHECK(late(0, 20) == Quality::unit_mismatch);
    CHECK(late(1, 12) == Quality::out_of_range);
    CHECK(late(2, 0) == Quality::clock_behind);
    CHECK(late(3, 0) == Quality::clock_behind);
    CHECK(late(4, 0) == Quality::clock_behind);
    CHECK(late(5, 0) == Quality::stuck);
    CHECK(late(6, 9) == Quality::spike);
    CHECK(late(20, 0) == Quality::flat_after_gap);
    CHECK(late(21, 2) == Quality::rate_of_change);
  }

  TEST_CASE("duplicates keep their verdict and what is late is judged by itself") {
    Rule rule = ranged(0, 10);
    rule.stuck = seconds(2);
    Sensor sensor(rule);
    for (int second = 0; second < 3; ++second) sensor.at(second, 5);
    CHECK(sensor.at(3.0, 5) == Quality::stuck);
    CHECK(sensor.at(3.0, 5) == Quality::stuck);  // a repeat
    CHECK(sensor.at(3.0, 6) == Quality::good);   // a correction, by itself
    CHECK(sensor.at(1.5, 5) == Quality::good);   // late
    CHECK(sensor.at(1.6, 11) == Quality::out_of_range);
    CHECK(sensor.at(4.0, 5) == Quality::stuck);  // none of these moved anything
    const SeriesHealth health = sensor.health();
    CHECK(health.duplicates == 2);
    CHECK(health.out_of_order == 2);
    CHECK(health.counts[static_cast<std::size_t>(Quality::stuck)] == 3);
    CHECK(health.counts[static_cast<std::size_t>(Quality::out_of_range)] == 1);
    CHECK(sum_of(health.counts) == 9);
    CHECK(*health.last == kStart + seconds(4));
    CHECK(*health.last_good == kStart + seconds(2));
  }

  TEST_CASE("a clock that once ran ahead does not make the rest late") {
    Sensor sensor(Rule{});
    CHECK(sensor.at(0.0, 1) == Quality::good);
    CHECK(sensor.at(kStart + days(9), 1, days(-8)) == Quality::clock_ahead);
    CHECK(sensor.at(1.0, 1) == Quality::good);
    CHECK(sensor.health().out_of_order == 0);
    CHECK(*sensor.health().last == kStart + seconds(1));
  }

  TEST_CASE("intervals are counted as regular or irregular and gaps apart from them") {
    Rule rule;
    rule.period = seconds(10);
    Sensor sensor(rule);
    for (const double second : {0.0, 10.0, 21.0, 32.5, 42.5, 62.5, 82.6}) sensor.at(second, second);
    const SeriesHealth health = sensor.health();
    CHECK(health.intervals == 5);
    CHECK(health.irregular == 2);  // 11.5 and 20; 11 is a tenth, 20.1 a gap
    CHECK(health.gaps == 1);
    CHECK(health.gap_last->from == kStart + milliseconds(62'500));
    CHECK(health.gap_last->to == kStart + milliseconds(82'600));
  }

  TEST_CASE("the lag is the newest arrival's") {
    Sensor sensor(Rule{});
    sensor.at(kStart, 1, seconds(3));
    CHECK(sensor.health().lag->ns == seconds(3).ns);
    sensor.at(kStart + seconds(9), 1, seconds(2));
    sensor.at(kStart, 1, seconds(50));
    CHECK(sensor.health().lag->ns == seconds(2).ns);
  }

  TEST_CASE("a series that is primed goes on from its newest reading") {
    Rule rule;
    rule.rate_per_second = 1;
    QualityGate gate;
    CHECK(gate.watch(id(3), rule));
    CHECK_FALSE(gate.watch(id(3), rule));
    gate.prime(id(3), {kStart, 10, Quality::good});
    Batch batch;
    batch.add(id(3), {kStart, 10, Quality::good});
    batch.add(id(3), {kStart + seconds(1), 12, Quality::good});
    gate.judge(batch, kStart);
    CHECK(batch.qualities == std::vector{Quality::good, Quality::rate_of_change});
    CHECK(gate.health(id(3))->duplicates == 1);
    gate.prime(id(3), {kStart + days(1), 10, Quality::good});  // too late: ignored
    CHECK(*gate.health(id(3))->last == kStart + seconds(1));
  }

  TEST_CASE("a new rule is the next reading's, and what was known stays") {
    Sensor sensor(ranged(0, 10));
    CHECK(sensor.at(0.0, 20) == Quality::out_of_range);
    CHECK_FALSE(sensor.gate.watch(id(0), ranged(0, 30)));
    CHECK(sensor.at(1.0, 20) == Quality::good);
    CHECK(sum_of(sensor.health().counts) == 2);
  }

  TEST_CASE(
      "four million plain series cost at most 16 bytes each and one that looks back under 165") {
    QualityGate plain(RuleBook(), {0});
    constexpr std::uint32_t kMany = 4'000'000;
    Batch batch;
    for (std::uint32_t i = 0; i < kMany; ++i) plain.watch(id(i), ranged(0, 1));
    for (std::uint32_t first = 0; first < kMany; first += 100'000) {
      batch.clear();
      for (std::uint32_t i = 0; i < 100'000; ++i) {
        batch.add(id(first + i), {kStart, 0.5, Quality::good});
      }
      plain.judge(batch, kStart);
    }
    const double each = static_cast<double>(plain.bytes()) / kMany;
    MESSAGE("bytes a plain series: " << each);
    CHECK(each < 16.1);
    CHECK(plain.health(id(17))->counts[0] == 1);
    Rule rule = ranged(0, 1);
    rule.stuck = seconds(5);
    rule.rate_per_second = 1;
    QualityGate looking(RuleBook(), {0});
    batch.clear();
    for (std::uint32_t i = 0; i < 100'000; ++i) {
      looking.watch(id(i), rule);
      batch.add(id(i), {kStart, 0.5, Quality::good});
    }
    looking.judge(batch, kStart);
    const double seeing = static_cast<double>(looking.bytes()) / 100'000;
    MESSAGE("bytes a series with range, rate and stuck: " << seeing);
    CHECK(seeing < 165);
  }

  TEST_CASE("another book is the next watching's and rules that nobody has are forgotten") {
    ResolvedType type;
    type.id = "dtmi:t:Monitor;1";
    type.ancestors = {type.id};
    Signal signal;
    signal.name = "x";
    signal.numeric = true;
    type.signals = {signal};
    const auto book_of = [&](double most) {
      RuleBook book;
      RuleKeys keys;
      keys.range = Range{0, most};
      REQUIRE(book.add_for_type(type.id, "x", keys));
      return book;
    };
    QualityGate gate(book_of(10));
    const auto judged = [&](std::uint32_t series, double second) {
      Batch batch;
      batch.add(id(series), {kStart + seconds(static_cast<int>(second)), 15, Quality::good});
      gate.judge(batch, kStart + seconds(static_cast<int>(second)));
      return batch.qualities[0];
    };
    for (std::uint32_t i = 0; i < 3; ++i) gate.watch(id(i), type, type.signals[0], "t");
    CHECK(judged(0, 1) == Quality::out_of_range);
    const auto old = gate.book();
    gate.replace(book_of(20));
    CHECK(gate.book() != old);
    CHECK(old->rule_for(type, type.signals[0], "t").range == Range{0, 10});
    CHECK(judged(0, 2) == Quality::out_of_range);  // until it is watched again
    for (std::uint32_t i = 0; i < 2; ++i) gate.watch(id(i), type, type.signals[0], "t");
    CHECK(judged(0, 3) == Quality::good);
    CHECK(judged(1, 3) == Quality::good);
    CHECK(judged(2, 3) == Quality::out_of_range);
    CHECK(gate.health(id(0))->counts[static_cast<std::size_t>(Quality::out_of_range)] == 2);
    CHECK_FALSE(gate.watches(id(3)));
    const std::size_t before = gate.bytes();
    for (int i = 0; i < 1'000; ++i) {
      gate.replace(book_of(30 + i));
      for (std::uint32_t s = 0; s < 3; ++s) gate.watch(id(s), type, type.signals[0], "t");
      if (i == 500) CHECK(gate.bytes() > before + 100 * sizeof(Rule));  // the control
    }
    gate.drop_unused_rules();
    CHECK(gate.bytes() <= before + 4 * sizeof(Rule));
    for (std::uint32_t s = 0; s < 3; ++s) CHECK(judged(s, 4) == Quality::good);
  }

  TEST_CASE("batches from several threads are judged one after another") {
    QualityGate gate;
    for (std::uint32_t i = 0; i < 4; ++i) gate.watch(id(i), ranged(0, 10));
    std::vector<std::thread> threads;
    for (std::uint32_t t = 0; t < 4; ++t) {
      threads.emplace_back([&gate, t] {
        for (int i = 0; i < 200; ++i) {
          Batch batch;
          for (int j = 0; j < 20; ++j) {
            batch.add(id(t),
                      {kStart + seconds(i * 20 + j), j % 10 == 0 ? 11.0 : 5.0, Quality::good});
          }
          gate.judge(batch, kStart + days(1));
        }
      });
    }
    for (auto& thread : threads) thread.join();
    for (std::uint32_t i = 0; i < 4; ++i) {
      CHECK(gate.health(id(i))->counts[0] == 3'600);
      CHECK(gate.health(id(i))->counts[static_cast<std::size_t>(Quality::out_of_range)] == 400);
    }
  }

  TEST_CASE("the cost of a reading is printed") {
    constexpr std::uint32_t kSensors = 10'000;
    for (const bool looks_back : {false, true}) {
      Rule rule = ranged(-1'000, 1'000);
      if (looks_back) {
        rule.rate_per_second = 100;
        rule.stuck = hours(1);
      }
      QualityGate gate(RuleBook(), {0});
      for (std::uint32_t i = 0; i < kSensors; ++i) gate.watch(id(i), rule);
      double best = 1e9;
      for (int second = 0; second < 30; ++second) {
        Batch batch;
        for (std::uint32_t i = 0; i < kSensors; ++i) {
          batch.add(id(i), {kStart + seconds(second), static_cast<double>((second + i) % 7),
                            Quality::good});
        }
        const auto from = std::chrono::steady_clock::now();
        gate.judge(batch, kStart + hours(1));
        const std::chrono::duration<double, std::nano> took =
            std::chrono::steady_clock::now() - from;
        best = std::min(best, took.count() / kSensors);
        CHECK(std::count(batch.qualities.begin(), batch.qualities.end(), Quality::good) ==
              kSensors);
      }
      const std::string what = looks_back ? "range, rate, stuck: " : "range: ";
      MESSAGE(what << best << " ns a reading");
    }
  }
}

}  // namespace entente::node
