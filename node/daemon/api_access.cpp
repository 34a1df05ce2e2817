// Users, roles, grants and tokens; why somebody may or may not.
#include <utility>

#include <boost/json.hpp>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "node/daemon/core.h"
#include "node/daemon/policy_authenticator.h"
#include "node/daemon/policy_reply.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using security::Grant;
using security::LocalUser;
using security::Policy;

Result<Verb> verb_of(const std::string& text) {
  if (const auto verb = security::verb_from_text(text)) return *verb;
  return make_error(ErrorCode::invalid_argument, "there is no verb '" + text + "'",
                    "use one of " + security::verb_words());
}

// Verbs with commas between.
Result<std::set<Verb>> verbs_of(std::string rest) {
  std::set<Verb> verbs;
  while (!rest.empty()) {
    const auto comma = std::min(rest.find(','), rest.size());
    auto verb = verb_of(rest.substr(0, comma));
    if (!verb) return std::move(verb).error();
    verbs.insert(*verb);
    rest.erase(0, comma + 1);
  }
  return verbs;
}

json::object grant_json(const Grant& grant, Instant now) {
  const auto* role = std::get_if<security::AnyRole>(&grant.to);
  json::object out{{"to", role == nullptr ? "user:" + std::get<std::string>(grant.to)
                                          : "role:" + security::role_text(*role)},
                   {"verb", to_text(grant.verb)},
                   {"resource", grant.resource.text()},
                   {"expires", nullptr},
                   {"state", "active"},
                   {"text", grant.text()}};
  if (grant.expires) {
    out["expires"] = shown_time(*grant.expires);
    if (*grant.expires <= now) out["state"] = "expired";
  }
  return out;
}

json::object user_json(const Core& core, const std::string& name, const security::User& user) {
  json::array roles;
  json::object ends;
  for (const auto& role : user.roles) roles.push_back(json::value(security::role_text(role)));
  for (const auto& [role, end] : user.role_ends) ends[security::role_text(role)] = shown_time(end);
  return {{"user", name},
          {"roles", std::move(roles)},
          {"until", std::move(ends)},
          {"password", core.passwords && core.passwords->has(name)},
          {"state", user.disabled ? "disabled" : "enabled"}};
}

json::object role_json(const Policy& policy, const security::AnyRole& role) {
  json::array verbs;
  for (std::size_t i = 0; i < security::kVerbs; ++i) {
    const Verb verb = static_cast<Verb>(i);
    if (policy.allows(role, verb)) verbs.push_back(json::value(to_text(verb)));
  }
  return {{"role", security::role_text(role)},
          {"built_in", std::holds_alternative<security::Role>(role)},
          {"verbs", std::move(verbs)}};
}

awaitable<Result<Reply>> show_policy(Core& core, const Call&) {
  co_return Reply::json(policy_json(core, core.policy));
}

// "for" of the body, as an end.
Result<std::optional<Instant>> end_of(const Call& call, Instant now) {
  auto life = call.optional_text_field("for");
  if (!life) return std::move(life).error();
  if (!*life) return std::optional<Instant>();
  auto duration = parse_duration(**life);
  if (!duration) return std::move(duration).error();
  return std::optional(now + *duration);
}

awaitable<Result<Reply>> give_role(Core& core, const Call& call) {
  auto text = call.text_field("role");
  if (!text) co_return std::move(text).error();
  auto role = security::role_named(core.policy, *text);
  if (!role) co_return std::move(role).error();
  auto end = end_of(call, core.clock.now());
  if (!end) co_return std::move(end).error();
  const std::string user = call.path.at("user");
  const std::string until = *end ? " until " + to_text(**end) : "";
  co_return co_await put_in_force(
      core, call, security::give_role(core.policy, acting(core, call), user, *role, *end),
      "role.grant", "user:" + user + " role:" + *text + until);
}

awaitable<Result<Reply>> take_role(Core& core, const Call& call) {
  const std::string user = call.path.at("user");
  const std::string text = call.path.at("role");
  auto role = security::role_named(core.policy, text);
  if (!role) co_return std::move(role).error();
  co_return co_await put_in_force(core, call,
                                  security::take_role(core.policy, acting(core, call), user, *role),
                                  "role.revoke", "user:" + user + " role:" + text);
}

awaitable<Result<Reply>> define_role(Core& core, const Call& call) {
  auto text = call.text_field("verbs");
  if (!text) co_return std::move(text).error();
  auto verbs = verbs_of(*text);
  if (!verbs) co_return std::move(verbs).error();
  const std::string name = call.path.at("role");
  co_return co_await put_in_force(
      core, call, security::define_role(core.policy, acting(core, call), name, std::move(*verbs)),
      "role.define", "role:" + name + " for " + *text);
}

awaitable<Result<Reply>> remove_role(Core& core, const Call& call) {
  const std::string name = call.path.at("role");
  co_return co_await put_in_force(core, call,
                                  security::remove_role(core.policy, acting(core, call), name),
                                  "role.remove", "role:" + name);
}

Result<Grant> grant_of(const Core& core, const Call& call) {
  auto to = call.text_field("to");
  if (!to) return std::move(to).error();
  auto verb_text = call.text_field("verb");
  if (!verb_text) return std::move(verb_text).error();
  auto resource_text = call.text_field("resource");
  if (!resource_text) return std::move(resource_text).error();
  auto verb = verb_of(*verb_text);
  if (!verb) return std::move(verb).error();
  auto resource = security::resource_from_text(*resource_text);
  if (!resource) return std::move(resource).error();
  Grant grant{to->starts_with("user:") ? to->substr(5) : *to, *verb,
              canonical(core, std::move(*resource))};
  if (to->starts_with("role:")) {
    auto role = security::role_named(core.policy, to->substr(5));
    if (!role) return std::move(role).error();
    grant.to = *std::move(role);
  }
  auto end = end_of(call, core.clock.now());
  if (!end) return std::move(end).error();
  grant.expires = *end;
  return grant;
}

awaitable<Result<Reply>> add_grant(Core& core, const Call& call) {
  auto grant = grant_of(core, call);
  if (!grant) co_return std::move(grant).error();
  const std::string what = grant->text();
  co_return co_await put_in_force(
      core, call, security::add_grant(core.policy, acting(core, call), std::move(*grant)),
      "access.grant", what);
}

awaitable<Result<Reply>> remove_grant(Core& core, const Call& call) {
  auto grant = grant_of(core, call);
  if (!grant) co_return std::move(grant).error();
  const std::string what = grant->text();
  co_return co_await put_in_force(core, call,
                                  security::remove_grant(core.policy, acting(core, call), what),
                                  "access.revoke", what);
}

struct Matter {
  Verb verb;
  security::Resource resource;
};

Result<Matter> matter_of(const Core& core, const Call& call) {
  auto verb = verb_of(std::string(call.parameter("verb")));
  if (!verb) return std::move(verb).error();
  const auto text = call.parameter("resource");
  auto resource = security::resource_from_text(text.empty() ? "node:*" : text);
  if (!resource) return std::move(resource).error();
  return Matter{*verb, canonical(core, std::move(*resource))};
}

awaitable<Result<Reply>> why(Core& core, const Call& call) {
  auto matter = matter_of(core, call);
  if (!matter) co_return std::move(matter).error();
  const std::string name(call.parameter("user"));
  const auto user = core.policy.user(name);
  const Instant now = core.clock.now();
  security::Decision decision;
  decision.reason = "there is no user '" + name + "'";
  if (user) {
    decision =
        security::decide(core.policy, *user, matter->verb, matter->resource, {now, false, {}});
  }
  json::array could;
  if (!decision.allowed) {
    for (const std::string& one :
         security::who_could_grant(core.policy, matter->verb, matter->resource, now)) {
      could.push_back(json::value(one));
    }
  }
  co_return Reply::json({{"user", name},
                         {"verb", to_text(matter->verb)},
                         {"resource", matter->resource.text()},
                         {"allowed", decision.allowed},
                         {"reason", decision.reason},
                         {"could_grant", std::move(could)}});
}

awaitable<Result<Reply>> who_can(Core& core, const Call& call) {
  auto matter = matter_of(core, call);
  if (!matter) co_return std::move(matter).error();
  json::array items;
  for (const auto& one :
       security::who_can(core.policy, matter->verb, matter->resource, core.clock.now())) {
    items.push_back({{"user", one.user}, {"reason", one.reason}});
  }
  co_return Reply::json({{"verb", to_text(matter->verb)},
                         {"resource", matter->resource.text()},
                         {"items", std::move(items)}});
}

awaitable<Result<Reply>> list_tokens(Core& core, const Call&) {
  json::array items;
  for (const auto& [name, token] : core.access->tokens()) {
    json::value only;
    if (token.only) {
      json::array verbs;
      for (const Verb verb : *token.only) verbs.push_back(json::value(to_text(verb)));
      only = std::move(verbs);
    }
    const bool over = token.expires <= core.clock.now() || !core.policy.user(token.user);
    items.push_back({{"name", name},
                     {"user", token.user},
                     {"only", std::move(only)},
                     {"created", shown_time(token.created)},
                     {"expires", shown_time(token.expires)},
                     {"state", over ? "expired" : "active"}});
  }
  co_return Reply::json({{"items", std::move(items)}});
}

awaitable<Result<Reply>> add_token(Core& core, const Call& call) {
  AccessToken token;
  auto name = call.text_field("name");
  if (!name) co_return std::move(name).error();
  auto user = call.optional_text_field("user");
  if (!user) co_return std::move(user).error();
  auto life = call.optional_text_field("for");
  if (!life) co_return std::move(life).error();
  auto only = call.optional_text_field("only");
  if (!only) co_return std::move(only).error();
  token.name = std::move(*name);
  token.user = user->value_or(call.subject.name);
  auto duration = parse_duration(life->value_or("90d"));
  if (!duration) co_return std::move(duration).error();
  token.expires = core.clock.now() + *duration;
  if (*only) {
    auto verbs = verbs_of(**only);
    if (!verbs) co_return std::move(verbs).error();
    token.only = std::move(*verbs);
  }
  LocalUser target = core.policy.user(token.user).value_or(LocalUser{token.user, {}});
  target.only = token.only;
  target.until = token.expires;
  if (auto may = security::may_lend(core.policy, acting(core, call), target); !may) {
    co_return std::move(may).error();
  }
  json::object out{{"name", token.name},
                   {"user", token.user},
                   {"expires", shown_time(token.expires)},
                   {"token", nullptr}};
  if (call.dry_run) {
    out["dry_run"] = true;
    co_return Reply::json(out);
  }
  const std::string actor = actor_of(call);
  auto made = co_await await_result<std::string>(core.loop, [&](AccessRegister::TokenDone done) {
    core.access->add_token(actor, token, std::move(done));
  });
  if (!made) co_return std::move(made).error();
  out["token"] = *made;
  co_return Reply::json(out);
}

awaitable<Result<Reply>> revoke_token(Core& core, const Call& call) {
  const std::string name = call.path.at("name");
  if (call.dry_run) co_return Reply::json({{"name", name}, {"dry_run", true}});
  const std::string actor = actor_of(call);
  auto done = co_await await_result<bool>(core.loop, [&](std::function<void(Result<bool>)> reply) {
    core.access->revoke_token(actor, name, [reply = std::move(reply)](Outcome revoked) {
      reply(revoked ? Result<bool>(true) : Result<bool>(std::move(revoked).error()));
    });
  });
  if (!done) co_return std::move(done).error();
  co_return Reply::json({{"name", name}, {"state", "revoked"}});
}

}  // namespace

security::PolicyActor acting(const Core& core, const Call& call) {
  return {call.subject, core.clock.now()};
}

json::object policy_json(const Core& core, const Policy& policy) {
  const Instant now = core.clock.now();
  json::array users, grants, roles;
  for (const auto& [name, user] : policy.users()) users.push_back(user_json(core, name, user));
  for (const Grant& grant : policy.grants()) grants.push_back(grant_json(grant, now));
  for (std::size_t i = 0; i < security::kRoles; ++i) {
    roles.push_back(role_json(policy, static_cast<security::Role>(i)));
  }
  for (const auto& [name, verbs] : policy.parts().own_roles) {
    roles.push_back(role_json(policy, security::OwnRole{name}));
  }
  json::array steps;
  for (const auto step : policy.parts().two_persons.steps) {
    steps.push_back(json::value(to_text(step)));
  }
  return {{"users", std::move(users)},
          {"grants", std::move(grants)},
          {"roles", std::move(roles)},
          {"two_person_steps", std::move(steps)}};
}

awaitable<Result<Reply>> put_in_force(Core& core, const Call& call, Result<Policy> next,
                                      std::string action, std::string what) {
  if (!next) co_return std::move(next).error();
  json::object out = policy_json(core, *next);
  if (call.dry_run) {
    out["dry_run"] = true;
    co_return Reply::json(out);
  }
  std::vector<std::string> gone;
  for (const auto& [user, held] : core.policy.users()) {
    if (!next->user(user)) gone.push_back(user);
  }
  auto done = co_await await_result<bool>(core.loop, [&](std::function<void(Result<bool>)> reply) {
    core.access->change(
        actor_of(call), action, what, std::move(*next),
        [reply = std::move(reply)](Outcome changed) {
          reply(changed ? Result<bool>(true) : Result<bool>(std::move(changed).error()));
        });
  });
  if (!done) co_return std::move(done).error();
  for (const std::string& user : gone) core.passwords->forget(actor_of(call), user, [](Outcome) {});
  co_return Reply::json(out);
}

void add_access_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  const std::vector<ParameterSpec> matter = {{"verb", "what would be done", true},
                                             {"resource", "KIND:NAME or KIND:* (node:*)"}};
  Route explain{Method::get,
                "/api/v1/access/why",
                Verb::read_policy,
                "whyAccess",
                "Why a user may do something or not",
                BodyKind::none,
                with(why)};
  explain.parameters = matter;
  explain.parameters.push_back({"user", "the user's name", true});
  Route able{Method::get,
             "/api/v1/access/who-can",
             Verb::read_policy,
             "whoCanAccess",
             "Every user who may do something, and why",
             BodyKind::none,
             with(who_can)};
  able.parameters = matter;
  table.add(std::move(explain));
  table.add(std::move(able));
  table.add({Method::get, "/api/v1/access", Verb::read_policy, "showPolicy",
             "Users with their roles, grants, and what roles allow", BodyKind::none,
             with(show_policy)});
  const auto for_two = [&](Route route) {
    table.add(for_two_persons(security::Step::change_roles, std::move(route)));
  };
  for_two({Method::post, "/api/v1/access/users/{user}/roles", Verb::manage_roles, "grantRole",
           "Gives a user a role, for a while or for ever", BodyKind::json, with(give_role)});
  for_two({Method::post, "/api/v1/access/roles/{role}", Verb::manage_roles, "defineRole",
           "Makes a role of one's own, or gives it other verbs", BodyKind::json,
           with(define_role)});
  table.add({Method::post, "/api/v1/access/roles/{role}/remove", Verb::manage_roles, "removeRole",
             "Takes a role of one's own out of the policy", BodyKind::json, with(remove_role)});
  table.add({Method::post, "/api/v1/access/users/{user}/roles/{role}/revoke", Verb::manage_roles,
             "revokeRole", "Takes a role from a user", BodyKind::json, with(take_role)});
  for_two({Method::post, "/api/v1/access/grants", Verb::manage_roles, "addGrant",
           "Grants a verb on a resource to a user or a role", BodyKind::json, with(add_grant)});
  table.add({Method::post, "/api/v1/access/grants/revoke", Verb::manage_roles, "removeGrant",
             "Takes a grant away", BodyKind::json, with(remove_grant)});
  table.add({Method::get, "/api/v1/access/tokens", Verb::read_policy, "listTokens",
             "Access tokens, never their texts", BodyKind::none, with(list_tokens)});
  table.add({Method::post, "/api/v1/access/tokens", Verb::manage_roles, "addToken",
             "Makes an access token, shown once", BodyKind::json, with(add_token)});
  table.add({Method::post, "/api/v1/access/tokens/{name}/revoke", Verb::disable_users,
             "revokeToken", "Ends an access token at once", BodyKind::json, with(revoke_token)});
}

}  // namespace entente::node
