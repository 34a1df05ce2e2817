// Readings out of InfluxDB's line protocol:
//
//   measurement,tag=text,… field=1.5,field=3i,field=7u,field=t,field="text" 1700000000000000000
//
// One tag names the twin; fields are its signals (LineNaming, mapping.h). Escapes: "\," and "\ " in
// measurements, those and "\=" in tags and fields' names, "\"" and "\\" in quoted texts; any other
// backslash stands for itself. A line feed always ends the line, in a quoted text as well, so that
// a quote that is never closed costs its own line only. Lines that begin with # are comments.
// Booleans are 1 and 0. A field of text is a reject of its own: signals are numbers. Any other
// fault rejects the line. Source: InfluxDB OSS 2.7 documentation, "Line protocol".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/ingest/line_buffer.h"
#include "node/ingest/mapping.h"
#include "schemas/base/clock.h"

namespace entente::node {

// Nanoseconds of the unit that "ns", "us", "ms" or "s" names; nothing for other words.
std::optional<std::int64_t> precision_ns(std::string_view word);

struct LineOptions {
  LineNaming naming;
  std::int64_t unit_ns = 1;      // of the timestamps
  Instant arrival;               // the time of a line that has none,
  const Clock* clock = nullptr;  // or this clock's when it is read; outlives the reader
};

class LineProtocolReader final : public RowReader {
 public:
  LineProtocolReader(ByteSource source, LineOptions options);
  Result<Step> next() override;

 private:
  struct Field {
    std::string_view name;
    double value = 0;
    bool is_text = false;
  };
  // False with reason_ when the line is none.
  bool parse(std::string_view line);
  bool tags();
  bool fields();
  bool field_value(Field& field);
  bool number(std::string_view text, Field& field);
  bool timestamp();
  bool name(unsigned stops, unsigned escapes, std::string_view& out);
  bool name_twin(std::string_view text);
  bool wrong(const char* reason);
  bool give(const Field& field);
  std::string_view signal_of(const Field& field);

  const LineOptions options_;
  const bool plain_twins_;  // a tag's text is the twin's id as it stands
  Lines lines_;
  const char* at_ = nullptr;  // in the line
  const char* end_ = nullptr;
  std::string_view measurement_;
  std::optional<std::string_view> twin_;
  Instant time_;
  std::vector<Field> fields_;
  std::size_t next_field_ = 0;
  std::string plain_;  // names without their escapes: never longer than the line
  std::string twin_id_;
  std::string signal_;
  const char* reason_ = "";
};

}  // namespace entente::node
