// Requests that wait for a second person, former policies, and break-glass.
#include <utility>

#include <boost/json.hpp>

#include <charconv>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "node/daemon/core.h"
#include "node/daemon/on_worker.h"
#include "node/daemon/policy_reply.h"
#include "security/policy/policy_change.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

json::value only_json(const std::optional<std::set<Verb>>& only) {
  if (!only) return nullptr;
  json::array verbs;
  for (const Verb verb : *only) verbs.push_back(json::value(to_text(verb)));
  return verbs;
}

json::object approval_json(const Approval& one) {
  json::object path, query;
  for (const auto& [name, value] : one.path) path[name] = value;
  for (const auto& [name, value] : one.query) query[name] = value;
  json::object out{{"id", one.id},
                   {"step", to_text(one.step)},
                   {"operation", one.route},
                   {"path", std::move(path)},
                   {"query", std::move(query)},
                   {"hash", one.hash.hex()},
                   {"requester", one.requester},
                   {"only", only_json(one.only)},
                   {"requested", shown_time(one.requested)},
                   {"expires", shown_time(one.expires)},
                   {"state", to_text(one.state)},
                   {"decided_by", one.decided_by},
                   {"decided", nullptr},
                   {"outcome", one.outcome}};
  if (one.decided != Instant{}) out["decided"] = shown_time(one.decided);
  return out;
}

awaitable<Result<Reply>> list_approvals(Core& core, const Call&) {
  core.approvals->sweep();
  json::array items, steps;
  for (const auto& [id, one] : core.approvals->entries()) items.push_back(approval_json(one));
  for (const auto step : core.policy.parts().two_persons.steps) {
    steps.push_back(json::value(to_text(step)));
  }
  co_return Reply::json({{"items", std::move(items)}, {"steps", std::move(steps)}});
}

awaitable<Result<Reply>> show_approval(Core& core, const Call& call) {
  core.approvals->sweep();
  const std::string& id = call.path.at("id");
  const auto found = core.approvals->entries().find(id);
  if (found == core.approvals->entries().end()) {
    co_return make_error(ErrorCode::not_found, "there is no request '" + id + "'",
                         "see 'entente approval list'");
  }
  json::object out = approval_json(found->second);
  out["body"] = found->second.body;
  co_return Reply::json(out);
}

awaitable<Result<Reply>> approve(Core& core, const Call& call) {
  auto hash = call.text_field("hash");
  if (!hash) co_return std::move(hash).error();
  co_return co_await core.approvals->approve(call, call.path.at("id"), *hash);
}

awaitable<Result<Reply>> reject(Core& core, const Call& call) {
  const std::string id = call.path.at("id");
  auto done = co_await core.approvals->reject(call, id);
  if (!done) co_return std::move(done).error();
  co_return Reply::json({{"id", id}, {"state", call.dry_run ? "waiting" : "rejected"}});
}

Result<security::Step> step_of(const Call& call) {
  const std::string& text = call.path.at("step");
  if (const auto step = security::step_from_text(text)) return *step;
  return make_error(ErrorCode::invalid_argument, "there is no step '" + text + "'",
                    "use one of " + security::step_words());
}

awaitable<Result<Reply>> require_two(Core& core, const Call& call) {
  auto step = step_of(call);
  if (!step) co_return std::move(step).error();
  co_return co_await put_in_force(core, call,
                                  security::require_two(core.policy, acting(core, call), *step),
                                  "two-person.require", std::string(to_text(*step)));
}

awaitable<Result<Reply>> waive_two(Core& core, const Call& call) {
  auto step = step_of(call);
  if (!step) co_return std::move(step).error();
  co_return co_await put_in_force(core, call, security::waive_two(core.policy, *step),
                                  "two-person.waive", std::string(to_text(*step)));
}

Result<std::int64_t> number_of(const Call& call) {
  const std::string& text = call.path.at("number");
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
    return make_error(ErrorCode::invalid_argument, "a policy is named by its number",
                      "see 'entente policy list'");
  }
  return number;
}

json::object former_json(const FormerPolicy& one) {
  return {{"number", one.number},
          {"time", shown_time(one.time)},
          {"by", one.actor},
          {"action", one.action},
          {"what", one.what}};
}

awaitable<Result<Reply>> list_policies(Core& core, const Call&) {
  auto job = [&core] { return core.access->former_policies(); };
  auto got = co_await on_worker<std::vector<FormerPolicy>>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  json::array items;
  for (const FormerPolicy& one : *got) items.push_back(former_json(one));
  co_return Reply::json({{"items", std::move(items)}});
}

awaitable<Result<FormerPolicy>> former(Core& core, const Call& call) {
  auto number = number_of(call);
  if (!number) co_return std::move(number).error();
  auto job = [&core, number = *number] { return core.access->former_policy(number); };
  co_return co_await on_worker<FormerPolicy>(core, std::move(job));
}

awaitable<Result<Reply>> show_former(Core& core, const Call& call) {
  auto one = co_await former(core, call);
  if (!one) co_return std::move(one).error();
  json::object out = former_json(*one);
  out["text"] = one->text;
  co_return Reply::json(out);
}

// A former policy, with what may only be loosened by steps of its own: steps for two persons and
// organisations cut off stay as they are. Users who were disabled since come back: that is what a
// restored policy is for.
Result<security::Policy> restored_policy(const security::Policy& now, const std::string& text) {
  auto former = security::Policy::from_toml(text);
  if (!former) return former;
  security::PolicyParts parts = former->parts();
  for (const security::Step step : now.parts().two_persons.steps) {
    parts.two_persons.steps.insert(step);
  }
  parts.cut_off.insert(now.parts().cut_off.begin(), now.parts().cut_off.end());
  return security::Policy::of(std::move(parts));
}

awaitable<Result<Reply>> restore_former(Core& core, const Call& call) {
  auto one = co_await former(core, call);
  if (!one) co_return std::move(one).error();
  co_return co_await put_in_force(core, call, restored_policy(core.policy, one->text),
                                  "policy.restore", "policy:" + std::to_string(one->number));
}

awaitable<Result<Reply>> acknowledge(Core& core, const Call& call) {
  if (call.dry_run) co_return Reply::json({{"dry_run", true}});
  const std::string actor = actor_of(call);
  auto done = co_await await_result<bool>(core.loop, [&](std::function<void(Result<bool>)> reply) {
    core.break_glass->acknowledge(actor, [reply = std::move(reply)](Outcome kept) {
      reply(kept ? Result<bool>(true) : Result<bool>(std::move(kept).error()));
    });
  });
  if (!done) co_return std::move(done).error();
  co_return Reply::json({{"state", "acknowledged"}});
}

}  // namespace

void add_approval_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  const auto needs = [&core](const Call& call) { return core.approvals->needs_of(call); };
  table.add({Method::get, "/api/v1/approvals", Verb::read_policy, "listApprovals",
             "Requests for a second person, and the steps that need one", BodyKind::none,
             with(list_approvals)});
  table.add({Method::get, "/api/v1/approvals/{id}", Verb::read_policy, "showApproval",
             "One request with all that it asks for", BodyKind::none, with(show_approval)});
  Route one{Method::post,
            "/api/v1/approvals/{id}/approve",
            Verb::manage_roles,
            "approveRequest",
            "Runs a request as somebody else's second person",
            BodyKind::json,
            with(approve)};
  one.needs = needs;
  table.add(std::move(one));
  Route other{Method::post,    "/api/v1/approvals/{id}/reject", Verb::manage_roles,
              "rejectRequest", "Ends a request unrun",          BodyKind::json,
              with(reject)};
  other.needs = needs;
  table.add(std::move(other));
  table.add({Method::post, "/api/v1/approvals/steps/{step}/require", Verb::manage_roles,
             "requireTwo", "From now on a step needs two persons", BodyKind::json,
             with(require_two)});
  table.add(for_two_persons(
      security::Step::waive_step,
      {Method::post, "/api/v1/approvals/steps/{step}/waive", Verb::manage_roles, "waiveTwo",
       "From now on a step needs one person", BodyKind::json, with(waive_two)}));
  table.add({Method::get, "/api/v1/access/policies", Verb::read_policy, "listPolicies",
             "Former policies, newest first", BodyKind::none, with(list_policies)});
  table.add({Method::get, "/api/v1/access/policies/{number}", Verb::read_policy, "showFormerPolicy",
             "A former policy's text", BodyKind::none, with(show_former)});
  table.add(
      for_two_persons(security::Step::restore_policy,
                      {Method::post, "/api/v1/access/policies/{number}/restore",
                       Verb::restore_policy, "restorePolicy", "Puts a former policy in force again",
                       BodyKind::json, with(restore_former)}));
  table.add({Method::post, "/api/v1/access/break-glass/acknowledge", Verb::manage_roles,
             "acknowledgeBreakGlass", "Says that a use of break-glass was looked into",
             BodyKind::json, with(acknowledge)});
}

}  // namespace entente::node
