#include "federation/query/price.h"

#include <doctest/doctest.h>

#include <numeric>

#include "federation/query/release.h"
#include "tests/support/noise_checks.h"
#include "tests/support/question_cases.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

Instant at(const char* text) {
  return *parse_instant(text);
}

Question count_some(TimeWindow window, std::optional<Duration> every, std::uint64_t rho) {
  Question question;
  Item item;  // count(s > 0)
  item.predicate = {Compare{0, Comparison::greater, 0}};
  question.columns = {{"s", Reducer::mean, 0, 1, {}}};
  question.items = {item};
  question.groups = {{{}, {0}}};
  question.window = window;
  question.every = every;
  question.rho_per_block = rho;
  return question;
}

ExportView one_cell() {
  ExportView view;
  view.cells = {{{}, 50}};
  return view;
}

}  // namespace

TEST_SUITE("query/price") {
  TEST_CASE("one block is charged exactly what the question names, however it is cut") {
    for (const std::optional<Duration> every :
         {std::optional<Duration>{}, std::optional(hours(1))}) {
      const auto price = price_of(
          count_some({at("2015-08-23"), at("2015-08-24")}, every, 123'456'789'012), one_cell());
      REQUIRE(price);
      REQUIRE(price->charges.size() == 1);
      CHECK(price->charges[0] == BlockAmount{at("2015-08-23"), {123'456'789'012}});
    }
  }

  TEST_CASE("shares of a charge are rounded up to the unit") {
    // Two days from 21:00 to 24:00 and one hour more: three ticks on the first block, one on the
    // second. A third of rho = 1 is 366,503,875,926 units (privacy.md 3.2).
    const std::uint64_t one = std::uint64_t{1} << 40;
    const auto third = price_of(
        count_some({at("2015-08-23T21:00"), at("2015-08-24T01:00")}, hours(1), one), one_cell());
    REQUIRE(third);
    REQUIRE(third->charges.size() == 2);
    CHECK(third->charges[0].rho.units == one);
    CHECK(third->charges[1].rho.units == 366'503'875'926);
    // 0.015 = 3 / 200: blocks of a week with 165 + 3 ticks cannot give it, lifetime-long days can.
    ExportView weeks = one_cell();
    weeks.block = days(70);
    const Instant begin = at("1970-01-01") + days(70 * 200);
    const auto part =
        price_of(count_some({begin - hours(8) * 3, begin + hours(8) * 200}, hours(8), one), weeks);
    REQUIRE(part);
    REQUIRE(part->charges.size() == 2);
    CHECK(part->charges[0].rho.units == 16'492'674'417);
    CHECK(part->charges[1].rho.units == one);
  }

  TEST_CASE("a cell across two days charges both in full") {
    const auto price =
        price_of(count_some({at("2015-08-23T12:00"), at("2015-08-24T12:00")}, {}, 1'000'000'000),
                 one_cell());
    REQUIRE(price);
    REQUIRE(price->charges.size() == 2);
    CHECK(price->charges[0].rho.units == 1'000'000'000);
    CHECK(price->charges[1].rho.units == 1'000'000'000);
  }

  TEST_CASE("counting members is charged to the lifetime too, once for every tick") {
    Question question = count_some({at("2015-08-23"), at("2015-08-25")}, hours(1), 24'000'000);
    question.columns.clear();
    question.items = {Item{}};  // count(*)
    const auto price = price_of(question, one_cell());
    REQUIRE(price);
    REQUIRE(price->charges.size() == 3);
    CHECK(price->charges[0] == BlockAmount{security::kLifetimeBlock, {48'000'000}});
    CHECK(price->charges[1].rho.units == 24'000'000);
    // However many empty days are asked about, one account pays for all of them.
    question.window = {at("1900-01-01"), at("1900-01-03")};
    CHECK(price_of(question, one_cell())->charges[0] == price->charges[0]);
    ExportView lifetime = one_cell();
    lifetime.block = Duration{};
    CHECK(price_of(question, lifetime)->charges.size() == 1);
  }

  TEST_CASE("charges follow the blocks' weights, ascend, and their largest is what was named") {
    for (std::uint32_t seed = 0; seed < 500; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const World world = random_world(random);
      const auto price = price_of(world.question, world.view);
      if (!price) continue;
      const auto blocks = weigh(world.question, world.view);
      REQUIRE(blocks);
      const bool members = price->charges.size() == blocks->size() + 1;
      REQUIRE((members || price->charges.size() == blocks->size()));
      const std::uint64_t most = heaviest(*blocks);
      std::uint64_t largest = 0;
      for (std::size_t b = 0; b < blocks->size(); ++b) {
        const BlockAmount& charge = price->charges[b + members];
        CHECK(charge.start == (*blocks)[b].start);
        if (b > 0) CHECK(price->charges[b - 1].start < charge.start);
        const unsigned __int128 named =
            static_cast<unsigned __int128>(world.question.rho_per_block) * (*blocks)[b].weight;
        // ceil: the charge covers its share, one unit less would not.
        CHECK(static_cast<unsigned __int128>(charge.rho.units) * most >= named);
        CHECK(static_cast<unsigned __int128>(charge.rho.units - 1) * most < named);
        largest = std::max(largest, charge.rho.units);
      }
      CHECK(largest == world.question.rho_per_block);
    }
  }

  TEST_CASE(
      "the statistics stated are those that are computed, and equal questions cost the same") {
    for (std::uint32_t seed = 0; seed < 100; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const World world = random_world(random);
      const auto price = price_of(world.question, world.view);
      if (!price) continue;
      REQUIRE(price->statistics.size() == price->layout.size());
      for (std::size_t s = 0; s < price->layout.size(); ++s) {
        CHECK(price->statistics[s].exponent == price->layout[s].exponent());
        CHECK(price->statistics[s].width == price->layout[s].width);
        CHECK(price->statistics[s].variance == price->layout[s].variance);
      }
      const auto again = price_of(world.question, world.view);
      CHECK(again->charges == price->charges);
      CHECK(again->statistics == price->statistics);
    }
  }

  TEST_CASE("the largest charge there is neither wraps nor shrinks") {
    const auto price =
        price_of(count_some({at("2015-08-23T21:00"), at("2015-08-24T01:00")}, hours(1), UINT64_MAX),
                 one_cell());
    REQUIRE(price);
    CHECK(price->charges[0].rho.units == UINT64_MAX);
    CHECK(price->charges[1].rho.units == UINT64_MAX / 3);  // divides without rest
  }

  TEST_CASE("an answer too long to be sent is refused before anybody pays, saying what to do") {
    Question question = count_some({at("2015-08-23"), at("2015-08-24")}, {}, 1'000'000'000'000);
    question.items = {{Aggregate::median, 0, {}, 0, {}}};
    question.tree_height = 4;
    const auto refused = price_of(question, one_cell());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::shape_refused);
    CHECK(refused.error().what.find("69904 numbers") != std::string::npos);
    CHECK(refused.error().remedy.find("fewer groups") != std::string::npos);
    question.tree_height = 3;
    const auto price = price_of(question, one_cell());
    REQUIRE(price);
    // Six such cells are sent, eight are not.
    question.every = hours(4);
    CHECK(price_of(question, one_cell()));
    question.every = hours(3);
    CHECK_FALSE(price_of(question, one_cell()));
  }

  TEST_CASE("a release is never longer than was said") {
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const World world = random_world(random);
      const auto price = price_of(world.question, world.view);
      if (!price) continue;
      Release release;
      release.site = std::string(63, 's');
      release.domain = std::string(63, 'd');
      release.unit = std::string(255, 'u');
      release.charges = price->charges;
      release.statistics = price->statistics;
      const auto exact = aggregate(world.question, world.view, *price, fold(world));
      REQUIRE(exact);
      NoNoise none;
      release.cells = add_noise(world.question, *price, *exact, none);
      CHECK(canonical_bytes(release).size() <= release_bytes(world.question, price->layout.size(),
                                                             integers_of(price->layout),
                                                             price->charges.size()));
    }
  }

  TEST_CASE("a refusal is the layout's") {
    const auto nothing =
        price_of(count_some({at("2015-08-23"), at("2015-08-24")}, {}, 0), one_cell());
    REQUIRE_FALSE(nothing);
    CHECK(nothing.error().code == ErrorCode::epsilon_refused);
    const auto many =
        price_of(count_some({at("2015-01-01"), at("2017-01-01")}, {}, 1'000'000'000), one_cell());
    REQUIRE_FALSE(many);
    CHECK(many.error().code == ErrorCode::shape_refused);
  }
}
