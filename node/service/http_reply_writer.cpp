// The half of HttpSession that writes.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>

#include "node/service/http_session.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(Instant now) {
  const std::time_t seconds = now.ns / 1'000'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

HttpSession::Response HttpSession::header_of(const Turn& turn, const Reply& reply,
                                             bool keep) const {
  Response header;
  header.version(parser_ ? parser_->get().version() : 11);
  header.result(static_cast<unsigned>(reply.status));
  header.set(http::field::date, http_date(context_.parts.clock.now()));
  header.set(http::field::cache_control, "no-store");
  header.set("X-Content-Type-Options", "nosniff");
  header.set("X-Frame-Options", "DENY");
  header.set("Referrer-Policy", "no-referrer");
  header.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  if (!turn.request_id.empty()) header.set("X-Request-Id", turn.request_id);
  if (!reply.content_type.empty()) header.set(http::field::content_type, reply.content_type);
  for (const auto& [name, value] : reply.headers) header.set(name, value);
  if (!keep) {
    header.set(http::field::connection, "close");
  } else if (header.version() == 10) {
    header.set(http::field::connection, "keep-alive");
  }
  return header;
}

asio::awaitable<bool> HttpSession::write_bytes(std::string bytes) {
  deadline(context_.config.limits.write_time);
  auto [fault, sent] = co_await asio::async_write(stream_, asio::buffer(bytes), kAwait);
  stream_.expires_never();
  if (fault == beast::error::timeout) context_.parts.metrics.cut("slow_reader");
  co_return !fault;
}

asio::awaitable<bool> HttpSession::write(const Turn& turn, Reply& reply, bool keep) {
  if (reply.stream && !turn.head) co_return co_await write_stream(turn, reply, keep);
  http::response<http::string_body> message(header_of(turn, reply, keep));
  const std::size_t length = reply.body.size();
  if (!turn.head) message.body() = std::move(reply.body);
  // 204 has neither body nor length; a streamed reply to HEAD has no length to tell.
  if (reply.status != 204 && !reply.stream) message.content_length(length);
  http::response_serializer<http::string_body> serializer(message);
  deadline(context_.config.limits.write_time);
  // HEAD's length is that of the body which it does not carry, so only the header is written.
  beast::error_code fault;
  if (turn.head) {
    auto [failed, sent] = co_await http::async_write_header(stream_, serializer, kAwait);
    fault = failed;
  } else {
    auto [failed, sent] = co_await http::async_write(stream_, serializer, kAwait);
    fault = failed;
  }
  stream_.expires_never();
  if (fault == beast::error::timeout) context_.parts.metrics.cut("slow_reader");
  co_return !fault;
}

asio::awaitable<bool> HttpSession::write_stream(const Turn& turn, Reply& reply, bool keep) {
  const bool chunked = parser_->get().version() >= 11;
  // HTTP/1.0 has no chunks: there the end of the connection is the end of the reply.
  http::response<http::empty_body> message(header_of(turn, reply, keep && chunked));
  if (chunked) message.chunked(true);
  http::response_serializer<http::empty_body> serializer(message);
  deadline(context_.config.limits.write_time);
  auto [fault, header_sent] = co_await http::async_write_header(stream_, serializer, kAwait);
  if (fault) co_return false;
  while (true) {
    stream_.expires_never();
    Result<std::string> part = std::string();
    try {
      part = co_await reply.stream();
    } catch (const std::exception& broken) {
      part = make_error(ErrorCode::internal, broken.what());
    }
    if (!part) {
      log::error("http", "a streamed reply broke off",
                 {{"id", turn.request_id}, {"what", part.error().what}});
      co_return false;
    }
    if (part->empty()) break;
    deadline(context_.config.limits.write_time);
    beast::error_code failed;
    if (chunked) {
      auto [fault_now, sent] =
          co_await asio::async_write(stream_, http::make_chunk(asio::buffer(*part)), kAwait);
      failed = fault_now;
    } else {
      auto [fault_now, sent] = co_await asio::async_write(stream_, asio::buffer(*part), kAwait);
      failed = fault_now;
    }
    if (failed == beast::error::timeout) context_.parts.metrics.cut("slow_reader");
    if (failed) co_return false;
  }
  if (!chunked) co_return true;
  deadline(context_.config.limits.write_time);
  auto [last_fault, last_sent] =
      co_await asio::async_write(stream_, http::make_chunk_last(), kAwait);
  stream_.expires_never();
  co_return !last_fault;
}

asio::awaitable<void> HttpSession::linger() {
  beast::error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (ignored) co_return;
  deadline(limits::kHttpLingerTime);
  std::size_t dropped = 0;
  std::string block(limits::kHttpChunkBytes, '\0');
  while (dropped < limits::kHttpLingerBytes) {
    auto [fault, got] = co_await stream_.async_read_some(asio::buffer(block), kAwait);
    if (fault || got == 0) break;
    dropped += got;
  }
}

}  // namespace entente::node
