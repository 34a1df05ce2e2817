#include "security/policy/policy_change.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "schemas/base/random.h"

using namespace entente;
using namespace entente::security;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};

Policy policy_of(std::string_view text) {
  auto policy = Policy::from_toml(text);
  if (!policy) FAIL(policy.error().text());
  return *std::move(policy);
}

const char* kFour =
    "[user.ann]\nroles = [\"owner\"]\n[user.bob]\nroles = [\"admin\"]\n"
    "[user.eve]\nroles = [\"analyst\"]\n[user.max]\nroles = [\"auditor\"]\n";

PolicyActor as(const Policy& policy, const std::string& name) {
  return {*policy.user(name), kNow};
}

ErrorCode code_of(const Result<Policy>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

}  // namespace

TEST_SUITE("security/policy_change") {
  TEST_CASE("a policy written as text is the same policy when it is read") {
    const Policy policy =
        policy_of(std::string(kFour) +
                  "[[grant]]\nuser = \"eve\"\nverb = \"write_twins\"\nresource = \"twin:press-7\"\n"
                  "expires = \"2030-01-01T00:00:00Z\"\n"
                  "[[grant]]\nrole = \"analyst\"\nverb = \"read_twins\"\n"
                  "resource = \"type:dtmi:org:air:Monitor;1\"\n"
                  "[cut_off]\norganisations = [\"" +
                  std::string(64, 'a') + "\"]\n");
    const Policy again = policy_of(policy.to_toml());
    CHECK(again.users() == policy.users());
    CHECK(again.grants() == policy.grants());
    CHECK(again.is_cut_off(*OrgId::from_hex_text(std::string(64, 'a'))));
    CHECK(again.to_toml() == policy.to_toml());
  }

  TEST_CASE("a role makes a user and the user goes with the last one and their grants") {
    Policy policy = policy_of(kFour);
    policy = *give_role(policy, as(policy, "ann"), "kim", Role::operator_);
    CHECK(policy.user("kim")->roles == std::set<AnyRole>{Role::operator_});
    policy = *add_grant(policy, as(policy, "ann"),
                        {std::string("kim"), Verb::ask, {ResourceKind::export_, "air"}});
    REQUIRE(policy.grants().size() == 1);
    policy = *take_role(policy, as(policy, "ann"), "kim", Role::operator_);
    CHECK_FALSE(policy.user("kim"));
    CHECK(policy.grants().empty());
  }

  TEST_CASE("nobody grants more than they hold") {
    const Policy policy = policy_of(kFour);
    CHECK(give_role(policy, as(policy, "bob"), "kim", Role::admin));  // the control
    for (const Role role : {Role::owner, Role::privacy_officer, Role::analyst, Role::auditor}) {
      CAPTURE(std::string(to_text(role)));
      CHECK(code_of(give_role(policy, as(policy, "bob"), "kim", role)) == ErrorCode::denied);
    }
    CHECK(code_of(take_role(policy, as(policy, "bob"), "ann", Role::owner)) == ErrorCode::denied);
    CHECK(code_of(add_grant(policy, as(policy, "bob"),
                            {std::string("bob"), Verb::manage_budgets, {}})) == ErrorCode::denied);
    CHECK(add_grant(policy, as(policy, "bob"), {std::string("eve"), Verb::manage_links, {}}));
  }

  TEST_CASE("the last owner stays and roles that exclude each other stay apart") {
    const Policy policy = policy_of(kFour);
    const PolicyActor ann = as(policy, "ann");
    CHECK(code_of(take_role(policy, ann, "ann", Role::owner)) == ErrorCode::conflict);
    const Policy two = *give_role(policy, ann, "bob", Role::owner);
    CHECK(take_role(two, ann, "ann", Role::owner));  // the control
    CHECK(code_of(give_role(policy, ann, "max", Role::admin)) == ErrorCode::conflict);
    CHECK(code_of(give_role(policy, ann, "eve", Role::privacy_officer)) == ErrorCode::conflict);
  }

  TEST_CASE("a change that changes nothing or names nobody is refused") {
    const Policy policy = policy_of(kFour);
    const PolicyActor ann = as(policy, "ann");
    const Grant grant{std::string("eve"), Verb::write_twins, {ResourceKind::twin, "press-7"}};
    CHECK(code_of(give_role(policy, ann, "eve", Role::analyst)) == ErrorCode::conflict);
    CHECK(code_of(take_role(policy, ann, "eve", Role::service)) == ErrorCode::conflict);
    CHECK(code_of(take_role(policy, ann, "kim", Role::service)) == ErrorCode::not_found);
    CHECK(code_of(give_role(policy, ann, "Kim!", Role::service)) == ErrorCode::invalid_argument);
    CHECK(code_of(remove_grant(policy, ann, grant.text())) == ErrorCode::not_found);
    CHECK(code_of(add_grant(policy, ann, {std::string("kim"), Verb::ask, {}})) ==
          ErrorCode::not_found);
    CHECK(code_of(add_grant(policy, ann, {std::string("eve"), Verb::partner_ask, {}})) ==
          ErrorCode::invalid_argument);
    const Policy granted = *add_grant(policy, ann, grant);
    CHECK(code_of(add_grant(granted, ann, grant)) == ErrorCode::conflict);
    CHECK(remove_grant(granted, ann, grant.text())->grants().empty());
  }

  TEST_CASE("a grant allows its resource until it expires and says so afterwards") {
    Policy policy = policy_of(kFour);
    const Resource press{ResourceKind::twin, "press-7"};
    Grant grant{std::string("eve"), Verb::write_twins, press, kNow + days(1)};
    policy = *add_grant(policy, as(policy, "ann"), grant);
    const auto decided = [&](const Resource& on, Instant now) {
      return decide(policy, *policy.user("eve"), Verb::write_twins, on, {now, false, {}});
    };
    CHECK(decided(press, kNow).allowed);
    CHECK_FALSE(decided({ResourceKind::twin, "press-8"}, kNow).allowed);
    CHECK_FALSE(decided({ResourceKind::export_, "press-7"}, kNow).allowed);
    const Decision late = decided(press, kNow + days(1));
    CHECK_FALSE(late.allowed);
    CHECK(late.reason.find("expired at") != std::string::npos);
    CHECK(code_of(
              add_grant(policy, as(policy, "ann"), {std::string("eve"), Verb::ask, press, kNow})) ==
          ErrorCode::invalid_argument);
    // A new end takes the place of the old one.
    grant.expires = kNow + days(3);
    CHECK(add_grant(policy, as(policy, "ann"), grant)->grants().size() == 1);
  }

  TEST_CASE("a token for some verbs never allows another whatever its owner may") {
    const Policy policy = policy_of(kFour);
    LocalUser user = *policy.user("ann");
    user.only = std::set{Verb::ask};
    for (std::size_t i = 0; i < kVerbs; ++i) {
      const Verb verb = static_cast<Verb>(i);
      const bool allowed = decide(policy, user, verb, {}, {kNow, false, {}}).allowed;
      CHECK(allowed == (verb == Verb::ask));
    }
  }

  TEST_CASE("nobody gives for longer than they hold") {
    Policy policy = policy_of(std::string(kFour) +
                              "[user.carol]\nroles = [\"service\"]\n"
                              "[[grant]]\nuser = \"carol\"\nverb = \"manage_roles\"\n"
                              "resource = \"node:*\"\n");
    const Resource press{ResourceKind::twin, "press-7"};
    const Grant hers{
        std::string("carol"), Verb::write_twins, {ResourceKind::twin, ""}, kNow + hours(1)};
    policy = *add_grant(policy, as(policy, "ann"), hers);
    const PolicyActor carol = as(policy, "carol");
    Grant given{std::string("eve"), Verb::write_twins, press, kNow + hours(1)};
    CHECK(add_grant(policy, carol, given));  // the control
    given.expires = kNow + hours(2);
    CHECK(code_of(add_grant(policy, carol, given)) == ErrorCode::denied);
    given.expires.reset();
    CHECK(code_of(add_grant(policy, carol, given)) == ErrorCode::denied);
    Grant own = hers;
    own.expires.reset();
    CHECK(code_of(add_grant(policy, carol, own)) == ErrorCode::denied);
    // A grant on the node makes no role, which would allow everywhere.
    CHECK(code_of(give_role(policy, carol, "kim", Role::admin)) == ErrorCode::denied);
  }

  TEST_CASE("who gives a role holds what is granted to it besides") {
    const Policy policy = policy_of(std::string(kFour) +
                                    "[[grant]]\nrole = \"admin\"\nverb = \"manage_budgets\"\n"
                                    "resource = \"budget:*\"\n");
    CHECK(give_role(policy, as(policy, "bob"), "kim", Role::admin));  // bob has the role's grant
    const Policy other = policy_of(std::string(kFour) +
                                   "[[grant]]\nrole = \"service\"\nverb = \"manage_budgets\"\n"
                                   "resource = \"budget:*\"\n");
    CHECK(code_of(give_role(other, as(other, "bob"), "kim", Role::service)) == ErrorCode::denied);
  }

  TEST_CASE("a token lends no more than its maker holds and no longer") {
    const Policy policy = policy_of(std::string(kFour) +
                                    "[user.dave]\nroles = [\"service\"]\n"
                                    "[[grant]]\nuser = \"dave\"\nverb = \"manage_budgets\"\n"
                                    "resource = \"budget:*\"\n");
    const auto lend = [&](const PolicyActor& actor, const std::string& name,
                          std::optional<std::set<Verb>> only, Instant until) {
      LocalUser target = *policy.user(name);
      target.only = std::move(only);
      target.until = until;
      return may_lend(policy, actor, target).has_value();
    };
    PolicyActor ann = as(policy, "ann");
    CHECK(lend(ann, "ann", {}, kNow + days(9)));
    CHECK(lend(ann, "dave", {}, kNow + days(9)));
    ann.user.only = std::set{Verb::manage_roles};
    ann.user.until = kNow + hours(1);
    CHECK_FALSE(lend(ann, "ann", {}, kNow + hours(1)));
    CHECK_FALSE(lend(ann, "ann", std::set{Verb::ask}, kNow + hours(1)));
    CHECK_FALSE(lend(ann, "ann", std::set{Verb::manage_roles}, kNow + hours(2)));
    CHECK(lend(ann, "ann", std::set{Verb::manage_roles}, kNow + hours(1)));
    const PolicyActor bob = as(policy, "bob");
    CHECK(lend(bob, "bob", {}, kNow + days(9)));
    CHECK_FALSE(lend(bob, "ann", {}, kNow + days(9)));
    CHECK_FALSE(lend(bob, "dave", {}, kNow + days(9)));  // the grant on budgets
  }

  TEST_CASE("what could not be read back at the next start is refused now") {
    const Policy policy = policy_of(kFour);
    const PolicyActor ann = as(policy, "ann");
    for (const char* name : {"x\"y", "a b", "x\ny"}) {
      CHECK_FALSE(resource_from_text(std::string("twin:") + name));
      CHECK_FALSE(
          add_grant(policy, ann, {std::string("eve"), Verb::ask, {ResourceKind::twin, name}}));
    }
    for (const std::string& name :
         {std::string(64, 'a'), std::string("Press"), std::string("dtmi:org:air:Monitor;1")}) {
      const auto granted =
          add_grant(policy, ann, {std::string("eve"), Verb::ask, {ResourceKind::agreement, name}});
      REQUIRE(granted);
      CHECK(policy_of(granted->to_toml()).grants() == granted->grants());
    }
    CHECK_FALSE(add_grant(policy, ann, {std::string("eve"), Verb::ask, {}, Instant{INT64_MAX}}));
  }

  TEST_CASE("a role of one's own is made of what its maker holds and keeps duties apart") {
    Policy policy = policy_of(kFour);
    const PolicyActor bob = as(policy, "bob");
    CHECK(define_role(policy, bob, "linker", {Verb::manage_links, Verb::read_links}));
    CHECK(code_of(define_role(policy, bob, "asker", {Verb::ask})) == ErrorCode::denied);
    CHECK(code_of(define_role(policy, bob, "owner", {Verb::read_links})) ==
          ErrorCode::invalid_argument);
    CHECK(code_of(define_role(policy, bob, "guest", {Verb::partner_ask})) ==
          ErrorCode::invalid_argument);
    CHECK(code_of(define_role(policy, bob, "guest", {})) == ErrorCode::invalid_argument);
    const PolicyActor ann = as(policy, "ann");
    CHECK(code_of(define_role(policy, ann, "both", {Verb::ask, Verb::manage_budgets})) ==
          ErrorCode::conflict);
    CHECK(code_of(define_role(policy, ann, "both", {Verb::read_audit, Verb::manage_keys})) ==
          ErrorCode::conflict);
    policy = *define_role(policy, ann, "keeper", {Verb::write_readings});
    CHECK(code_of(define_role(policy, ann, "keeper", {Verb::write_readings})) ==
          ErrorCode::conflict);
    const AnyRole keeper = *role_named(policy, "keeper");
    CHECK(code_of(give_role(policy, as(policy, "bob"), "kim", keeper)) == ErrorCode::denied);
    policy = *give_role(policy, as(policy, "ann"), "kim", keeper);
    CHECK(code_of(remove_role(policy, as(policy, "ann"), "keeper")) == ErrorCode::conflict);
    // What the role becomes later must fit those who have it.
    policy = *give_role(policy, as(policy, "ann"), "kim", Role::auditor);
    CHECK(code_of(define_role(policy, as(policy, "ann"), "keeper", {Verb::manage_links})) ==
          ErrorCode::conflict);
    policy = *take_role(policy, as(policy, "ann"), "kim", keeper);
    CHECK(remove_role(policy, as(policy, "ann"), "keeper"));
    CHECK_FALSE(role_named(policy, "emperor"));
  }

  TEST_CASE("grants cannot unite the duties that roles keep apart") {
    const Policy policy = policy_of(std::string(kFour) + "[user.pat]\nroles=['privacy-officer']\n");
    const PolicyActor ann = as(policy, "ann");
    const auto give = [&](const char* name, Verb verb) {
      return add_grant(policy, ann, {std::string(name), verb, {ResourceKind::node, ""}});
    };
    CHECK(code_of(give("pat", Verb::ask)) == ErrorCode::conflict);
    CHECK(code_of(give("eve", Verb::manage_budgets)) == ErrorCode::conflict);
    CHECK(code_of(give("max", Verb::manage_roles)) == ErrorCode::conflict);
    CHECK(give("pat", Verb::read_twins));
    CHECK(give("max", Verb::ask));
  }

  TEST_CASE("a role ends by itself and nobody gives one for longer than they have theirs") {
    Policy policy = policy_of(kFour);
    policy = *give_role(policy, as(policy, "ann"), "kim", Role::admin, kNow + days(2));
    const PolicyActor kim = as(policy, "kim");
    CHECK(give_role(policy, kim, "leo", Role::admin, kNow + days(2)));
    CHECK(code_of(give_role(policy, kim, "leo", Role::admin, kNow + days(3))) == ErrorCode::denied);
    CHECK(code_of(give_role(policy, kim, "leo", Role::admin)) == ErrorCode::denied);
    CHECK(code_of(give_role(policy, as(policy, "ann"), "leo", Role::admin, kNow)) ==
          ErrorCode::invalid_argument);
    PolicyActor late = kim;
    late.now = kNow + days(2);
    CHECK(code_of(give_role(policy, late, "leo", Role::admin, kNow + days(3))) ==
          ErrorCode::denied);
    // A new end takes the place of the former one, the same is no change.
    CHECK(code_of(give_role(policy, as(policy, "ann"), "kim", Role::admin, kNow + days(2))) ==
          ErrorCode::conflict);
    policy = *give_role(policy, as(policy, "ann"), "kim", Role::admin);
    CHECK(policy.user("kim")->role_ends.empty());
  }

  TEST_CASE("no sequence of changes leaves the node without an owner who stays") {
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      Policy policy = policy_of(kFour);
      std::size_t done = 0;
      for (int step = 0; step < 60; ++step) {
        const char* names[] = {"ann", "bob", "eve", "max", "kim"};
        std::array<std::uint8_t, 4> draw{};
        random.fill(draw);
        const std::string actor = names[draw[0] % 5], target = names[draw[1] % 5];
        if (!policy.user(actor)) continue;
        LocalUser who = *policy.user(actor);
        who.break_glass = draw[3] % 8 == 0;
        const PolicyActor by{who, kNow};
        const auto end = draw[3] % 2 == 0 ? std::optional(kNow + days(1)) : std::nullopt;
        Result<Policy> next = policy;
        switch (draw[2] % 6) {
          case 0:
            next = give_role(policy, by, target, Role::owner, end);
            break;
          case 1:
            next = take_role(policy, by, target, Role::owner);
            break;
          case 2:
            next = set_standing(policy, by, target, Standing::disabled);
            break;
          case 3:
            next = set_standing(policy, by, target, Standing::enabled);
            break;
          case 4:
            next = define_role(policy, by, "chief", {Verb::manage_roles});
            break;
          default:
            next = remove_role(policy, by, "chief");
            break;
        }
        if (!next) continue;
        ++done;
        policy = *std::move(next);
        REQUIRE(has_lasting_owner(policy.parts()));
        // Whatever ends has ended: somebody still manages roles.
        REQUIRE_FALSE(who_can(policy, Verb::manage_roles, {}, kNow + days(9'000)).empty());
      }
      CHECK(done > 0);
    }
  }

  TEST_CASE("disabling asks for what the user has and break-glass for nothing but an owner left") {
    const Policy policy = policy_of(kFour);
    CHECK(code_of(set_standing(policy, as(policy, "bob"), "ann", Standing::disabled)) ==
          ErrorCode::denied);
    CHECK(code_of(set_standing(policy, as(policy, "ann"), "ann", Standing::disabled)) ==
          ErrorCode::conflict);
    const Policy off = *set_standing(policy, as(policy, "ann"), "bob", Standing::disabled);
    CHECK(off.user("bob")->disabled);
    CHECK(policy_of(off.to_toml()).user("bob")->disabled);
    PolicyActor emergency{LocalUser{"break-glass", {}}, kNow};
    CHECK(code_of(set_standing(policy, emergency, "bob", Standing::disabled)) == ErrorCode::denied);
    emergency.user.break_glass = true;
    CHECK(set_standing(policy, emergency, "bob", Standing::disabled));
    CHECK(code_of(set_standing(policy, emergency, "ann", Standing::disabled)) ==
          ErrorCode::conflict);
    CHECK(code_of(set_standing(off, emergency, "bob", Standing::enabled)) == ErrorCode::denied);
  }

  TEST_CASE("a step needs two persons only where two could do it and waiving is such a step") {
    const Policy policy = policy_of(kFour);
    const PolicyActor ann = as(policy, "ann");
    CHECK_FALSE(policy.needs_two(Step::waive_step));
    // Nobody but ann has a verb of budgets.
    CHECK(code_of(require_two(policy, ann, Step::raise_budget)) == ErrorCode::conflict);
    const Policy two = *require_two(policy, ann, Step::sign_agreement);
    CHECK(two.needs_two(Step::sign_agreement));
    CHECK(two.needs_two(Step::waive_step));
    CHECK_FALSE(two.needs_two(Step::activate_link));
    CHECK(policy_of(two.to_toml()).parts().two_persons == two.parts().two_persons);
    CHECK(code_of(require_two(two, ann, Step::sign_agreement)) == ErrorCode::conflict);
    CHECK_FALSE(waive_two(two, Step::sign_agreement)->needs_two(Step::waive_step));
    CHECK(code_of(waive_two(two, Step::activate_link)) == ErrorCode::conflict);
  }

  TEST_CASE("who could grant are those who manage roles and may it themselves") {
    const Policy policy = policy_of(kFour);
    const auto could = [&](Verb verb) { return who_could_grant(policy, verb, {}, kNow); };
    CHECK(could(Verb::manage_links) == std::vector<std::string>{"ann", "bob"});
    CHECK(could(Verb::ask) == std::vector<std::string>{"ann"});
  }

  TEST_CASE("who can is everybody whom the decision allows and nobody else") {
    const Policy policy = policy_of(kFour);
    for (std::size_t i = 0; i < kVerbs; ++i) {
      const Verb verb = static_cast<Verb>(i);
      const auto able = who_can(policy, verb, {}, kNow);
      for (const auto& [name, entry] : policy.users()) {
        const bool listed = std::any_of(able.begin(), able.end(),
                                        [&](const Permitted& one) { return one.user == name; });
        CHECK(listed == decide(policy, *policy.user(name), verb, {}, {kNow, false, {}}).allowed);
      }
    }
    CHECK(resource_from_text("twin:press-7")->text() == "twin:press-7");
    CHECK(resource_from_text("export:*")->name.empty());
    CHECK_FALSE(resource_from_text("press-7"));
    CHECK_FALSE(resource_from_text("planet:earth"));
    CHECK_FALSE(resource_from_text("twin:"));
  }
}
