// Bodies of line protocol, posted over kept connections as fast as they are answered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace entente::bench {

// 10,000 sensors at 1 Hz, each a random walk on a grid of 0.01: "sensor,twin=sensor-7 value=20.01
// 1700000000". Each connection carries sensors of its own, second after second.
class LineStream {
 public:
  // From the second `begin` of UTC on: readings of a time that was sent before are corrections.
  LineStream(std::size_t connections, std::size_t lines_each, std::int64_t begin);
  // The next so many readings, in bodies, by connection; the stream goes on where it ended.
  std::vector<std::vector<std::string>> next(std::size_t readings);

 private:
  std::string body(std::size_t connection);

  const std::size_t connections_, lines_each_;
  const std::int64_t begin_;
  std::vector<std::size_t> sent_;     // by connection
  std::vector<std::int64_t> values_;  // hundredths, by sensor
  std::uint64_t state_ = 1;
};

struct HttpTarget {
  std::uint16_t port = 0;
  std::string path;   // with its query
  std::string token;  // empty: none is sent
};

struct HttpFigures {
  double readings_per_s = 0;
  double p50_ms = 0, p99_ms = 0;  // of a request
};

// One thread a connection. Throws when an answer is not 204.
HttpFigures post_all(const HttpTarget& target, const std::vector<std::vector<std::string>>& bodies,
                     std::size_t readings);

}  // namespace entente::bench
