// /livez, /readyz and /metrics: what supervisors and monitors read.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "node/service/route_table.h"

namespace prometheus {
class Registry;
}

namespace entente::node {

enum class CheckState { ok, warn, fail };
std::string_view to_text(CheckState state);

struct CheckResult {
  CheckState state = CheckState::ok;
  std::string detail;  // what was found, in words
  std::string remedy;  // the command that fixes it; empty when ok
};

// `run` is called on the loop and must not block: it reports what the node already knows.
struct HealthCheck {
  std::string name;
  std::function<CheckResult()> run;
};

// [{"name","state","detail","remedy"}, …], as /api/v1/status and `entente doctor` show them. A
// check that throws has failed.
boost::json::value checks_json(const std::vector<HealthCheck>& checks);

// GET /livez: 200 as long as the loop turns. GET /readyz: 200, or 503 when a check fails (a warning
// does not); ?verbose names each check and its state. Details need a token: see /api/v1/status.
void add_health_routes(RouteTable& table, std::vector<HealthCheck> checks);

// GET /metrics (a token is needed). The registry outlives the table.
void add_metrics_route(RouteTable& table, const prometheus::Registry& registry);

}  // namespace entente::node
