// Every route, role, relation to the resource, grant and token through decide(), compared with the
// rule in words: a token allows its verbs; a role what its row says; a grant its verb on its
// resource until it expires; nothing else anything.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>

#include "node/daemon/vault_lock.h"
#include "node/daemon/api_models.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::node;
using namespace entente::security;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};

// A node's parts, nothing running: the handlers are never called.
struct Parts {
  node::test::TemporaryFolder folder;
  std::unique_ptr<Core> core;
  const std::unique_ptr<ModelService> models;
  RouteTable routes;
  Parts() {
    SystemRandom random;
    const std::string home = folder / "home";
    std::filesystem::create_directories(home);
    REQUIRE(create_keyring(home, {"works", "", kNow}, random));
    auto vault = open_vault(home);
    REQUIRE(vault);
    auto keyring = load_keyring(home, *vault);
    REQUIRE(keyring);
    Settings settings;
    settings.home = home;
    core = std::make_unique<Core>(std::move(settings), std::move(*vault), std::move(*keyring));
    add_twin_routes(routes, *core);
    add_reading_routes(routes, *core);
    add_deletion_routes(routes, *core);
    add_quality_routes(routes, *core);
    add_model_routes(routes, *core, models);
    add_collector_routes(routes, *core);
    add_federation_routes(routes, *core);
    add_budget_routes(routes, *core);
    add_question_routes(routes, *core);
    add_feed_routes(routes, *core);
    add_audit_routes(routes, *core);
    add_backup_routes(routes, *core);
    add_access_routes(routes, *core);
  }
};

// The parameters of a route's template, each with this value.
Parameters filled(const Route& route, const std::string& value) {
  Parameters path;
  for (std::size_t at = 0; (at = route.path.find('{', at)) != std::string::npos; ++at) {
    path[route.path.substr(at + 1, route.path.find('}', at) - at - 1)] = value;
  }
  return path;
}

enum class GrantState { none, this_one, other_one, whole_kind, expired, count };
enum class TokenState { plain, for_this, for_another, count };

std::vector<Grant> grants_of(GrantState state, Verb verb, const Resource& resource) {
  Grant grant{std::string("bob"), verb, resource, {}};
  switch (state) {
    case GrantState::none:
      return {};
    case GrantState::this_one:
      break;
    case GrantState::other_one:
      grant.resource.name = "another";
      break;
    case GrantState::whole_kind:
      grant.resource.name.clear();
      break;
    default:
      grant.expires = kNow;
  }
  return {grant};
}

}  // namespace

TEST_SUITE("node/daemon permission matrix") {
  TEST_CASE("every route times role times grant times token is decided as the rule says") {
    const Parts parts;
    const Policy owned = Policy::initial("ann");
    std::size_t cells = 0, allowed = 0;
    const auto started = std::chrono::steady_clock::now();
    for (const Route& route : parts.routes.routes()) {
      CAPTURE(route.path);
      if (route.access == Access::open) continue;
      CHECK_FALSE(is_partner_verb(route.verb));
      const Resource resource = resource_of(route, filled(route, "press-7"));
      for (std::size_t r = 0; r < kRoles; ++r) {
        const auto role = static_cast<Role>(r);
        for (int g = 0; g < static_cast<int>(GrantState::count); ++g) {
          const auto grant = static_cast<GrantState>(g);
          const auto policy = owned.with({{"ann", {Role::owner}}, {"bob", {role}}},
                                         grants_of(grant, route.verb, resource));
          REQUIRE(policy);
          for (int t = 0; t < static_cast<int>(TokenState::count); ++t) {
            const auto token = static_cast<TokenState>(t);
            LocalUser bob = *policy->user("bob");
            if (token == TokenState::for_this) bob.only = std::set{route.verb};
            if (token == TokenState::for_another) {
              bob.only = std::set{route.verb == Verb::ask ? Verb::read_status : Verb::ask};
            }
            const bool by_grant = grant == GrantState::this_one || grant == GrantState::whole_kind;
            const bool expected =
                token != TokenState::for_another && (role_allows(role, route.verb) || by_grant);
            const Decision decision = decide(*policy, bob, route.verb, resource, {kNow, false, {}});
            CHECK(decision.allowed == expected);
            CHECK_FALSE(decision.reason.empty());
            ++cells;
            allowed += decision.allowed;
          }
        }
      }
    }
    const auto took = std::chrono::steady_clock::now() - started;
    MESSAGE(cells << " cells, " << allowed << " allowed, in "
                  << std::chrono::duration<double>(took).count() << " s");
    CHECK(cells > 4'000);
    CHECK(allowed > 0);
    CHECK(allowed < cells);
  }

  TEST_CASE("a route with a name in its path is about that thing and not about the node") {
    const Parts parts;
    for (const Route& route : parts.routes.routes()) {
      CAPTURE(route.path);
      const bool named = route.path.find('{') != std::string::npos;
      const Resource resource = resource_of(route, filled(route, "press-7"));
      // Feeds are granted with asking, none of them alone.
      const bool of_the_node =
          route.path.starts_with("/api/v1/access") || route.path.starts_with("/api/v1/feeds");
      CHECK((resource.kind == ResourceKind::node) == (resource == Resource{}));
      if (named && !of_the_node) {
        CHECK(resource.kind != ResourceKind::node);
        CHECK(resource.name == "press-7");
      }
    }
  }

  TEST_CASE("a partner may call what its link allows and nothing of a local user's") {
    const Policy policy = Policy::initial("ann");
    SeededRandom random(3);
    const Partner partner{random.id<OrgId>(), {}};
    for (const bool active : {false, true}) {
      for (std::size_t i = 0; i < kVerbs; ++i) {
        const Verb verb = static_cast<Verb>(i);
        const bool expected =
            active && (verb == Verb::partner_session || verb == Verb::partner_agreements);
        for (std::size_t k = 0; k < kResourceKinds; ++k) {
          const Resource resource{static_cast<ResourceKind>(k), "air"};
          CHECK(decide(policy, partner, verb, resource, {kNow, active, {}}).allowed == expected);
        }
      }
    }
  }
}
