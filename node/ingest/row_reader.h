// Readings pulled out of a stream of bytes, one by one, in bounded memory.
//
// A reader is pure: no twins, no clock, no store. It gives readings and rejects in the order of the
// stream; what is bad is said with line, column and reason, and the rest goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

#include "schemas/base/time.h"

namespace entente::node {

// Fills `into` with up to `size` bytes; 0 at the end. May block; may throw on a fault of its own.
using ByteSource = std::function<std::size_t(char* into, std::size_t size)>;
// `stream` outlives the source.
ByteSource source_of(std::istream& stream);
// `text` outlives the source.
ByteSource source_of(std::string_view text);

// The names live in the reader and hold until its next call.
struct Row {
  std::string_view twin;
  std::string_view signal;
  Instant time;
  double value = 0;        // may be NaN or infinite, when the text says so
  std::size_t line = 0;    // where it stands, from 1
  std::size_t column = 0;  // the field's number in the record, from 1; 0: the whole line
};

struct Reject {
  std::size_t line = 0;
  std::size_t column = 0;
  std::string reason;
  std::string text;  // what stood there, cut to a sensible length
};

class RowReader {
 public:
  enum class Step { row, reject, end };
  virtual ~RowReader() = default;
  // Goes on to the next reading or reject, then in row() or reject() until the next call.
  // Refuses (input_unreadable) when the stream as a whole is not what was expected: a header that
  // lacks a column. Nothing can be read after that.
  virtual Result<Step> next() = 0;
  const Row& row() const { return row_; }
  const Reject& reject() const { return reject_; }
  // Bytes taken from the source so far, for progress.
  std::uint64_t bytes() const { return bytes_; }
  // Fields that held a missing mark.
  std::uint64_t missing() const { return missing_; }

 protected:
  Row row_;
  Reject reject_;
  std::uint64_t bytes_ = 0;
  std::uint64_t missing_ = 0;
};

}  // namespace entente::node
