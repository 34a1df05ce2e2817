// Who may call what: a row for every route of the HTTP table and every method of every interface,
// written by hand a second time, so that a slip in either place shows. A new route or method needs
// a row here, or the tests fail.
#pragma once

#include <string_view>

#include "security/policy/policy.h"

namespace entente::tests {

using Kind = security::ResourceKind;
using Verb = security::Verb;

// by_path: the verb on what the path names. by_call: what the call itself asks for, like a
// question's target. never: nobody is asked, since nothing of the node is told.
enum class Decided { by_path, by_call, never };

struct RouteRow {
  std::string_view route;  // "GET /api/v1/twins/{id}"
  Verb verb;
  Kind kind;
  Decided decided = Decided::by_path;
};
// clang-format off
inline constexpr RouteRow kRouteRows[] = {
    {"GET /api/v1/access", Verb::read_policy, Kind::node},
    {"POST /api/v1/access/break-glass/acknowledge", Verb::manage_roles, Kind::node},
    {"POST /api/v1/access/grants", Verb::manage_roles, Kind::node},
    {"POST /api/v1/access/grants/revoke", Verb::manage_roles, Kind::node},
    {"GET /api/v1/access/policies", Verb::read_policy, Kind::node},
    {"GET /api/v1/access/policies/{number}", Verb::read_policy, Kind::node},
    {"POST /api/v1/access/policies/{number}/restore", Verb::restore_policy, Kind::node},
    {"POST /api/v1/access/roles/{role}", Verb::manage_roles, Kind::node},
    {"POST /api/v1/access/roles/{role}/remove", Verb::manage_roles, Kind::node},
    {"GET /api/v1/access/tokens", Verb::read_policy, Kind::node},
    {"POST /api/v1/access/tokens", Verb::manage_roles, Kind::node},
    {"POST /api/v1/access/tokens/{name}/revoke", Verb::disable_users, Kind::node},
    {"POST /api/v1/access/users/{user}/disable", Verb::disable_users, Kind::node},
    {"POST /api/v1/access/users/{user}/enable", Verb::manage_roles, Kind::node},
    {"POST /api/v1/access/users/{user}/password", Verb::manage_roles, Kind::node},
    {"POST /api/v1/access/users/{user}/roles", Verb::manage_roles, Kind::node},
    {"POST /api/v1/access/users/{user}/roles/{role}/revoke", Verb::manage_roles, Kind::node},
    {"GET /api/v1/access/who-can", Verb::read_policy, Kind::node},
    {"GET /api/v1/access/why", Verb::read_policy, Kind::node},
    {"GET /api/v1/agreements", Verb::read_agreements, Kind::agreement},
    {"POST /api/v1/agreements", Verb::manage_agreements, Kind::agreement},
    {"GET /api/v1/agreements/{id}", Verb::read_agreements, Kind::agreement},
    {"POST /api/v1/agreements/diff", Verb::read_agreements, Kind::agreement},
    {"POST /api/v1/agreements/new", Verb::read_agreements, Kind::agreement},
    {"POST /api/v1/agreements/{id}/counter", Verb::manage_agreements, Kind::agreement},
    {"POST /api/v1/agreements/{id}/resume", Verb::manage_agreements, Kind::agreement},
    {"POST /api/v1/agreements/{id}/suspend", Verb::manage_agreements, Kind::agreement},
    {"POST /api/v1/agreements/{id}/withdraw", Verb::manage_agreements, Kind::agreement},
    {"POST /api/v1/agreements/{id}/sign", Verb::manage_agreements, Kind::agreement},
    {"POST /api/v1/agreements/{id}/terminate", Verb::manage_agreements, Kind::agreement},
    {"GET /api/v1/approvals", Verb::read_policy, Kind::node},
    {"POST /api/v1/approvals/steps/{step}/require", Verb::manage_roles, Kind::node},
    {"POST /api/v1/approvals/steps/{step}/waive", Verb::manage_roles, Kind::node},
    {"GET /api/v1/approvals/{id}", Verb::read_policy, Kind::node},
    {"POST /api/v1/approvals/{id}/approve", Verb::manage_roles, Kind::node, Decided::by_call},
    {"POST /api/v1/approvals/{id}/reject", Verb::manage_roles, Kind::node, Decided::by_call},
    {"POST /api/v1/ask", Verb::ask, Kind::node, Decided::by_call},
    {"GET /api/v1/audit/checkpoint", Verb::read_audit, Kind::node},
    {"GET /api/v1/audit/records", Verb::read_audit, Kind::node},
    {"GET /api/v1/audit/verify", Verb::read_audit, Kind::node},
    {"GET /api/v1/audit/witnesses", Verb::read_audit, Kind::node},
    {"GET /api/v1/backups", Verb::make_backups, Kind::node},
    {"POST /api/v1/backups", Verb::make_backups, Kind::node},
    {"GET /api/v1/budget", Verb::read_budgets, Kind::budget},
    {"POST /api/v1/budget/reconcile", Verb::manage_budgets, Kind::budget},
    {"GET /api/v1/collectors", Verb::read_links, Kind::collector},
    {"POST /api/v1/collectors", Verb::manage_links, Kind::collector},
    {"POST /api/v1/collectors/{name}/revoke", Verb::manage_links, Kind::collector},
    {"GET /api/v1/exports", Verb::read_twins, Kind::export_},
    {"GET /api/v1/feeds", Verb::ask, Kind::node},
    {"POST /api/v1/feeds", Verb::ask, Kind::node, Decided::by_call},
    {"GET /api/v1/feeds/{id}", Verb::ask, Kind::node, Decided::by_call},
    {"POST /api/v1/feeds/{id}/cancel", Verb::ask, Kind::node, Decided::by_call},
    {"POST /api/v1/feeds/{id}/pull", Verb::ask, Kind::node, Decided::by_call},
    {"GET /api/v1/keys", Verb::read_links, Kind::node},
    {"POST /api/v1/keys/{purpose}/rotate", Verb::manage_keys, Kind::node},
    {"POST /api/v1/keys/{purpose}/use", Verb::manage_keys, Kind::node},
    {"POST /api/v1/keys/revoke", Verb::manage_keys, Kind::node},
    {"POST /api/v1/keys/retire", Verb::manage_keys, Kind::node},
    {"POST /api/v1/keys/root/export", Verb::manage_keys, Kind::node},
    {"POST /api/v1/keys/root/remove", Verb::manage_keys, Kind::node},
    {"POST /api/v1/charter/apply", Verb::manage_keys, Kind::node},
    {"GET /api/v1/exports/{name}", Verb::read_twins, Kind::export_},
    {"GET /api/v1/links", Verb::read_links, Kind::link},
    {"POST /api/v1/links/accept", Verb::manage_links, Kind::link},
    {"POST /api/v1/links/invite", Verb::manage_links, Kind::link},
    {"POST /api/v1/links/{name}/cancel", Verb::cut_links, Kind::link},
    {"POST /api/v1/links/{name}/confirm", Verb::manage_links, Kind::link},
    {"POST /api/v1/links/{name}/resume", Verb::manage_links, Kind::link},
    {"POST /api/v1/links/{name}/revoke", Verb::cut_links, Kind::link},
    {"POST /api/v1/links/{name}/suspend", Verb::cut_links, Kind::link},
    {"POST /api/v1/login", Verb::read_status, Kind::node, Decided::never},
    {"POST /api/v1/password", Verb::read_status, Kind::node},
    {"GET /api/v1/models", Verb::read_twins, Kind::node},
    {"GET /api/v1/models/proposals", Verb::read_twins, Kind::node},
    {"GET /api/v1/twins/{id}/proposals", Verb::read_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/proposals/{number}", Verb::read_twins, Kind::twin},
    {"POST /api/v1/twins/{id}/proposals/{number}", Verb::write_twins, Kind::twin},
    {"POST /api/v1/twins/{id}/models/{model}/refit", Verb::write_twins, Kind::twin},
    {"POST /api/v1/twins/{id}/optimise", Verb::write_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/models", Verb::read_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/models/{model}", Verb::read_twins, Kind::twin},
    {"POST /api/v1/twins/{id}/models", Verb::write_twins, Kind::twin},
    {"POST /api/v1/twins/{id}/models/identify", Verb::read_twins, Kind::twin},
    {"POST /api/v1/twins/{id}/models/{model}/retire", Verb::write_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/forecast", Verb::read_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/anomalies", Verb::read_twins, Kind::twin},
    {"POST /api/v1/twins/{id}/simulate", Verb::read_twins, Kind::twin},
    {"GET /api/v1/quality/learned", Verb::read_twins, Kind::node},
    {"POST /api/v1/quality/reload", Verb::write_twins, Kind::node},
    {"POST /api/v1/readings", Verb::write_readings, Kind::node},
    {"GET /api/v1/status", Verb::read_status, Kind::node},
    {"GET /api/v1/systems", Verb::read_twins, Kind::system},
    {"POST /api/v1/systems", Verb::write_twins, Kind::system},
    {"POST /api/v1/systems/check", Verb::read_twins, Kind::system},
    {"GET /api/v1/systems/{name}", Verb::read_twins, Kind::system},
    {"GET /api/v1/signals", Verb::read_twins, Kind::node},
    {"POST /api/v1/signals", Verb::write_twins, Kind::node},
    {"POST /api/v1/signals/remove", Verb::write_twins, Kind::node},
    {"GET /api/v1/twins/{id}/signals", Verb::read_twins, Kind::twin},
    {"GET /api/v1/systems/{name}/check", Verb::read_twins, Kind::system},
    {"GET /api/v1/systems/{name}/forecast", Verb::read_twins, Kind::system},
    {"GET /api/v1/systems/{name}/history", Verb::read_twins, Kind::system},
    {"POST /api/v1/systems/{name}/remove", Verb::write_twins, Kind::system},
    {"GET /api/v1/systems/{name}/tree", Verb::read_twins, Kind::system},
    {"GET /api/v1/systems/{name}/versions", Verb::read_twins, Kind::system},
    {"GET /api/v1/twins", Verb::read_twins, Kind::twin},
    {"POST /api/v1/twins", Verb::write_twins, Kind::twin},
    {"POST /api/v1/twins/delete", Verb::write_twins, Kind::twin},
    {"DELETE /api/v1/twins/{id}", Verb::write_twins, Kind::twin},
    {"GET /api/v1/twins/{id}", Verb::read_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/health", Verb::read_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/history", Verb::read_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/quarantine", Verb::read_twins, Kind::twin},
    {"GET /api/v1/twins/{id}/readings", Verb::read_twins, Kind::twin},
    {"POST /api/v1/twins/{id}/rejudge", Verb::write_readings, Kind::twin},
    {"GET /api/v1/types", Verb::read_twins, Kind::type},
    {"POST /api/v1/types", Verb::write_twins, Kind::type},
    {"GET /api/v1/types/{id}", Verb::read_twins, Kind::type},
    {"POST /api/v2/write", Verb::write_readings, Kind::node},
    {"GET /livez", Verb::read_status, Kind::node, Decided::never},
    {"GET /metrics", Verb::read_status, Kind::node},
    {"GET /readyz", Verb::read_status, Kind::node, Decided::never},
};
// clang-format on

// session, agreements: an active link suffices. question: the choke point lets it pass over an
// active link, and the disclosure gate decides again about the export. collector: of an edge
// collector, whom the register of collectors admits and no policy.
enum class Asks { session, agreements, question, collector };

struct MethodRow {
  std::string_view method;  // "Questions.ask"
  Asks asks;
};
inline constexpr MethodRow kMethodRows[] = {
    {"Gate.open", Asks::session},
    {"Session.ping", Asks::session},
    {"Session.questions", Asks::session},
    {"Session.agreements", Asks::session},
    {"Session.charters", Asks::session},
    {"Session.witness", Asks::session},
    {"Session.feeds", Asks::session},
    {"Questions.ask", Asks::question},
    {"Agreements.propose", Asks::agreements},
    {"Agreements.settle", Asks::agreements},
    {"Agreements.terminate", Asks::agreements},
    {"Agreements.tell", Asks::agreements},
    {"Feeds.start", Asks::question},
    {"Feeds.pull", Asks::question},
    {"Feeds.cancel", Asks::question},
    {"CollectGate.open", Asks::collector},
    {"Collector.ping", Asks::collector},
    {"Collector.series", Asks::collector},
    {"Collector.append", Asks::collector},
};

}  // namespace entente::tests
