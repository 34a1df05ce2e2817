// Every route and every RPC method times who calls, what is granted on the resource, the link's
// state and the token's, through decide(), compared with the rows of permission_rows.h and the rule
// in words: a token allows its verbs; a role what its row says; a grant its verb on its resource
// until it ends; break-glass its six verbs; a partner what its link and agreement allow.
#include <capnp/schema.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "node/collect/collector_desk.h"
#include "node/daemon/vault_lock.h"
#include "node/daemon/api_models.h"
#include "node/daemon/api_signals.h"
#include "node/daemon/partner_policy.h"
#include "schemas/wire/collect.capnp.h"
#include "schemas/wire/gate.capnp.h"
#include "tests/support/link_node.h"
#include "tests/support/permission_rows.h"
#include "tests/unit/node/ingest/site.h"

using namespace entente;
using namespace entente::node;
using namespace entente::security;
using tests::Asks;
using tests::Decided;
using tests::kMethodRows;
using tests::kRouteRows;
using tests::RouteRow;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};

// A node's parts, nothing running: the handlers are never called.
struct Parts {
  node::test::Site site{{"a"}};
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
    auto derived = std::make_unique<node::DerivedSignals>(node::DerivedSignals::Parts{
        *site.store, core->clock, [this] { return site.registry->state(); }, {}});
    auto history =
        std::make_unique<node::DerivedHistory>(std::move(site.history), std::move(derived));
    node::DerivedHistory& signals = *history;
    core->history = std::move(history);
    core->quality = std::make_unique<QualityGate>();
    add_all_routes(routes, *core);
    add_model_routes(routes, *core, models);
    add_proposal_routes(routes, *core, models);
    add_signal_routes(routes, *core, signals);
  }
  ~Parts() { site.history = std::move(core->history); }
};

std::string name_of(const Route& route) {
  return std::string(to_text(route.method)) + " " + route.path;
}

// The parameters of a route's template, each with this value.
Parameters filled(const Route& route, const std::string& value) {
  Parameters path;
  for (std::size_t at = 0; (at = route.path.find('{', at)) != std::string::npos; ++at) {
    path[route.path.substr(at + 1, route.path.find('}', at) - at - 1)] = value;
  }
  return path;
}

enum class GrantState { none, this_one, other_one, whole_kind, expired, of_a_part, count };
enum class TokenState { plain, for_this, for_another, count };
constexpr const char* kLinkStates[] = {"invited", "pending", "active", "suspended", "revoked"};

std::vector<Grant> grants_of(GrantState state, Verb verb, const Resource& resource) {
  Grant grant{std::string("bob"), verb, resource, {}};
  const bool has_parts =
      (resource.kind == ResourceKind::twin || resource.kind == ResourceKind::type) &&
      !resource.name.empty();
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
    case GrantState::of_a_part:
      if (!has_parts) return {};
      grant.resource.name += "/vibration";
      break;
    default:
      grant.expires = kNow;
  }
  return {grant};
}

// Who calls: the built-in roles, then these.
enum class Caller { own_role = kRoles, ended_role, disabled, break_glass, partner, count };

Policy policy_for(int caller, const std::vector<Grant>& grants) {
  PolicyParts parts;
  parts.users["ann"].roles = {Role::owner};
  User& bob = parts.users["bob"];
  bob.roles = {Role::service};
  parts.own_roles["keeper"] = {Verb::read_twins, Verb::manage_links};
  if (caller < static_cast<int>(kRoles)) bob.roles = {static_cast<Role>(caller)};
  if (caller == static_cast<int>(Caller::own_role)) bob.roles = {OwnRole{"keeper"}};
  if (caller == static_cast<int>(Caller::ended_role)) {
    bob = {{Role::admin}, {{Role::admin, kNow}}, false};
  }
  bob.disabled = caller == static_cast<int>(Caller::disabled);
  parts.grants = grants;
  // Some of these unite duties, which no file could: decide() is asked whatever it is given.
  auto policy = Policy::of(parts);
  if (policy) return *policy;
  parts.grants.clear();
  policy = Policy::of(parts);
  REQUIRE(policy);
  return *policy;
}

// What the row says, in words.
bool role_says(int caller, Verb verb) {
  if (caller < static_cast<int>(kRoles)) return role_allows(static_cast<Role>(caller), verb);
  if (caller == static_cast<int>(Caller::own_role)) {
    return verb == Verb::read_twins || verb == Verb::manage_links;
  }
  return false;
}

struct Tally {
  std::size_t cells = 0;
  std::size_t allowed = 0;
  std::vector<std::string> wrong;
  void count(bool decided, bool expected, const std::string& cell) {
    ++cells;
    allowed += decided;
    if (decided != expected && wrong.size() < 20) wrong.push_back(cell);
  }
};

const RouteRow* row_of(const std::vector<RouteRow>& rows, const Route& route) {
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const RouteRow& row) { return row.route == name_of(route); });
  return found == rows.end() ? nullptr : &*found;
}

// One route for one caller, over grants, tokens and link states.
void run_route(const Route& route, const RouteRow& row, int caller, Tally& tally) {
  const Resource resource = resource_of(route, filled(route, "press-7"));
  const bool named = route.path.find('{') != std::string::npos && row.kind != ResourceKind::node;
  const Resource expected_on{row.kind, named ? "press-7" : ""};
  for (int g = 0; g < static_cast<int>(GrantState::count); ++g) {
    const auto wanted = grants_of(static_cast<GrantState>(g), row.verb, expected_on);
    const Policy policy = policy_for(caller, wanted);
    const bool by_grant =
        !policy.grants().empty() && (g == static_cast<int>(GrantState::this_one) ||
                                     g == static_cast<int>(GrantState::whole_kind));
    for (int t = 0; t < static_cast<int>(TokenState::count); ++t) {
      LocalUser bob = *policy.user("bob");
      if (t == static_cast<int>(TokenState::for_this)) bob.only = std::set{row.verb};
      if (t == static_cast<int>(TokenState::for_another)) {
        bob.only = std::set{row.verb == Verb::ask ? Verb::read_status : Verb::ask};
      }
      bob.break_glass = caller == static_cast<int>(Caller::break_glass);
      bool expected = t != static_cast<int>(TokenState::for_another) && !bob.disabled;
      if (bob.break_glass) expected = expected && break_glass_allows(row.verb);
      if (!bob.break_glass) expected = expected && (role_says(caller, row.verb) || by_grant);
      security::Subject who = bob;
      if (caller == static_cast<int>(Caller::partner)) {
        SeededRandom random(1);
        who = Partner{random.id<OrgId>(), {}};
        expected = false;
      }
      for (const std::string_view link : kLinkStates) {
        const Decision decision =
            decide(policy, who, route.verb, resource, {kNow, link == "active", {}});
        CHECK_FALSE(decision.reason.empty());
        tally.count(decision.allowed, expected,
                    name_of(route) + " caller " + std::to_string(caller) + " grant " +
                        std::to_string(g) + " token " + std::to_string(t));
      }
    }
  }
}

Tally run_routes(const RouteTable& routes, const std::vector<RouteRow>& rows) {
  Tally tally;
  std::size_t with_rows = 0;
  for (const Route& route : routes.routes()) {
    const RouteRow* row = row_of(rows, route);
    if (row == nullptr) {
      tally.wrong.push_back("no row for " + name_of(route));
      continue;
    }
    ++with_rows;
    if ((row->decided == Decided::never) != (route.access == Access::open)) {
      tally.wrong.push_back(name_of(route) + " is open or is not");
    }
    if ((row->decided == Decided::by_call) != static_cast<bool>(route.needs)) {
      tally.wrong.push_back(name_of(route) + " is decided by its call or is not");
    }
    for (int caller = 0; caller < static_cast<int>(Caller::count); ++caller) {
      run_route(route, *row, caller, tally);
    }
  }
  if (with_rows != rows.size()) tally.wrong.push_back("a row without a route");
  return tally;
}

// Interfaces that a peer can reach from `start`, through parameters and results.
void reach(capnp::Type type, std::map<std::uint64_t, capnp::InterfaceSchema>& interfaces,
           std::set<std::uint64_t>& structs) {
  if (type.isList()) return reach(type.asList().getElementType(), interfaces, structs);
  if (type.isInterface()) {
    const auto schema = type.asInterface();
    if (!interfaces.emplace(schema.getProto().getId(), schema).second) return;
    for (const auto method : schema.getMethods()) {
      reach(method.getParamType(), interfaces, structs);
      reach(method.getResultType(), interfaces, structs);
    }
  }
  if (type.isStruct() && structs.insert(type.asStruct().getProto().getId()).second) {
    for (const auto field : type.asStruct().getFields()) {
      reach(field.getType(), interfaces, structs);
    }
  }
}

struct RpcMethod {
  std::string name;
  const federation::MethodRow* row;
};

// Every method of the schemas with its row of the node's own tables, or null.
std::vector<RpcMethod> methods() {
  std::map<std::uint64_t, capnp::InterfaceSchema> interfaces;
  std::set<std::uint64_t> structs;
  reach(capnp::Schema::from<wire::Gate>(), interfaces, structs);
  reach(capnp::Schema::from<wire::CollectGate>(), interfaces, structs);
  reach(capnp::Schema::from<wire::Collector>(), interfaces, structs);
  std::vector<RpcMethod> out;
  for (const auto& [id, schema] : interfaces) {
    for (const auto method : schema.getMethods()) {
      const auto number = static_cast<std::uint16_t>(method.getOrdinal());
      const auto* row = federation::MethodTable::standard().find(id, number);
      if (row == nullptr) row = collect_methods().find(id, number);
      out.push_back({std::string(schema.getShortDisplayName().cStr()) + "." +
                         method.getProto().getName().cStr(),
                     row});
    }
  }
  return out;
}

// What a question relates to.
enum class Relation {
  granted,
  other_export,
  other_agreement,
  foreign_agreement,
  expired,
  none,
  count
};

struct PartnerScene {
  SeededRandom random{4};
  OrgId org = random.id<OrgId>();
  OrgId other = random.id<OrgId>();
  AgreementId id = random.id<AgreementId>();
  Policy open = Policy::initial("ann");
  Policy cut = [this] {
    PolicyParts parts = Policy::initial("ann").parts();
    parts.cut_off = {org};
    return *Policy::of(parts);
  }();
};

Decision ask_decision(PartnerScene& scene, const Policy& policy, Relation relation, bool active) {
  AgreementGrant grant{scene.id, scene.org, {"air"}, kNow + days(1)};
  DecisionContext context{kNow, active, scene.id};
  Resource resource{ResourceKind::export_, "air"};
  if (relation == Relation::other_export) resource.name = "water";
  if (relation == Relation::other_agreement) context.agreement = scene.random.id<AgreementId>();
  if (relation == Relation::foreign_agreement) grant.consumer = scene.other;
  if (relation == Relation::expired) grant.expires = kNow;
  if (relation == Relation::none) context.agreement.reset();
  return decide(policy, Partner{scene.org, {grant}}, Verb::partner_ask, resource, context);
}

void run_method(const RpcMethod& method, Asks asks, PartnerScene& scene, Tally& tally) {
  const auto verb = choke_verb(*method.row);
  for (const std::string_view link : kLinkStates) {
    const bool active = link == "active";
    for (const bool cut : {false, true}) {
      const Policy& policy = cut ? scene.cut : scene.open;
      const bool choke =
          partner_may(policy, scene.org, active ? LinkStanding::active : LinkStanding::not_active,
                      *method.row, kNow)
              .has_value();
      for (int r = 0; r < static_cast<int>(Relation::count); ++r) {
        const auto relation = static_cast<Relation>(r);
        // What reaches data is decided a second time, by the disclosure gate.
        const bool reaches_data = method.row->klass == federation::MethodClass::ask;
        const bool at_gate = !reaches_data || ask_decision(scene, policy, relation, active).allowed;
        const bool expected = active && !cut && asks != Asks::collector &&
                              (asks != Asks::question || relation == Relation::granted);
        tally.count(choke && at_gate, expected,
                    method.name + " link " + std::string(link) + " relation " + std::to_string(r));
      }
    }
    // No local user passes for a partner, whatever their role.
    for (std::size_t role = 0; verb && role < kRoles; ++role) {
      const LocalUser user{"bob", {static_cast<Role>(role)}};
      tally.count(decide(scene.open, user, *verb, {}, {kNow, active, scene.id}).allowed, false,
                  method.name + " by a local user");
    }
  }
}

Tally run_methods(const std::vector<tests::MethodRow>& rows) {
  Tally tally;
  PartnerScene scene;
  std::size_t with_rows = 0;
  for (const RpcMethod& method : methods()) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const tests::MethodRow& one) {
      return one.method == method.name;
    });
    if (row == rows.end() || method.row == nullptr) {
      tally.wrong.push_back("no row for " + method.name);
      continue;
    }
    ++with_rows;
    if (!choke_verb(*method.row) && row->asks != Asks::collector) {
      tally.wrong.push_back("no rule covers " + method.name);
    }
    run_method(method, row->asks, scene, tally);
  }
  if (with_rows != rows.size()) tally.wrong.push_back("a row without a method");
  return tally;
}

const std::vector<RouteRow> kRoutes(std::begin(kRouteRows), std::end(kRouteRows));
const std::vector<tests::MethodRow> kMethods(std::begin(kMethodRows), std::end(kMethodRows));

}  // namespace

TEST_SUITE("node/daemon permission matrix") {
  TEST_CASE("every route and every RPC method is decided in every cell as its row says") {
    const Parts parts;
    const auto started = std::chrono::steady_clock::now();
    const Tally http = run_routes(parts.routes, kRoutes);
    const Tally rpc = run_methods(kMethods);
    const auto took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    CHECK(http.wrong == std::vector<std::string>{});
    CHECK(rpc.wrong == std::vector<std::string>{});
    MESSAGE(http.cells << " cells of " << kRoutes.size() << " routes, " << http.allowed
                       << " allowed; " << rpc.cells << " cells of " << kMethods.size()
                       << " RPC methods, " << rpc.allowed << " allowed; " << took << " s");
    CHECK(http.cells > 50'000);
    CHECK(http.allowed > 0);
    CHECK(rpc.allowed > 0);
  }

  TEST_CASE("the comparison finds a row that says something else and a row too many or too few") {
    const Parts parts;
    auto rows = kRoutes;
    rows[0].verb = Verb::manage_keys;
    CHECK_FALSE(run_routes(parts.routes, rows).wrong.empty());
    rows = kRoutes;
    rows.pop_back();
    CHECK(run_routes(parts.routes, rows).wrong ==
          std::vector<std::string>{"no row for " + std::string(kRoutes.back().route)});
    rows = kRoutes;
    rows.push_back({"GET /api/v1/ghosts", Verb::read_twins, ResourceKind::twin});
    CHECK(run_routes(parts.routes, rows).wrong ==
          std::vector<std::string>{"a row without a route"});
    auto methods_of = kMethods;
    methods_of[0].asks = Asks::question;
    CHECK_FALSE(run_methods(methods_of).wrong.empty());
    methods_of = kMethods;
    methods_of.pop_back();
    CHECK(run_methods(methods_of).wrong.size() == 1);
  }

  TEST_CASE("drawn calls over real TLS are refused and answered as the RPC rows say") {
    federation::Loop loop;
    federation::LinkLimits limits;
    limits.ask_rate = limits.bulk_rate = 1e6;
    limits.ask_burst = limits.bulk_burst = 1e6;
    entente::test::LinkNode asker(loop, "asker", limits), server(loop, "server", limits);
    entente::test::LinkNode::link(asker, server);
    loop.run(asker.manager.when_connected(server.id(), federation::Direction::we_call));
    Policy policy = Policy::initial("ann");
    auto standing = LinkStanding::active;
    server.decide = [&](const federation::Caller& caller, const federation::MethodRow& row) {
      return partner_may(policy, caller.peer.organisation, standing, row, kNow);
    };
    auto session = asker.manager.session(server.id()).wait(loop.wait_scope());
    const std::uint32_t seed = 2026;
    CAPTURE(seed);
    SeededRandom random(seed);
    std::size_t allowed = 0, wrong = 0;
    constexpr std::size_t kDraws = 200;
    for (std::size_t i = 0; i < kDraws; ++i) {
      std::array<std::uint8_t, 3> draw{};
      random.fill(draw);
      PolicyParts parts = Policy::initial("ann").parts();
      const bool cut = draw[0] % 3 == 0, active = draw[1] % 3 != 0;
      if (cut) parts.cut_off = {asker.id()};
      policy = *Policy::of(parts);
      standing = active ? LinkStanding::active : LinkStanding::not_active;
      std::optional<ErrorCode> refused;
      const auto look = [&](const auto& outcome) {
        if (outcome.isRefusal()) refused = code_from_number(outcome.getRefusal().getCode());
      };
      if (draw[2] % 3 == 0) {
        auto reply = session.pingRequest().send().wait(loop.wait_scope());
        look(reply.getOutcome());
      } else if (draw[2] % 3 == 1) {
        auto reply = session.questionsRequest().send().wait(loop.wait_scope());
        look(reply.getOutcome());
      } else {
        auto request = asker.manager.questions(server.id()).askRequest();
        request.initEnvelope(8);
        auto reply = request.send().wait(loop.wait_scope());
        look(reply.getOutcome());
      }
      std::optional<ErrorCode> expected;
      if (!active) expected = ErrorCode::link_not_active;
      if (cut) expected = ErrorCode::denied;
      wrong += refused != expected;
      allowed += !refused;
    }
    MESSAGE(kDraws << " calls over TLS, " << allowed << " allowed, seed " << seed);
    CHECK(wrong == 0);
    CHECK(allowed > 0);
    CHECK(allowed < kDraws);
  }

  TEST_CASE("a route with a name in its path is about that thing and not about the node") {
    const Parts parts;
    for (const Route& route : parts.routes.routes()) {
      CAPTURE(route.path);
      const RouteRow* row = row_of(kRoutes, route);
      REQUIRE(row != nullptr);
      const Resource resource = resource_of(route, filled(route, "press-7"));
      CHECK(resource.kind == row->kind);
      if (row->kind != ResourceKind::node && route.path.find('{') != std::string::npos) {
        CHECK(resource.name == "press-7");
      }
    }
  }

  TEST_CASE("a step for two persons has a verb of its own route") {
    const Parts parts;
    std::set<Step> steps;
    for (const Route& route : parts.routes.routes()) {
      if (!route.two_person_step) continue;
      CAPTURE(route.path);
      CHECK(route.method != node::Method::get);
      CHECK(verb_of(*route.two_person_step) == route.verb);
      steps.insert(*route.two_person_step);
    }
    for (const Step step : {Step::activate_link, Step::sign_agreement, Step::restore_policy,
                            Step::change_roles, Step::waive_step}) {
      CHECK(steps.contains(step));
    }
  }
}
