// Readings out of JSON Lines: {"twin": "…", "signal": "…", "time": "…", "value": 1.5}, one a line.
//
// The time is RFC 3339 text (without an offset: UTC) or whole nanoseconds since the epoch. Other keys
// are refused, so that a misspelt one is not lost. Empty lines are passed over.
#pragma once

#include "node/ingest/line_buffer.h"

namespace entente::node {

class JsonLinesReader final : public RowReader {
 public:
  explicit JsonLinesReader(ByteSource source) : buffer_(std::move(source), bytes_) {}
  Result<Step> next() override;

 private:
  Step read(std::string_view line);
  Step refuse(std::string reason, std::string_view line);

  LineBuffer buffer_;
  std::size_t line_ = 0;
  std::size_t pending_ = 0;
};

}  // namespace entente::node
