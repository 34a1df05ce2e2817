#include "node/twin/twin_registry.h"

#include <doctest/doctest.h>

#include "node/history/history.h"
#include "node/twin/twin_definitions.h"
#include "schemas/base/random.h"
#include "tests/unit/node/child_process.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using test::TemporaryFolder;

constexpr const char* kTypes = R"json([
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Place;1", "@type": "Interface",
   "contents": [
     {"@type": "Property", "name": "state", "schema": {"@type": "Enum", "valueSchema": "string",
      "enumValues": [{"name": "wa", "enumValue": "WA"}, {"name": "or", "enumValue": "OR"}]}},
     {"@type": "Property", "name": "height", "schema": "double"},
     {"@type": "Property", "name": "floors", "schema": "integer"},
     {"@type": "Property", "name": "since", "schema": "date"},
     {"@type": "Property", "name": "corner", "schema": {"@type": "Object", "fields": [
       {"name": "x", "schema": "double"}]}},
     {"@type": "Relationship", "name": "near", "target": "dtmi:test:Place;1"},
     {"@type": "Relationship", "name": "partOf", "target": "dtmi:test:Area;1",
      "maxMultiplicity": 1}]},
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Tower;1", "@type": "Interface",
   "extends": "dtmi:test:Place;1",
   "contents": [{"@type": "Component", "name": "logger", "schema": "dtmi:test:Logger;1"}]},
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Area;1", "@type": "Interface"},
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Logger;1", "@type": "Interface",
   "contents": [{"@type": "Property", "name": "firmware", "schema": "string"}]}])json";

constexpr const char* kTwins = R"toml(
[[twin]]
id = "nw"
type = "dtmi:test:Area;1"

[[twin]]
id = "a"
type = "dtmi:test:Place;1"
properties = { state = "WA", height = 5, floors = 3, since = 2015-08-20, corner = { x = 1.5 } }
relationships.partOf = ["nw"]
relationships.near = ["b"]

[[twin]]
id = "b"
type = "dtmi:test:Tower;1"
components.logger.firmware = "2.1"
)toml";

struct Opened {
  std::unique_ptr<TwinRegistry> registry;
  std::unique_ptr<Store> store;
};

Opened opened(const std::string& path, std::string crash = {}) {
  Store::Options options;
  options.path = path;
  options.migrations = history_migrations();
  options.crash_prefix = std::move(crash);
  auto store = Store::open(std::move(options));
  REQUIRE(store.has_value());
  auto registry = TwinRegistry::load(**store);
  INFO((registry ? std::string() : registry.error().what));
  REQUIRE(registry.has_value());
  return {std::move(*registry), std::move(*store)};
}

void must(TwinRegistry& registry, Result<TwinChange> change) {
  INFO((change ? std::string() : change.error().what));
  REQUIRE(change.has_value());
  REQUIRE(registry.commit_now(std::move(*change)).has_value());
}

Opened with_types(const std::string& path) {
  auto here = opened(path);
  must(*here.registry,
       here.registry->plan_types({{"t.json", kTypes}}, TwinRegistry::Missing::refuse));
  return here;
}

TEST_SUITE("node/twin_registry") {
  TEST_CASE("twins and types are there again after a restart, the same") {
    TemporaryFolder folder;
    TwinList before;
    {
      auto here = with_types(folder / "h.db");
      must(*here.registry, here.registry->plan_twins(kTwins, "t.toml"));
      before = here.registry->state()->graph.twins();
    }
    auto again = opened(folder / "h.db");
    const auto& graph = again.registry->state()->graph;
    CHECK(graph.twins() == before);
    const auto* a = graph.find("a");
    REQUIRE(a != nullptr);
    CHECK(to_text(a->properties.at("state")) == "WA");
    CHECK(std::get<double>(a->properties.at("height")) == 5.0);
    CHECK(std::get<std::int64_t>(a->properties.at("floors")) == 3);
    CHECK(to_text(a->properties.at("since")) == "2015-08-20");
    CHECK(graph.find("b")->components.at("logger").count("firmware") == 1);
    CHECK(graph.members("dtmi:test:Place;1").size() == 2);
    CHECK(graph.members("dtmi:test:Tower;1").size() == 1);
    const auto incoming = graph.incoming("nw");
    REQUIRE(incoming.size() == 1);
    CHECK(incoming[0].from == "a");
    CHECK(incoming[0].relationship == "partOf");
  }

  TEST_CASE("JSON of the same shape means the same") {
    TemporaryFolder folder;
    auto here = with_types(folder / "h.db");
    must(*here.registry, here.registry->plan_twins(kTwins, "t.toml"));
    const auto from_toml = here.registry->state()->graph.twins();
    std::string json = "{\"twin\": [";
    for (const auto& twin : from_toml) json += (json.size() > 10 ? "," : "") + to_json(twin);
    const auto change = here.registry->plan_twins(json + "]}", "t.json");
    REQUIRE(change.has_value());
    CHECK(change->empty());
  }

  TEST_CASE("a mistake names file and line, and changes nothing") {
    TemporaryFolder folder;
    auto here = with_types(folder / "h.db");
    const auto refused = [&](const std::string& text, int line, const std::string& word,
                             const char* file = "t.toml") {
      CAPTURE(text);
      const auto change = here.registry->plan_twins(text, file);
      REQUIRE_FALSE(change.has_value());
      INFO(change.error().what);
      CHECK(change.error().code == ErrorCode::config_invalid);
      CHECK(change.error().what.rfind(std::string(file) + ":" + std::to_string(line), 0) == 0);
      CHECK(change.error().what.find(word) != std::string::npos);
    };
    const std::string place = "[[twin]]\nid = \"a\"\ntype = \"dtmi:test:Place;1\"\n";
    refused("[[twins]]\nid = \"a\"\n", 1, "twins");
    refused("[[twin]]\ntype = \"dtmi:test:Place;1\"\n", 1, "id");
    refused("[[twin]]\nid = \"A b\"\ntype = \"dtmi:test:Place;1\"\n", 2, "A b");
    refused("[[twin]]\nid = \"a\"\ntype = \"dtmi:test:Palace;1\"\n", 3, "Palace");
    refused(place + "propertys.state = \"WA\"\n", 4, "propertys");
    refused(place + "properties.sate = \"WA\"\n", 4, "state");
    refused(place + "properties.state = \"ID\"\n", 4, "WA, OR");
    refused(place + "properties.height = \"high\"\n", 4, "number");
    refused(place + "properties.height = nan\n", 4, "finite");
    refused(place + "properties.floors = 1.5\n", 4, "whole");
    refused(place + "properties.floors = 3000000000\n", 4, "whole");
    refused(place + "properties.since = \"last year\"\n", 4, "date");
    refused(place + "properties.corner = { y = 1 }\n", 4, "\"y\"");
    refused(place + "relationships.nearby = []\n", 4, "near");
    refused(place + "relationships.near = [\"zz\"]\n", 1, "zz");
    refused(place + "relationships.near = [\"a\", \"a\"]\n", 4, "twice");
    refused(place + "relationships.partOf = [\"a\"]\n", 1, "dtmi:test:Area;1");
    refused(place + "components.logger = {}\n", 4, "logger");
    refused(place + "\n" + place, 5, "already");
    refused(place + "properties = { state = \n", 4, "");
    refused("{\"twin\": [\n {\"id\": \"a\",\n  \"type\": \"dtmi:test:Place;1\",\n  \"prop\": 1}]}",
            4, "prop", "t.json");
    refused("{\"twin\": [\n {\"id\": \"a\",\n \"id\": \"b\"}]}", 3, "twice", "t.json");
    CHECK(here.registry->state()->graph.twins().empty());
    CHECK(here.registry->plan_twins(place, "t.toml").has_value());
  }

  TEST_CASE("too many targets are refused by the relationship's multiplicity") {
    TemporaryFolder folder;
    auto here = with_types(folder / "h.db");
    const auto change = here.registry->plan_twins(
        "[[twin]]\nid=\"x\"\ntype=\"dtmi:test:Area;1\"\n[[twin]]\nid=\"y\"\ntype=\"dtmi:test:Area;"
        "1\"\n"
        "[[twin]]\nid=\"a\"\ntype=\"dtmi:test:Place;1\"\nrelationships.partOf=[\"x\",\"y\"]\n",
        "t.toml");
    REQUIRE_FALSE(change.has_value());
    CHECK(change.error().what.find("at most 1") != std::string::npos);
  }

  TEST_CASE("a twin that others point at is not removed alone") {
    TemporaryFolder folder;
    auto here = with_types(folder / "h.db");
    must(*here.registry, here.registry->plan_twins(kTwins, "t.toml"));
    CHECK(here.registry->plan_removal({"nw"}).error().code == ErrorCode::conflict);
    CHECK(here.registry->plan_removal({"gone"}).error().code == ErrorCode::not_found);
    must(*here.registry, here.registry->plan_removal({"a", "nw"}));
    CHECK(here.registry->state()->graph.twins().size() == 1);
  }

  TEST_CASE("a plan made before another change is refused, and snapshots stay as they were") {
    TemporaryFolder folder;
    auto here = with_types(folder / "h.db");
    auto first = here.registry->plan_twins(kTwins, "t.toml");
    auto second =
        here.registry->plan_twins("[[twin]]\nid=\"z\"\ntype=\"dtmi:test:Area;1\"\n", "t.toml");
    REQUIRE(first.has_value());
    REQUIRE(second.has_value());
    const auto old = here.registry->state();
    must(*here.registry, std::move(first));
    const auto refused = here.registry->commit_now(std::move(*second));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::conflict);
    CHECK(old->graph.twins().empty());
    CHECK(here.registry->state()->graph.twins().size() == 3);
  }

  TEST_CASE("types that would leave a twin without its place are refused") {
    TemporaryFolder folder;
    auto here = with_types(folder / "h.db");
    must(*here.registry, here.registry->plan_twins(kTwins, "t.toml"));
    std::string fewer = kTypes;
    fewer.replace(fewer.find("\"height\""), 8, "\"heights\"");
    const auto change =
        here.registry->plan_types({{"t.json", fewer}}, TwinRegistry::Missing::refuse);
    REQUIRE_FALSE(change.has_value());
    CHECK(change.error().what.find("twin a") != std::string::npos);
    CHECK(change.error().what.find("height") != std::string::npos);
  }

  TEST_CASE("types with references that nobody defines are refused, or left out when asked") {
    TemporaryFolder folder;
    auto here = opened(folder / "h.db");
    const std::string text = R"json([
      {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:a;1", "@type": "Interface"},
      {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:b;1", "@type": "Interface",
       "extends": "dtmi:test:gone;1"}])json";
    CHECK_FALSE(here.registry->plan_types({{"t.json", text}}, TwinRegistry::Missing::refuse));
    auto change = here.registry->plan_types({{"t.json", text}}, TwinRegistry::Missing::leave_out);
    REQUIRE(change.has_value());
    CHECK(change->types_added == std::vector<std::string>{"dtmi:test:a;1"});
    CHECK(change->types_missing == std::vector<std::string>{"dtmi:test:gone;1"});
    std::string faulty = text;
    faulty.replace(faulty.find("dtmi:test:a;1"), 13, "dtmi:test:a;x");
    CHECK_FALSE(here.registry->plan_types({{"t.json", faulty}}, TwinRegistry::Missing::leave_out));
  }

  TEST_CASE("a full disk changes neither the database nor the snapshot") {
    TemporaryFolder folder;
    auto here = with_types(folder / "h.db");
    std::string many;
    for (int i = 0; i < 3'000; ++i) {
      many += "[[twin]]\nid=\"t" + std::to_string(i) + "\"\ntype=\"dtmi:test:Area;1\"\n";
    }
    auto change = here.registry->plan_twins(many, "t.toml");
    REQUIRE(change.has_value());
    const auto limit = [&](const char* pages) {
      return here.store->run<int>([pages](Database& database) -> Result<int> {
        database.exec((std::string("PRAGMA max_page_count=") + pages).c_str());
        return 0;
      });
    };
    REQUIRE(limit("1").has_value());
    const auto copy = *change;
    const auto full = here.registry->commit_now(std::move(*change));
    REQUIRE_FALSE(full.has_value());
    CHECK(full.error().code == ErrorCode::disk_full);
    CHECK(here.registry->state()->graph.twins().empty());
    REQUIRE(limit("1000000").has_value());
    CHECK(here.registry->commit_now(copy).has_value());
    CHECK(here.registry->state()->graph.twins().size() == 3'000);
  }

  TEST_CASE("a change shares every twin that it leaves as it was with the snapshot before") {
    TemporaryFolder folder;
    auto here = with_types(folder / "h.db");
    const auto place = [](const std::string& id, const std::string& state) {
      return "[[twin]]\nid=\"" + id + "\"\ntype=\"dtmi:test:Place;1\"\nproperties.state=\"" +
             state + "\"\n";
    };
    must(*here.registry, here.registry->plan_twins(
                             place("p", "WA") + place("q", "WA") + place("r", "WA"), "t.toml"));
    const auto before = here.registry->state();
    const auto change =
        here.registry->plan_twins(place("o", "WA") + place("q", "OR") + place("r", "WA"), "t.toml");
    REQUIRE(change.has_value());
    CHECK(change->added == std::vector<std::string>{"o"});
    CHECK(change->changed == std::vector<std::string>{"q"});
    CHECK(change->removed.empty());
    const auto& after = change->after->graph;
    CHECK(after.twins().size() == 4);
    CHECK(after.find("p") == before->graph.find("p"));
    CHECK(after.find("r") == before->graph.find("r"));
    CHECK(after.find("q") != before->graph.find("q"));
    CHECK(to_text(before->graph.find("q")->properties.at("state")) == "WA");
  }

  TEST_CASE("random changes agree with a map of twins, over restarts") {
    for (std::uint32_t seed = 0; seed < 8; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      TemporaryFolder folder;
      auto here = with_types(folder / "h.db");
      std::map<std::string, std::string> model;  // id -> state
      for (int step = 0; step < 20; ++step) {
        if (random.below(4) == 0 && !model.empty()) {
          auto chosen = model.begin();
          std::advance(chosen, static_cast<long>(random.below(model.size())));
          must(*here.registry, here.registry->plan_removal({chosen->first}));
          model.erase(chosen);
        } else {
          std::map<std::string, std::string> some;
          for (auto left = 1 + random.below(4); left > 0; --left) {
            some["t" + std::to_string(random.below(12))] = random.below(2) == 0 ? "WA" : "OR";
          }
          std::string text;
          for (const auto& [id, state] : some) {
            text += "[[twin]]\nid=\"" + id + "\"\ntype=\"dtmi:test:Place;1\"\nproperties.state=\"" +
                    state + "\"\n";
            model[id] = state;
          }
          must(*here.registry, here.registry->plan_twins(text, "t.toml"));
        }
        if (random.below(5) == 0) {
          here = {};
          here = opened(folder / "h.db");
        }
        const auto state = here.registry->state();
        REQUIRE(state->graph.twins().size() == model.size());
        auto expected = model.begin();
        for (const auto& twin : state->graph.twins()) {
          CHECK(twin.id == expected->first);
          CHECK(to_text(twin.properties.at("state")) == expected->second);
          ++expected;
        }
      }
    }
  }

#ifdef ENTENTE_CRASH_POINTS
  TEST_CASE("killed around the commit: all twins of a change are there or none") {
    std::string many;
    for (int i = 0; i < 500; ++i) {
      many += "[[twin]]\nid=\"t" + std::to_string(i) + "\"\ntype=\"dtmi:test:Area;1\"\n";
    }
    if (const auto path = test::child_folder()) {
      auto here = opened(*path, "twins");
      must(*here.registry, here.registry->plan_twins(many, "t.toml"));
      test::say(1);
      return;
    }
    // The first commit of the child reads the tables; the second one writes.
    for (const char* point : {"twins.before_commit:2", "twins.after_commit:2"}) {
      CAPTURE(point);
      TemporaryFolder folder;
      with_types(folder / "h.db");
      const auto end = test::run_child(folder / "h.db", point);
      REQUIRE(end.killed);
      CHECK(end.said.empty());
      const bool after = std::string(point).find("after") != std::string::npos;
      CHECK(opened(folder / "h.db").registry->state()->graph.twins().size() == (after ? 500 : 0));
    }
  }
#endif
}

}  // namespace
}  // namespace entente::node
