#include "node/cli/render.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <ostream>

#include "node/cli/json_fields.h"
#include "node/cli/terminal_text.h"
#include "node/service/json_text.h"

namespace entente::node {
namespace {

namespace json = boost::json;

constexpr int kDigits = 4;
constexpr int kDecimalsMost = 6;
constexpr std::string_view kMissing = "-";

bool to_the_right(Kind kind) {
  return kind == Kind::number || kind == Kind::integer || kind == Kind::epsilon ||
         kind == Kind::percent || kind == Kind::age;
}

std::string plain_text(const json::value& cell) {
  if (cell.is_null()) return {};
  if (cell.is_string()) return std::string(cell.get_string());
  if (cell.is_bool()) return cell.get_bool() ? "yes" : "no";
  if (cell.is_double()) return shortest(cell.get_double());
  return json_text(cell);
}

// The same decimals for a whole column: four significant digits of its largest value, fewer when
// the rest would be zeros in every row.
int decimals_of(const Column& column, const Table& table, std::size_t index) {
  if (column.kind != Kind::number) return 0;
  if (column.decimals >= 0) return column.decimals;
  double largest = 0;
  for (const auto& row : table.rows) {
    const auto number = number_of(row[index]);
    if (number && std::isfinite(*number)) largest = std::max(largest, std::fabs(*number));
  }
  if (largest == 0) return 0;
  const int magnitude = static_cast<int>(std::floor(std::log10(largest)));
  const int most = std::clamp(kDigits - 1 - magnitude, 0, kDecimalsMost);
  int needed = 0;
  for (const auto& row : table.rows) {
    const auto number = number_of(row[index]);
    if (!number || !std::isfinite(*number)) continue;
    std::string text = fixed(*number, most);
    if (text.find('.') == std::string::npos) continue;
    while (text.back() == '0') text.pop_back();
    needed = std::max(needed, static_cast<int>(text.size() - text.find('.') - 1));
  }
  return needed;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string_view colour_of(std::string_view state) {
  for (const std::string_view good : {"ok", "active", "answered", "agreed", "yes"}) {
    if (state == good) return "\x1b[32m";
  }
  for (const std::string_view bad : {"fail", "refused", "revoked", "unreachable", "terminated"}) {
    if (state == bad) return "\x1b[31m";
  }
  return "\x1b[33m";
}

void print_csv(std::ostream& out, const Table& table) {
  std::string line;
  for (const Column& column : table.columns) {
    if (!line.empty()) line += ',';
    line += csv_field(column.key);
  }
  out << line << "\r\n";
  for (const auto& row : table.rows) {
    line.clear();
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += ',';
      line += csv_field(plain_text(row[i]));
    }
    out << line << "\r\n";
  }
}

void print_jsonl(std::ostream& out, const Output& output) {
  if (!output.listing.empty()) {
    for (const json::value& element : array_of_field(output.payload, output.listing)) {
      out << json_text(element) << '\n';
    }
    return;
  }
  for (const auto& row : output.table.rows) {
    json::object line;
    for (std::size_t i = 0; i < row.size(); ++i) line[output.table.columns[i].key] = row[i];
    out << json_text(line) << '\n';
  }
}

}  // namespace

std::optional<Format> format_from_text(std::string_view text) {
  if (text == "table") return Format::table;
  if (text == "json") return Format::json;
  if (text == "jsonl") return Format::jsonl;
  if (text == "csv") return Format::csv;
  return std::nullopt;
}

std::string fixed(double number, int decimals) {
  if (!std::isfinite(number)) return std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
  char text[400];
  const auto end =
      std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, decimals);
  std::string out(text, end.ptr);
  // "-0.0" says nothing that "0.0" does not.
  if (out.front() == '-' && out.find_first_not_of("-0.") == std::string::npos) out.erase(0, 1);
  return out;
}

std::string shortest(double number) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, number);
  return {text, end.ptr};
}

int decimals_for(double uncertainty) {
  if (!std::isfinite(uncertainty) || uncertainty <= 0) return 2;
  return std::clamp(1 - static_cast<int>(std::floor(std::log10(uncertainty))), 0, kDecimalsMost);
}

std::string age_text(double seconds) {
  if (!std::isfinite(seconds)) return std::string(kMissing);
  const double size = std::fabs(seconds);
  if (size < 120) return fixed(seconds, 0) + " s";
  if (size < 7'200) return fixed(seconds / 60, 0) + " min";
  if (size < 172'800) return fixed(seconds / 3'600, 0) + " h";
  return fixed(seconds / 86'400, 0) + " d";
}

std::string Renderer::shown(const Column& column, const json::value& cell, int decimals) const {
  if (cell.is_null()) return std::string(kMissing);
  const auto number = number_of(cell);
  switch (column.kind) {
    case Kind::number:
      return number ? fixed(*number, decimals) : printable(plain_text(cell));
    case Kind::integer:
      return number ? fixed(*number, 0) : printable(plain_text(cell));
    case Kind::epsilon:
      return number ? shortest(*number) : printable(plain_text(cell));
    case Kind::percent:
      return number ? fixed(*number, 0) + " %" : printable(plain_text(cell));
    case Kind::age:
      return number ? age_text(*number) : printable(plain_text(cell));
    case Kind::text:
    case Kind::state:
      break;
  }
  std::string text = printable(plain_text(cell));
  return text.empty() ? std::string(kMissing) : text;
}

void Renderer::print_table(std::ostream& out, const Table& table, bool headless) const {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (headless || !table.columns[i].title.empty()) columns.push_back(i);
  }
  std::vector<std::size_t> widths;
  std::vector<std::vector<std::string>> cells(table.rows.size());
  for (const std::size_t i : columns) {
    const Column& column = table.columns[i];
    const int decimals = decimals_of(column, table, i);
    std::size_t width = headless ? 0 : display_width(column.title);
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
      cells[r].push_back(shown(column, table.rows[r][i], decimals));
      width = std::max(width, display_width(cells[r].back()));
    }
    widths.push_back(width);
  }
  const auto line = [&](const auto& text_at, std::string_view before, bool states) {
    std::string text;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const std::string cell = text_at(c);
      const Kind kind = table.columns[columns[c]].kind;
      const std::string gap(widths[c] - display_width(cell), ' ');
      if (c > 0) text += "  ";
      if (to_the_right(kind)) text += gap;
      const bool coloured = states && kind == Kind::state;
      text += coloured ? std::string(colour_of(cell)) + cell + "\x1b[0m" : cell;
      if (!to_the_right(kind)) text += gap;
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    out << before << text << (before.empty() ? "" : "\x1b[0m") << '\n';
  };
  if (!headless) {
    line([&](std::size_t c) { return table.columns[columns[c]].title; },
         style_.colour ? "\x1b[1m" : "", false);
  }
  for (const auto& row : cells) {
    line([&](std::size_t c) { return row[c]; }, "", style_.colour);
  }
}

void Renderer::print(std::ostream& out, const Output& output) const {
  switch (style_.format) {
    case Format::json: {
      json::object whole{{"apiVersion", kApiVersion}};
      for (const auto& member : output.payload)
        whole.insert_or_assign(member.key(), member.value());
      out << json_text(whole) << '\n';
      return;
    }
    case Format::jsonl:
      return print_jsonl(out, output);
    case Format::csv:
      return print_csv(out, output.table);
    case Format::table:
      if (!output.table.rows.empty()) print_table(out, output.table, output.headless);
      return;
  }
}

Table properties_table(std::vector<std::pair<std::string, json::value>> properties) {
  Table table{{{"name", "name", Kind::text}, {"value", "value", Kind::text}}, {}};
  for (auto& [name, value] : properties) {
    table.rows.push_back({json::value(name), std::move(value)});
  }
  return table;
}

std::string error_text(const Error& error, bool colour) {
  std::string name(code_name(error.code));
  std::replace(name.begin(), name.end(), '_', ' ');
  const auto block = [](std::string_view label, std::string_view text) {
    std::string out = "  " + std::string(label);
    for (const char c : printable(text, LineFeeds::keep)) {
      out += c;
      if (c == '\n') out += "       ";
    }
    return out + "\n";
  };
  std::string head = "error[" + code_text(error.code) + "]";
  if (colour) head = "\x1b[1;31m" + head + "\x1b[0m";
  return head + ": " + name + "\n" + block("why: ", error.what) + block("fix: ", error.advice());
}

json::object error_json(const Error& error) {
  return {{"error", json::object{{"code", code_text(error.code)},
                                 {"name", code_name(error.code)},
                                 {"what", error.what},
                                 {"remedy", error.advice()},
                                 {"exit", exit_code(error.code)}}}};
}

}  // namespace entente::node
