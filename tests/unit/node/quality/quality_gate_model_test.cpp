// The quality gate against a naive one, for any rules and any arrivals.
#include <doctest/doctest.h>

#include "tests/unit/node/quality/naive_gate.h"

namespace entente::node {
namespace {

using test::Naive;
using test::random_rule;

constexpr Instant kStart{1'000'000'000'000'000'000};

SeriesId id(std::uint32_t number) {
  return static_cast<SeriesId>(number);
}

}  // namespace

TEST_SUITE("node/quality_gate model") {
  TEST_CASE("any rules and any arrivals: the same as a naive gate that remembers everything") {
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      constexpr std::uint32_t kSeries = 3;
      std::vector<Naive> naive;
      // Short ones and detailed ones alike.
      QualityGate gate(RuleBook(), {seed % 2 == 0 ? std::size_t{0} : std::size_t{1'000}});
      for (std::uint32_t i = 0; i < kSeries; ++i) {
        naive.push_back({random_rule(random), {}});
        gate.watch(id(i), naive.back().rule);
      }
      std::int64_t now = kStart.ns;
      double value = 0;
      for (int round = 0; round < 12; ++round) {
        Batch batch;
        std::vector<Quality> expected;
        now += static_cast<std::int64_t>(random() % 4'000) * 1'000'000;
        const std::size_t size = random() % 9;
        for (std::size_t i = 0; i < size; ++i) {
          const std::uint32_t series = random() % kSeries;
          const std::int64_t time =
              now + (static_cast<std::int64_t>(random() % 24) - (random() % 8 == 0 ? 6 : 14)) *
                        500'000'000;
          if (random() % 3 == 0) value = static_cast<double>(random() % 20) - 10;
          if (random() % 4 == 0) value += 0.25;
          double written = value;
          if (random() % 15 == 0) written = std::nan("");
          if (random() % 15 == 0) written = 95 + static_cast<double>(random() % 20);
          batch.add(id(series), {{time}, written, Quality::good});
          expected.push_back(naive[series].judge(time, written, now));
        }
        gate.judge(batch, {now});
        REQUIRE(batch.qualities == expected);
      }
      for (std::uint32_t i = 0; i < kSeries; ++i) {
        QualityCounts counts{};
        for (const auto& each : naive[i].all) ++counts[static_cast<std::size_t>(each.quality)];
        CHECK(gate.health(id(i))->counts == counts);
      }
    }
  }

  TEST_CASE("one batch or many: what is remembered goes on from batch to batch") {
    std::mt19937 random(7);
    Rule rule;
    rule.stuck = seconds(4);
    rule.rate_per_second = 3;
    rule.spike = 4;
    QualityGate whole, parts;
    whole.watch(id(0), rule);
    parts.watch(id(0), rule);
    Batch batch;
    for (int i = 0; i < 500; ++i) {
      batch.add(id(0), {kStart + seconds(i), std::floor(static_cast<double>(random() % 30) / 6),
                        Quality::good});
    }
    const Instant now = kStart + seconds(500);
    std::vector<Quality> together;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Batch one;
      one.add(id(0), {{batch.times[i]}, batch.values[i], Quality::good});
      parts.judge(one, now);
      together.push_back(one.qualities[0]);
    }
    whole.judge(batch, now);
    CHECK(batch.qualities == together);
    CHECK(std::count(together.begin(), together.end(), Quality::good) < 490);
  }
}

}  // namespace entente::node
