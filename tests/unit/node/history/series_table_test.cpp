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

  TEST_CASE("numbers of forgotten series are given to no other and those that stay are counted") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      SeriesTable table;
      using Key = std::pair<std::string, std::string>;
      std::map<Key, SeriesId> model;
      std::vector<Key> given;  // by number; what is forgotten has no names
      const auto check = [&](const SeriesTable& of) {
        CHECK(of.size() == given.size());
        CHECK(of.all().size() == model.size());
        for (std::size_t i = 0; i < given.size(); ++i) {
          const auto key = of.key_of(static_cast<SeriesId>(i));
          CHECK(Key(key.twin, key.signal) == given[i]);
        }
        for (const auto& [key, id] : model) CHECK(of.find(key.first, key.second) == id);
      };
      std::size_t again = 0;
      for (int step = 0; step < 400; ++step) {
        const Key key("twin-" + std::to_string(random.below(10)),
                      "s" + std::to_string(random.below(4)));
        const auto known = model.find(key);
        if (random.below(2) == 0 && known != model.end()) {
          table.forget(known->second);
          table.forget(known->second);  // nothing more to forget
          given[static_cast<std::size_t>(known->second)] = {};
          model.erase(known);
          ++again;
          CHECK_FALSE(table.find(key.first, key.second).has_value());
          continue;
        }
        const auto opened = table.open(key.first, key.second);
        REQUIRE(opened.has_value());
        if (known != model.end()) {
          CHECK(*opened == known->second);
          continue;
        }
        CHECK(static_cast<std::size_t>(*opened) == given.size());
        given.push_back(key);
        model.emplace(key, *opened);
      }
      CHECK(again > 20);
      check(table);
      // As a file's rows bring them back.
      SeriesTable loaded;
      {
        SeriesTable::Loader loader(loaded);
        for (const Key& key : given) {
          if (key.first.empty()) {
            loader.skip();
          } else {
            REQUIRE(loader.open(key.first, key.second).has_value());
          }
        }
      }
      check(loaded);
      CHECK(static_cast<std::size_t>(*loaded.open("twin-new", "s0")) == given.size());
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
