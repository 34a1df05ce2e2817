#include "node/service/http_client.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json.hpp>
#include <boost/url.hpp>
#include <cctype>
#include <utility>

#include "node/service/json_text.h"
#include "node/service/limits.h"
#include "node/service/problem.h"

namespace entente::node {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

using Message = http::request<http::string_body>;

// A fault before the first byte of the reply on a connection that was kept: the node had closed it.
struct Attempt {
  Result<HttpResponse> response = HttpResponse{};
  bool stale = false;
};

HttpResponse response_of(http::response<http::string_body> message) {
  HttpResponse out;
  out.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  out.body = std::move(message.body());
  return out;
}

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

struct HttpClient::State {
  State(HttpEndpoint to, Duration limit) : endpoint(std::move(to)), timeout(limit) {}

  HttpEndpoint endpoint;
  Duration timeout;
  asio::io_context loop{1};
  std::optional<beast::tcp_stream> stream;
  beast::flat_buffer buffer;

  std::string place() const { return endpoint.address + ":" + std::to_string(endpoint.port); }

  Error fault_of(beast::error_code fault) {
    stream.reset();
    if (fault == beast::error::timeout) {
      return make_error(ErrorCode::deadline_exceeded,
                        "the node at " + place() + " did not answer within " + to_text(timeout),
                        "ask again with a longer --timeout");
    }
    if (fault == asio::error::connection_refused) {
      return make_error(ErrorCode::node_not_running, "nobody listens on " + place());
    }
    if (fault.category() == http::make_error_code(http::error::end_of_stream).category() &&
        fault != http::error::end_of_stream && fault != http::error::partial_message) {
      return make_error(ErrorCode::internal, place() + " does not speak HTTP: " + fault.message(),
                        "see whether the port belongs to an Entente node");
    }
    return make_error(ErrorCode::peer_unreachable,
                      "the connection to " + place() + " broke off: " + fault.message(),
                      "look at 'entente status', then ask again");
  }

  asio::awaitable<Attempt> attempt(const Message& message, bool head) {
    const bool kept = stream.has_value();
    beast::error_code fault;
    if (!kept) {
      buffer.clear();
      stream.emplace(loop);
      const auto address = asio::ip::make_address(endpoint.address, fault);
      if (fault) co_return Attempt{fault_of(fault), false};
      stream->expires_after(std::chrono::nanoseconds(timeout.ns));
      auto [refused] =
          co_await stream->async_connect(tcp::endpoint(address, endpoint.port), kAwait);
      if (refused) co_return Attempt{fault_of(refused), false};
    } else {
      stream->expires_after(std::chrono::nanoseconds(timeout.ns));
    }
    // A server may refuse before it has read everything: its reply counts, not our broken write.
    auto [unsent, sent] = co_await http::async_write(*stream, message, kAwait);
    if (unsent == beast::error::timeout) co_return Attempt{fault_of(unsent), false};
    http::response_parser<http::string_body> parser;
    parser.body_limit(limits::kHttpReplyBytes);
    parser.skip(head);
    auto [unread, got] = co_await http::async_read(*stream, buffer, parser, kAwait);
    if (unread)
      co_return Attempt{fault_of(unsent ? unsent : unread),
                        kept && got == 0 && unread != beast::error::timeout};
    const bool keep = parser.get().keep_alive() && !unsent;
    Attempt done{response_of(parser.release()), false};
    if (keep) {
      stream->expires_never();
    } else {
      stream.reset();
    }
    co_return done;
  }
};

HttpClient::HttpClient(HttpEndpoint endpoint, Duration timeout)
    : state_(std::make_unique<State>(std::move(endpoint), timeout)) {}
HttpClient::~HttpClient() = default;

const HttpEndpoint& HttpClient::endpoint() const {
  return state_->endpoint;
}

Result<HttpResponse> HttpClient::send(const Request& request) {
  Message message;
  message.version(11);
  message.method_string(request.method);
  message.target(request.target);
  message.set(http::field::host, state_->place());
  message.set(http::field::user_agent, "entente/" ENTENTE_VERSION);
  if (!state_->endpoint.token.empty()) {
    message.set(http::field::authorization, "Bearer " + state_->endpoint.token);
  }
  if (!request.body.empty()) {
    message.set(http::field::content_type, request.content_type.empty()
                                               ? std::string("application/json")
                                               : request.content_type);
  }
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();
  const bool head = request.method == "HEAD";
  while (true) {
    Attempt outcome;
    state_->loop.restart();
    asio::co_spawn(state_->loop, state_->attempt(message, head),
                   [&](std::exception_ptr fault, Attempt made) {
                     if (fault) std::rethrow_exception(fault);
                     outcome = std::move(made);
                   });
    state_->loop.run();
    // Only what changes nothing is sent a second time.
    if (outcome.stale && (request.method == "GET" || head)) continue;
    return std::move(outcome.response);
  }
}

Result<boost::json::value> HttpClient::call(const Request& request) {
  auto response = send(request);
  if (!response) return std::move(response).error();
  if (response->status >= 400) return error_from_problem(response->status, response->body);
  if (response->body.empty()) return boost::json::value{};
  boost::system::error_code fault;
  auto value = boost::json::parse(response->body, fault);
  if (fault) {
    return make_error(ErrorCode::internal, "the server answered something that is not JSON",
                      "see whether the port belongs to an Entente node of this version");
  }
  return value;
}

Result<boost::json::value> HttpClient::get(const std::string& target) {
  Request request;
  request.target = target;
  return call(request);
}

Result<boost::json::value> HttpClient::post(const std::string& target,
                                            const boost::json::value& body) {
  Request request;
  request.method = "POST";
  request.target = target;
  request.body = json_text(body);
  return call(request);
}

std::string url_encoded(std::string_view text) {
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

}  // namespace entente::node
