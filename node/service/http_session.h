// One HTTP connection: reads requests, checks them, runs handlers, writes replies. Internal to the
// HTTP edge (includes Beast).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "node/service/body_reader.h"
#include "node/service/http_server.h"

namespace entente::node {

// What all sessions of a server share. Constant but for `draining` and `requests`.
struct SessionContext {
  HttpConfig config;
  HttpServer::Parts parts;
  std::string id_prefix;  // of request ids, random for each start
  std::uint64_t requests = 0;
  bool draining = false;
};

// Loop only. Keeps itself alive by the coroutine that owns it.
class HttpSession {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket, SessionContext& context);

  // Ends when the connection is closed, by whomever.
  boost::asio::awaitable<void> run();
  // Closes now when nothing is under way; otherwise the reply under way is the last.
  void drain();
  void cut();

 private:
  using Response = boost::beast::http::response_header<>;
  // One request as it is being answered.
  struct Turn {
    std::string request_id;
    std::string method;                // as sent, for HEAD and for labels
    std::string_view label = "other";  // the route's template
    const Route* route = nullptr;
    Call call;
    bool head = false;
  };

  boost::asio::awaitable<bool> read_header();
  boost::asio::awaitable<bool> exchange();
  // A reply for everything: refusals and faults become problems.
  boost::asio::awaitable<Reply> answer(Turn& turn, std::optional<BodyReader>& body);
  boost::asio::awaitable<Result<Reply>> run_handler(Turn& turn);
  Origin origin() const;
  // The checks before the body; a reply when one refuses.
  boost::asio::awaitable<std::optional<Reply>> admit(Turn& turn);
  std::optional<Reply> route(Turn& turn, std::string_view target);
  std::optional<Reply> check_body_headers(Turn& turn, bool& gzipped);
  boost::asio::awaitable<Outcome> read_body(Turn& turn, BodyReader& body);
  bool host_is_ours() const;

  Response header_of(const Turn& turn, const Reply& reply, bool keep) const;
  // False when the connection is broken.
  boost::asio::awaitable<bool> write(const Turn& turn, Reply& reply, bool keep);
  boost::asio::awaitable<bool> write_stream(const Turn& turn, Reply& reply, bool keep);
  boost::asio::awaitable<bool> write_bytes(std::string bytes);
  // Tells the peer that we are done and drops what still comes, so that the reply is not lost.
  boost::asio::awaitable<void> linger();
  void deadline(Duration time);

  SessionContext& context_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<BodyParser> parser_;
  bool idle_ = false;
  bool fresh_ = true;  // no request yet
};

// Problems that the session makes without a call.
Reply plain_problem(ErrorCode code, std::string what, std::string remedy, int status);

}  // namespace entente::node
