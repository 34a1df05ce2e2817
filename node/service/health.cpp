#include "node/service/health.h"

#include <boost/json.hpp>
#include <exception>
#include <memory>

#include "node/service/http_metrics.h"

namespace entente::node {
namespace {

CheckResult run_check(const HealthCheck& check) {
  try {
    return check.run();
  } catch (const std::exception& fault) {
    return {CheckState::fail, std::string("the check itself failed: ") + fault.what(), ""};
  }
}

std::string readiness(const std::vector<HealthCheck>& checks, bool verbose, bool& ready) {
  std::string lines;
  for (const HealthCheck& check : checks) {
    const CheckState state = run_check(check).state;
    if (state == CheckState::fail) ready = false;
    if (!verbose) continue;
    const std::string_view mark = state == CheckState::ok     ? "[+]"
                                  : state == CheckState::warn ? "[!]"
                                                              : "[-]";
    lines += std::string(mark) + check.name + " " + std::string(to_text(state)) + "\n";
  }
  return lines + (ready ? "ready\n" : "not ready\n");
}

}  // namespace

std::string_view to_text(CheckState state) {
  switch (state) {
    case CheckState::ok:
      return "ok";
    case CheckState::warn:
      return "warn";
    case CheckState::fail:
      return "fail";
  }
  return "fail";
}

boost::json::value checks_json(const std::vector<HealthCheck>& checks) {
  boost::json::array out;
  for (const HealthCheck& check : checks) {
    const CheckResult result = run_check(check);
    out.push_back(boost::json::object{{"name", check.name},
                                      {"state", to_text(result.state)},
                                      {"detail", result.detail},
                                      {"remedy", result.remedy}});
  }
  return out;
}

void add_health_routes(RouteTable& table, std::vector<HealthCheck> checks) {
  Route live;
  live.path = "/livez";
  live.name = "live";
  live.summary = "Whether the process turns its loop.";
  live.access = Access::open;
  live.handler = [](const Call&) -> boost::asio::awaitable<Result<Reply>> {
    co_return Reply::text("alive\n");
  };
  table.add(std::move(live));

  Route ready;
  ready.path = "/readyz";
  ready.name = "ready";
  ready.summary = "Whether the node can do its work.";
  ready.access = Access::open;
  ready.parameters = {{"verbose", "name each check and its state", false}};
  const auto shared = std::make_shared<const std::vector<HealthCheck>>(std::move(checks));
  ready.handler = [shared](const Call& call) -> boost::asio::awaitable<Result<Reply>> {
    bool ok = true;
    Reply reply = Reply::text(readiness(*shared, call.query.contains("verbose"), ok));
    reply.status = ok ? 200 : 503;
    co_return reply;
  };
  table.add(std::move(ready));
}

void add_metrics_route(RouteTable& table, const prometheus::Registry& registry) {
  Route metrics;
  metrics.path = "/metrics";
  metrics.name = "metrics";
  metrics.verb = Verb::read_status;
  metrics.summary = "Counters in Prometheus' text format.";
  metrics.handler = [&registry](const Call&) -> boost::asio::awaitable<Result<Reply>> {
    co_return Reply::text(metrics_text(registry), "text/plain; version=0.0.4; charset=utf-8");
  };
  table.add(std::move(metrics));
}

}  // namespace entente::node
