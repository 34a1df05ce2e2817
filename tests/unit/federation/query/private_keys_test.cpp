// Groups of private keys: planned, priced, named by threshold, merged.
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "federation/query/contribution.h"
#include "federation/query/estimate.h"
#include "federation/query/exact.h"
#include "federation/query/release.h"
#include "schemas/base/limits.h"
#include "schemas/base/random.h"
#include "security/privacy/blocks.h"
#include "security/privacy/rho.h"
#include "tests/unit/federation/query/planned.h"

using namespace entente;
using namespace entente::federation;
using entente::federation::testing::state_view;

namespace {

constexpr const char* kByOwner =
    "SELECT count(*), mean(pm25) FROM air GROUP BY owner, county OVER "
    "'2015-08-23T00:00Z' .. '2015-08-24T00:00Z' WITH (epsilon = 1)";

// Washington with its owners, who are no public fact.
struct Washington {
  ExportView view = state_view("WA", {"King", "Chelan"});
  PlanOptions options;

  Washington() {
    view.threshold_delta = {std::uint64_t{1} << 58};
    view.private_keys = {"tenant", "owner"};
    view.private_delta = *security::delta_of(0.05);
    view.private_min_units = 1;
    options.now = *parse_instant("2015-08-25T10:30:00Z");
    options.default_epsilon = 1;
  }
  Result<Plan> try_plan(const std::string& text, const ExportView* other = nullptr) const {
    auto sentence = parse_question(text);
    REQUIRE(sentence);
    std::vector<MemberView> members = {{&view, "washington"}};
    if (other != nullptr) members.push_back({other, "oregon"});
    return plan(*sentence, members, options);
  }
  Plan planned(const std::string& text = kByOwner) const {
    auto made = try_plan(text);
    REQUIRE(made);
    return *std::move(made);
  }
};

ErrorCode refusal(const Result<Plan>& planned) {
  REQUIRE_FALSE(planned);
  return planned.error().code;
}

// `units` owners' twins in the first county, all of one owner unless said otherwise.
FoldedTable twins(const Question& question, std::size_t units, const std::string& owner = "acme") {
  FoldedTable table{question.tick_count(), question.columns.size(), {}};
  for (std::size_t u = 0; u < units; ++u) {
    table.units.push_back({0, std::vector<double>(table.ticks * table.columns, 50), "", {owner}});
  }
  return table;
}

// How often of so many times a group of this size is named.
double named_share(const Washington& site, std::size_t units, std::int64_t lower = 0) {
  const Plan plan = site.planned(
      "SELECT mean(pm25) FROM air GROUP BY owner OVER "
      "'2015-08-23T00:00Z' .. '2015-08-24T00:00Z' WITH (epsilon = 1)");
  const Question& question = *plan.members[0].question;
  auto price = *price_of(question, site.view);
  price.naming->noisy_least -= lower;
  const auto exact = aggregate(question, site.view, price, twins(question, units));
  REQUIRE(exact);
  SeededRandom random(11);
  security::ExactNoise noise(random);
  constexpr int kTimes = 20'000;
  int named = 0;
  for (int i = 0; i < kTimes; ++i) {
    named += add_noise(question, price, *exact, noise).empty() ? 0 : 1;
  }
  return static_cast<double>(named) / kTimes;
}

}  // namespace

TEST_SUITE("query/private_keys") {
  TEST_CASE("GROUP BY a private key asks the site to split the public groups") {
    const Washington site;
    const Plan plan = site.planned();
    const Question& question = *plan.members[0].question;
    CHECK(question.group_keys == std::vector<std::string>{"county"});
    CHECK(question.private_keys == std::vector<std::string>{"owner"});
    CHECK(question.groups.size() == 2);
    CHECK(plan.groups == std::vector<std::vector<std::string>>{{"", "King"}, {"", "Chelan"}});
    CHECK(plan.private_places == std::vector<std::size_t>{0});
    CHECK(check_question(question, site.view, site.options.now));
    const auto read = question_from_bytes(canonical_bytes(question));
    REQUIRE(read);
    CHECK(*read == question);
    // In the export's order, whatever the sentence's.
    const Plan both = site.planned(
        "SELECT count(*) FROM air GROUP BY owner, tenant OVER '2015-08-23' .. '2015-08-24'");
    CHECK(both.members[0].question->private_keys == site.view.private_keys);
    CHECK(both.private_places == std::vector<std::size_t>{1, 0});
  }

  TEST_CASE("private keys are refused wherever they cannot be kept private") {
    const Washington site;
    const std::string over = " OVER '2015-08-23T00:00Z' .. '2015-08-24T00:00Z'";
    CHECK(refusal(site.try_plan("SELECT count(*) FROM air WHERE owner = 'acme'" + over)) ==
          ErrorCode::shape_refused);
    // Two sites' groups would have to be merged.
    const ExportView plain = state_view("OR", {"Lane"});
    const std::string asked = "SELECT count(*) FROM air GROUP BY owner" + over;
    CHECK(refusal(site.try_plan(asked, &plain)) == ErrorCode::shape_refused);
    CHECK(refusal(site.try_plan(asked, &site.view)) == ErrorCode::shape_refused);
    CHECK(refusal(site.try_plan(asked + " WITH (mode = 'sum')")) == ErrorCode::query_unsupported);
    // The site does not trust the planner.
    const Question question = *site.planned(asked).members[0].question;
    Question unknown = question;
    unknown.private_keys = {"colour"};
    CHECK_FALSE(check_question(unknown, site.view, site.options.now));
    Question reversed = question;
    reversed.private_keys = {"owner", "tenant"};
    CHECK_FALSE(check_question(reversed, site.view, site.options.now));
    ExportView public_only = site.view;
    public_only.private_keys.clear();
    Question elsewhere = question;
    elsewhere.export_hash = export_hash(public_only);
    CHECK(check_question(elsewhere, public_only, site.options.now).error().code ==
          ErrorCode::shape_refused);
  }

  TEST_CASE("a question by private keys spends delta and is charged to the lifetime besides") {
    Washington site;
    const Question question = *site.planned().members[0].question;
    const auto price = price_of(question, site.view);
    REQUIRE(price);
    CHECK(price->delta == site.view.private_delta);
    REQUIRE(price->charges.size() == 2);
    CHECK(price->charges[0].start == security::kLifetimeBlock);
    REQUIRE(price->naming);
    CHECK(price->layout.front().kind == StatisticKind::members);  // count(*) is there already
    // Without count(*) the number of units is drawn for the names alone.
    const Question mean =
        *site.planned("SELECT mean(pm25) FROM air GROUP BY owner OVER 1d").members[0].question;
    const auto alone = price_of(mean, site.view);
    REQUIRE(alone);
    CHECK(alone->layout.size() == 3);
    CHECK(alone->layout.back().items.empty());
    CHECK(alone->naming->integer == 2);
    CHECK(alone->charges.front().start == security::kLifetimeBlock);
    Question plain = question;
    plain.private_keys.clear();
    CHECK(price_of(plain, site.view)->delta.units == 0);
    CHECK_FALSE(price_of(plain, site.view)->naming);
  }

  TEST_CASE("more cells that a unit can be in mean a higher threshold for the same delta") {
    Washington site;
    const auto least = [&](const std::string& every) {
      const Plan plan = site.planned(
          "SELECT count(*) FROM air GROUP BY owner OVER "
          "'2015-08-23T00:00Z' .. '2015-08-24T00:00Z'" +
          every + " WITH (epsilon = 1)");
      const auto price = price_of(*plan.members[0].question, site.view);
      REQUIRE(price);
      const StatisticLayout& members = price->layout[0];
      return static_cast<double>(price->naming->noisy_least) /
             std::sqrt(static_cast<double>(members.variance));
    };
    CHECK(least(" EVERY 1h") > least(""));
    const double before = least("");
    site.view.private_delta = *security::delta_of(1e-9);
    CHECK(least("") > before);
    site.view.private_min_units = 20;
    const Question question = *site.planned().members[0].question;
    const auto price = price_of(question, site.view);
    const std::int64_t one = price->layout[0].bound();
    CHECK(price->naming->exact_least == 20 * one);
    CHECK(price->naming->noisy_least > 20 * one);
  }

  TEST_CASE("a key that one unit alone has is named with probability delta at most") {
    const Washington site;  // delta 0.05
    const double share = named_share(site, 1);
    CAPTURE(share);
    // 20,000 draws: sigma 0.0016.
    CHECK(share < 0.05 + 4 * 0.0016);
    CHECK(share > 0.03);  // and the threshold is not merely high
    // The control: a threshold of one standard deviation less.
    const Question question = *site.planned().members[0].question;
    const auto variance = price_of(question, site.view)->layout[0].variance;
    const auto sigma = static_cast<std::int64_t>(std::sqrt(static_cast<double>(variance)));
    CHECK(named_share(site, 1, sigma) > 0.1);
    CHECK(named_share(site, 200) == 1);
  }

  TEST_CASE("a group of the least size is named with probability delta and a smaller one never") {
    Washington site;
    site.view.private_min_units = 30;
    CHECK(named_share(site, 29) == 0);
    const double share = named_share(site, 30);
    CAPTURE(share);
    CHECK(share < 0.05 + 4 * 0.0016);
    CHECK(share > 0.03);
    CHECK(named_share(site, 230) == 1);
  }

  TEST_CASE("what is named becomes rows in the written order and there is no total") {
    Washington site;
    site.view.private_min_units = 3;
    const Plan plan = site.planned();
    const Question& question = *plan.members[0].question;
    const auto price = price_of(question, site.view);
    FoldedTable folded = twins(question, 300);
    for (FoldedUnit& unit : twins(question, 2, "lone").units) folded.units.push_back(unit);
    for (FoldedUnit& unit : twins(question, 300, "bold").units) {
      unit.cell = 1;
      folded.units.push_back(unit);
    }
    const auto exact = aggregate(question, site.view, *price, folded);
    REQUIRE(exact);
    CHECK(exact->named.size() == 3);
    SeededRandom random(5);
    security::ExactNoise noise(random);
    Release release;
    release.site = "main";
    release.domain = "air";
    release.unit = "twin";
    release.statistics = price->statistics;
    release.charges = price->charges;
    release.cells = add_noise(question, *price, *exact, noise);
    const auto read = release_from_bytes(canonical_bytes(release));
    REQUIRE(read);
    CHECK(*read == release);
    const auto rows = merge_rows(plan, {{&plan.members[0], &*price, &release}});
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].group == std::vector<std::string>{"acme", "King"});
    CHECK(rows[1].group == std::vector<std::string>{"bold", "Chelan"});
    CHECK(rows[0].values[0]->value > 250);
    CHECK(std::fabs(rows[0].values[1]->value - 50) < 20);
    CHECK_FALSE(rows[1].total);
    CHECK(merge_rows(plan, {}).empty());
    // The site's own people see every group, exactly.
    const auto own = blend_exact(question, site.view, folded);
    REQUIRE(own.size() == 3);
    CHECK(own[1].keys == std::vector<std::string>{"lone"});
    CHECK(own[1].values[0] == std::vector<double>{2});
    const auto expected = expected_errors(plan, {{&plan.members[0], &*price, &site.view}});
    REQUIRE(expected.size() == 2);
    CHECK(expected[0].group == std::vector<std::string>{"(each named value)", "King"});
  }

  TEST_CASE("an answer holds as many named groups as fit and those with the most units") {
    Washington site;
    const Plan plan = site.planned("SELECT histogram(pm25, 200) FROM air GROUP BY owner OVER 1d");
    const Question& question = *plan.members[0].question;
    auto price = *price_of(question, site.view);
    price.naming->noisy_least = INT64_MIN;  // every group that exists
    FoldedTable folded{1, 1, {}};
    for (int owner = 0; owner < 300; ++owner) {
      const std::string name = std::string(200, 'x') + std::to_string(1'000 + owner);
      for (int u = 0; u < (owner < 50 ? 2'000 : 1); ++u) {
        folded.units.push_back({0, {50}, "", {name}});
      }
    }
    const auto exact = aggregate(question, site.view, price, folded);
    REQUIRE(exact);
    SeededRandom random(6);
    security::ExactNoise noise(random);
    Release release;
    release.site = std::string(63, 's');
    release.domain = std::string(63, 'd');
    release.unit = "ancestor:dtmi:" + std::string(240, 'u');
    release.statistics = price.statistics;
    release.charges = price.charges;
    release.cells = add_noise(question, price, *exact, noise);
    CHECK(release.cells.size() > 100);
    CHECK(release.cells.size() < 140);
    CHECK(canonical_bytes(release).size() <= limits::kReleaseBytes);
    std::set<std::string> kept;
    for (const ReleasedCell& cell : release.cells) kept.insert(cell.values[0].substr(200));
    for (int owner = 0; owner < 50; ++owner) CHECK(kept.contains(std::to_string(1'000 + owner)));
  }
}
