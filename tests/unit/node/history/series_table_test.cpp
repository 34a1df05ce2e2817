#include "node/history/series_table.h"

#include <doctest/doctest.h>

#include <map>

#include "node/limits.h"
#include "schemas/base/random.h"

namespace entente::node {

TEST_SUITE("node/series_table") {
  TEST_CASE("series opened in any order keep their numbers and are listed by signal") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      SeriesTable table;
      std::map<std::pair<std::string, std::string>, SeriesId> model;
      for (int step = 0; step < 600; ++step) {
        const auto twin = "twin-" + std::to_string(random.below(40));
        const auto signal = "s" + std::to_string(random.below(6));
        const auto opened = table.open(twin, signal);
        REQUIRE(opened.has_value());
        const auto [entry, fresh] = model.try_emplace({twin, signal}, *opened);
        CHECK(entry->second == *opened);
        if (fresh) CHECK(static_cast<std::size_t>(*opened) == model.size() - 1);
        CHECK(table.find(twin, signal) == *opened);
        const auto key = table.key_of(*opened);
        CHECK(key.twin == twin);
        CHECK(key.signal == signal);
      }
      CHECK(table.size() == model.size());
      CHECK_FALSE(table.find("twin-0", "none").has_value());
      CHECK_FALSE(table.find("none", "s0").has_value());
      for (int i = 0; i < 40; ++i) {
        const auto twin = "twin-" + std::to_string(i);
        std::vector<SeriesId> expected;
        for (const auto& [key, id] : model) {
          if (key.first == twin) expected.push_back(id);
        }
        CHECK(table.of_twin(twin) == expected);
      }
      std::vector<SeriesId> sorted;
      for (const auto& [key, id] : model) sorted.push_back(id);
      CHECK(table.all() == sorted);
    }
  }

  TEST_CASE("a loader gives the numbers that open would and refuses the same names") {
    SeriesTable table;
    {
      SeriesTable::Loader loader(table);
      CHECK(static_cast<int>(*loader.open("a", "x")) == 0);
      CHECK(static_cast<int>(*loader.open("a", "y")) == 1);
      CHECK(static_cast<int>(*loader.open("b", "x")) == 2);
      CHECK(static_cast<int>(*loader.open("a", "x")) == 0);
      CHECK(loader.open("", "x").error().code == ErrorCode::invalid_argument);
      CHECK(loader.open("a", std::string(limits::kSignalNameBytes + 1, 's')).error().code ==
            ErrorCode::invalid_argument);
    }
    CHECK(static_cast<int>(*table.open("b", "y")) == 3);
    CHECK(table.size() == 4);
  }
}

}  // namespace entente::node
