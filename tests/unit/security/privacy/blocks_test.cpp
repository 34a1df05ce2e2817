#include "security/privacy/blocks.h"

#include <doctest/doctest.h>

#include <map>

#include "schemas/base/limits.h"
#include "schemas/base/random.h"
#include "schemas/base/zone.h"

using namespace entente;
using namespace entente::security;

namespace {

Instant at(const char* text) {
  return *parse_instant(text);
}

std::vector<TimeWindow> cut(Instant from, Duration every, int count) {
  std::vector<TimeWindow> ticks;
  for (int i = 0; i < count; ++i) ticks.push_back({from + every * i, from + every * (i + 1)});
  return ticks;
}

// T1 + 4 T+ by its definition: for each tick and each block, whether they overlap and contain.
std::map<std::int64_t, std::uint64_t> naive(const std::vector<TimeWindow>& ticks, Duration block,
                                            std::string_view zone) {
  std::map<std::int64_t, std::uint64_t> weights;
  for (const TimeWindow& tick : ticks) {
    for (Instant begin = step_begin(tick.from, block, zone); begin < tick.to;) {
      const Instant end = step_end(begin, block, zone);
      weights[begin.ns] += begin <= tick.from && tick.to <= end ? 1 : 4;
      begin = end;
    }
  }
  return weights;
}

}  // namespace

TEST_SUITE("security/blocks") {
  TEST_CASE("a tick inside a block weighs one, a straddling tick four in each block") {
    const auto inside = weigh_blocks(cut(at("2015-08-23"), hours(1), 24), days(1), "UTC");
    REQUIRE(inside);
    REQUIRE(inside->size() == 1);
    CHECK((*inside)[0].start == at("2015-08-23"));
    CHECK((*inside)[0].weight == 24);

    const auto straddling =
        weigh_blocks({{at("2015-08-23T12:00"), at("2015-08-25T12:00")}}, days(1), "UTC");
    REQUIRE(straddling);
    REQUIRE(straddling->size() == 3);
    for (const BlockWeight& block : *straddling) CHECK(block.weight == 4);
  }

  TEST_CASE("inside and straddling ticks of one block add up") {
    // 18-23 and 23-04 and 04-09: the first and third lie inside, the second in both days.
    const auto weights = weigh_blocks(cut(at("2015-08-23T18:00"), hours(5), 3), days(1), "UTC");
    REQUIRE(weights);
    REQUIRE(weights->size() == 2);
    CHECK((*weights)[0].weight == 5);
    CHECK((*weights)[1].weight == 5);
  }

  TEST_CASE("a lifetime block takes every tick") {
    const auto weights = weigh_blocks(cut(at("2015-08-23"), hours(1), 500), {}, "UTC");
    REQUIRE(weights);
    REQUIRE(weights->size() == 1);
    CHECK((*weights)[0].start == kLifetimeBlock);
    CHECK((*weights)[0].weight == 500);
  }

  TEST_CASE("days are local: one of UTC touches two of Los Angeles") {
    const std::vector<TimeWindow> utc_day = {{at("2015-08-23"), at("2015-08-24")}};
    const auto local = weigh_blocks(utc_day, days(1), "America/Los_Angeles");
    REQUIRE(local);
    REQUIRE(local->size() == 2);
    CHECK((*local)[0].start == at("2015-08-22T07:00"));
    CHECK((*local)[0].weight == 4);
    // The day on which the clocks go back has 25 hours and is one block.
    const auto long_day =
        weigh_blocks(cut(at("2015-11-01T07:00"), hours(1), 25), days(1), "America/Los_Angeles");
    REQUIRE(long_day);
    REQUIRE(long_day->size() == 1);
    CHECK((*long_day)[0].weight == 25);
  }

  TEST_CASE("weights are those of the definition, for any ticks, blocks and zones") {
    const char* zones[] = {"UTC", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu"};
    const Duration blocks[] = {hours(1), hours(6), days(1), days(7)};
    int straddled = 0;
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const Duration block = blocks[random.below(4)];
      const char* zone = zones[random.below(4)];
      CAPTURE(zone);
      std::vector<TimeWindow> ticks;
      Instant time = at("2015-03-01") + minutes(static_cast<std::int64_t>(random.below(500'000)));
      const auto count = 1 + random.below(20);
      for (std::size_t i = 0; i < count; ++i) {
        const Instant end = time + minutes(1 + static_cast<std::int64_t>(random.below(2'000)));
        ticks.push_back({time, end});
        time = end;
        if (random.below(4) == 0) time = time + hours(static_cast<std::int64_t>(random.below(60)));
      }
      const auto weights = weigh_blocks(ticks, block, zone);
      const auto expected = naive(ticks, block, zone);
      if (expected.size() > limits::kBlocks) {
        CHECK_FALSE(weights);
        continue;
      }
      REQUIRE(weights);
      REQUIRE(weights->size() == expected.size());
      auto own = weights->begin();
      for (const auto& [start, weight] : expected) {
        CHECK(own->start.ns == start);
        CHECK(own->weight == weight);
        straddled += weight >= 4 ? 1 : 0;
        ++own;
      }
    }
    CHECK(straddled > 100);
  }

  TEST_CASE("more blocks than the limit are refused, one fewer is answered") {
    const auto many = static_cast<std::int64_t>(limits::kBlocks);
    CHECK(weigh_blocks({{at("2015-01-01"), at("2015-01-01") + hours(many)}}, hours(1), "UTC"));
    const auto one_tick =
        weigh_blocks({{at("2015-01-01"), at("2015-01-01") + hours(many + 1)}}, hours(1), "UTC");
    REQUIRE_FALSE(one_tick);
    CHECK(one_tick.error().code == ErrorCode::shape_refused);
    const auto many_ticks =
        weigh_blocks(cut(at("2015-01-01"), hours(1), static_cast<int>(many) + 1), hours(1), "UTC");
    REQUIRE_FALSE(many_ticks);
    CHECK(many_ticks.error().code == ErrorCode::shape_refused);
  }

  TEST_CASE("zones that nobody knows and blocks without boundaries are refused") {
    const std::vector<TimeWindow> day = {{at("2015-08-20"), at("2015-08-21")}};
    CHECK(weigh_blocks(day, days(1), "Mars/Olympus").error().code == ErrorCode::invalid_argument);
    CHECK(weigh_blocks(day, hours(7), "Europe/Berlin").error().code == ErrorCode::invalid_argument);
    CHECK(weigh_blocks(day, hours(-1), "UTC").error().code == ErrorCode::invalid_argument);
  }

  TEST_CASE("a window as long as time itself ends in a refusal, not in an overflow") {
    for (const char* zone : {"UTC", "America/Los_Angeles"}) {
      for (const Duration block : {hours(1), days(7)}) {
        const auto all = weigh_blocks({{{INT64_MIN}, {INT64_MAX}}}, block, zone);
        REQUIRE_FALSE(all);
        CHECK(all.error().code == ErrorCode::shape_refused);
        const Instant late{INT64_MAX - 5};
        CHECK(weigh_blocks({{late, {INT64_MAX}}}, block, zone)->size() == 1);
      }
    }
  }

  TEST_CASE("no ticks touch nothing") {
    CHECK(weigh_blocks({}, days(1), "UTC")->empty());
  }
}
