// What one unit moves, by brute force, where its twins lie in several groups.
#include "federation/query/contribution.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "federation/query/price.h"
#include "federation/query/release.h"
#include "schemas/base/random.h"
#include "tests/support/question_cases.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

security::ChoiceKey some_key(std::uint32_t seed = 1) {
  SeededRandom random(seed);
  return security::ChoiceKey(security::SigningKey::generate(random));
}

// Owners whose twins lie in some of six counties, each asked about alone, over four ticks of a day.
struct Owners {
  ExportView view;
  Question question;
  FoldedTable folded;

  Owners(Random& random, std::uint32_t groups_per_unit) {
    view.name = "air";
    view.unit = "property:owner";
    view.groups_per_unit = groups_per_unit;
    view.keys = {"county"};
    for (std::uint32_t c = 0; c < 6; ++c) {
      view.cells.push_back({{"c" + std::to_string(c)}, 40});
      question.groups.push_back({{view.cells.back().values}, {c}});
    }
    question.export_name = view.name;
    question.group_keys = {"county"};
    const auto columns = 1 + random.below(2);
    for (std::size_t c = 0; c < columns; ++c) {
      question.columns.push_back(random_column(random, c));
    }
    for (int i = 0; i < 2; ++i) {
      question.items.push_back(random_item(random, question.columns));
      if (is_rank(question.items.back().aggregate)) question.tree_height = 2;
    }
    question.window = {*parse_instant("2015-08-23"), *parse_instant("2015-08-24")};
    question.every = hours(6);
    question.rho_per_block = std::uint64_t{1} << 38;
    folded = {4, columns, {}};
    for (int u = 0; u < 8; ++u) {
      for (std::uint32_t cell = 0; cell < 6; ++cell) {
        if (random.below(3) == 0) continue;
        folded.units.push_back({cell, {}, "owner" + std::to_string(u), {}});
        fill(random, folded.units.back());
      }
    }
  }

  // At and beyond the bounds as often as between them, and sometimes nothing.
  void fill(Random& random, FoldedUnit& unit) const {
    unit.values.clear();
    for (std::size_t i = 0; i < folded.ticks * folded.columns; ++i) {
      const Column& column = question.columns[i % folded.columns];
      const double width = column.upper - column.lower;
      const double choices[] = {column.lower - width, column.upper + width, kAbsent,
                                uniform(random, column.lower, column.upper)};
      unit.values.push_back(choices[random.below(4)]);
    }
  }
};

struct Moved {
  std::size_t most_cells = 0;  // of one tick
  long double most_used = 0;   // of the charge
  int too_far = 0;             // integers moved by more than twice their bound
};

void compare(const Owners& owners, const Price& price, const ExactVectors& a, const ExactVectors& b,
             Moved& moved) {
  const std::size_t ticks = owners.question.tick_count();
  long double rho = 0;
  for (std::size_t tick = 0; tick < ticks; ++tick) {
    std::size_t cells = 0;
    for (std::size_t g = 0; g < owners.question.groups.size(); ++g) {
      const auto& from = a.cells[g * ticks + tick];
      const auto& to = b.cells[g * ticks + tick];
      cells += from == to ? 0 : 1;
      std::size_t at = 0;
      for (const StatisticLayout& layout : price.layout) {
        for (std::uint32_t i = 0; i < layout.width; ++i, ++at) {
          const auto delta = static_cast<long double>(from[at] - to[at]);
          rho += delta * delta / (2 * static_cast<long double>(layout.variance));
          moved.too_far += std::fabs(delta) > 2 * static_cast<long double>(layout.bound()) ? 1 : 0;
        }
      }
    }
    moved.most_cells = std::max(moved.most_cells, cells);
  }
  const RhoUnits charged = price.charges.back().rho;
  moved.most_used =
      std::max(moved.most_used, rho / std::ldexp(static_cast<long double>(charged.units), -40));
}

enum class Cap { enforced, left_out };
enum class Change { removed, other_readings };

// In many worlds one owner goes, or has other readings everywhere.
Moved change_owners(std::uint32_t groups_per_unit, Cap cap, Change change) {
  const security::ChoiceKey key = some_key();
  Moved moved;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    SeededRandom random(seed);
    Owners owners(random, groups_per_unit);
    const auto price = price_of(owners.question, owners.view);
    REQUIRE(price);
    const auto exact = [&](FoldedTable folded) {
      if (cap == Cap::enforced) bound_contributions(owners.question, owners.view, key, folded);
      return *aggregate(owners.question, owners.view, *price, folded);
    };
    FoldedTable other = owners.folded;
    const std::string name = "owner" + std::to_string(random.below(8));
    if (change == Change::removed) {
      std::erase_if(other.units, [&](const FoldedUnit& unit) { return unit.unit == name; });
    } else {
      for (FoldedUnit& unit : other.units) {
        if (unit.unit == name) owners.fill(random, unit);
      }
    }
    compare(owners, *price, exact(owners.folded), exact(other), moved);
  }
  return moved;
}

}  // namespace

TEST_SUITE("query/contribution") {
  TEST_CASE("a unit moves no more cells than its cap and no more than was charged") {
    for (const std::uint32_t most : {1u, 2u, 3u, 6u}) {
      CAPTURE(most);
      const Moved changed = change_owners(most, Cap::enforced, Change::other_readings);
      CHECK(changed.most_cells == most);
      CHECK(changed.too_far == 0);
      // Other readings are two neighbours apart: one without them, one with the others.
      CHECK(changed.most_used <= 4);
      const Moved removed = change_owners(most, Cap::enforced, Change::removed);
      CHECK(removed.most_cells == most);
      CHECK(removed.too_far == 0);
      CHECK(removed.most_used <= 1);
      CHECK(removed.most_used > 0.4L);  // the charge is not merely generous
    }
  }

  TEST_CASE("without the cap a unit moves more cells and more than was charged") {
    const Moved moved = change_owners(2, Cap::left_out, Change::removed);
    CHECK(moved.most_cells > 2);
    CHECK(moved.most_used > 1.5L);
  }

  TEST_CASE("the groups a unit counts in follow from key and question and from no reading") {
    SeededRandom random(7);
    Owners owners(random, 2);
    const auto kept = [&](const Question& question, const security::ChoiceKey& key) {
      FoldedTable folded = owners.folded;
      bound_contributions(question, owners.view, key, folded);
      std::set<std::pair<std::string, std::uint32_t>> places;
      for (const FoldedUnit& unit : folded.units) places.emplace(unit.unit, unit.cell);
      return places;
    };
    const auto before = kept(owners.question, some_key());
    CHECK(kept(owners.question, some_key()) == before);
    CHECK(kept(owners.question, some_key(2)) != before);
    Question next_day = owners.question;
    next_day.window = {next_day.window.to, next_day.window.to + days(1)};
    CHECK(kept(next_day, some_key()) != before);
    for (FoldedUnit& unit : owners.folded.units) owners.fill(random, unit);
    CHECK(kept(owners.question, some_key()) == before);
    std::map<std::string, int> groups;
    for (const auto& [unit, cell] : before) ++groups[unit];
    for (const auto& [unit, count] : groups) CHECK(count <= 2);
  }

  TEST_CASE("no group is preferred over the units of a site") {
    SeededRandom random(8);
    Owners owners(random, 1);
    owners.folded.units.clear();
    const std::vector<double> values(4 * owners.folded.columns, 0);
    for (int u = 0; u < 600; ++u) {
      for (std::uint32_t cell = 0; cell < 6; ++cell) {
        owners.folded.units.push_back({cell, values, "owner" + std::to_string(u), {}});
      }
    }
    bound_contributions(owners.question, owners.view, some_key(), owners.folded);
    std::vector<int> counts(6, 0);
    for (const FoldedUnit& unit : owners.folded.units) ++counts[unit.cell];
    CHECK(owners.folded.units.size() == 600);
    // Binomial, 100 expected each, sigma 9.
    for (const int count : counts) CHECK((count > 55 && count < 145));
  }

  TEST_CASE("entries that are a unit of their own are never dropped") {
    SeededRandom random(9);
    Owners owners(random, 1);
    for (FoldedUnit& unit : owners.folded.units) unit.unit.clear();
    const std::size_t before = owners.folded.units.size();
    bound_contributions(owners.question, owners.view, some_key(), owners.folded);
    CHECK(owners.folded.units.size() == before);
  }

  TEST_CASE("noise is paid for the groups that a unit can be counted in and for no more") {
    SeededRandom random(10);
    Owners owners(random, 4);
    const auto touched = [&] { return groups_touched(owners.question, owners.view); };
    CHECK(touched() == 4);
    const auto four = price_of(owners.question, owners.view);
    REQUIRE(four);
    CHECK(four->groups_touched == 4);
    owners.view.groups_per_unit = 1;
    const auto one = price_of(owners.question, owners.view);
    REQUIRE(one);
    CHECK(one->charges == four->charges);
    for (std::size_t s = 0; s < one->layout.size(); ++s) {
      const auto variance = [&](const Price& price) {
        const StatisticLayout& layout = price.layout[s];
        const auto bound = static_cast<double>(layout.bound());
        return static_cast<double>(layout.variance) / (bound * bound);
      };
      CHECK(variance(*four) / variance(*one) > 4 / 1.2);
      CHECK(variance(*four) / variance(*one) < 4 * 1.2);
    }
    owners.view.groups_per_unit = 50;
    CHECK(touched() == 6);  // there are no more groups in the question
    owners.question.private_keys = {"tenant"};
    CHECK(touched() == 50);  // how many values there are nobody knows
    owners.view.unit = "twin";
    CHECK(touched() == 1);
  }

  TEST_CASE("whose contribution is protected is said in words") {
    CHECK(unit_words("twin") == "one twin");
    CHECK(unit_words("property:owner") == "all twins with one owner");
    CHECK(unit_words("ancestor:part_of") == "all twins below one twin by part_of");
    CHECK(unit_words("ancestor:dtmi:example:Plant;1") ==
          "all twins below one dtmi:example:Plant;1");
  }
}
