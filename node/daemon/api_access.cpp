// Users, roles, grants and tokens; why somebody may or may not.
#include <utility>

#include <boost/json.hpp>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "node/daemon/core.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using security::Grant;
using security::LocalUser;
using security::Policy;

template <class Enum, std::size_t N>
std::string all_of() {
  std::string names;
  for (std::size_t i = 0; i < N; ++i) {
    names += (i == 0 ? "" : ", ") + std::string(to_text(static_cast<Enum>(i)));
  }
  return names;
}

Result<security::Role> role_of(const std::string& text) {
  if (const auto role = security::role_from_text(text)) return *role;
  return make_error(ErrorCode::invalid_argument, "there is no role '" + text + "'",
                    "use one of " + all_of<security::Role, security::kRoles>());
}

Result<Verb> verb_of(const std::string& text) {
  if (const auto verb = security::verb_from_text(text)) return *verb;
  return make_error(ErrorCode::invalid_argument, "there is no verb '" + text + "'",
                    "use one of " + all_of<Verb, security::kVerbs>());
}

security::PolicyActor acting(const Core& core, const Call& call) {
  return {call.subject, core.clock.now()};
}

json::object grant_json(const Grant& grant, Instant now) {
  const auto* role = std::get_if<security::Role>(&grant.to);
  json::object out{{"to", role == nullptr ? "user:" + std::get<std::string>(grant.to)
                                          : "role:" + std::string(to_text(*role))},
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

json::object policy_json(const Policy& policy, Instant now) {
  json::array users, grants, roles;
  for (const auto& [name, held] : policy.users()) {
    json::array texts;
    for (const auto role : held) texts.push_back(json::value(to_text(role)));
    users.push_back({{"user", name}, {"roles", std::move(texts)}});
  }
  for (const Grant& grant : policy.grants()) grants.push_back(grant_json(grant, now));
  for (std::size_t i = 0; i < security::kRoles; ++i) {
    json::array verbs;
    for (const auto& row : security::kRoleTable) {
      if (row.allowed[i]) verbs.push_back(json::value(to_text(row.verb)));
    }
    roles.push_back(
        {{"role", to_text(static_cast<security::Role>(i))}, {"verbs", std::move(verbs)}});
  }
  return {{"users", std::move(users)}, {"grants", std::move(grants)}, {"roles", std::move(roles)}};
}

awaitable<Result<Reply>> show_policy(Core& core, const Call&) {
  co_return Reply::json(policy_json(core.policy, core.clock.now()));
}

// Puts `next` in force, or with ?dryRun=1 says what it would be.
awaitable<Result<Reply>> apply(Core& core, const Call& call, Result<Policy> next,
                               std::string action, std::string what) {
  if (!next) co_return std::move(next).error();
  json::object out = policy_json(*next, core.clock.now());
  if (call.dry_run) {
    out["dry_run"] = true;
    co_return Reply::json(out);
  }
  auto done = co_await await_result<bool>(core.loop, [&](std::function<void(Result<bool>)> reply) {
    core.access->change(
        actor_of(call), action, what, std::move(*next),
        [reply = std::move(reply)](Outcome changed) {
          reply(changed ? Result<bool>(true) : Result<bool>(std::move(changed).error()));
        });
  });
  if (!done) co_return std::move(done).error();
  co_return Reply::json(out);
}

awaitable<Result<Reply>> give_role(Core& core, const Call& call) {
  auto text = call.text_field("role");
  if (!text) co_return std::move(text).error();
  auto role = role_of(*text);
  if (!role) co_return std::move(role).error();
  const std::string user = call.path.at("user");
  co_return co_await apply(core, call,
                           security::give_role(core.policy, acting(core, call), user, *role),
                           "role.grant", "user:" + user + " role:" + *text);
}

awaitable<Result<Reply>> take_role(Core& core, const Call& call) {
  const std::string user = call.path.at("user");
  const std::string text = call.path.at("role");
  auto role = role_of(text);
  if (!role) co_return std::move(role).error();
  co_return co_await apply(core, call,
                           security::take_role(core.policy, acting(core, call), user, *role),
                           "role.revoke", "user:" + user + " role:" + text);
}

Result<Grant> grant_of(const Call& call, Instant now) {
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
  Grant grant{to->starts_with("user:") ? to->substr(5) : *to, *verb, std::move(*resource)};
  if (to->starts_with("role:")) {
    auto role = role_of(to->substr(5));
    if (!role) return std::move(role).error();
    grant.to = *role;
  }
  auto life = call.optional_text_field("for");
  if (!life) return std::move(life).error();
  if (*life) {
    auto duration = parse_duration(**life);
    if (!duration) return std::move(duration).error();
    grant.expires = now + *duration;
  }
  return grant;
}

awaitable<Result<Reply>> add_grant(Core& core, const Call& call) {
  auto grant = grant_of(call, core.clock.now());
  if (!grant) co_return std::move(grant).error();
  const std::string what = grant->text();
  co_return co_await apply(core, call,
                           security::add_grant(core.policy, acting(core, call), std::move(*grant)),
                           "access.grant", what);
}

awaitable<Result<Reply>> remove_grant(Core& core, const Call& call) {
  auto grant = grant_of(call, core.clock.now());
  if (!grant) co_return std::move(grant).error();
  const std::string what = grant->text();
  co_return co_await apply(core, call,
                           security::remove_grant(core.policy, acting(core, call), what),
                           "access.revoke", what);
}

struct Matter {
  Verb verb;
  security::Resource resource;
};

Result<Matter> matter_of(const Call& call) {
  auto verb = verb_of(std::string(call.parameter("verb")));
  if (!verb) return std::move(verb).error();
  const auto text = call.parameter("resource");
  auto resource = security::resource_from_text(text.empty() ? "node:*" : text);
  if (!resource) return std::move(resource).error();
  return Matter{*verb, std::move(*resource)};
}

awaitable<Result<Reply>> why(Core& core, const Call& call) {
  auto matter = matter_of(call);
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
    for (const auto& one : security::who_can(core.policy, Verb::manage_roles, {}, now)) {
      could.push_back(json::value(one.user));
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
  auto matter = matter_of(call);
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

// Whoever manages roles makes tokens, but for users who may no more than they do: a token of an
// owner would be the owner's power.
Outcome may_act_for(const Core& core, const LocalUser& maker, const std::string& user) {
  if (maker.name == user) return {};
  const auto target = core.policy.user(user);
  if (!target) return {};  // told when it is added
  const Instant now = core.clock.now();
  for (std::size_t i = 0; i < security::kVerbs; ++i) {
    const Verb verb = static_cast<Verb>(i);
    const bool theirs = security::decide(core.policy, *target, verb, {}, {now, false, {}}).allowed;
    if (theirs && !security::decide(core.policy, maker, verb, {}, {now, false, {}}).allowed) {
      return make_error(ErrorCode::denied,
                        "'" + user + "' may " + std::string(to_text(verb)) + ", which '" +
                            maker.name + "' may not: a token would give it away",
                        "ask an owner");
    }
  }
  return {};
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
    token.only.emplace();
    std::string rest = **only;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      auto verb = verb_of(rest.substr(0, comma));
      if (!verb) co_return std::move(verb).error();
      token.only->insert(*verb);
      rest.erase(0, comma + 1);
    }
  }
  if (auto may = may_act_for(core, call.subject, token.user); !may) {
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
  table.add({Method::post, "/api/v1/access/users/{user}/roles", Verb::manage_roles, "grantRole",
             "Gives a user a role", BodyKind::json, with(give_role)});
  table.add({Method::post, "/api/v1/access/users/{user}/roles/{role}/revoke", Verb::manage_roles,
             "revokeRole", "Takes a role from a user", BodyKind::json, with(take_role)});
  table.add({Method::post, "/api/v1/access/grants", Verb::manage_roles, "addGrant",
             "Grants a verb on a resource to a user or a role", BodyKind::json, with(add_grant)});
  table.add({Method::post, "/api/v1/access/grants/revoke", Verb::manage_roles, "removeGrant",
             "Takes a grant away", BodyKind::json, with(remove_grant)});
  table.add({Method::get, "/api/v1/access/tokens", Verb::read_policy, "listTokens",
             "Access tokens, never their texts", BodyKind::none, with(list_tokens)});
  table.add({Method::post, "/api/v1/access/tokens", Verb::manage_roles, "addToken",
             "Makes an access token, shown once", BodyKind::json, with(add_token)});
  table.add({Method::post, "/api/v1/access/tokens/{name}/revoke", Verb::manage_roles, "revokeToken",
             "Ends an access token at once", BodyKind::json, with(revoke_token)});
}

}  // namespace entente::node
