#include "node/service/body_reader.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

namespace entente::node {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

std::chrono::nanoseconds chrono_of(Duration duration) {
  return std::chrono::nanoseconds(duration.ns);
}

}  // namespace

BodyReader::BodyReader(Source source, std::size_t limit, bool gzipped, const HttpLimits& limits)
    : source_(source),
      limit_(limit),
      chunk_time_(limits.chunk_time),
      end_by_(std::chrono::steady_clock::now() + chrono_of(limits.body_time)) {
  if (gzipped) inflater_.emplace(limit);
}

Error BodyReader::fault_of(beast::error_code fault) {
  if (fault == beast::error::timeout) {
    too_slow_ = true;
    return make_error(ErrorCode::deadline_exceeded, "the body came too slowly",
                      "send faster, or in smaller requests");
  }
  if (fault == http::error::body_limit) {
    return make_error(ErrorCode::payload_too_large,
                      "the body is longer than " + std::to_string(limit_) + " bytes");
  }
  return make_error(ErrorCode::invalid_argument, "the body broke off: " + fault.message());
}

asio::awaitable<Result<std::string>> BodyReader::piece() {
  if (block_ == nullptr) block_ = std::make_unique<char[]>(limits::kHttpChunkBytes);
  std::string out;
  while (out.empty() && !source_.parser.is_done()) {
    auto& body = source_.parser.get().body();
    body.data = block_.get();
    body.size = limits::kHttpChunkBytes;
    source_.stream.expires_at(
        std::min(end_by_, std::chrono::steady_clock::now() + chrono_of(chunk_time_)));
    auto [fault, moved] =
        co_await http::async_read(source_.stream, source_.buffer, source_.parser, kAwait);
    source_.stream.expires_never();
    if (fault && fault != http::error::need_buffer) co_return fault_of(fault);
    const std::string_view got(block_.get(), limits::kHttpChunkBytes - body.size);
    raw_bytes_ += got.size();
    if (raw_bytes_ > limit_) co_return fault_of(http::error::body_limit);
    if (!inflater_) {
      out.append(got);
    } else if (auto inflated = inflater_->add(got, out); !inflated) {
      co_return std::move(inflated).error();
    }
  }
  if (out.empty() && inflater_ && !inflater_->complete()) {
    co_return make_error(ErrorCode::invalid_argument, "the gzip body is cut short");
  }
  co_return out;
}

asio::awaitable<Result<std::string>> BodyReader::all() {
  std::string text;
  while (true) {
    auto part = co_await piece();
    if (!part) co_return std::move(part).error();
    if (part->empty()) co_return text;
    text += *part;
  }
}

asio::awaitable<Result<std::string>> BodyReader::next_lines() {
  while (!ended_) {
    auto part = co_await piece();
    if (!part) co_return std::move(part).error();
    if (part->empty()) {
      ended_ = true;
      co_return std::exchange(rest_, std::string());
    }
    std::string text = std::exchange(rest_, std::string());
    text += *part;
    const std::size_t cut = text.rfind('\n');
    const std::size_t whole = cut == std::string::npos ? 0 : cut + 1;
    rest_ = text.substr(whole);
    if (rest_.size() > limits::kHttpLineBytes) {
      co_return make_error(
          ErrorCode::payload_too_large,
          "a line is longer than " + std::to_string(limits::kHttpLineBytes) + " bytes");
    }
    if (whole > 0) {
      text.resize(whole);
      co_return text;
    }
  }
  co_return std::string();
}

}  // namespace entente::node
