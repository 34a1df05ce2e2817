// Readings out of JSON Lines, one a line:
// {"twin": "…", "signal": "…", "time": "…", "value": 1.5}
//
// The time is RFC 3339 text (without an offset: UTC) or whole nanoseconds since the epoch. Other
// keys, and a key that is there twice, are refused, so that a misspelt one is not lost. Empty lines
// are passed over.
#pragma once

#include <memory>

#include "node/ingest/line_buffer.h"

namespace entente::node {

class JsonLinesReader final : public RowReader {
 public:
  explicit JsonLinesReader(ByteSource source);
  ~JsonLinesReader() override;
  Result<Step> next() override;

 private:
  struct Parser;  // simdjson's, and what it found
  Step read(std::string_view line);
  Step refuse(std::string reason, std::string_view line);

  Lines lines_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace entente::node
