// What the columns of a CSV file mean, from a TOML file:
//
//   layout = "wide"             # every column is one twin's readings of `signal`; or
//                               # "long": one reading a row; "columns": several signals a row
//   signal = "pm25"             # wide; long, when no column says it
//   signal_column = "kind"      # long
//   value = "value"             # long: the column of the reading
//   ignore = ["comment"]        # wide: columns that are no twin
//   missing = ["", "NA"]   delimiter = ","   decimal = "."   skip_lines = 0
//   [time]     column = "datetime_utc"          # or columns = ["year", "month", "day", "hour"],
//              format = "iso"                   # joined by one space; or formats = […]:
//              time_text.h zone = "UTC"   twice = "reject"  # or "earliest", "latest"
//   [signals]  "PM2.5" = "pm25"                 # columns: column = signal; long: name = signal,
//                                               # other names are then refused
//   [twin]     # where a name of a twin comes from, and its way to an id; wide: the column's name
//              column = "station"               # or fixed = "pump-1" for a whole file
//              table = { "Dongsi" = "beijing-dongsi" }   # before the rest; other names go through
//              pattern = "_([0-9]+)_"           # the first group is the name; no match: no twin
//              normalise = true                 # lower case, every other character becomes '-'
//              prefix = "aqs-"
//
// Line protocol has no columns, but names; then these two tables are all there is:
//   [line]     twin = "host"               # the tag that names the twin; "twin" when not said
//              signal = "measurement.field"    # or "field" (when not said), "measurement"
//              ignore = ["cpu.model"]          # signals, named so, that are passed over
//              signals = { "cpu.usage" = "load" }  # renamed; other names go through
//   [twin]     table, pattern, normalise, prefix as above
//
// Unknown keys refuse.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "node/ingest/time_text.h"

namespace entente::node {

struct TwinNaming {
  std::string column;
  std::string fixed;
  std::optional<std::regex> pattern;
  std::map<std::string, std::string, std::less<>> table;
  std::string prefix;
  bool normalise = false;

  // The twin's id for a name in the file; nothing when the pattern does not match.
  std::optional<std::string> id_of(std::string_view name) const;
  // Whether every name is its twin's id.
  bool is_plain() const;
};

// How line protocol names twins and signals.
struct LineNaming {
  enum class Signal { field, measurement, measurement_field };
  std::string twin_tag = "twin";
  Signal signal = Signal::field;
  TwinNaming twin;
  std::map<std::string, std::string, std::less<>> signals;
  std::vector<std::string> ignore;
};
// "field", "measurement", "measurement.field"; nothing for other words.
std::optional<LineNaming::Signal> line_signal_of(std::string_view word);

struct Mapping {
  enum class Layout { wide, long_, columns, line };
  Layout layout = Layout::wide;
  char delimiter = ',';
  char decimal = '.';
  std::vector<std::string> missing = {""};
  std::size_t skip_lines = 0;
  std::vector<std::string> time_columns;
  std::shared_ptr<const TimeText> time;  // shared: a mapping is a value
  TwinNaming twin;
  std::string signal;                                       // wide, long
  std::vector<std::string> ignore;                          // wide
  std::string value_column;                                 // long
  std::string signal_column;                                // long
  std::map<std::string, std::string, std::less<>> signals;  // long: names; columns: columns
  LineNaming line;                                          // line

  bool is_missing(std::string_view text) const;
};

// Refuses (config_invalid) with file, line and the word.
[[nodiscard]] Result<Mapping> read_mapping(std::string_view text, std::string_view file);

// A number of the file: surrounding spaces and '+' allowed, "nan" and "inf" in any case; nothing
// when it is no number as a whole.
std::optional<double> parse_number(std::string_view text, char decimal);

}  // namespace entente::node
