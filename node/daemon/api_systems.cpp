// System twins: declared, checked, removed; their state and history of released values.
#include <charconv>
#include <utility>

#include <boost/json.hpp>

#include "federation/link/bridge.h"
#include "node/daemon/api.h"
#include "node/daemon/model_json.h"
#include "node/daemon/on_worker.h"
#include "node/daemon/system_json.h"
#include "node/modelling/released_forecast.h"
#include "security/policy/policy.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using federation::SystemTwin;

awaitable<Result<Reply>> list_systems(Core& core, const Call&) {
  const auto all = core.systems->all();
  json::array items;
  for (const auto& [name, declared] : *all) items.push_back(system_json(declared, core.site));
  co_return Reply::json({{"items", std::move(items)}});
}

// The page of a system with what is kept of it. Refuses: not_found.
template <class Show>
awaitable<Result<Reply>> shown_page(Core& core, const std::string& name, Show show) {
  auto declared = core.systems->named(name);
  if (!declared) co_return std::move(declared).error();
  std::map<std::string, SystemKeeper::Outlook> outlooks;
  for (const auto& property : declared->twin.properties) {
    outlooks[property.name] = core.system_keeper->outlook({name, property.name});
  }
  auto job = [&core, declared = std::move(*declared), site = core.site, name, show,
              outlooks = std::move(outlooks)]() -> Result<json::value> {
    return json::value(show(
        SystemPage{declared, site, core.system_shelf->latest(name), outlooks, core.clock.now()}));
  };
  auto made = co_await on_worker<json::value>(core, std::move(job));
  if (!made) co_return std::move(made).error();
  co_return Reply::json(*made);
}

awaitable<Result<Reply>> show_system(Core& core, const Call& call) {
  return shown_page(core, call.path.at("name"),
                    [](const SystemPage& page) { return page_json(page); });
}

awaitable<Result<Reply>> show_tree(Core& core, const Call& call) {
  return shown_page(core, call.path.at("name"), [](const SystemPage& page) {
    return json::object{{"name", page.declared.twin.name}, {"items", tree_json(page)}};
  });
}

Result<SystemShelf::Page> page_asked(const Call& call) {
  SystemShelf::Page page;
  page.property = std::string(call.parameter("property"));
  auto listed = page_of(call);
  if (!listed) return std::move(listed).error();
  page.limit = listed->limit;
  const auto number = [](std::string_view text) -> std::optional<std::int64_t> {
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || value < 0) return {};
    return value;
  };
  if (const auto after = call.parameter("after"); !after.empty()) {
    page.after = number(after);
    if (!page.after) {
      return make_error(ErrorCode::invalid_argument, "after must be the number of a row");
    }
  }
  if (!listed->after.empty()) {
    const auto before = number(listed->after);
    if (!before) return make_error(ErrorCode::invalid_argument, "the cursor is not of this list");
    page.before = *before;
  }
  return page;
}

// A removed system has its history still.
awaitable<Result<Reply>> show_history(Core& core, const Call& call) {
  auto page = page_asked(call);
  if (!page) co_return std::move(page).error();
  const std::string name = call.path.at("name");
  auto known = core.systems->named(name);
  auto job = [&core, name, page = *page, known = known.has_value(),
              missing = known ? Error{} : known.error()]() -> Result<json::value> {
    const auto versions = core.system_shelf->versions(name);
    if (!known && versions.empty()) return missing;
    const auto rows = core.system_shelf->rows(name, page);
    json::array items;
    for (const SystemRow& row : rows) items.push_back(value_json(row, core.clock.now()));
    json::object out{{"name", name}, {"items", std::move(items)}, {"next", nullptr}};
    if (!page.after && rows.size() == page.limit) {
      out["next"] = cursor_after(std::to_string(rows.back().id));
    }
    return json::value(std::move(out));
  };
  auto made = co_await on_worker<json::value>(core, std::move(job));
  if (!made) co_return std::move(made).error();
  co_return Reply::json(*made);
}

awaitable<Result<Reply>> show_versions(Core& core, const Call& call) {
  const std::string name = call.path.at("name");
  auto job = [&core, name]() -> Result<json::value> {
    json::array items;
    for (const SystemVersion& one : core.system_shelf->versions(name)) {
      items.push_back(version_json(one));
    }
    if (items.empty()) {
      return make_error(ErrorCode::not_found, "there was never a system twin '" + name + "'");
    }
    return json::value{{"name", name}, {"items", std::move(items)}};
  };
  auto made = co_await on_worker<json::value>(core, std::move(job));
  if (!made) co_return std::move(made).error();
  co_return Reply::json(*made);
}

// From released values alone: nothing is asked of anybody.
awaitable<Result<Reply>> show_forecast(Core& core, const Call& call) {
  const std::string name = call.path.at("name"), wanted(call.parameter("property"));
  auto declared = core.systems->named(name);
  if (!declared) co_return std::move(declared).error();
  const auto* property = declared->twin.property(wanted);
  if (property == nullptr) {
    co_return make_error(ErrorCode::not_found, "'" + name + "' has no property '" + wanted + "'",
                         "see 'entente system show " + name + "'");
  }
  const Duration step = property->every.value_or(property->over);
  auto horizon =
      parse_duration(call.parameter("for").empty() ? to_text(step) : call.parameter("for"));
  if (!horizon) co_return std::move(horizon).error();
  auto job = [&core, name, wanted, step, horizon = *horizon, since = property->since,
              version = declared->version.version]() -> Result<json::value> {
    std::vector<federation::ReleasedValue> values;
    std::string unit;
    const TimeWindow all{since.value_or(Instant{}), core.clock.now()};
    for (SystemRow& row : core.system_shelf->series(name, wanted, all)) {
      if (row.values.empty()) continue;
      unit = row.unit;
      values.insert(values.end(), row.values.begin(), row.values.end());
    }
    auto made = forecast_released(values, step, horizon);
    if (!made) return std::move(made).error();
    json::array items;
    items.push_back(
        {{"signal", wanted}, {"unit", unit}, {"path", path_json(made->prediction.paths.at(0))}});
    return json::value{{"twin", "system/" + name}, {"model", "released"},
                       {"kind", made->spec.kind},  {"version", version},
                       {"values", made->values},   {"issued", to_text(made->prediction.issued)},
                       {"items", std::move(items)}};
  };
  auto made = co_await on_worker<json::value>(core, std::move(job));
  if (!made) co_return std::move(made).error();
  co_return Reply::json(*made);
}

// What is wrong with a system, found on a worker: conversions of epsilon take a while.
awaitable<Result<std::vector<federation::SystemFinding>>> checked(Core& core,
                                                                  const SystemTwin& twin) {
  using Findings = std::vector<federation::SystemFinding>;
  auto job = [&core, twin, site = core.site]() -> Result<Findings> {
    return federation::find_faults({twin, site, core.clock.now(), core.settings.default_epsilon});
  };
  co_return co_await on_worker<Findings>(core, std::move(job));
}

// What one window of every kept property would be charged, as a preview of `ask` says it.
awaitable<Result<json::value>> charge_of(Core& core, const SystemTwin& twin) {
  auto job = [&core, twin, site = core.site]() -> Result<std::vector<AskRequest>> {
    std::vector<AskRequest> requests;
    const auto members = federation::known_members(twin, site);
    for (const auto& property : twin.properties) {
      if (!property.kept || members.empty()) continue;
      const auto grid = federation::grid_of(property, members);
      AskRequest request;
      request.question = federation::question_of(twin, property,
                                                 federation::newest_closed(core.clock.now(), grid));
      if (!property.purpose.empty()) request.purpose = property.purpose;
      requests.push_back(std::move(request));
    }
    return requests;
  };
  auto requests = co_await on_worker<std::vector<AskRequest>>(core, std::move(job));
  if (!requests) co_return std::move(requests).error();
  if (requests->empty()) co_return json::value(nullptr);
  using Shared = std::shared_ptr<Result<json::value>>;
  auto promise = core.ask->preview(std::move(*requests), twin).then([](Result<json::value> made) {
    return std::make_shared<Result<json::value>>(std::move(made));
  });
  Shared made = co_await federation::to_awaitable<Shared>(core.loop, kj::mv(promise));
  if (!*made) co_return std::move(*made).error();
  co_return json::value{{"charge", (*made)->as_object().at("charge")}};
}

awaitable<Result<Reply>> reply_checked(Core& core, const SystemTwin& twin) {
  auto findings = co_await checked(core, twin);
  if (!findings) co_return std::move(findings).error();
  json::object out{{"name", twin.name},
                   {"ok", findings->empty()},
                   {"findings", findings_json(*findings)},
                   {"window_charge", nullptr}};
  if (findings->empty()) {
    auto charge = co_await charge_of(core, twin);
    if (!charge) co_return std::move(charge).error();
    out["window_charge"] = std::move(*charge);
  }
  co_return Reply::json(out);
}

awaitable<Result<Reply>> check_declared(Core& core, const Call& call) {
  auto declared = core.systems->named(call.path.at("name"));
  if (!declared) co_return std::move(declared).error();
  co_return co_await reply_checked(core, declared->twin);
}

awaitable<Result<Reply>> check_text(Core& core, const Call& call) {
  auto twin = core.systems->read(call.body);
  if (!twin) co_return std::move(twin).error();
  co_return co_await reply_checked(core, *twin);
}

// Keeping asks, window after window, in the name of who declares it.
Outcome may_keep(const Core& core, const Call& call, const SystemTwin& twin) {
  if (!twin.keeps()) return {};
  const auto decision =
      security::decide(core.policy, call.subject, security::Verb::ask,
                       {security::ResourceKind::system, twin.name}, {core.clock.now(), false, {}});
  if (decision.allowed) return {};
  return make_error(decision.code, "keeping a property asks in your name: " + decision.reason);
}

// One line for a refusal: the first finding, and how many there are.
Error refusal_of(const std::vector<federation::SystemFinding>& findings) {
  const federation::SystemFinding& first = findings.front();
  std::string what = first.member.empty() ? "" : first.member + ": ";
  if (!first.property.empty()) what += "property '" + first.property + "': ";
  what += first.error.what;
  if (findings.size() > 1) what += "; and " + std::to_string(findings.size() - 1) + " more";
  return make_error(ErrorCode::config_invalid, std::move(what),
                    "see all of them with 'entente system check', or declare it nevertheless with "
                    "--unready");
}

awaitable<Result<Reply>> declare_system(Core& core, const Call& call) {
  auto twin = core.systems->read(call.body);
  if (!twin) co_return std::move(twin).error();
  if (auto may = may_keep(core, call, *twin); !may) co_return std::move(may).error();
  const bool replace = call.parameter("replace") == "1";
  std::set<std::string> exports;
  for (const auto& [name, view] : core.declarations.exports) exports.insert(name);
  const auto existing =
      replace ? SystemRegister::Existing::replace : SystemRegister::Existing::refuse;
  if (auto may = core.systems->may_declare(*twin, existing, exports); !may) {
    co_return std::move(may).error();
  }
  auto findings = co_await checked(core, *twin);
  if (!findings) co_return std::move(findings).error();
  if (!findings->empty() && call.parameter("unready") != "1") co_return refusal_of(*findings);
  json::object out;
  if (findings->empty()) {
    auto charge = co_await charge_of(core, *twin);
    if (!charge) co_return std::move(charge).error();
    out["window_charge"] = std::move(*charge);
  }
  if (call.dry_run) {
    const auto now = core.systems->named(twin->name);
    DeclaredSystem would{*twin,
                         {twin->name, now ? now->version.version + 1 : 1, core.clock.now(), "",
                          kDeclaredHere, actor_of(call)}};
    for (auto& field : system_json(would, core.site)) out[field.key()] = field.value();
  } else {
    // While it was checked, somebody may have declared another.
    if (auto may = core.systems->may_declare(*twin, existing, exports); !may) {
      co_return std::move(may).error();
    }
    auto start = [&core, &twin, actor = actor_of(call)](SystemRegister::Done done) {
      core.systems->declare(std::move(*twin), actor, std::move(done));
    };
    auto kept = co_await await_result<DeclaredSystem>(core.loop, std::move(start));
    if (!kept) co_return std::move(kept).error();
    for (auto& field : system_json(*kept, core.site)) out[field.key()] = field.value();
  }
  out["findings"] = findings_json(*findings);
  co_return Reply::json(out);
}

awaitable<Result<Reply>> remove_system(Core& core, const Call& call) {
  const std::string name = call.path.at("name");
  if (call.dry_run) {
    auto found = core.systems->named(name);
    if (!found) co_return std::move(found).error();
    co_return Reply::json(system_json(*found, core.site));
  }
  auto start = [&core, name, actor = actor_of(call)](SystemRegister::Done done) {
    core.systems->remove(name, actor, std::move(done));
  };
  auto gone = co_await await_result<DeclaredSystem>(core.loop, std::move(start));
  if (!gone) co_return std::move(gone).error();
  co_return Reply::json(system_json(*gone, core.site));
}

}  // namespace

void add_system_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::get, "/api/v1/systems", Verb::read_twins, "listSystems",
             "System twins with their members' readiness", BodyKind::none, with(list_systems)});
  table.add({Method::get, "/api/v1/systems/{name}", Verb::read_twins, "showSystem",
             "One system twin: each property's newest value, range, coverage, age and charges",
             BodyKind::none, with(show_system)});
  table.add({Method::get, "/api/v1/systems/{name}/tree", Verb::read_twins, "showSystemTree",
             "A system twin's members with their site, domain, agreement and last outcome",
             BodyKind::none, with(show_tree)});
  table.add({Method::get,
             "/api/v1/systems/{name}/history",
             Verb::read_twins,
             "systemHistory",
             "What was kept of a system twin, corrections beside what they correct",
             BodyKind::none,
             with(show_history),
             Access::token,
             {{"property", "of this property"},
              {"after", "in the order of keeping, after the row of this number"},
              {"limit", "rows"},
              {"cursor", "from here on, towards the past"}}});
  table.add({Method::get, "/api/v1/systems/{name}/versions", Verb::read_twins, "systemVersions",
             "The versions of a system twin's definition", BodyKind::none, with(show_versions)});
  table.add({Method::get,
             "/api/v1/systems/{name}/forecast",
             Verb::read_twins,
             "systemForecast",
             "What a kept property will be released as, from released values alone",
             BodyKind::none,
             with(show_forecast),
             Access::token,
             {{"property", "of this property", true}, {"for", "how far; one window unless told"}}});
  table.add({Method::get, "/api/v1/systems/{name}/check", Verb::read_twins, "checkSystem",
             "What stops a system twin from being answered, by member and reason", BodyKind::none,
             with(check_declared)});
  table.add({Method::post, "/api/v1/systems/check", Verb::read_twins, "checkSystemText",
             "The same of a declaration (TOML) that is not in force", BodyKind::text,
             with(check_text)});
  table.add({Method::post,
             "/api/v1/systems",
             Verb::write_twins,
             "declareSystem",
             "Declares a system twin (TOML), or says what that would cost with ?dryRun=1",
             BodyKind::text,
             with(declare_system),
             Access::token,
             {{"replace", "1: as the next version of one that is declared here"},
              {"unready", "1: also when it cannot be answered now"}}});
  table.add({Method::post, "/api/v1/systems/{name}/remove", Verb::write_twins, "removeSystem",
             "Ends a system twin that was declared here; its history stays", BodyKind::json,
             with(remove_system)});
}

}  // namespace entente::node
