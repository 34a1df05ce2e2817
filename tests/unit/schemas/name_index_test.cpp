#include "schemas/base/name_index.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "schemas/base/random.h"

namespace entente {

TEST_SUITE("schemas/name_index") {
  TEST_CASE("random names are found where they were added and no others are") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      NameIndex index;
      std::vector<std::string> list;
      std::map<std::string, std::uint32_t> model;
      const auto name_at = [&](std::uint32_t i) -> std::string_view { return list[i]; };
      if (seed % 2 == 0) index.reserve(random.below(500));
      for (int step = 0; step < 2'000; ++step) {
        const auto name = "name-" + std::to_string(random.below(1'000));
        const auto known = model.find(name);
        const auto found = index.find(name, name_at);
        REQUIRE(found.has_value() == (known != model.end()));
        if (found) {
          CHECK(*found == known->second);
          continue;
        }
        const auto number = static_cast<std::uint32_t>(list.size());
        list.push_back(name);
        index.add(name, number);
        model.emplace(name, number);
      }
      for (const auto& [name, number] : model) CHECK(index.find(name, name_at) == number);
    }
  }

  TEST_CASE("an index without names finds nothing and an empty name is one") {
    NameIndex index;
    const auto name_at = [](std::uint32_t) -> std::string_view { return ""; };
    CHECK_FALSE(index.find("", name_at).has_value());
    index.add("", 0);
    CHECK(index.find("", name_at) == 0U);
    CHECK_FALSE(index.find("a", name_at).has_value());
  }
}

}  // namespace entente
