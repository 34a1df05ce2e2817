// The HTTP/1.1 edge: Boost.Beast on the loop, one coroutine a connection.
//
// Before a handler sees a call, in this order: connection cap; header size and deadline; Host
// header (only names of this listener, so that a rebound DNS name reaches nothing); route (404 and
// 405 with suggestions); bearer token (401); authorise (403; after the body where that says what is
// wanted); body limits, deadline, gzip, JSON; the call gate. No CORS header is ever sent. A client
// that is slow with a header, a body or its reading is cut. HEAD and OPTIONS follow from the table.
// Pipelined requests are answered in order, one at a time.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/service/authenticator.h"
#include "node/service/http_metrics.h"
#include "node/service/limits.h"
#include "node/service/route_table.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "schemas/base/result.h"

namespace entente::node {

struct HttpConfig {
  std::string address = "127.0.0.1";  // numeric
  std::uint16_t port = 8470;          // 0: any free port, see HttpServer::port()
  // Accepted in Host besides 127.0.0.1, [::1] and localhost, without port: a proxy's public name.
  std::vector<std::string> host_names;
  HttpLimits limits;
  // What every path that the table does not have is answered with, instead of "nothing is here".
  std::optional<Error> unavailable = {};
};

// Threads: loop only. The table, the authenticator, the metrics and what the handlers use outlive
// the server and its last connection: wait for stop()'s `done` before destroying them.
class HttpServer {
 public:
  struct Parts {
    const RouteTable& routes;
    const Authenticator& authenticator;
    HttpMetrics& metrics;
    const Clock& clock;
    Random& random;
    CallGate* gate = nullptr;  // if any, looks at every call before its handler
  };

  // Listens at once; connections are served as `loop` runs. Refuses: port_in_use;
  // config_invalid (no numeric address, or one that this machine does not have).
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(boost::asio::io_context& loop,
                                                                 HttpConfig config, Parts parts);
  // Cuts what is still open.
  ~HttpServer();

  std::uint16_t port() const;
  std::size_t connections() const;

  // Stops listening, closes idle connections, lets replies under way finish for at most `grace`,
  // then cuts them. `done` runs on the loop when no connection is left. Once.
  void stop(Duration grace, std::function<void()> done);

 private:
  class Core;
  explicit HttpServer(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace entente::node
