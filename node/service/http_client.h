// A small synchronous HTTP client for one node on this machine: the command line's, and the tests'.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/base/result.h"
#include "schemas/base/time.h"

namespace entente::node {

struct HttpEndpoint {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8470;
  std::string token;  // empty: none is sent
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string_view header(std::string_view lower_case_name) const;
};

// Keeps one connection and opens another when the node closed it. Threads: one.
// Refuses: node_not_running (nobody listens); deadline_exceeded; peer_unreachable (broke off; a
// write may or may not have happened); internal (no HTTP).
class HttpClient {
 public:
  // `timeout` bounds each request as a whole, connecting included.
  HttpClient(HttpEndpoint endpoint, Duration timeout);
  ~HttpClient();

  struct Request {
    std::string method = "GET";
    std::string target = "/";  // encoded path and query
    std::string body;
    std::string content_type;  // empty: application/json when there is a body
    std::vector<std::pair<std::string, std::string>> headers;
  };
  // Any status is a response.
  [[nodiscard]] Result<HttpResponse> send(const Request& request);
  // A status from 400 on becomes the error that its problem body states; the rest is parsed as
  // JSON (null when empty).
  [[nodiscard]] Result<boost::json::value> call(const Request& request);
  [[nodiscard]] Result<boost::json::value> get(const std::string& target);
  [[nodiscard]] Result<boost::json::value> post(const std::string& target,
                                                const boost::json::value& body);
  const HttpEndpoint& endpoint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Percent-encodes one path segment or query value.
std::string url_encoded(std::string_view text);

}  // namespace entente::node
