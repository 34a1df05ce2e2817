// Readings out of a CSV file by a mapping.
#pragma once

#include "node/ingest/csv_records.h"
#include "node/ingest/mapping.h"

namespace entente::node {

// A field with a missing mark gives nothing; a field that is no number is a reject of its own, and
// the row's other fields go in; a time that cannot be read rejects the row.
class CsvReader final : public RowReader {
 public:
  CsvReader(ByteSource source, Mapping mapping);
  Result<Step> next() override;

 private:
  struct Target {
    std::size_t column = 0;  // field index
    std::string twin;        // wide
    std::string signal;      // wide, columns; long: empty when a column says it
  };
  Outcome header();
  Outcome wide_targets(const std::vector<std::string>& names);
  Result<std::size_t> index_of(const std::vector<std::string>& names, const std::string& column);
  Outcome begin_record();
  bool give(const Target& target);
  bool refuse(std::size_t column, std::string reason, std::string_view text);

  const Mapping mapping_;
  CsvRecords records_;
  bool header_read_ = false;
  std::size_t width_ = 0;
  std::vector<std::size_t> time_columns_;
  std::optional<std::size_t> twin_column_;
  std::optional<std::size_t> signal_column_;
  std::vector<Target> targets_;
  // The record being given out.
  std::size_t next_target_ = 0;
  bool in_record_ = false;
  Instant time_;
  std::string twin_;
  std::string time_text_;   // of the last time parsed: tables often repeat it
  std::optional<Instant> time_known_;
};

}  // namespace entente::node
