// Passwords, logins, and users who are disabled.
#include <utility>

#include <boost/json.hpp>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "node/daemon/core.h"
#include "node/daemon/limits.h"
#include "node/daemon/policy_reply.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

// Waits for one of the password's callbacks.
template <class Start>
awaitable<Result<bool>> outcome_of(Core& core, Start start) {
  co_return co_await await_result<bool>(core.loop, [&](std::function<void(Result<bool>)> reply) {
    start([reply = std::move(reply)](Outcome done) {
      reply(done ? Result<bool>(true) : Result<bool>(std::move(done).error()));
    });
  });
}

awaitable<Result<Reply>> login(Core& core, const Call& call) {
  auto user = call.text_field("user");
  if (!user) co_return std::move(user).error();
  auto password = call.text_field("password");
  if (!password) co_return std::move(password).error();
  auto life = call.optional_text_field("for");
  if (!life) co_return std::move(life).error();
  Duration lasts = limits::kLoginLife;
  if (*life) {
    auto duration = parse_duration(**life);
    if (!duration) co_return std::move(duration).error();
    lasts = *duration;
  }
  if (lasts.ns <= 0 || lasts > limits::kLoginLifeMost) {
    co_return make_error(ErrorCode::invalid_argument, "a login lasts at most 12h");
  }
  const auto check = [&](Passwords::Done done) {
    core.passwords->check(*user, std::move(*password), std::move(done));
  };
  auto good = co_await outcome_of(core, check);
  if (!good) co_return std::move(good).error();
  const auto known = core.policy.user(*user);
  if (!known || known->disabled) {
    co_return make_error(ErrorCode::unauthenticated, "no user has this name and password");
  }
  auto made = co_await await_result<std::string>(core.loop, [&](AccessRegister::TokenDone done) {
    core.access->add_login(*user, lasts, std::move(done));
  });
  if (!made) co_return std::move(made).error();
  co_return Reply::json(
      {{"user", *user}, {"expires", shown_time(core.clock.now() + lasts)}, {"token", *made}});
}

awaitable<Result<Reply>> keep_password(Core& core, const Call& call, std::string user,
                                       std::string password) {
  if (call.dry_run) co_return Reply::json({{"user", user}, {"dry_run", true}});
  const auto set = [&](Passwords::Done done) {
    core.passwords->set(actor_of(call), user, std::move(password), std::move(done));
  };
  auto done = co_await outcome_of(core, set);
  if (!done) co_return std::move(done).error();
  co_return Reply::json({{"user", user}, {"password", "set"}});
}

awaitable<Result<Reply>> set_password(Core& core, const Call& call) {
  const std::string user = call.path.at("user");
  auto password = call.text_field("password");
  if (!password) co_return std::move(password).error();
  const auto target = core.policy.user(user);
  if (!target) {
    co_return make_error(ErrorCode::not_found, "there is no user '" + user + "'",
                         "give them a role first: 'entente role grant'");
  }
  // Whoever sets a password could log in with it.
  if (auto may = security::may_lend(core.policy, acting(core, call), *target); !may) {
    co_return std::move(may).error();
  }
  co_return co_await keep_password(core, call, user, std::move(*password));
}

awaitable<Result<Reply>> change_password(Core& core, const Call& call) {
  auto old = call.text_field("old");
  if (!old) co_return std::move(old).error();
  auto password = call.text_field("password");
  if (!password) co_return std::move(password).error();
  const std::string user = call.subject.name;
  const auto check = [&](Passwords::Done done) {
    core.passwords->check(user, std::move(*old), std::move(done));
  };
  auto good = co_await outcome_of(core, check);
  if (!good) co_return std::move(good).error();
  co_return co_await keep_password(core, call, user, std::move(*password));
}

awaitable<Result<Reply>> set_standing(Core& core, const Call& call, security::Standing standing) {
  const std::string user = call.path.at("user");
  const bool off = standing == security::Standing::disabled;
  co_return co_await put_in_force(
      core, call, security::set_standing(core.policy, acting(core, call), user, standing),
      off ? "user.disable" : "user.enable", "user:" + user);
}

awaitable<Result<Reply>> disable(Core& core, const Call& call) {
  return set_standing(core, call, security::Standing::disabled);
}
awaitable<Result<Reply>> enable(Core& core, const Call& call) {
  return set_standing(core, call, security::Standing::enabled);
}

}  // namespace

void add_user_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::post, "/api/v1/login", Verb::read_status, "login",
             "A token of a user for their password", BodyKind::json, with(login), Access::open});
  table.add({Method::post, "/api/v1/password", Verb::read_status, "changePassword",
             "Changes one's own password", BodyKind::json, with(change_password)});
  table.add({Method::post, "/api/v1/access/users/{user}/password", Verb::manage_roles,
             "setPassword", "Sets a user's password", BodyKind::json, with(set_password)});
  table.add({Method::post, "/api/v1/access/users/{user}/disable", Verb::disable_users,
             "disableUser", "From now on a user may nothing", BodyKind::json, with(disable)});
  table.add(for_two_persons(
      security::Step::change_roles,
      {Method::post, "/api/v1/access/users/{user}/enable", Verb::manage_roles, "enableUser",
       "A disabled user may again what they might", BodyKind::json, with(enable)}));
}

}  // namespace entente::node
