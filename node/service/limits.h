// Limits of the HTTP edge. HttpLimits carries those that a deployment or a test may lower.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::node::limits {

inline constexpr std::size_t kHttpHeaderBytes = 16'384;     // request line and headers together
inline constexpr std::size_t kHttpJsonBytes = 1'048'576;    // a JSON or text body, inflated
inline constexpr std::size_t kHttpLinesBytes = 16'777'216;  // a streamed body, inflated
inline constexpr std::size_t kHttpLineBytes = 65'536;       // one line of a streamed body
inline constexpr std::size_t kHttpChunkBytes = 65'536;      // one read from, one write to a client
inline constexpr std::size_t kHttpConnections = 256;        // open at once
inline constexpr std::size_t kHttpTurnedAway = 16;  // being told 503 at once; others are cut
inline constexpr std::size_t kHttpLingerBytes = 4'194'304;  // read and dropped after a refusal
inline constexpr int kHttpJsonDepth = 32;                   // nesting of a JSON body
inline constexpr Duration kHttpIdle = seconds(75);          // between two requests
inline constexpr Duration kHttpHeaderTime = seconds(10);    // first byte to the last header line
inline constexpr Duration kHttpChunkTime = seconds(10);     // kHttpChunkBytes of body, or its end
inline constexpr Duration kHttpBodyTime = minutes(5);       // the whole body
inline constexpr Duration kHttpWriteTime = seconds(30);     // one write of a reply
inline constexpr Duration kHttpLingerTime = seconds(2);
inline constexpr Duration kHttpStopTime = seconds(5);            // replies under way at a stop
inline constexpr Duration kHttpAcceptPause = milliseconds(100);  // after a failed accept
inline constexpr std::size_t kPageSize = 100;                    // rows of a page, unless asked
inline constexpr std::size_t kPageSizeMax = 1'000;
inline constexpr std::size_t kCursorBytes = 512;
inline constexpr std::size_t kHttpReplyBytes = 67'108'864;  // a reply that our client accepts

}  // namespace entente::node::limits

namespace entente::node {

struct HttpLimits {
  std::size_t header_bytes = limits::kHttpHeaderBytes;
  std::size_t json_bytes = limits::kHttpJsonBytes;
  std::size_t lines_bytes = limits::kHttpLinesBytes;
  std::size_t connections = limits::kHttpConnections;
  Duration idle = limits::kHttpIdle;
  Duration header_time = limits::kHttpHeaderTime;
  Duration chunk_time = limits::kHttpChunkTime;
  Duration body_time = limits::kHttpBodyTime;
  Duration write_time = limits::kHttpWriteTime;
};

}  // namespace entente::node
