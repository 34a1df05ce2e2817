// A window over a stream of bytes: what has been read and not yet consumed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "node/ingest/row_reader.h"

namespace entente::node {

class LineBuffer {
 public:
  // `counted` takes the number of bytes read; it outlives this.
  LineBuffer(ByteSource source, std::uint64_t& counted)
      : source_(std::move(source)), counted_(counted) {}

  // Valid until the next consume() or more().
  std::string_view text() const { return std::string_view(buffer_).substr(begin_); }
  void consume(std::size_t bytes) { begin_ += bytes; }
  // Reads more behind what is there; false at the end of the stream.
  bool more();

 private:
  ByteSource source_;
  std::uint64_t& counted_;
  std::string chunk_;  // where the source writes; kept, because clearing it for each read is dear
  std::string buffer_;
  std::size_t begin_ = 0;
  bool ended_ = false;
  bool begun_ = false;
};

}  // namespace entente::node
