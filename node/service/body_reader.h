// Reads one request's body from a Beast stream, in pieces, each before its deadline. Internal to
// the HTTP edge (includes Beast).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "node/service/gzip.h"
#include "node/service/route_table.h"

namespace entente::node {

using BodyParser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;

class BodyReader final : public BodyStream {
 public:
  struct Source {
    boost::beast::tcp_stream& stream;
    boost::beast::flat_buffer& buffer;
    BodyParser& parser;
  };
  // `limit` counts inflated bytes, and raw ones as well.
  BodyReader(Source source, std::size_t limit, bool gzipped, const HttpLimits& limits);

  // The whole body.
  boost::asio::awaitable<Result<std::string>> all();
  boost::asio::awaitable<Result<std::string>> next_lines() override;

  // Whether everything up to the next request has been read.
  bool finished() const { return source_.parser.is_done(); }
  // The client let a deadline pass.
  bool too_slow() const { return too_slow_; }

 private:
  // Inflated bytes; empty at the end of the body only.
  boost::asio::awaitable<Result<std::string>> piece();
  Error fault_of(boost::beast::error_code fault);

  Source source_;
  const std::size_t limit_;
  const Duration chunk_time_;
  const std::chrono::steady_clock::time_point end_by_;
  std::optional<Inflater> inflater_;
  std::unique_ptr<char[]> block_;
  std::size_t raw_bytes_ = 0;
  std::string rest_;  // begun line
  bool ended_ = false;
  bool too_slow_ = false;
};

}  // namespace entente::node
