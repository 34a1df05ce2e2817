// Estimates from noisy integers: ranges against simulation, totals against sums, previews against
// the errors that come about.
#include "federation/query/estimate.h"

#include <doctest/doctest.h>

#include <cmath>

#include "federation/query/parser.h"
#include "federation/query/release.h"
#include "tests/support/noise_checks.h"
#include "tests/support/question_cases.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

// Two sites with two counties each, asked together.
struct Two {
  ExportView views[2];
  FoldedTable folded[2];
  Plan plan;
  std::vector<Price> prices;

  explicit Two(const std::string& sentence, std::uint32_t units = 30) {
    for (int site = 0; site < 2; ++site) {
      ExportView& view = views[site];
      view.name = "air";
      view.site = site == 0 ? "north" : "south";
      view.domain = "air";
      view.type = "dtmi:org:example:AirMonitor;1";
      view.keys = {"county"};
      view.cells = {{{"Ada"}, units}, {{site == 0 ? "King" : "Lane"}, units * 2}};
      view.measures = {{"pm25", "ug/m3", Reducer::mean, {{Reducer::mean, 0, 200}}}};
      view.rho_cap = {UINT64_MAX};
      view.delta = {1'152'921'504'606};  // 1e-6
      SeededRandom random(static_cast<std::uint64_t>(site) + 77);
      for (std::uint32_t u = 0; u < units * 3; ++u) {
        folded[site].units.push_back({u < units ? 0u : 1u, {uniform(random, 20, 180)}});
      }
    }
    const MemberView members[] = {{&views[0], "north"}, {&views[1], "south"}};
    PlanOptions options;
    options.now = *parse_instant("2015-09-01");
    auto parsed = parse_question(sentence);
    REQUIRE(parsed);
    auto made = federation::plan(*parsed, members, options);
    REQUIRE(made);
    plan = std::move(*made);
    for (int site = 0; site < 2; ++site) {
      prices.push_back(*price_of(*plan.members[site].question, views[site]));
    }
  }

  std::vector<AnswerRow> ask(security::NoiseSource& noise, int sites = 2) const {
    std::vector<Release> releases(2);
    std::vector<MemberRelease> members;
    for (int site = 0; site < sites; ++site) {
      const Question& question = *plan.members[site].question;
      const auto exact = aggregate(question, views[site], prices[site], folded[site]);
      releases[site].cells = add_noise(question, prices[site], *exact, noise);
      members.push_back({&plan.members[site], &prices[site], &releases[site]});
    }
    return merge_rows(plan, members);
  }

  std::vector<ExpectedError> preview() const {
    std::vector<PreviewMember> members;
    for (int site = 0; site < 2; ++site) {
      members.push_back({&plan.members[site], &prices[site], &views[site]});
    }
    return expected_errors(plan, members);
  }
};

const std::string kItems =
    "SELECT count(*), sum(pm25), mean(pm25), share(pm25 > 55.5) FROM air GROUP BY county "
    "OVER '2015-08-23' .. '2015-08-24' WITH (epsilon = 4)";

// How often the 95 % range of each item holds the value without noise.
std::vector<std::size_t> covered(const Two& two, std::size_t row, security::NoiseSource& noise,
                                 std::size_t runs) {
  NoNoise none;
  const auto truth = two.ask(none);
  std::vector<std::size_t> held(two.plan.items.size(), 0);
  for (std::size_t run = 0; run < runs; ++run) {
    const auto rows = two.ask(noise);
    for (std::size_t i = 0; i < held.size(); ++i) {
      const double value = truth[row].values[i]->value;
      held[i] += rows[row].values[i]->lower <= value && value <= rows[row].values[i]->upper ? 1 : 0;
    }
  }
  return held;
}

}  // namespace

TEST_SUITE("query/estimate") {
  TEST_CASE("rows are groups, then ticks, then a total for each tick") {
    Two two(
        "SELECT count(*) FROM air GROUP BY county OVER '2015-08-23' .. '2015-08-24' EVERY 12h "
        "WITH (epsilon = 4)");
    NoNoise none;
    const auto rows = two.ask(none);
    REQUIRE(rows.size() == 8);  // Ada, King, Lane and the total, two ticks each
    double units = 0;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      CHECK(rows[r].tick == r % 2);
      CHECK(rows[r].total == (r >= 6));
      if (r >= 6) CHECK(rows[r].group.empty());
      if (r < 6 && r % 2 == 0) units += rows[r].values[0]->value;
    }
    CHECK(rows[0].group == std::vector<std::string>{"Ada"});
    CHECK(rows[0].values[0]->value == 60);  // of both sites
    CHECK(rows[6].values[0]->value == 180);
    CHECK(units == 180);
  }

  TEST_CASE("a total is the sum of the same released cells, with the sum of their variances") {
    Two two(kItems);
    SeededRandom random(1);
    security::ExactNoise noise(random);
    const auto rows = two.ask(noise);
    REQUIRE(rows.size() == 4);
    for (const std::size_t item : {0u, 1u}) {
      double value = 0, variance = 0;
      for (std::size_t r = 0; r < 3; ++r) {
        value += rows[r].values[item]->value;
        variance += std::pow(rows[r].values[item]->standard_error, 2);
      }
      CHECK(rows[3].values[item]->value == doctest::Approx(value));
      CHECK(rows[3].values[item]->standard_error == doctest::Approx(std::sqrt(variance)));
    }
  }

  TEST_CASE("who did not answer is absent, not zero") {
    Two two(kItems);
    NoNoise none;
    const auto rows = two.ask(none, 1);
    CHECK(rows[0].values[0]->value == 30);
    CHECK(rows[1].values[0]->value == 60);                        // King
    for (const auto& value : rows[2].values) CHECK_FALSE(value);  // Lane
    CHECK(rows[3].values[0]->value == 90);
    CHECK(two.ask(none, 0)[3].values[2] == std::nullopt);
  }

  TEST_CASE("95 % ranges hold the truth 95 times in a hundred, and not with twice the noise") {
    Two two(kItems);
    for (std::size_t row = 0; row < 4; ++row) {
      CAPTURE(row);
      SeededRandom random(row + 2);
      security::ExactNoise noise(random);
      ScaledNoise doubled(noise, 2, 1);
      constexpr std::size_t kRuns = 4'000;
      for (const std::size_t held : covered(two, row, noise, kRuns)) {
        CHECK(plausible(held, kRuns, 0.95));
      }
      for (const std::size_t held : covered(two, row, doubled, kRuns))
        CHECK(held < kRuns * 85 / 100);
    }
  }

  TEST_CASE("Fieller's range holds the truth where the denominator itself is uncertain") {
    // Ten units and little epsilon: the count's own error is a good part of it.
    Two two(
        "SELECT mean(pm25), share(pm25 > 55.5) FROM air GROUP BY county "
        "OVER '2015-08-23' .. '2015-08-24' WITH (epsilon = 0.6)",
        5);
    NoNoise none;
    const auto truth = two.ask(none);
    SeededRandom random(3);
    security::ExactNoise noise(random);
    constexpr std::size_t kRuns = 4'000;
    std::size_t held[2] = {0, 0}, held_by_delta[2] = {0, 0}, whole = 0;
    for (std::size_t run = 0; run < kRuns; ++run) {
      const auto rows = two.ask(noise);
      for (const std::size_t i : {0u, 1u}) {
        const Estimate& one = *rows[1].values[i];
        const double value = truth[1].values[i]->value;
        held[i] += one.lower <= value && value <= one.upper ? 1 : 0;
        held_by_delta[i] += std::fabs(one.value - value) <= kZ95 * one.standard_error ? 1 : 0;
        whole += i == 0 && one.lower == 0 && one.upper == 200 ? 1 : 0;
        CHECK(one.lower >= 0);
        CHECK(one.upper <= (i == 0 ? 200 : 1));
        CHECK(one.lower <= one.upper);
      }
    }
    // At least as often as said: where the range is cut to the bounds or falls back to them, more.
    for (const std::size_t count : held) CHECK(count >= kRuns * 945 / 1'000);
    CHECK(whole > 100);
    MESSAGE("Fieller held " << held[0] << " and " << held[1] << ", value +- 1.96 errors "
                            << held_by_delta[0] << " and " << held_by_delta[1] << " of " << kRuns);
  }

  TEST_CASE("counts and their ranges are not negative, sums may be") {
    Two two(
        "SELECT count(pm25 > 199), sum(pm25) FROM air GROUP BY county "
        "OVER '2015-08-23' .. '2015-08-24' WITH (epsilon = 0.1)",
        1);
    SeededRandom random(4);
    security::ExactNoise noise(random);
    int cut = 0, negative = 0;
    for (int run = 0; run < 200; ++run) {
      for (const AnswerRow& row : two.ask(noise)) {
        CHECK(row.values[0]->value >= 0);
        CHECK(row.values[0]->lower >= 0);
        CHECK(row.values[0]->upper >= 0);
        cut += row.values[0]->value == 0 ? 1 : 0;
        negative += row.values[1]->value < 0 ? 1 : 0;
      }
    }
    CHECK(cut > 50);
    CHECK(negative > 50);
  }

  TEST_CASE("a preview states the error that comes about") {
    Two two(kItems, 60);
    // In the middle of the bounds and half above the threshold, as a preview assumes.
    for (FoldedTable& table : two.folded) {
      for (std::size_t u = 0; u < table.units.size(); ++u) {
        table.units[u].values[0] = u % 2 == 0 ? 150 : 50;
      }
    }
    NoNoise none;
    const auto truth = two.ask(none);
    const auto preview = two.preview();
    REQUIRE(preview.size() == 4);
    CHECK(preview[0].group == std::vector<std::string>{"Ada"});
    CHECK(preview[3].total);
    SeededRandom random(5);
    security::ExactNoise noise(random);
    constexpr int kRuns = 3'000;
    std::vector<std::vector<double>> squares(4, std::vector<double>(4, 0));
    for (int run = 0; run < kRuns; ++run) {
      const auto rows = two.ask(noise);
      for (std::size_t r = 0; r < 4; ++r) {
        for (std::size_t i = 0; i < 4; ++i) {
          squares[r][i] += std::pow(rows[r].values[i]->value - truth[r].values[i]->value, 2);
        }
      }
    }
    for (std::size_t r = 0; r < 4; ++r) {
      for (std::size_t i = 0; i < 4; ++i) {
        CAPTURE(r);
        CAPTURE(i);
        const double happened = kZ95 * std::sqrt(squares[r][i] / kRuns);
        CHECK(preview[r].half_width[i] == doctest::Approx(happened).epsilon(0.06));
      }
    }
  }
}
