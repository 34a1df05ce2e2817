#include "security/policy/policy_change.h"

#include <doctest/doctest.h>

#include <algorithm>

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
    CHECK(policy.user("kim")->roles == std::set{Role::operator_});
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

  TEST_CASE("who can is everybody whom the decision allows and nobody else") {
    const Policy policy = policy_of(kFour);
    for (std::size_t i = 0; i < kVerbs; ++i) {
      const Verb verb = static_cast<Verb>(i);
      const auto able = who_can(policy, verb, {}, kNow);
      for (const auto& [name, roles] : policy.users()) {
        const bool listed = std::any_of(able.begin(), able.end(),
                                        [&](const Permitted& one) { return one.user == name; });
        CHECK(listed ==
              decide(policy, LocalUser{name, roles}, verb, {}, {kNow, false, {}}).allowed);
      }
    }
    CHECK(resource_from_text("twin:press-7")->text() == "twin:press-7");
    CHECK(resource_from_text("export:*")->name.empty());
    CHECK_FALSE(resource_from_text("press-7"));
    CHECK_FALSE(resource_from_text("planet:earth"));
    CHECK_FALSE(resource_from_text("twin:"));
  }
}
