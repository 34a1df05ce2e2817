// CSV records by RFC 4180: fields in quotes may hold delimiters, quotes doubled and line ends.
//
// Lenient where no reading of the text is lost: LF alone ends a record, a quote inside an unquoted
// field is a character. A quote that is never closed costs its own line only: the next line is read
// afresh. Empty lines are passed over.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/ingest/line_buffer.h"

namespace entente::node {

class CsvRecords {
 public:
  CsvRecords(ByteSource source, char delimiter, std::uint64_t& counted)
      : buffer_(std::move(source), counted), delimiter_(delimiter) {}

  enum class Step { record, bad, end };
  // A record is then in fields(); why it is bad in reason(); both with line() and raw().
  Step next();
  const std::vector<std::string_view>& fields() const { return fields_; }
  const std::string& reason() const { return reason_; }
  std::size_t line() const { return line_; }  // where the record began, from 1
  std::string_view raw() const { return raw_; }  // cut; for rejects
  // Passes over a number of lines, before the first record.
  void skip_lines(std::size_t lines);

 private:
  enum class Scan { complete, torn, bad_quote, more };
  Scan scan(std::string_view text, bool at_end);
  Step bad_line(std::string reason);

  LineBuffer buffer_;
  const char delimiter_;
  std::size_t line_ = 0;
  std::size_t next_line_ = 1;
  std::size_t used_ = 0;      // bytes of the record just scanned, line end included
  std::size_t newlines_ = 0;  // in those
  std::size_t pending_ = 0;   // to consume before the next record
  bool ended_ = false;
  std::vector<std::string_view> fields_;
  std::vector<std::string> unquoted_;  // storage of fields that had doubled quotes
  std::string reason_;
  std::string raw_;
};

}  // namespace entente::node
