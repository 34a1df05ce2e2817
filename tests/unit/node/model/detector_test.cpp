// What tells the unusual: the detector, change points, plants, and NAB's scoring.
#include "node/model/detector.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "node/model/alarm_score.h"
#include "node/model/change_point.h"
#include "node/model/plant_monitor.h"

using namespace entente;
using namespace entente::node;

namespace {

LabelledSeries series_of(std::size_t size, std::size_t from, std::size_t to) {
  LabelledSeries series{"made up", {}, std::vector<double>(size, 0.0), {}};
  for (std::size_t i = 0; i < size; ++i) {
    series.times.push_back(Instant{} + minutes(static_cast<std::int64_t>(i)));
  }
  series.windows.push_back({series.times[from], series.times[to]});
  return series;
}

double score_of(const LabelledSeries& series, const AlarmProfile& profile = kStandardAlarms) {
  return score_alarms({&series, 1}, profile, 0.5).score;
}

// Daily rhythm of 96 values with noise.
double rhythm(std::size_t t, std::mt19937_64& random) {
  return 20 + 5 * std::sin(static_cast<double>(t) * 2 * 3.14159265 / 96) +
         std::normal_distribution<>(0, 0.5)(random);
}

}  // namespace

TEST_SUITE("node/model/alarm_score") {
  TEST_CASE("silence is 0 and an alarm where the window begins is 100") {
    LabelledSeries series = series_of(1'000, 500, 599);
    CHECK(score_of(series) == 0);
    series.scores[500] = 1;
    CHECK(score_of(series) == doctest::Approx(100));
    series.scores[550] = 1;  // later alarms of the same window change nothing
    CHECK(score_of(series) == doctest::Approx(100));
  }

  TEST_CASE("later alarms in the window earn less by the sigmoid of their place") {
    LabelledSeries series = series_of(1'000, 500, 599);
    series.scores[550] = 1;
    const double earned = (2 / (1 + std::exp(-2.5)) - 1) / (2 / (1 + std::exp(-5)) - 1);
    CHECK(score_of(series) == doctest::Approx(100 * (earned + 1) / 2));
  }

  TEST_CASE("false alarms cost their weight and less right after a window") {
    LabelledSeries series = series_of(1'000, 500, 599);
    series.scores[500] = series.scores[300] = 1;
    CHECK(score_of(series) == doctest::Approx(100 - 100 * 0.11 / 2));
    CHECK(score_of(series, kFewFalseAlarms) == doctest::Approx(100 - 100 * 0.22 / 2));
    series.scores[300] = 0;
    series.scores[610] = 1;
    const double cost = 0.11 * (1 - 2 / (1 + std::exp(5 * 11.0 / 99)));
    CHECK(score_of(series) == doctest::Approx(100 - 100 * cost / 2));
  }

  TEST_CASE("the first part is for learning and missed windows can cost twice") {
    LabelledSeries series = series_of(1'000, 500, 599);
    CHECK(learning_points(1'000) == 150);
    CHECK(learning_points(20'000) == 750);
    series.scores[149] = 1;
    CHECK(score_of(series) == 0);
    series.scores[150] = 1;
    CHECK(score_of(series) < 0);
    CHECK(score_of(series, kFewMissedAlarms) == doctest::Approx(score_of(series) * 2 / 3));
  }

  TEST_CASE("the fitted threshold is the best of all") {
    std::mt19937_64 random(1);
    std::vector<LabelledSeries> all{series_of(1'000, 500, 599), series_of(800, 300, 379)};
    for (LabelledSeries& series : all) {
      for (double& score : series.scores) score = static_cast<double>(random() % 1'000);
    }
    all[0].scores[520] = 2'000;
    const AlarmScore best = score_alarms(all, kStandardAlarms);
    for (const double threshold : {1.0, 500.0, 900.0, 990.0, 999.0, 1'500.0, 3'000.0}) {
      CHECK(score_alarms(all, kStandardAlarms, threshold).score <= best.score + 1e-9);
    }
    CHECK(score_alarms(all, kStandardAlarms, best.threshold).score == doctest::Approx(best.score));
  }
}

TEST_SUITE("node/model/detector") {
  TEST_CASE("a spike and a broken rhythm are told soon and normal days hardly ever") {
    int found_spikes = 0, found_flat = 0;
    std::uint64_t false_alarms = 0;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      std::mt19937_64 random(seed);
      Detector detector{DetectorOptions()};
      for (std::size_t t = 0; t < 4'000; ++t) {
        double value = rhythm(t, random);
        if (t == 2'000) value += 40;
        if (t >= 3'000 && t < 3'050) value = 35;
        const Evidence evidence = detector.update({}, value);
        const bool alarm = evidence.alarm;
        if (t == 2'000) found_spikes += evidence.combined > 3;
        if (t >= 3'000 && t < 3'050) found_flat += alarm;
        if (t < 2'000) false_alarms += alarm;
      }
    }
    CHECK(found_spikes == 4);
    CHECK(found_flat >= 3);
    CHECK(false_alarms <= 24);  // of 8,000 values
  }

  TEST_CASE("missing values change nothing and one anomaly is one alarm") {
    std::mt19937_64 random(5);
    Detector with{DetectorOptions()}, without{DetectorOptions()};
    for (std::size_t t = 0; t < 900; ++t) {
      const double value = t == 700 || t == 701 || t == 703 ? 90 : rhythm(t, random);
      const Evidence expected = without.update({}, value);
      CHECK(with.update({}, value).combined == expected.combined);
      CHECK_FALSE(with.update({}, kMissing).alarm);
      if (t == 701) CHECK_FALSE(expected.alarm);
      if (t == 700) CHECK(expected.alarm);
    }
  }

  TEST_CASE("constant values are never anomalous and their first change is") {
    Detector detector{DetectorOptions()};
    for (int t = 0; t < 1'000; ++t) CHECK_FALSE(detector.update({}, 7).alarm);
    CHECK(detector.update({}, 8).alarm);
  }

  TEST_CASE("calibrated evidence is a false alarm rate") {
    std::mt19937_64 random(6);
    TailCalibration calibration(1'000);
    int beyond_1 = 0, beyond_3 = 0;
    for (int i = 0; i < 50'000; ++i) {
      const double score = std::exp(std::normal_distribution<>()(random));
      if (i >= 1'000) {
        const double evidence = calibration.evidence(score);
        beyond_1 += evidence > 1, beyond_3 += evidence > 3;
      }
      calibration.learn(score);
    }
    CHECK(beyond_1 == doctest::Approx(4'900).epsilon(0.05));
    CHECK(beyond_3 < 3 * 49);
  }
}

TEST_SUITE("node/model/change_point") {
  TEST_CASE("the average run of CUSUM is that of Siegmund's formula") {
    const Cusum::Options options{0.5, 4};
    std::mt19937_64 random(7);
    std::normal_distribution<> normal;
    double values = 0, ups = 0;
    while (ups < 3'000) {
      Cusum cusum(options);
      // One side alone: the other is held down by what it does not see.
      while (true) {
        values += 1;
        const auto change = cusum.update(normal(random));
        if (!change) continue;
        ups += 1;
        break;
      }
    }
    // Two sides alarm twice as often as one.
    CHECK(values / ups == doctest::Approx(Cusum::mean_run(options) / 2).epsilon(0.1));
  }

  TEST_CASE("a shift is told within a few values and its direction with it") {
    std::mt19937_64 random(8);
    std::normal_distribution<> normal;
    Cusum cusum({0.5, 8});
    PageHinkley hinkley({0.25, 20, 50});
    int told = 0, learned = 0;
    for (int t = 0; t < 400; ++t) {
      const double value = normal(random) - (t >= 200 ? 2 : 0);
      const auto change = cusum.update(value);
      const auto again = hinkley.update(100 + 3 * value);
      if (t < 200) CHECK_FALSE(change);
      if (t < 200) CHECK_FALSE(again);
      if (change && told == 0) {
        told = t;
        CHECK(*change == Change::down);
      }
      if (again && learned == 0) {
        learned = t;
        CHECK(*again == Change::down);
      }
    }
    CHECK(told > 200);
    CHECK(told < 215);
    CHECK(learned > 200);
    CHECK(learned < 240);
  }
}

TEST_SUITE("node/model/plant_monitor") {
  TEST_CASE("a signal that leaves the others is told and named though it stays in range") {
    std::mt19937_64 random(9);
    std::normal_distribution<> normal;
    const auto row = [&] {
      const double cause = normal(random), other = normal(random);
      return std::vector<double>{cause + 0.1 * normal(random), 2 * cause + 0.2 * normal(random),
                                 other + 0.1 * normal(random), other - cause + 0.1 * normal(random),
                                 5.0};
    };
    std::vector<std::vector<double>> good;
    for (int i = 0; i < 400; ++i) good.push_back(row());
    auto monitor = PlantMonitor::learn(good, {});
    REQUIRE(monitor);
    int false_alarms = 0, found = 0, named = 0;
    for (int i = 0; i < 1'000; ++i) false_alarms += monitor->judge(row()).alarm;
    for (int i = 0; i < 200; ++i) {
      std::vector<double> bad = row();
      bad[2] -= 1.5;
      found += monitor->judge(bad).alarm;
      named += monitor->suspect() == 2;
    }
    CHECK(false_alarms < 20);
    CHECK(found > 150);
    CHECK(named > 100);
    CHECK_FALSE(PlantMonitor::learn({{1, 2}, {1, 2}}, {}));
  }

  TEST_CASE("a constant signal does no harm until it moves") {
    std::mt19937_64 random(10);
    std::normal_distribution<> normal;
    std::vector<std::vector<double>> good;
    for (int i = 0; i < 200; ++i) good.push_back({normal(random), normal(random), 518.67});
    auto monitor = PlantMonitor::learn(good, {});
    REQUIRE(monitor);
    int alarms = 0;
    for (int i = 0; i < 500; ++i) {
      const std::vector<double> row{normal(random), normal(random), 518.67};
      alarms += monitor->judge(row).alarm;
    }
    CHECK(alarms < 15);
    const std::vector<double> moved{0, 0, 525};
    monitor->judge(moved);
    CHECK(monitor->judge(moved).alarm);
  }
}
