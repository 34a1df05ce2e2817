// The handlers of /api/v1, each a coroutine over the assembled node.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "node/daemon/core.h"
#include "node/daemon/question_needs.h"
#include "node/service/route_table.h"

namespace entente::node {

// Who calls, for the audit log: "user:ann".
inline std::string actor_of(const Call& call) {
  return "user:" + call.subject.name;
}

// `core` outlives the table.
void add_twin_routes(RouteTable& table, Core& core);     // types, twins
void add_reading_routes(RouteTable& table, Core& core);  // a twin's readings page by page
// Deleting twins with all that is kept of them: readings, summaries, corrections, then the twins,
// then the names of their series. Recorded in the audit log, twin by twin, before and after.
void add_deletion_routes(RouteTable& table, Core& core);
void add_quality_routes(RouteTable& table, Core& core);  // health, quarantine, rules
void add_collector_routes(RouteTable& table, Core& core);
void add_agreement_routes(RouteTable& table, Core& core);
void add_link_routes(RouteTable& table, Core& core);
void add_key_routes(RouteTable& table, Core& core);       // keys and charters
void add_budget_routes(RouteTable& table, Core& core);    // what is left, reconciling
void add_system_routes(RouteTable& table, Core& core);    // system twins
void add_feed_routes(RouteTable& table, Core& core);      // feeds, followed and given
void add_question_routes(RouteTable& table, Core& core);  // ask, exports, status
void add_access_routes(RouteTable& table, Core& core);    // users, roles, grants, tokens
void add_user_routes(RouteTable& table, Core& core);      // passwords, logins, disabling, OIDC
void add_approval_routes(RouteTable& table, Core& core);  // two persons, former policies
void add_backup_routes(RouteTable& table, Core& core);    // making and listing backups
void add_audit_routes(RouteTable& table, Core& core);     // the log, its checkpoints and witnesses

// What these questions need (question_needs.h), all of them. Refuses what parse_question refuses.
boost::asio::awaitable<Result<std::vector<Need>>> needs_of_questions(
    Core& core, const Subject& subject, std::vector<std::string> questions, Asking asking);

// What the routes that write readings need of a node. All of it outlives the table.
struct WriteParts {
  std::function<std::shared_ptr<const TwinState>()> twins;
  History& history;
  QualityGate& gate;
  const Clock& clock;
  // Runs the job off the loop and waits. Refuses: overloaded (too much waits), internal (a fault).
  using Job = std::function<Outcome()>;
  std::function<boost::asio::awaitable<Outcome>(Job)> on_worker;
  std::function<void(std::uint64_t accepted, std::uint64_t rejected)> count;
  // Waits before a batch that the store refused is sent again; empty: sleeps.
  std::function<void(Duration)> pause = {};
};
WriteParts write_parts(Core& core);

// POST /api/v1/readings takes JSON Lines, POST /api/v2/write InfluxDB's line protocol; both answer
// after the commit. A body is read as fast as the disk takes it, limits::kWriteJobBytes at once; of
// limits::kWritesAtOnce requests and more, or when the store's queue stays full, one is answered
// 503 with Retry-After, and says how many of its readings are durable.
void add_ingest_routes(RouteTable& table, WriteParts parts);

// All of the above, health and metrics.
void add_all_routes(RouteTable& table, Core& core);

}  // namespace entente::node
