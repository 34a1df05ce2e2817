#include "security/policy/policy.h"

#include <doctest/doctest.h>

#include "schemas/base/random.h"

using namespace entente;
using namespace entente::security;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};

// Written out a second time, by hand and as letters, so that a slip in the table shows.
// Columns: owner, admin, privacy-officer, operator, analyst, auditor, service.
constexpr std::pair<std::string_view, std::string_view> kExpected[] = {
    {"read_status", "yyyyyyy"},
    {"read_twins", "yy-yy--"},
    {"write_twins", "yy-y---"},
    {"write_readings", "y--y--y"},
    {"ask", "y--yy--"},
    {"preview", "yyyyyy-"},
    {"read_links", "yyyyyy-"},
    {"manage_links", "yy-----"},
    {"read_agreements", "yyyyyy-"},
    {"manage_agreements", "yy-----"},
    {"read_budgets", "yyyyyy-"},
    {"manage_budgets", "y-y----"},
    {"read_policy", "yyy--y-"},
    {"manage_roles", "yy-----"},
    {"read_audit", "y-y--y-"},
    {"manage_keys", "y------"},
    {"cut_links", "yy-----"},
    {"disable_users", "yy-----"},
    {"restore_policy", "y------"},
    {"make_backups", "yy-y---"},
    {"partner_session", "-------"},
    {"partner_ask", "-------"},
    {"partner_agreements", "-------"}};

Resource resource_of(std::size_t kind, std::string name = "air") {
  return {static_cast<ResourceKind>(kind), std::move(name)};
}

struct PartnerWorld {
  SeededRandom random{5};
  OrgId org = random.id<OrgId>();
  AgreementId id = random.id<AgreementId>();
  Partner partner{org, {{id, org, {"air", "traffic"}, kNow + days(1)}}};
  DecisionContext context{kNow, true, id};
  Policy policy = Policy::initial("ann");
  Decision ask(const Resource& resource) const {
    return decide(policy, partner, Verb::partner_ask, resource, context);
  }
};

Policy load(std::string_view text) {
  auto policy = Policy::from_toml(text);
  if (!policy) FAIL(policy.error().text());
  return *std::move(policy);
}

}  // namespace

TEST_SUITE("security/policy") {
  TEST_CASE("every role is decided for every verb and kind of resource as the table says") {
    REQUIRE(std::size(kExpected) == kVerbs);
    const Policy policy = Policy::initial("ann");
    int allowed = 0, refused = 0;
    for (std::size_t v = 0; v < kVerbs; ++v) {
      const Verb verb = static_cast<Verb>(v);
      CAPTURE(std::string(kExpected[v].first));
      REQUIRE(to_text(verb) == kExpected[v].first);
      for (std::size_t r = 0; r < kRoles; ++r) {
        CAPTURE(r);
        const LocalUser user{"bob", {static_cast<Role>(r)}};
        for (std::size_t k = 0; k < kResourceKinds; ++k) {
          const Decision decision = decide(policy, user, verb, resource_of(k), {kNow, true, {}});
          CHECK(decision.allowed == (kExpected[v].second[r] == 'y'));
          CHECK_FALSE(decision.reason.empty());
          ++(decision.allowed ? allowed : refused);
        }
      }
      CHECK_FALSE(decide(policy, LocalUser{"bob", {}}, verb, resource_of(0), {}).allowed);
    }
    CHECK(allowed > 0);
    CHECK(refused > allowed);
  }

  TEST_CASE("two roles allow what either allows, and nothing more") {
    const Policy policy = Policy::initial("ann");
    for (std::size_t a = 0; a < kRoles; ++a) {
      for (std::size_t b = 0; b < kRoles; ++b) {
        const Role one = static_cast<Role>(a), two = static_cast<Role>(b);
        CHECK(roles_exclude(one, two) == roles_exclude(two, one));
        for (std::size_t v = 0; v < kVerbs; ++v) {
          const Verb verb = static_cast<Verb>(v);
          const bool both =
              decide(policy, LocalUser{"bob", {one, two}}, verb, resource_of(1), {}).allowed;
          CHECK(both == (role_allows(one, verb) || role_allows(two, verb)));
        }
      }
    }
  }

  TEST_CASE("an auditor changes nothing and a privacy officer never asks") {
    for (std::size_t v = 0; v < kVerbs; ++v) {
      const Verb verb = static_cast<Verb>(v);
      const bool reads = to_text(verb).starts_with("read_") || verb == Verb::preview;
      if (!reads) CHECK_FALSE(role_allows(Role::auditor, verb));
    }
    CHECK_FALSE(role_allows(Role::privacy_officer, Verb::ask));
    CHECK(role_allows(Role::privacy_officer, Verb::manage_budgets));
    CHECK(roles_exclude(Role::auditor, Role::admin));
    CHECK(roles_exclude(Role::analyst, Role::privacy_officer));
    CHECK_FALSE(roles_exclude(Role::analyst, Role::operator_));
  }

  TEST_CASE("names of verbs, roles and kinds go both ways, and nothing else is read") {
    for (std::size_t i = 0; i < kVerbs; ++i) {
      CHECK(verb_from_text(to_text(static_cast<Verb>(i))) == static_cast<Verb>(i));
    }
    for (std::size_t i = 0; i < kRoles; ++i) {
      CHECK(role_from_text(to_text(static_cast<Role>(i))) == static_cast<Role>(i));
    }
    for (std::size_t i = 0; i < kResourceKinds; ++i) {
      const auto kind = static_cast<ResourceKind>(i);
      CHECK(resource_kind_from_text(to_text(kind)) == kind);
    }
    for (const char* bad : {"", "Ask", "ask ", "operator_", "export_", "root"}) {
      CHECK_FALSE(verb_from_text(bad));
      CHECK_FALSE(role_from_text(bad));
      CHECK_FALSE(resource_kind_from_text(bad));
    }
  }

  TEST_CASE("a partner does partner's things only, over an active link only") {
    PartnerWorld world;
    for (std::size_t v = 0; v < kVerbs; ++v) {
      const Verb verb = static_cast<Verb>(v);
      CAPTURE(std::string(to_text(verb)));
      const auto decision =
          decide(world.policy, world.partner, verb, {ResourceKind::export_, "air"}, world.context);
      CHECK(decision.allowed == is_partner_verb(verb));
      DecisionContext inactive = world.context;
      inactive.link_active = false;
      const auto without =
          decide(world.policy, world.partner, verb, {ResourceKind::export_, "air"}, inactive);
      CHECK_FALSE(without.allowed);
      if (is_partner_verb(verb)) CHECK(without.code == ErrorCode::link_not_active);
    }
    // A new link grants nothing but talk.
    world.partner.agreements.clear();
    const auto verdict = [&](Verb verb) {
      return decide(world.policy, world.partner, verb, {ResourceKind::export_, "air"},
                    world.context);
    };
    CHECK(verdict(Verb::partner_session).allowed);
    CHECK(verdict(Verb::partner_agreements).allowed);
    CHECK_FALSE(verdict(Verb::partner_ask).allowed);
    CHECK(verdict(Verb::partner_ask).code == ErrorCode::agreement_missing);
  }

  TEST_CASE("a partner asks the exports of the agreement it names, until it expires") {
    PartnerWorld world;
    CHECK(world.ask({ResourceKind::export_, "air"}).allowed);
    CHECK(world.ask({ResourceKind::export_, "traffic"}).allowed);
    CHECK_FALSE(world.ask({ResourceKind::export_, "water"}).allowed);
    CHECK_FALSE(world.ask({ResourceKind::export_, ""}).allowed);
    CHECK_FALSE(world.ask({ResourceKind::twin, "air"}).allowed);
    world.context.now = kNow + days(1) - nanoseconds(1);
    CHECK(world.ask({ResourceKind::export_, "air"}).allowed);
    world.context.now = kNow + days(1);
    CHECK_FALSE(world.ask({ResourceKind::export_, "air"}).allowed);
    world.context.now = kNow;
    world.context.agreement = world.random.id<AgreementId>();
    CHECK(world.ask({ResourceKind::export_, "air"}).code == ErrorCode::agreement_missing);
    world.context.agreement.reset();
    CHECK_FALSE(world.ask({ResourceKind::export_, "air"}).allowed);
    world.context.agreement = world.id;
    world.partner.agreements[0].consumer = world.random.id<OrgId>();
    CHECK_FALSE(world.ask({ResourceKind::export_, "air"}).allowed);
  }

  TEST_CASE("an organisation that is cut off does nothing, whatever was agreed") {
    PartnerWorld world;
    world.policy = load("[user.ann]\nroles = [\"owner\"]\n[cut_off]\norganisations = [\"" +
                        world.org.hex() + "\"]\n");
    for (const Verb verb : {Verb::partner_session, Verb::partner_ask, Verb::partner_agreements}) {
      CHECK_FALSE(
          decide(world.policy, world.partner, verb, {ResourceKind::export_, "air"}, world.context)
              .allowed);
    }
    world.partner.organisation = world.random.id<OrgId>();
    CHECK(decide(world.policy, world.partner, Verb::partner_session, {}, world.context).allowed);
  }

  TEST_CASE("grants add to roles: to a user or a role, for one resource or a kind") {
    const Policy policy = load(R"(
      [user.ann]
      roles = ["owner"]
      [user.bob]
      roles = ["analyst"]
      [[grant]]
      user = "bob"
      verb = "write_twins"
      resource = "twin:press-7"
      [[grant]]
      role = "auditor"
      verb = "read_twins"
      resource = "twin:*"
    )");
    const auto may = [&](const LocalUser& user, Verb verb, Resource resource) {
      return decide(policy, user, verb, resource, {}).allowed;
    };
    const LocalUser bob = *policy.user("bob");
    CHECK(bob.roles == std::set<AnyRole>{Role::analyst});
    CHECK(may(bob, Verb::write_twins, {ResourceKind::twin, "press-7"}));
    CHECK_FALSE(may(bob, Verb::write_twins, {ResourceKind::twin, "press-8"}));
    CHECK_FALSE(may(bob, Verb::write_twins, {ResourceKind::twin, ""}));
    CHECK_FALSE(may(bob, Verb::write_twins, {ResourceKind::export_, "press-7"}));
    CHECK_FALSE(may(bob, Verb::manage_links, {ResourceKind::twin, "press-7"}));
    CHECK_FALSE(may({"eve", {Role::analyst}}, Verb::write_twins, {ResourceKind::twin, "press-7"}));
    CHECK(may({"eve", {Role::auditor}}, Verb::read_twins, {ResourceKind::twin, "press-8"}));
    CHECK_FALSE(policy.user("eve"));
  }

  TEST_CASE("a role of the policy's own allows its verbs to who has it and until it ends") {
    const Policy policy = load(R"(
      [user.ann]
      roles = ["owner"]
      [user.bob]
      roles = ["gate-keeper"]
      [user.kim]
      roles = ["gate-keeper"]
      until = { gate-keeper = "2025-06-15T00:00:00Z" }
      [role.gate-keeper]
      verbs = ["write_readings", "read_twins"]
      [[grant]]
      role = "gate-keeper"
      verb = "ask"
      resource = "export:air"
    )");
    const Instant end = *parse_instant("2025-06-15T00:00:00Z");
    const auto may = [&](const char* name, Verb verb, Resource resource, Instant now) {
      return decide(policy, *policy.user(name), verb, resource, {now, false, {}});
    };
    for (const char* name : {"bob", "kim"}) {
      CHECK(may(name, Verb::write_readings, {}, end - nanoseconds(1)).allowed);
      CHECK(may(name, Verb::ask, {ResourceKind::export_, "air"}, end - nanoseconds(1)).allowed);
      CHECK_FALSE(may(name, Verb::ask, {ResourceKind::export_, "water"}, kNow).allowed);
      CHECK_FALSE(may(name, Verb::manage_roles, {}, kNow).allowed);
    }
    CHECK(may("bob", Verb::write_readings, {}, end).allowed);
    CHECK_FALSE(may("kim", Verb::write_readings, {}, end).allowed);
    CHECK_FALSE(may("kim", Verb::ask, {ResourceKind::export_, "air"}, end).allowed);
    CHECK(may("kim", Verb::write_readings, {}, end).reason.find("ended at") != std::string::npos);
    const Policy again = load(policy.to_toml());
    CHECK(again.users() == policy.users());
    CHECK(again.parts().own_roles == policy.parts().own_roles);
  }

  TEST_CASE("a grant on a twin covers its properties and one on a property covers it alone") {
    const Policy policy = load(R"(
      [user.ann]
      roles = ["owner"]
      [user.bob]
      roles = ["service"]
      [[grant]]
      user = "bob"
      verb = "read_twins"
      resource = "twin:press-7/vibration"
      [[grant]]
      user = "bob"
      verb = "ask"
      resource = "type:dtmi:org:air:Monitor;1"
    )");
    const auto may = [&](Verb verb, const char* text) {
      const auto resource = resource_from_text(text);
      REQUIRE(resource);
      return decide(policy, *policy.user("bob"), verb, *resource, {}).allowed;
    };
    CHECK(may(Verb::read_twins, "twin:press-7/vibration"));
    CHECK_FALSE(may(Verb::read_twins, "twin:press-7/vibrations"));
    CHECK_FALSE(may(Verb::read_twins, "twin:press-7/heat"));
    CHECK_FALSE(may(Verb::read_twins, "twin:press-7"));
    CHECK_FALSE(may(Verb::read_twins, "twin:*"));
    CHECK(may(Verb::ask, "type:dtmi:org:air:Monitor;1"));
    CHECK(may(Verb::ask, "type:dtmi:org:air:Monitor;1/pm25"));
    CHECK_FALSE(may(Verb::ask, "type:dtmi:org:air:Monitor;11"));
    for (const char* bad : {"twin:a/", "twin:/a", "twin:a/b/c", "export:a/b", "twin:a@b",
                            "export:a@", "export:@b", "link:a@b"}) {
      CAPTURE(bad);
      CHECK_FALSE(resource_from_text(bad));
    }
    CHECK(resource_from_text("export:air@oregon"));
  }

  TEST_CASE("a disabled user may nothing and break-glass only what it is for") {
    const Policy policy =
        load("[user.ann]\nroles=['owner']\n[user.bob]\nroles=['owner']\ndisabled=true\n");
    LocalUser emergency{"break-glass", {}};
    emergency.break_glass = true;
    std::size_t opened = 0;
    for (std::size_t v = 0; v < kVerbs; ++v) {
      const Verb verb = static_cast<Verb>(v);
      CAPTURE(std::string(to_text(verb)));
      CHECK_FALSE(decide(policy, *policy.user("bob"), verb, {}, {}).allowed);
      const bool allowed = decide(policy, emergency, verb, {}, {}).allowed;
      CHECK(allowed == break_glass_allows(verb));
      opened += allowed;
    }
    CHECK(opened == 6);
    for (const Verb never : {Verb::ask, Verb::preview, Verb::read_twins, Verb::manage_budgets,
                             Verb::read_budgets, Verb::manage_links, Verb::manage_roles,
                             Verb::manage_keys, Verb::read_audit, Verb::write_readings}) {
      CHECK_FALSE(break_glass_allows(never));
    }
  }

  TEST_CASE("a refusal names the rule and the roles that would allow") {
    const Policy policy = load("[user.ann]\nroles=['owner']\n[user.bob]\nroles=['auditor']\n");
    const std::string reason =
        decide(policy, *policy.user("bob"), Verb::ask, {ResourceKind::export_, "air"}, {}).reason;
    CHECK(reason.find("role (auditor)") != std::string::npos);
    CHECK(reason.find("ask on export:air") != std::string::npos);
    CHECK(reason.find("these roles would: owner, operator, analyst") != std::string::npos);
  }

  TEST_CASE("a policy with anything unknown refuses to load and says where") {
    const std::string owner = "[user.ann]\nroles = [\"owner\"]\n";
    const auto grant = [&](const std::string& body) { return owner + "[[grant]]\n" + body; };
    CHECK(Policy::from_toml(owner));
    CHECK(Policy::from_toml(grant("user='ann'\nverb='ask'\nresource='twin:*'\n")));
    const std::pair<const char*, std::string> cases[] = {
        {"line 3", owner + "[users.bob]\nroles=[]\n"},
        {"allowed are user, role, grant, two_person, oidc, cut_off", owner + "[users.bob]\n"},
        {"allowed are owner, admin, privacy-officer", owner + "[user.bob]\nroles=['root']\n"},
        {"line 5", grant("user='ann'\nverb='fly'\nresource='twin:*'\n")},
        {"allowed are read_status, read_twins",
         grant("user='ann'\nverb='fly'\nresource='twin:*'\n")},
        {"unknown key 'users'", owner + "[users.bob]\nroles=[]\n"},
        {"unknown key 'role'", owner + "[user.bob]\nrole=['analyst']\nroles=[]\n"},
        {"unknown role 'root'", owner + "[user.bob]\nroles=['root']\n"},
        {"local id", owner + "[user.Bob]\nroles=['analyst']\n"},
        {"unknown verb", grant("user='ann'\nverb='fly'\nresource='twin:*'\n")},
        {"with one of the kinds node, twin",
         grant("user='ann'\nverb='ask'\nresource='planet:*'\n")},
        {"with one of the kinds node, twin", grant("user='ann'\nverb='ask'\nresource='twin'\n")},
        {"with one of the kinds", grant("user='ann'\nverb='ask'\n")},
        {"no name of a resource", grant("user='ann'\nverb='ask'\nresource='twin:A B'\n")},
        {"no user 'bob'", grant("user='bob'\nverb='ask'\nresource='twin:*'\n")},
        {"either a user or a role", grant("verb='ask'\nresource='twin:*'\n")},
        {"either a user or a role",
         grant("user='ann'\nrole='analyst'\nverb='ask'\nresource='twin:*'\n")},
        {"links and agreements", grant("user='ann'\nverb='partner_ask'\nresource='export:*'\n")},
        {"unknown key 'deny'", grant("user='ann'\nverb='ask'\nresource='twin:*'\ndeny=true\n")},
        {"role owner", "[user.bob]\nroles=['analyst']\n"},
        {"role owner", ""},
        {"must be a list", "[user.ann]\nroles='owner'\n"},
        {"must hold texts", "[user.ann]\nroles=[1]\n"},
        {"is missing", "[user.ann]\n"},
        {"cannot be", owner + "[user.bob]\nroles=['admin','auditor']\n"},
        {"cannot be", owner + "[user.bob]\nroles=['privacy-officer','analyst']\n"},
        {"'until' names a role not held",
         owner + "[user.bob]\nroles=['analyst']\nuntil={admin='2030-01-01T00:00:00Z'}\n"},
        {"no enabled user", "[user.ann]\nroles=['owner']\ndisabled=true\n"},
        {"no enabled user", "[user.ann]\nroles=['owner']\nuntil={owner='2030-01-01T00:00:00Z'}\n"},
        {"built in", owner + "[role.admin]\nverbs=['ask']\n"},
        {"allows nothing", owner + "[role.keeper]\nverbs=[]\n"},
        {"unknown verb 'fly'", owner + "[role.keeper]\nverbs=['fly']\n"},
        {"links and agreements", owner + "[role.keeper]\nverbs=['partner_ask']\n"},
        {"unite duties", owner + "[role.keeper]\nverbs=['manage_budgets','ask']\n"},
        {"unknown step 'dance'", owner + "[two_person]\nsteps=['dance']\n"},
        {"unknown step 'waive_step'", owner + "[two_person]\nsteps=['waive_step']\n"},
        {"1m to 30d", owner + "[two_person]\nsteps=[]\nlife='90d'\n"},
        {"unknown algorithm 'none'",
         owner + "[oidc]\nissuer='a'\naudience='b'\nalgorithms=['none']\nusers={}\n"},
        {"unknown algorithm 'HS256'",
         owner + "[oidc]\nissuer='a'\naudience='b'\nalgorithms=['HS256']\nusers={}\n"},
        {"'audience' is missing", owner + "[oidc]\nissuer='a'\nalgorithms=['ES256']\n"},
        {"no user 'eve'",
         owner + "[oidc]\nissuer='a'\naudience='b'\nalgorithms=['ES256']\nusers={x='eve'}\n"},
        {"no organisation id", owner + "[cut_off]\norganisations=['abc']\n"},
        {"line 3", owner + "this is no TOML\n"},
    };
    for (const auto& [reason, text] : cases) {
      CAPTURE(text);
      const auto result = Policy::from_toml(text);
      REQUIRE_FALSE(result);
      CHECK(result.error().code == ErrorCode::config_invalid);
      CAPTURE(result.error().what);
      CHECK(result.error().what.find(reason) != std::string::npos);
    }
  }
}
