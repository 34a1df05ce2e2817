// The one renderer: every command's data as table, json, jsonl or csv on standard output.
//
// In JSON the whole payload stands under {"apiVersion":"entente/v1", …} with full precision; csv
// has the table's columns by their keys with full precision; jsonl one element of the listing a
// line; the table is for people: aligned by display width, numbers to the right with sensible
// digits.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/error.h"

namespace entente::node {

enum class Format { table, json, jsonl, csv };
std::optional<Format> format_from_text(std::string_view text);

inline constexpr std::string_view kApiVersion = "entente/v1";

// How a cell is shown in a table.
enum class Kind {
  text,    // as it is; numbers in their shortest form
  number,  // four significant digits of the largest, the same decimals in the whole column
  integer,
  epsilon,  // shortest form, to the right: exactly what the ledger books
  percent,  // 0 to 100: "87 %"
  age,      // seconds: "3 min"
  state,    // coloured on a terminal: ok, active, answered; warn, pending; fail, refused
};

struct Column {
  std::string key;    // in csv and jsonl
  std::string title;  // in tables; empty: the column is left out there
  Kind kind = Kind::text;
  int decimals = -1;  // number: fixed instead of found
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<boost::json::value>> rows;
};

struct Output {
  boost::json::object payload;
  Table table;
  std::string
      listing;  // the payload's array whose elements are the lines of jsonl; empty: the rows
  bool headless = false;  // a table without its header line, for names and their values
};

class Renderer {
 public:
  struct Style {
    Format format = Format::table;
    bool colour = false;
  };
  explicit Renderer(Style style) : style_(style) {}
  void print(std::ostream& out, const Output& output) const;
  void print_table(std::ostream& out, const Table& table, bool headless = false) const;
  Format format() const { return style_.format; }

 private:
  std::string shown(const Column& column, const boost::json::value& cell, int decimals) const;
  Style style_;
};

// A table of two columns out of names and values, for one object.
Table properties_table(std::vector<std::pair<std::string, boost::json::value>> properties);

// The shortest text that reads back as the same number: "0.2", "4", "1e-06".
std::string shortest(double number);
// "45 s", "3 min", "5 h", "2 d".
std::string age_text(double seconds);
// Decimals that show two significant digits of `uncertainty` (0 to 6).
int decimals_for(double uncertainty);
std::string fixed(double number, int decimals);

// error[ENT-1003]: not found / why: … / fix: …, on three lines (more when the reason has several).
std::string error_text(const Error& error, bool colour);
// {"apiVersion":…, "error":{"code","name","what","remedy","exit"}}
boost::json::object error_json(const Error& error);

}  // namespace entente::node
