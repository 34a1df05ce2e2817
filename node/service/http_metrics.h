// What Prometheus may know of the HTTP edge. Labels are bounded: a route is its template, an
// unknown path is "other", a status its class; never an id, a name or a token.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "schemas/base/time.h"

namespace prometheus {
class Registry;
}

namespace entente::node {

// Threads: any.
class HttpMetrics {
 public:
  // Registers its families; the registry outlives this object.
  explicit HttpMetrics(prometheus::Registry& registry);
  ~HttpMetrics();

  // entente_http_requests_total{route,method,status}, entente_http_request_seconds{route}.
  void request(std::string_view route, std::string_view method, int status, Duration took);
  // entente_http_connections.
  void connections(std::size_t open);
  // entente_http_cut_total{reason}: turned_away, slow_header, slow_body, slow_reader.
  void cut(std::string_view reason);

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

// Prometheus' text format 0.0.4 of everything in the registry.
std::string metrics_text(const prometheus::Registry& registry);

}  // namespace entente::node
