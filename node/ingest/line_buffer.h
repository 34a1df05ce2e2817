// A window over a stream of bytes: what has been read and not yet consumed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "node/ingest/row_reader.h"

namespace entente::node {

// Bytes behind the text that may be read, whatever they hold: parsers look ahead in whole words.
inline constexpr std::size_t kBufferSlack = 64;

class LineBuffer {
 public:
  // `counted` takes the number of bytes read; it outlives this.
  LineBuffer(ByteSource source, std::uint64_t& counted)
      : source_(std::move(source)), counted_(counted) {}

  // Valid until the next consume() or more().
  std::string_view text() const { return std::string_view(buffer_).substr(begin_); }
  void consume(std::size_t bytes) { begin_ += bytes; }
  // Reads more behind what is there; false at the end of the stream. A source that has more after
  // its end is read on.
  bool more();

 private:
  bool read();

  ByteSource source_;
  std::uint64_t& counted_;
  std::string chunk_;  // where the source writes; kept, because clearing it for each read is dear
  std::string buffer_;
  std::size_t begin_ = 0;
  bool begun_ = false;
};

// Whole lines of a stream, blank ones passed over, their ends (LF or CR LF) taken off.
class Lines {
 public:
  // A line of more than `bytes_max` bytes is told and passed over.
  Lines(ByteSource source, std::uint64_t& counted, std::size_t bytes_max)
      : buffer_(std::move(source), counted), bytes_max_(bytes_max) {}

  enum class Step { line, too_long, end };
  Step next();
  // Valid until the next call; of a line that is too long its beginning.
  std::string_view text() const { return text_; }
  std::size_t number() const { return number_; }  // from 1

 private:
  void pass_over();

  LineBuffer buffer_;
  const std::size_t bytes_max_;
  std::string_view text_;
  std::string long_;  // the beginning of a line that is too long
  std::size_t number_ = 0;
  std::size_t pending_ = 0;  // to consume before the next line
};

}  // namespace entente::node
