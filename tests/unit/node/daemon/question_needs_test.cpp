#include "node/daemon/question_needs.h"

#include "tests/unit/node/ingest/site.h"

using namespace entente;
using namespace entente::node;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};
const std::string kType = "dtmi:test:Station;1";

struct World {
  explicit World(const std::string& grants) {
    auto read = security::Policy::from_toml(
        "[user.ann]\nroles=['owner']\n[user.bob]\nroles=['service']\n[user.kim]\nroles=['admin']"
        "\n" +
        grants);
    INFO((read ? std::string() : read.error().what));
    REQUIRE(read);
    policy = *std::move(read);
  }
  // "ask export:air, ask system:smoke"
  std::string needs(const std::string& question, const char* user = "bob",
                    Asking asking = Asking::answer) {
    const auto state = site.registry->state();
    const Subject subject = *policy.user(user);
    const QuestionScene scene{policy, subject, kNow, "works", {"smoke"}, state->graph};
    const auto got = question_needs(scene, question, asking);
    INFO((got ? std::string() : got.error().what));
    REQUIRE(got);
    std::string out;
    for (const Need& need : *got) {
      out +=
          (out.empty() ? "" : ", ") + std::string(to_text(need.verb)) + " " + need.resource.text();
    }
    return out;
  }
  bool allowed(const std::string& question) {
    const auto state = site.registry->state();
    const Subject subject = *policy.user("bob");
    const QuestionScene scene{policy, subject, kNow, "works", {"smoke"}, state->graph};
    const auto needs = question_needs(scene, question, Asking::answer);
    REQUIRE(needs);
    for (const Need& need : *needs) {
      if (!decide(policy, subject, need.verb, need.resource, {kNow, false, {}}).allowed) {
        return false;
      }
    }
    return true;
  }
  node::test::Site site{{"a", "b"}};
  security::Policy policy = security::Policy::initial("ann");
};

std::string grant(const std::string& resource) {
  return "[[grant]]\nuser='bob'\nverb='ask'\nresource='" + resource + "'\n";
}

std::string about(const std::string& target) {
  return "SELECT mean(pm25) FROM " + target + " OVER 1d";
}

}  // namespace

TEST_SUITE("node/daemon/question_needs") {
  TEST_CASE("a question needs what it names and not the node") {
    World world("");
    CHECK(world.needs(about("air")) == "ask export:air");
    CHECK(world.needs(about("air@works")) == "ask export:air");
    CHECK(world.needs(about("air@oregon")) == "ask export:air@oregon");
    CHECK(world.needs(about("smoke")) == "ask system:smoke");
    CHECK(world.needs(about("smoke@oregon")) == "ask export:smoke@oregon");
    CHECK(world.needs(about("twins OF '" + kType + "'")) == "ask type:" + kType);
  }

  TEST_CASE("grants on exports and systems and types count for the questions that name them") {
    for (const auto& [resource, target] : {std::pair<std::string, std::string>{"export:air", "air"},
                                           {"export:air@oregon", "air@oregon"},
                                           {"system:smoke", "smoke"},
                                           {"type:" + kType, "twins OF '" + kType + "'"},
                                           {"type:" + kType + "/pm25", "twins OF '" + kType + "'"},
                                           {"twin:*", "twins OF '" + kType + "'"}}) {
      CAPTURE(resource);
      World with(grant(resource)), without("");
      CHECK(with.allowed(about(target)));
      CHECK_FALSE(without.allowed(about(target)));
      for (const std::string other : {"water", "air@idaho", "fog"}) {
        CHECK_FALSE(with.allowed(about(other)));
      }
    }
  }

  TEST_CASE(
      "a grant on an own export is none on a partner's of that name and the other way round") {
    CHECK_FALSE(World(grant("export:air")).allowed(about("air@oregon")));
    CHECK_FALSE(World(grant("export:air@oregon")).allowed(about("air")));
  }

  TEST_CASE("twins are asked about by who may ask about each of them") {
    const std::string question = about("twins OF '" + kType + "'");
    CHECK_FALSE(World(grant("twin:a")).allowed(question));
    CHECK(World(grant("twin:a") + grant("twin:b")).allowed(question));
    CHECK(World(grant("twin:a")).needs(question) == "ask twin:a, ask twin:b");
  }

  TEST_CASE("a grant on one signal does not reach a question that reads another or counts twins") {
    World world(grant("type:" + kType + "/pm25"));
    const std::string from = " FROM twins OF '" + kType + "' OVER 1d";
    CHECK(world.allowed("SELECT mean(pm25)" + from));
    CHECK_FALSE(world.allowed("SELECT mean(pm25), mean(heat)" + from));
    CHECK_FALSE(world.allowed("SELECT mean(pm25), count(*)" + from));
    CHECK_FALSE(
        world.allowed("SELECT mean(pm25) FROM twins OF '" + kType + "' WHERE owner = 'x' OVER 1d"));
    CHECK_FALSE(
        world.allowed("SELECT mean(pm25) FROM twins OF '" + kType + "' GROUP BY owner OVER 1d"));
  }

  TEST_CASE("a preview needs no more than previewing of who may not ask") {
    World world(grant("export:air"));
    CHECK(world.needs(about("air"), "bob", Asking::preview) == "ask export:air");
    CHECK(world.needs(about("water"), "bob", Asking::preview) == "preview export:water");
    CHECK(world.needs(about("water"), "kim", Asking::preview) == "preview export:water");
    CHECK(world.needs(about("water"), "kim") == "ask export:water");
  }

  TEST_CASE("a question that does not parse is refused before anything is decided") {
    World world("");
    const auto state = world.site.registry->state();
    const Subject subject = *world.policy.user("bob");
    const QuestionScene scene{world.policy, subject, kNow, "works", {}, state->graph};
    const auto got = question_needs(scene, "SELECT", Asking::answer);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::query_syntax);
  }
}
