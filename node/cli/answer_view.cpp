#include "node/cli/answer_view.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <set>

#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;

const json::value& value_of(const json::value& row, std::size_t item) {
  static const json::value kNone;
  const auto& values = array_of_field(row, "values");
  return item < values.size() ? values[item] : kNone;
}

// The lines that a value takes in a table: a histogram one for each bin.
std::size_t lines_of(const json::value& value) {
  return std::max<std::size_t>(array_of_field(value, "bins").size(), 1);
}

// What stands in one of its lines; nothing below its last.
json::value figure_of(const json::value& value, std::size_t line) {
  const auto& bins = array_of_field(value, "bins");
  if (bins.empty()) return line == 0 ? value : json::value();
  return line < bins.size() ? bins[line] : json::value();
}

// Decimals that fit the narrowest range of this item: two digits of its half width.
int item_decimals(const json::value& answer, std::size_t item) {
  double narrowest = 0;
  for (const json::value& row : array_of_field(answer, "rows")) {
    const json::value& value = value_of(row, item);
    for (std::size_t line = 0; line < lines_of(value); ++line) {
      const json::value figure = figure_of(value, line);
      const auto lower = number_of_field(figure, "lower");
      const auto upper = number_of_field(figure, "upper");
      if (!lower || !upper || !(*upper > *lower)) continue;
      const double half = (*upper - *lower) / 2;
      if (narrowest == 0 || half < narrowest) narrowest = half;
    }
  }
  return narrowest == 0 ? -1 : decimals_for(narrowest);
}

bool is_histogram(const json::value& answer, std::size_t item) {
  const auto& rows = array_of_field(answer, "rows");
  return std::any_of(rows.begin(), rows.end(), [item](const json::value& row) {
    return !array_of_field(value_of(row, item), "bins").empty();
  });
}

void add_item_columns(Session& session, const json::value& answer, std::size_t index,
                      Table& table) {
  const json::value& item = array_of_field(answer, "items")[index];
  const std::string label = text_of_field(item, "label");
  const std::string unit = text_of_field(item, "unit");
  const int decimals = item_decimals(answer, index);
  if (is_histogram(answer, index)) {
    if (session.for_people()) table.columns.push_back({label + "_bin", "bin"});
    if (!session.for_people()) {
      table.columns.push_back({label + "_from", "", Kind::number});
      table.columns.push_back({label + "_to", "", Kind::number});
    }
  }
  table.columns.push_back(
      {label, unit.empty() ? label : label + ", " + unit, Kind::number, decimals});
  if (is_true(answer, "exact")) return;
  if (session.for_people()) {
    table.columns.push_back({label + "_range", "95 % range"});
    return;
  }
  for (const char* part : {"_standard_error", "_lower", "_upper"}) {
    table.columns.push_back({label + part, "", Kind::number});
  }
}

// Six significant digits: enough to tell bins apart.
std::string edge_text(double edge) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", edge);
  return text;
}

void add_bin_cells(Session& session, const json::value& bin, std::vector<json::value>& row) {
  const auto from = number_of_field(bin, "from");
  const auto to = number_of_field(bin, "to");
  if (!session.for_people()) {
    row.push_back(field(bin, "from"));
    row.push_back(field(bin, "to"));
    return;
  }
  row.push_back(from && to ? json::value(edge_text(*from) + " to " + edge_text(*to))
                           : json::value());
}

void add_item_cells(Session& session, const json::value& answer, const json::value& value,
                    const Column& column, std::vector<json::value>& row) {
  row.push_back(value.is_number() ? value : field(value, "value"));
  if (is_true(answer, "exact")) return;
  const auto lower = number_of_field(value, "lower");
  const auto upper = number_of_field(value, "upper");
  if (!session.for_people()) {
    for (const char* part : {"standard_error", "lower", "upper"}) row.push_back(field(value, part));
    return;
  }
  const int decimals = column.decimals < 0 ? 2 : column.decimals;
  row.push_back(lower && upper
                    ? json::value(fixed(*lower, decimals) + " to " + fixed(*upper, decimals))
                    : json::value());
}

// Where an item's value stands, and whether the cells of its bin stand before it.
struct ItemColumns {
  std::size_t value = 0;
  bool bins = false;
};

// In a histogram's further lines, people see a blank where other items have said all: a "-" means
// that nobody answered.
void blank_missing(Session& session, std::size_t line, const Table& table, std::size_t begin,
                   std::vector<json::value>& cells) {
  if (line == 0 || !session.for_people()) return;
  for (std::size_t i = begin; i < table.columns.size(); ++i) {
    if (cells[i].is_null()) cells[i] = " ";
  }
}

// "epsilon 4", "epsilon 4 on each of 2 blocks", "epsilon 1 to 4 on 3 blocks": as the ledger books.
std::string charged_text(const json::value& site) {
  const json::value& charged = field(site, "charged");
  const auto& blocks = array_of_field(charged, "blocks");
  const bool composed = !array_of_field(site, "composed_of").empty();
  if (is_true(site, "reused") && blocks.empty()) {
    return composed ? "free: earlier answers added up" : "free: the same answer as before";
  }
  double least = 0, most = 0;
  for (const json::value& block : blocks) {
    const double epsilon = number_of_field(block, "epsilon").value_or(0);
    least = &block == &blocks.front() ? epsilon : std::min(least, epsilon);
    most = std::max(most, epsilon);
  }
  if (blocks.empty()) {
    const auto epsilon = number_of_field(charged, "epsilon");
    return epsilon && *epsilon > 0 ? "epsilon " + shortest(*epsilon) : "nothing";
  }
  if (blocks.size() == 1) return "epsilon " + shortest(most);
  const std::string count = std::to_string(blocks.size());
  if (least == most) return "epsilon " + shortest(most) + " on each of " + count + " blocks";
  return "epsilon " + shortest(least) + " to " + shortest(most) + " on " + count + " blocks";
}

// "50 % (epsilon 4 of 8)": of the block with least left.
std::string left_text(const json::value& site) {
  const json::value& left = field(site, "left");
  const auto percent = number_of_field(left, "percent");
  if (!percent) return {};
  const auto epsilon = number_of_field(left, "epsilon");
  const auto cap = number_of_field(left, "cap_epsilon");
  // Rounded down: what is left is never more than is said.
  std::string out = fixed(std::floor(*percent), 0) + " %";
  if (epsilon && cap) {
    out += " (epsilon " + shortest(std::floor(*epsilon * 1'000) / 1'000) + " of " + shortest(*cap) +
           ")";
  }
  return out;
}

void say_coverage(Session& session, const json::value& answer) {
  const auto& sites = array_of_field(answer, "coverage");
  const auto good = std::count_if(sites.begin(), sites.end(), answered);
  const bool exact = is_true(answer, "exact");
  if (!sites.empty()) {
    session.say(std::to_string(good) + " of " + std::to_string(sites.size()) +
                (sites.size() == 1 ? " site" : " sites") + " answered.");
  }
  Table table{{{"organisation", "organisation"},
               {"site", "site"},
               {"state", "answer", Kind::state},
               {"reason", "why not"}},
              {}};
  if (!exact) {
    table.columns.push_back({"charged", "charged"});
    table.columns.push_back({"left", "left of the tightest block"});
  }
  table.columns.push_back({"age_s", "data age", Kind::age});
  const bool all = good == static_cast<std::ptrdiff_t>(sites.size());
  if (all) table.columns[3].title.clear();
  for (const json::value& site : sites) {
    std::string why = text_of_field(site, "code");
    const std::string reason = text_of_field(site, "reason");
    if (!reason.empty()) why += (why.empty() ? "" : " ") + reason;
    std::vector<json::value> row{field(site, "organisation"), field(site, "site"),
                                 field(site, "state"),
                                 answered(site) ? json::value() : json::value(why)};
    if (!exact) {
      row.push_back(answered(site) ? json::value(charged_text(site)) : json::value());
      row.push_back(json::value(left_text(site)));
    }
    row.push_back(field(site, "age_s"));
    table.rows.push_back(std::move(row));
  }
  if (!table.rows.empty()) session.say_table(table);
  const auto vouched = std::count_if(
      sites.begin(), sites.end(), [](const json::value& site) { return is_true(site, "vouched"); });
  if (vouched > 0) {
    session.say("Of " + std::to_string(vouched) + (vouched == 1 ? " site" : " sites") +
                " it was the organisation in between that verified the signature: this node has no "
                "link with them, or their releases came added up.");
  }
}

std::string delta_text(const json::value& answer) {
  double delta = 0;
  for (const json::value& site : array_of_field(answer, "coverage")) {
    delta += number_of_field(field(site, "charged"), "delta").value_or(0);
  }
  return delta > 0 ? "delta " + shortest(delta) + " of each block"
                   : "no delta: it was asked before";
}

// Who added up cells of earlier answers, and how to have it otherwise.
void say_composed(Session& session, const json::value& answer) {
  for (const json::value& site : array_of_field(answer, "coverage")) {
    const auto& parts = array_of_field(site, "composed_of");
    if (parts.empty()) continue;
    std::set<std::string> releases;
    for (const json::value& part : parts) releases.insert(text_of_field(part, "release"));
    session.say(text_of_field(site, "organisation") + " added up " +
                std::to_string(releases.size()) +
                (releases.size() == 1 ? " earlier answer" : " earlier answers") +
                ", with their noise, bounds and all; --fresh asks it anew, at its own charge.");
  }
}

}  // namespace

bool answered(const json::value& site) {
  return text_of_field(site, "state") == "answered";
}

Table answer_table(Session& session, const json::value& answer) {
  Table table;
  const auto& keys = array_of_field(answer, "group_keys");
  const auto& items = array_of_field(answer, "items");
  const auto& rows = array_of_field(answer, "rows");
  for (const json::value& key : keys) {
    const std::string name = key.is_string() ? std::string(key.get_string()) : json::serialize(key);
    table.columns.push_back({name, name});
  }
  const bool ticks = std::any_of(rows.begin(), rows.end(), [](const json::value& row) {
    return !field(row, "tick").is_null();
  });
  if (ticks) table.columns.push_back({"tick", "from"});
  std::vector<ItemColumns> columns;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t start = table.columns.size();
    const bool bins = is_histogram(answer, i);
    add_item_columns(session, answer, i, table);
    columns.push_back({start + (!bins ? 0 : session.for_people() ? 1 : 2), bins});
  }
  for (const json::value& row : rows) {
    std::vector<json::value> head;
    const auto& group = array_of_field(row, "group");
    for (std::size_t k = 0; k < keys.size(); ++k) {
      head.push_back(is_true(row, "total") ? json::value("all")
                     : k < group.size()    ? group[k]
                                           : json::value());
    }
    if (ticks) head.push_back(field(row, "tick"));
    std::size_t lines = 1;
    for (std::size_t i = 0; i < items.size(); ++i) {
      lines = std::max(lines, lines_of(value_of(row, i)));
    }
    for (std::size_t line = 0; line < lines; ++line) {
      std::vector<json::value> cells = head;
      for (std::size_t i = 0; i < items.size(); ++i) {
        const json::value figure = figure_of(value_of(row, i), line);
        if (columns[i].bins) add_bin_cells(session, figure, cells);
        add_item_cells(session, answer, figure, table.columns[columns[i].value], cells);
      }
      blank_missing(session, line, table, head.size(), cells);
      table.rows.push_back(std::move(cells));
    }
  }
  return table;
}

void say_answer(Session& session, const json::value& answer) {
  const json::value& window = field(answer, "window");
  const std::string from = text_of_field(window, "from");
  session.say("");
  if (!from.empty()) {
    const std::string every = text_of_field(window, "every");
    session.say("From " + from + " to " + text_of_field(window, "to") +
                (every.empty() ? "" : ", every " + every) +
                (is_true(answer, "exact") ? "; exact." : "."));
  }
  say_coverage(session, answer);
  say_composed(session, answer);
  if (const auto receipt = text_of_field(answer, "receipt"); !receipt.empty()) {
    session.say("Receipt " + receipt);
  }
  if (const auto left_out = number_of_field(answer, "twins_without_unit"); left_out > 0.0) {
    session.say(shortest(*left_out) + " twins belong to no unit and were left out.");
  }
  if (is_true(answer, "cells_may_be_missing")) {
    session.say("Values of private keys that few units share are not named; that spent " +
                delta_text(answer) + ".");
  }
  if (!session.flag("verbose") || is_true(answer, "exact")) return;
  session.say(
      "The range covers the noise that protects people, and nothing else: neither errors of "
      "sensors nor who is not measured.");
  session.say("Noise: " + text_of_field(answer, "mechanism") + "; protected: " +
              text_of_field(answer, "unit") + "; question id " + text_of_field(answer, "query_id"));
}

}  // namespace entente::node
