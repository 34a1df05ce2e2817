// Estimates from noisy integers: ranges against simulation, totals against sums, previews against
// the errors that come about.
#include "federation/query/estimate.h"

#include <doctest/doctest.h>

#include <cmath>

#include "federation/query/exact.h"
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

// The exact blend of each row's units, as if one site had them all: [row][item].
std::vector<std::vector<std::vector<double>>> blended(const Two& two) {
  std::vector<std::vector<std::vector<double>>> rows;
  const std::size_t groups = two.plan.groups.size();
  for (std::size_t row = 0; row < groups + (groups > 1 ? 1 : 0); ++row) {
    FoldedTable table{1, two.plan.members[0].question->columns.size(), {}};
    for (std::size_t site = 0; site < 2; ++site) {
      const MemberPlan& part = two.plan.members[site];
      for (FoldedUnit unit : two.folded[site].units) {
        for (std::size_t g = 0; g < part.groups.size(); ++g) {
          const auto& cells = part.question->groups[g].cells;
          const bool own = std::find(cells.begin(), cells.end(), unit.cell) != cells.end();
          if (!own || (row < groups && part.groups[g] != row)) continue;
          unit.cell = 0;
          table.units.push_back(unit);
        }
      }
    }
    Question whole = *two.plan.members[0].question;
    whole.groups = {{{"all"}, {0}}};
    ExportView view;
    view.cells = {{{"all"}, 1}};
    rows.push_back(blend_exact(whole, view, table).at(0).values);
  }
  return rows;
}

bool within(const Estimate& range, double value) {
  const double slack = 1e-9 * (1 + std::fabs(value));
  return range.lower - slack <= value && value <= range.upper + slack;
}

// In how many of `runs` with fresh budgets each figure's range holds the exact blend: by row, item
// and bin.
std::vector<std::vector<std::vector<std::size_t>>> held_exactly(const Two& two,
                                                                security::NoiseSource& noise,
                                                                std::size_t runs) {
  const auto truth = blended(two);
  std::vector<std::vector<std::vector<std::size_t>>> held;
  for (const auto& row : truth) {
    held.emplace_back();
    for (const auto& item : row) held.back().emplace_back(item.size(), 0);
  }
  for (std::size_t run = 0; run < runs; ++run) {
    const auto rows = two.ask(noise);
    REQUIRE(rows.size() == truth.size());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      for (std::size_t i = 0; i < truth[r].size(); ++i) {
        for (std::size_t b = 0; b < truth[r][i].size(); ++b) {
          const bool bins = !rows[r].bins[i].empty();
          const Estimate& range = bins ? rows[r].bins[i].at(b) : rows[r].values[i].value();
          held[r][i][b] += within(range, truth[r][i][b]) ? 1 : 0;
        }
      }
    }
  }
  return held;
}

std::string over_counties(const std::string& items, const std::string& epsilon) {
  return "SELECT " + items +
         " FROM air GROUP BY county OVER '2015-08-23' .. '2015-08-24' WITH (epsilon = " + epsilon +
         ")";
}

const char* const kEachAlone[] = {"variance(pm25)",     "stddev(pm25)", "histogram(pm25, 5)",
                                  "median(pm25)",       "min(pm25)",    "max(pm25)",
                                  "quantile(pm25, 0.9)"};
const std::string kAllTogether =
    "mean(pm25), variance(pm25), stddev(pm25), histogram(pm25, [0, 50, 100, 200]), median(pm25), "
    "quantile(pm25, 0.1), min(pm25), max(pm25)";

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

  // At epsilon 900, since figures make up for the noise that is stated even where none was drawn.
  TEST_CASE("without noise the figures are the exact blend and ranks are right to a leaf") {
    const Two two(over_counties(kAllTogether, "900"));
    NoNoise none;
    const auto rows = two.ask(none);
    const auto truth = blended(two);
    REQUIRE(rows.size() == truth.size());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      CAPTURE(r);
      for (std::size_t i = 0; i < truth[r].size(); ++i) {
        CAPTURE(i);
        if (two.plan.items[i].aggregate == Aggregate::histogram) {
          CHECK_FALSE(rows[r].values[i]);
          REQUIRE(rows[r].bins[i].size() == 3);
          for (std::size_t b = 0; b < 3; ++b) CHECK(rows[r].bins[i][b].value == truth[r][i][b]);
          continue;
        }
        CHECK(rows[r].bins[i].empty());
        // A leaf is 200 / 256 wide, and a quantile between two units lies in a gap between leaves.
        const bool rank = is_rank(two.plan.items[i].aggregate);
        const double near = rank ? 200.0 / 256 + 8 : 2e-4 * truth[r][i][0];
        CHECK(std::fabs(rows[r].values[i]->value - truth[r][i][0]) < near);
      }
    }
  }

  TEST_CASE("a variance is right where the bounds are no whole number of steps") {
    ExportView view;
    view.name = "air", view.site = "main", view.domain = "air", view.type = "dtmi:test:Monitor;1";
    view.cells = {{{}, 2'000}};
    view.measures = {{"pm25", "ug/m3", Reducer::mean, {{Reducer::mean, 0, 0.3}}}};
    view.rho_cap = {std::uint64_t{1} << 44};
    view.delta = {std::uint64_t{1} << 40};
    const auto sentence = parse_question(
        "SELECT variance(pm25) FROM air OVER '2015-08-23' .. '2015-08-24' WITH (epsilon = 8)");
    const MemberView member{&view, "main"};
    PlanOptions options;
    options.now = *parse_instant("2015-09-23");
    const auto planned = plan(*sentence, {&member, 1}, options);
    REQUIRE(planned);
    const Question& question = *planned->members[0].question;
    const auto price = price_of(question, view);
    REQUIRE(price);
    FoldedTable folded{1, 1, {}};
    for (int i = 0; i < 2'000; ++i) folded.units.push_back({0, {0.3 * (i % 100) / 99}});
    NoNoise none;
    Release release;
    release.cells = add_noise(question, *price, *aggregate(question, view, *price, folded), none);
    const auto rows = merge_rows(*planned, {{&planned->members[0], &*price, &release}});
    const double truth = 0.09 / 12 * 101 / 99;  // of 100 even steps from 0 to 0.3
    // What is added for the noise that is stated, and not drawn here, is known.
    const double sum_steps = std::sqrt(static_cast<double>(price->layout[0].variance));
    const double added = std::pow(std::ldexp(sum_steps, price->layout[0].exponent()) / 2'000, 2);
    CHECK(rows[0].values[0]->value == doctest::Approx(truth + added).epsilon(2e-5));
  }

  TEST_CASE("two members' answers are one member's that has all units when there is no noise") {
    const Two two(over_counties(kAllTogether, "900"));
    NoNoise none;
    const auto total = two.ask(none).back();
    // Everybody at the first site, in its first county.
    Two one(over_counties(kAllTogether, "900"));
    for (FoldedUnit& unit : one.folded[0].units) unit.cell = 0;
    for (const FoldedUnit& unit : one.folded[1].units) {
      one.folded[0].units.push_back({0, unit.values});
    }
    const auto alone = one.ask(none, 1).back();
    for (std::size_t i = 0; i < total.values.size(); ++i) {
      CAPTURE(i);
      REQUIRE(total.bins[i].size() == alone.bins[i].size());
      for (std::size_t b = 0; b < total.bins[i].size(); ++b) {
        CHECK(total.bins[i][b].value == alone.bins[i][b].value);
        // Noise of four cells instead of two.
        CHECK(total.bins[i][b].standard_error ==
              doctest::Approx(std::sqrt(2.0) * alone.bins[i][b].standard_error));
      }
      if (!total.values[i]) continue;
      const double near =
          is_rank(two.plan.items[i].aggregate) ? 200.0 / 256 + 1e-9 : 1e-4 * alone.values[i]->value;
      CHECK(std::fabs(total.values[i]->value - alone.values[i]->value) < near);
    }
  }

  TEST_CASE("ranges of variances and bins and quantiles hold the exact value in 93 of 100 runs") {
    constexpr std::size_t kRuns = 2'000;
    for (const std::string epsilon : {"4", "1"}) {
      for (const std::string items : kEachAlone) {
        CAPTURE(epsilon);
        CAPTURE(items);
        const Two two(over_counties(items, epsilon));
        SeededRandom random(2026);
        security::ExactNoise noise(random);
        std::size_t least = kRuns, all = 0, figures = 0;
        for (const auto& row : held_exactly(two, noise, kRuns)) {
          for (const auto& item : row) {
            for (const std::size_t held : item) {
              CHECK(held >= kRuns * 93 / 100);
              least = std::min(least, held);
              all += held;
              ++figures;
            }
          }
        }
        MESSAGE(items << " at epsilon " << epsilon << ": at least " << least << " of " << kRuns
                      << ", on the average " << all / figures);
      }
    }
  }

  TEST_CASE("the same ranges hold less often than said with three times the noise") {
    for (const std::string items : {"variance(pm25)", "stddev(pm25)", "histogram(pm25, 5)"}) {
      CAPTURE(items);
      const Two two(over_counties(items, "4"));
      SeededRandom random(12);
      security::ExactNoise noise(random);
      ScaledNoise tripled(noise, 3, 1);
      std::size_t held = 0, all = 0;
      for (const auto& row : held_exactly(two, tripled, 300)) {
        for (const auto& item : row) {
          for (const std::size_t one : item) held += one, all += 300;
        }
      }
      CHECK(held * 100 < all * 80);
    }
  }

  // Ranges of ranks are in whole leaves and hold more often than said, but not any value.
  TEST_CASE("the median's range holds the median and neither tenth") {
    const Two two(over_counties("median(pm25)", "4"));
    const Two tenths(over_counties("quantile(pm25, 0.1), quantile(pm25, 0.9)", "4"));
    const auto truth = blended(tenths).back();
    SeededRandom random(15);
    security::ExactNoise noise(random);
    int low = 0, high = 0;
    for (int run = 0; run < 300; ++run) {
      const Estimate range = *two.ask(noise).back().values[0];
      low += within(range, truth[0][0]) ? 1 : 0;
      high += within(range, truth[1][0]) ? 1 : 0;
    }
    CHECK(low < 15);
    CHECK(high < 15);
  }

  TEST_CASE("a variance whose count may be zero is known to its bounds only") {
    const Two two(over_counties("variance(pm25), stddev(pm25)", "0.05"), 2);
    SeededRandom random(13);
    security::ExactNoise noise(random);
    int whole = 0;
    for (int run = 0; run < 100; ++run) {
      for (const AnswerRow& row : two.ask(noise)) {
        const Estimate& variance = *row.values[0];
        const Estimate& deviation = *row.values[1];
        CHECK(variance.lower >= 0);
        CHECK(variance.upper <= 10'000);
        CHECK(variance.lower <= variance.upper);
        CHECK(deviation.value == doctest::Approx(std::sqrt(variance.value)));
        CHECK(std::isfinite(deviation.standard_error));
        whole += variance.lower == 0 && variance.upper == 10'000 ? 1 : 0;
      }
    }
    CHECK(whole > 350);
  }

  TEST_CASE("every tick has its own histogram and median") {
    Two two(
        "SELECT histogram(pm25, 2), median(pm25) FROM air OVER '2015-08-23' .. '2015-08-24' "
        "EVERY 12h WITH (epsilon = 4)");
    for (FoldedTable& table : two.folded) {
      table = {2, 1, {}};
      // 150 in the morning and 50 in the evening.
      for (std::uint32_t u = 0; u < 40; ++u) table.units.push_back({u % 2, {150, 50}});
    }
    NoNoise none;
    const auto rows = two.ask(none);
    REQUIRE(rows.size() == 2);
    for (const std::size_t tick : {0u, 1u}) {
      CHECK(rows[tick].tick == tick);
      REQUIRE(rows[tick].bins[0].size() == 2);
      CHECK(rows[tick].bins[0][1 - tick].value == 80);
      CHECK(rows[tick].bins[0][tick].value == 0);
      CHECK(std::fabs(rows[tick].values[1]->value - (tick == 0 ? 150 : 50)) < 200.0 / 256);
    }
  }

  TEST_CASE("a preview of spread values states the error that comes about") {
    Two two(over_counties("variance(pm25), stddev(pm25), histogram(pm25, 4), median(pm25)", "8"),
            120);
    for (FoldedTable& table : two.folded) {
      for (std::size_t u = 0; u < table.units.size(); ++u) {
        table.units[u].values[0] = 200 * std::fmod(static_cast<double>(u) * 0.618034, 1.0);
      }
    }
    const auto preview = two.preview();
    const auto truth = blended(two);
    SeededRandom random(14);
    security::ExactNoise noise(random);
    constexpr int kRuns = 1'000;
    std::vector<std::vector<double>> squares(4, std::vector<double>(4, 0));
    for (int run = 0; run < kRuns; ++run) {
      const auto rows = two.ask(noise);
      for (std::size_t r = 0; r < 4; ++r) {
        for (std::size_t i = 0; i < 4; ++i) {
          const bool bins = !rows[r].bins[i].empty();
          const double value = bins ? rows[r].bins[i][0].value : rows[r].values[i]->value;
          squares[r][i] += std::pow(value - truth[r][i][0], 2);
        }
      }
    }
    for (std::size_t r = 0; r < 4; ++r) {
      for (std::size_t i = 0; i < 4; ++i) {
        CAPTURE(r);
        CAPTURE(i);
        const double happened = kZ95 * std::sqrt(squares[r][i] / kRuns);
        CHECK(preview[r].half_width[i] > 0.9 * happened);
        // A rank's range is in whole leaves and therefore wider than its error.
        CHECK(preview[r].half_width[i] < (i == 3 ? 2.5 : 1.1) * happened);
      }
    }
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
