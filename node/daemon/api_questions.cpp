// Questions, budgets, exports, systems, the audit log, and what this node is.
#include <utility>

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

#include "federation/link/bridge.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/store/audit_log.h"
#include "security/privacy/blocks.h"
#include "security/privacy/rho.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using federation::off_loop;
using federation::to_awaitable;

awaitable<Result<Reply>> ask(Core& core, const Call& call) {
  auto question = call.text_field("question");
  if (!question) co_return std::move(question).error();
  AskRequest request;
  request.question = std::move(*question);
  auto purpose = call.optional_text_field("purpose");
  if (!purpose) co_return std::move(purpose).error();
  request.purpose = *purpose;
  auto timeout = call.optional_text_field("timeout");
  if (!timeout) co_return std::move(timeout).error();
  if (*timeout) {
    auto parsed = parse_duration(**timeout);
    if (!parsed) co_return std::move(parsed).error();
    if (parsed->ns <= 0 || *parsed > seconds(120)) {
      co_return make_error(ErrorCode::invalid_argument,
                           "the timeout must be above 0s and at most 120s");
    }
    request.timeout = *parsed;
  }
  const json::value* dry =
      call.json.is_object() ? call.json.get_object().if_contains("dryRun") : nullptr;
  if (dry != nullptr && !dry->is_bool()) {
    co_return make_error(ErrorCode::invalid_argument, "dryRun must be true or false");
  }
  request.preview = call.dry_run || (dry != nullptr && dry->is_bool() && dry->get_bool());
  using Shared = std::shared_ptr<Result<json::value>>;
  auto promise = core.ask->ask(std::move(request)).then([](Result<json::value> result) {
    return std::make_shared<Result<json::value>>(std::move(result));
  });
  Shared got = co_await to_awaitable<Shared>(core.loop, kj::mv(promise));
  if (!*got) co_return std::move(*got).error();
  co_return Reply::json(**got);
}

// On a worker, any job that returns JSON. Jobs are named before they are handed over
// (api_twins.cpp).
template <class Job>
awaitable<Result<Reply>> reply_from_worker(Core& core, Job job) {
  using Shared = std::shared_ptr<json::value>;
  try {
    auto work = [job = std::move(job)] { return std::make_shared<json::value>(job()); };
    auto promise = off_loop<Shared>(core.loop, *core.workers, std::move(work));
    Shared got = co_await to_awaitable<Shared>(core.loop, kj::mv(promise));
    co_return Reply::json(*got);
  } catch (const kj::Exception& fault) {
    co_return make_error(ErrorCode::store_failed, fault.getDescription().cStr());
  }
}

std::string block_text(Instant start) {
  return start == security::kLifetimeBlock ? "lifetime" : to_text(start);
}

// The domains of this site's exports, each once, by name.
std::map<std::string, std::shared_ptr<const ExportView>> domains_of(const Core& core) {
  std::map<std::string, std::shared_ptr<const ExportView>> domains;
  for (const auto& [name, view] : core.declarations.exports) domains.emplace(view->domain, view);
  return domains;
}

json::object block_json(Instant start, const std::vector<LedgerRow>& rows, const ExportView& view,
                        const std::map<std::string, std::string>& partners,
                        const std::map<std::string, RhoUnits>& quotas) {
  std::uint64_t spent = 0;
  json::array by_partner;
  for (const LedgerRow& row : rows) {
    if (row.block != start || row.domain != view.domain) continue;
    if (row.scope == "site") {
      spent = row.spent.units;
      continue;
    }
    const auto name = partners.find(row.scope);
    const auto quota = quotas.find(row.scope);
    by_partner.push_back(
        {{"organisation", name == partners.end() ? row.scope.substr(0, 8) : name->second},
         {"spent_epsilon", shown_epsilon(row.spent, view.delta)},
         {"quota_epsilon",
          quota == quotas.end() ? 0.0 : shown_epsilon(quota->second, view.delta)}});
  }
  const std::uint64_t cap = view.rho_cap.units, left = spent < cap ? cap - spent : 0;
  return {{"start", block_text(start)},
          {"spent_epsilon", shown_epsilon({spent}, view.delta)},
          {"left_epsilon", shown_epsilon({left}, view.delta)},
          {"spent_rho", spent},
          {"cap_rho", cap},
          {"percent_left", 100.0 * static_cast<double>(left) / static_cast<double>(cap)},
          {"partners", std::move(by_partner)}};
}

awaitable<Result<Reply>> show_budget(Core& core, const Call&) {
  std::map<std::string, std::string> partners;
  std::map<std::string, RhoUnits> quotas;
  json::array quota_rows;
  for (const auto& [org, link] : core.links->entries()) partners[org.hex()] = link.name;
  for (const auto& [id, agreement] : core.site->agreements) {
    if (agreement.value.provider != core.organisation()) continue;
    const std::string org = agreement.value.consumer.hex();
    quotas[org] = std::max(quotas[org], agreement.value.rho_per_block);
    quota_rows.push_back(
        {{"organisation", partners[org]},
         {"agreement", agreement.value.name},
         {"epsilon_per_block",
          shown_epsilon(agreement.value.rho_per_block, agreement.value.exports.front().delta)}});
  }
  auto job = [&core, domains = domains_of(core), partners, quotas, quota_rows] {
    const std::vector<LedgerRow> rows = core.ledger->rows();
    json::array all;
    for (const auto& [name, view] : domains) {
      json::array blocks;
      std::optional<Instant> last;
      for (const LedgerRow& row : rows) {
        if (row.domain != name || (last && *last == row.block)) continue;
        last = row.block;
        blocks.push_back(block_json(row.block, rows, *view, partners, quotas));
      }
      all.push_back({{"domain", name},
                     {"unit", view->unit},
                     {"zone", view->zone},
                     {"block", view->block.ns == 0 ? "lifetime" : to_text(view->block)},
                     {"cap_epsilon", shown_epsilon(view->rho_cap, view->delta)},
                     {"delta", std::round(security::to_double(view->delta) * 1e12) / 1e12},
                     {"blocks", std::move(blocks)}});
    }
    return json::value{{"domains", std::move(all)}, {"partners_quota", quota_rows}};
  };
  co_return co_await reply_from_worker(core, std::move(job));
}

awaitable<Result<Reply>> list_exports(Core& core, const Call&) {
  json::array items;
  for (const auto& [name, view] : core.declarations.exports) {
    json::array measures;
    for (const Measure& measure : view->measures) measures.push_back(json::value(measure.signal));
    items.push_back({{"name", name},
                     {"domain", view->domain},
                     {"type", view->type},
                     {"keys", json::value_from(view->keys)},
                     {"measures", std::move(measures)},
                     {"tick", to_text(view->tick)},
                     {"lateness", to_text(view->lateness)},
                     {"cells", view->cells.size()},
                     {"declared_units", view->declared_units()}});
  }
  co_return Reply::json({{"items", std::move(items)}});
}

json::object system_json(const Core& core, const federation::SystemTwin& system) {
  json::array members, properties;
  for (const federation::SystemMember& member : system.members) {
    const auto target = federation::find_target(core.site, member.export_name, member.organisation);
    json::object one{{"name", member.export_name + "@" + member.organisation},
                     {"state", target ? "ready" : "not ready"}};
    if (!target) one["reason"] = target.error().what;
    members.push_back(std::move(one));
  }
  for (const federation::SystemProperty& property : system.properties) {
    properties.push_back(
        {{"name", property.name}, {"item", property.item}, {"over", to_text(property.over)}});
  }
  return {{"name", system.name},
          {"title", system.title},
          {"needs", federation::to_text(system.needs)},
          {"members", std::move(members)},
          {"properties", std::move(properties)}};
}

awaitable<Result<Reply>> list_systems(Core& core, const Call&) {
  json::array items;
  for (const auto& [name, system] : core.declarations.systems)
    items.push_back(system_json(core, system));
  co_return Reply::json({{"items", std::move(items)}});
}

awaitable<Result<Reply>> show_system(Core& core, const Call& call) {
  const auto found = core.declarations.systems.find(call.path.at("name"));
  if (found == core.declarations.systems.end()) {
    co_return make_error(ErrorCode::not_found,
                         "there is no system twin '" + call.path.at("name") + "'",
                         "see 'entente system list'");
  }
  co_return Reply::json(system_json(core, found->second));
}

awaitable<Result<Reply>> verify_log(Core& core, const Call&) {
  auto job = [&core] {
    auto reader = core.store->reader();
    if (!reader) throw StoreFault(reader.error().what, 0);
    const AuditVerdict verdict = verify_audit(*reader, {});
    json::object out{{"records", verdict.head.count},
                     {"head", verdict.head.link.hex()},
                     {"ok", !verdict.first_bad}};
    if (verdict.first_bad) {
      out["first_bad"] = *verdict.first_bad;
      out["reason"] = verdict.reason;
    }
    return json::value(std::move(out));
  };
  co_return co_await reply_from_worker(core, std::move(job));
}

awaitable<Result<Reply>> status(Core& core, const Call&) {
  std::size_t active = 0, pending = 0, connected = 0;
  for (const auto& [org, link] : core.links->entries()) {
    active += link.state == LinkState::active;
    pending += link.state == LinkState::pending;
    const auto health = core.link_manager->health(org);
    connected += link.state == LinkState::active && health && health->call.connected &&
                 health->serve.connected;
  }
  const auto state = core.twins->state();
  co_return Reply::json(
      {{"organisation",
        {{"id", core.organisation().hex()},
         {"name", core.settings.organisation},
         {"title", core.settings.title}}},
       {"site", core.settings.site},
       {"version", ENTENTE_VERSION},
       {"uptime_s", (core.clock.now() - core.started).seconds()},
       {"http", core.settings.http_address + ":" + std::to_string(core.http_port)},
       {"federation", {{"listening", core.public_address(core.federation_port)}}},
       {"twins", state->graph.twins().size()},
       {"links", {{"active", active}, {"connected", connected}, {"pending", pending}}},
       {"agreements", core.site->agreements.size()},
       {"checks", checks_json(core.checks())}});
}

}  // namespace

void add_question_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::post, "/api/v1/ask", Verb::ask, "ask",
             "Answers a question, or previews its cost with ?dryRun=1", BodyKind::json, with(ask)});
  table.add({Method::get, "/api/v1/budget", Verb::read_budgets, "showBudget",
             "What is spent and left of each block", BodyKind::none, with(show_budget)});
  table.add({Method::get, "/api/v1/exports", Verb::read_twins, "listExports",
             "What this site offers to partners", BodyKind::none, with(list_exports)});
  table.add({Method::get, "/api/v1/systems", Verb::read_twins, "listSystems",
             "System twins with their members' readiness", BodyKind::none, with(list_systems)});
  table.add({Method::get, "/api/v1/systems/{name}", Verb::read_twins, "showSystem",
             "One system twin", BodyKind::none, with(show_system)});
  table.add({Method::get, "/api/v1/audit/verify", Verb::read_audit, "verifyAudit",
             "Recomputes the audit log's chain", BodyKind::none, with(verify_log)});
  table.add({Method::get, "/api/v1/status", Verb::read_status, "status",
             "What this node is and how it does", BodyKind::none, with(status)});
}

}  // namespace entente::node
