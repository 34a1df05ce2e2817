#include "node/service/http_session.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/json.hpp>
#include <boost/url.hpp>
#include <cctype>

#include "federation/query/suggest.h"
#include "node/service/problem.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// "Application/JSON; charset=utf-8" -> "application/json".
std::string media_type(std::string_view header) {
  std::string type = lowered(header.substr(0, header.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  return type;
}

bool is_json(std::string_view type) {
  return type == "application/json" || type.ends_with("+json");
}

std::optional<Method> method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
    case http::verb::head:
      return Method::get;
    case http::verb::post:
      return Method::post;
    case http::verb::put:
      return Method::put;
    case http::verb::delete_:
      return Method::delete_;
    default:
      return std::nullopt;
  }
}

// The host without its port: "127.0.0.1:8470" -> "127.0.0.1", "[::1]:8470" -> "[::1]".
std::string host_name(std::string_view host) {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = host.substr(0, colon);
  }
  return lowered(host);
}

// "Token" is how clients of InfluxDB say "Bearer".
std::optional<std::string_view> bearer_token(std::string_view header) {
  for (const std::string_view scheme : {"bearer ", "token "}) {
    if (header.size() > scheme.size() && lowered(header.substr(0, scheme.size())) == scheme) {
      return header.substr(scheme.size());
    }
  }
  return std::nullopt;
}

std::size_t body_limit(const Route& route, const HttpLimits& limits) {
  if (route.body_bytes > 0) return route.body_bytes;
  return route.body == BodyKind::lines ? limits.lines_bytes : limits.json_bytes;
}

Result<bool> dry_run_of(const Parameters& query) {
  const auto found = query.find("dryRun");
  if (found == query.end() || found->second == "0" || found->second == "false") return false;
  if (found->second == "1" || found->second == "true") return true;
  return make_error(ErrorCode::invalid_argument, "dryRun must be 1 or 0");
}

}  // namespace

Reply plain_problem(ErrorCode code, std::string what, std::string remedy, int status) {
  return problem_reply(make_error(code, std::move(what), std::move(remedy)), "", status);
}

HttpSession::HttpSession(asio::ip::tcp::socket socket, SessionContext& context)
    : context_(context), stream_(std::move(socket)) {}

void HttpSession::deadline(Duration time) {
  stream_.expires_after(std::chrono::nanoseconds(time.ns));
}

void HttpSession::drain() {
  if (idle_) cut();
}

void HttpSession::cut() {
  stream_.close();
}

asio::awaitable<void> HttpSession::run() {
  try {
    while (!context_.draining) {
      const bool go_on = co_await exchange();
      if (!go_on) break;
      fresh_ = false;
    }
  } catch (const std::exception& fault) {
    log::error("http", "a session ended by a fault", {{"what", fault.what()}});
  }
  stream_.close();
}

// True when a request stands in parser_; otherwise what had to be said has been said.
asio::awaitable<bool> HttpSession::read_header() {
  const HttpLimits& limits = context_.config.limits;
  if (buffer_.size() == 0) {
    idle_ = true;
    deadline(fresh_ ? limits.header_time : limits.idle);
    auto [fault, got] =
        co_await stream_.async_read_some(buffer_.prepare(limits::kHttpChunkBytes), kAwait);
    idle_ = false;
    if (fault || got == 0) co_return false;
    buffer_.commit(got);
  }
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  parser_->body_limit(std::max(limits.lines_bytes, limits::kHttpLinesBytes));
  deadline(limits.header_time);
  auto [fault, got] = co_await http::async_read_header(stream_, buffer_, *parser_, kAwait);
  if (!fault) co_return true;
  const bool broken =
      fault == http::error::end_of_stream || fault == asio::error::operation_aborted ||
      fault == asio::error::connection_reset || fault == http::error::partial_message;
  if (broken) co_return false;
  Reply reply = plain_problem(ErrorCode::invalid_argument, "not HTTP/1.1: " + fault.message(),
                              "send a well-formed request", 400);
  if (fault == beast::error::timeout) {
    context_.parts.metrics.cut("slow_header");
    // The deadline closed the socket: nobody is there to read a reply.
    co_return false;
  }
  if (fault == http::error::header_limit || fault == http::error::buffer_overflow) {
    reply = plain_problem(
        ErrorCode::payload_too_large,
        "the headers are longer than " + std::to_string(limits.header_bytes) + " bytes",
        "send less", 431);
  } else if (fault == http::error::body_limit) {
    reply = plain_problem(ErrorCode::payload_too_large, "the body is too long", "", 413);
  }
  Turn turn;
  co_await write(turn, reply, false);
  context_.parts.metrics.request(turn.label, "other", reply.status, Duration{});
  co_await linger();
  co_return false;
}

// One request and its reply; false when it was the connection's last.
asio::awaitable<bool> HttpSession::exchange() {
  const bool come = co_await read_header();
  if (!come) co_return false;
  const Duration began = context_.parts.clock.steady();
  Turn turn;
  turn.request_id = context_.id_prefix + std::to_string(++context_.requests);
  turn.call.request_id = turn.request_id;
  turn.method = std::string(parser_->get().method_string());
  turn.head = parser_->get().method() == http::verb::head;
  std::optional<BodyReader> body;
  stream_.expires_never();
  Reply reply = co_await answer(turn, body);
  if (body && body->too_slow()) {
    context_.parts.metrics.cut("slow_body");
    co_return false;
  }
  const bool keep = parser_->get().keep_alive() && parser_->is_done() && !context_.draining;
  const int status = reply.status;
  const bool written = co_await write(turn, reply, keep);
  const bool known = method_of(parser_->get().method()).has_value();
  const Duration took = context_.parts.clock.steady() - began;
  context_.parts.metrics.request(turn.label, known ? turn.method : "other", status, took);
  log::debug("http", "answered",
             {{"id", turn.request_id},
              {"route", turn.label},
              {"status", status},
              {"took_us", took.ns / 1'000}});
  if (written && !keep) co_await linger();
  co_return written&& keep;
}

bool HttpSession::host_is_ours() const {
  const auto& header = parser_->get();
  if (header.count(http::field::host) != 1) return false;
  const std::string name = host_name(header[http::field::host]);
  if (name == "127.0.0.1" || name == "localhost" || name == "[::1]") return true;
  const auto& names = context_.config.host_names;
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& ours) { return lowered(ours) == name; });
}

std::optional<Reply> HttpSession::route(Turn& turn, std::string_view target) {
  const auto url = boost::urls::parse_origin_form(target);
  if (!url) {
    return problem_reply(make_error(ErrorCode::invalid_argument, "the request target is no path"),
                         turn.request_id);
  }
  std::vector<std::string> segments;
  for (const auto& segment : url->segments()) segments.emplace_back(segment);
  for (const auto& parameter : url->params()) turn.call.query[parameter.key] = parameter.value;
  const RouteTable& table = context_.parts.routes;
  const std::string allowed = table.allowed(segments);
  const auto method = method_of(parser_->get().method());
  if (!allowed.empty() && parser_->get().method() == http::verb::options) {
    Reply reply = Reply::no_content();
    reply.headers.emplace_back("Allow", allowed);
    return reply;
  }
  if (method) {
    auto match = table.find(*method, segments);
    if (match.route != nullptr) {
      turn.route = match.route;
      turn.label = match.route->path;
      turn.call.path = std::move(match.path);
      return std::nullopt;
    }
  }
  if (!allowed.empty()) {
    Reply reply = problem_reply(
        make_error(ErrorCode::unsupported, turn.method + " is not a method of this path",
                   "use one of " + allowed),
        turn.request_id, 405);
    reply.headers.emplace_back("Allow", allowed);
    return reply;
  }
  if (context_.config.unavailable) {
    return problem_reply(*context_.config.unavailable, turn.request_id);
  }
  const std::string path(target.substr(0, target.find('?')));
  const std::string hint = federation::did_you_mean(table.near(path));
  return problem_reply(make_error(ErrorCode::not_found, "there is nothing at " + path,
                                  hint.empty() ? "see the paths under /api/v1" : hint),
                       turn.request_id);
}

Origin HttpSession::origin() const {
  boost::system::error_code gone;
  const auto from = stream_.socket().remote_endpoint(gone);
  return !gone && from.address().is_loopback() ? Origin::loopback : Origin::elsewhere;
}

asio::awaitable<std::optional<Reply>> HttpSession::admit(Turn& turn) {
  const auto refuse = [&](Error error, int status = 0) {
    return problem_reply(error, turn.request_id, status);
  };
  if (!host_is_ours()) {
    co_return refuse(
        make_error(ErrorCode::denied, "the Host header does not name this node",
                   "call it as 127.0.0.1 or localhost, or list the name in http.host_names"),
        421);
  }
  const auto& header = parser_->get();
  if (auto refusal = route(turn, header.target())) co_return refusal;
  auto dry_run = dry_run_of(turn.call.query);
  if (!dry_run) co_return refuse(std::move(dry_run).error());
  turn.call.dry_run = *dry_run;
  if (turn.route->access == Access::open) co_return std::nullopt;

  const auto token = bearer_token(header[http::field::authorization]);
  std::optional<Subject> subject;
  if (token) subject = context_.parts.authenticator.authenticate(*token, origin());
  if (!subject) {
    co_return refuse(make_error(
        ErrorCode::unauthenticated, token ? "nobody has this token" : "a token is needed",
        "send 'Authorization: Bearer TOKEN' with the token that init wrote"));
  }
  turn.call.subject = std::move(*subject);
  if (turn.route->needs) co_return std::nullopt;  // once the body says what is wanted
  auto may = co_await authorised(context_.parts.authenticator, *turn.route, turn.call);
  if (!may) co_return refuse(std::move(may).error());
  co_return std::nullopt;
}

std::optional<Reply> HttpSession::check_body_headers(Turn& turn, bool& gzipped) {
  const auto& header = parser_->get();
  const auto refuse = [&](std::string what, std::string remedy, int status) {
    return problem_reply(
        make_error(ErrorCode::invalid_argument, std::move(what), std::move(remedy)),
        turn.request_id, status);
  };
  const std::string encoding = lowered(header[http::field::content_encoding]);
  gzipped = encoding == "gzip";
  if (!encoding.empty() && !gzipped && encoding != "identity") {
    return refuse("the content encoding '" + encoding + "' is not understood", "use gzip or none",
                  415);
  }
  turn.call.content_type = media_type(header[http::field::content_type]);
  const BodyKind kind = turn.route->body;
  if (kind == BodyKind::none && !parser_->is_done()) {
    return refuse("this request takes no body", "send it without one", 400);
  }
  if (kind == BodyKind::json && !turn.call.content_type.empty() &&
      !is_json(turn.call.content_type)) {
    return refuse("the content type must be application/json", "say and send JSON", 415);
  }
  const HttpLimits& limits = context_.config.limits;
  const std::size_t limit = body_limit(*turn.route, limits);
  if (const auto length = parser_->content_length(); length && *length > limit) {
    return problem_reply(make_error(ErrorCode::payload_too_large,
                                    "the body is longer than " + std::to_string(limit) + " bytes"),
                         turn.request_id);
  }
  return std::nullopt;
}

asio::awaitable<Outcome> HttpSession::read_body(Turn& turn, BodyReader& body) {
  if (lowered(parser_->get()[http::field::expect]) == "100-continue" && !parser_->is_done()) {
    const bool told = co_await write_bytes("HTTP/1.1 100 Continue\r\n\r\n");
    if (!told) co_return make_error(ErrorCode::invalid_argument, "the client is gone");
  }
  const BodyKind kind = turn.route->body;
  if (kind == BodyKind::none) co_return Outcome();
  if (kind == BodyKind::lines) {
    turn.call.lines = &body;
    co_return Outcome();
  }
  auto text = co_await body.all();
  if (!text) co_return std::move(text).error();
  turn.call.body = std::move(*text);
  const bool parse =
      kind == BodyKind::json || (kind == BodyKind::json_or_text && is_json(turn.call.content_type));
  if (!parse) co_return Outcome();
  boost::json::parse_options options;
  options.max_depth = limits::kHttpJsonDepth;
  boost::json::parser parser({}, options);
  boost::system::error_code fault;
  const std::size_t used = parser.write(turn.call.body, fault);
  if (fault) {
    co_return make_error(ErrorCode::invalid_argument, "the body is not JSON: " + fault.message() +
                                                          " near byte " + std::to_string(used));
  }
  turn.call.json = parser.release();
  co_return Outcome();
}

asio::awaitable<Result<Reply>> HttpSession::run_handler(Turn& turn) {
  std::string what;
  try {
    if (turn.route->needs) {
      auto may = co_await authorised(context_.parts.authenticator, *turn.route, turn.call);
      if (!may) co_return std::move(may).error();
    }
    if (context_.parts.gate != nullptr) {
      auto instead = co_await context_.parts.gate->before(*turn.route, turn.call);
      if (!instead) co_return std::move(instead).error();
      if (*instead) co_return std::move(**instead);
    }
    Result<Reply> reply = co_await turn.route->handler(turn.call);
    co_return reply;
  } catch (const std::exception& fault) {
    what = fault.what();
  } catch (...) {
    what = "not a std::exception";
  }
  log::error("http", "a handler failed",
             {{"id", turn.request_id}, {"route", turn.label}, {"what", what}});
  co_return make_error(ErrorCode::internal,
                       "request " + turn.request_id + " failed inside the node");
}

asio::awaitable<Reply> HttpSession::answer(Turn& turn, std::optional<BodyReader>& body) {
  auto refused = co_await admit(turn);
  if (refused) co_return std::move(*refused);
  bool gzipped = false;
  if (auto refusal = check_body_headers(turn, gzipped)) co_return std::move(*refusal);
  const HttpLimits& limits = context_.config.limits;
  const std::size_t limit = body_limit(*turn.route, limits);
  BodyReader::Source source{stream_, buffer_, *parser_};
  body.emplace(source, limit, gzipped, limits);
  auto read = co_await read_body(turn, *body);
  if (!read) co_return problem_reply(read.error(), turn.request_id);
  auto reply = co_await run_handler(turn);
  if (!reply) co_return problem_reply(reply.error(), turn.request_id);
  co_return std::move(*reply);
}

}  // namespace entente::node
