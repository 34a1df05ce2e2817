// What the columns of a CSV file mean, from a TOML file:
//
//   [csv]    delimiter = ","   decimal = "."   missing = ["", "NA"]   skip_lines = 0
//   [time]   column = "datetime_utc"          # or columns = ["year", "month", "day", "hour"],
//            formats = ["iso"]                # joined by one space; time_text.h
//            zone = "UTC"   twice = "reject"  # or "earliest", "latest"
//   [twin]   # where a row's, or in a wide table a column's, name comes from, and its way to an id
//            column = "station"               # long tables; or fixed = "pump-1" for a whole file
//            pattern = "_([0-9]+)_"           # the name is the first group; without a match: ignored
//            table = { "Dongsi" = "beijing-dongsi" }   # before the rest; others go through
//            prefix = "aqs-"
//            normalise = true                 # lower case, every other character becomes '-'
//   [wide]   signal = "pm25"                  # every other column is one twin's readings
//            ignore = ["comment"]
//   [long]   value = "value"   signal = "kind"        # one reading a row; or signal_fixed = "pm25"
//            signals = { "PM2.5" = "pm25" }           # names in the signal column; others refused
//   [values] "PM2.5" = "pm25"   TEMP = "temperature"  # several readings a row: column = signal
//
// One of [wide], [long], [values]. Unknown keys refuse.
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
};

struct Mapping {
  enum class Shape { wide, long_, values };
  Shape shape = Shape::wide;
  char delimiter = ',';
  char decimal = '.';
  std::vector<std::string> missing = {""};
  std::size_t skip_lines = 0;
  std::vector<std::string> time_columns;
  std::shared_ptr<const TimeText> time;  // shared: a mapping is a value
  TwinNaming twin;
  std::string signal;                      // wide; long with signal_fixed
  std::vector<std::string> ignore;         // wide
  std::string value_column;                // long
  std::string signal_column;               // long
  std::map<std::string, std::string, std::less<>> signals;  // long: names; values: columns

  bool is_missing(std::string_view text) const;
};

// Refuses (config_invalid) with file, line and the word.
[[nodiscard]] Result<Mapping> read_mapping(std::string_view text, std::string_view file);

// A number of the file: surrounding spaces and '+' allowed, "nan" and "inf" in any case; nothing when
// it is no number as a whole.
std::optional<double> parse_number(std::string_view text, char decimal);

}  // namespace entente::node
