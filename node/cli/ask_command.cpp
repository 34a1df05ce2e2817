// `ask` and `ask preview`: a question, what it costs, its answer with the range it lies in, and who
// answered.
#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <set>

#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "schemas/base/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Result<std::string> question_of(Session& session) {
  std::string text = session.value("QUESTION");
  const std::string file = session.value("file");
  if (!file.empty() && !text.empty()) {
    return make_error(ErrorCode::invalid_argument, "both a question and --file were given",
                      "give one of them");
  }
  if (!file.empty() || text == "-") {
    auto whole = read_whole(file.empty() ? "-" : file, session.streams(), limits::kQuestionBytes);
    if (!whole) return std::move(whole).error();
    text = std::move(*whole);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  if (text.empty()) {
    return make_error(ErrorCode::invalid_argument, "no question was given",
                      "like: entente ask \"SELECT mean(pm25) FROM air OVER 24h\"");
  }
  return text;
}

// Several questions, for a preview: each an argument, or in a file one after the other with
// semicolons between them.
std::vector<std::string> split_questions(std::string_view text) {
  std::vector<std::string> questions(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '\'') quoted = !quoted;
    if (c == ';' && !quoted) {
      questions.emplace_back();
    } else if (!questions.back().empty() || !std::isspace(static_cast<unsigned char>(c))) {
      questions.back() += c;
    }
  }
  for (std::string& one : questions) {
    while (!one.empty() && std::isspace(static_cast<unsigned char>(one.back()))) one.pop_back();
  }
  std::erase(questions, "");
  return questions;
}

Result<std::vector<std::string>> questions_of(Session& session) {
  const auto& given = session.values("QUESTION");
  if (given.size() > 1) {
    if (session.value("file").empty()) return given;
    return make_error(ErrorCode::invalid_argument, "both questions and --file were given",
                      "give one of them");
  }
  auto text = question_of(session);
  if (!text) return std::move(text).error();
  auto questions = split_questions(*text);
  if (questions.empty()) return make_error(ErrorCode::invalid_argument, "no question was given");
  return questions;
}

Result<json::object> body_of(Session& session, const std::vector<std::string>& questions,
                             bool preview) {
  json::object body;
  if (questions.size() == 1) body["question"] = questions.front();
  if (questions.size() > 1) body["questions"] = json::value_from(questions);
  if (!session.value("purpose").empty()) body["purpose"] = session.value("purpose");
  if (!session.value("timeout").empty()) {
    auto timeout = session.timeout();
    if (!timeout) return std::move(timeout).error();
    body["timeout"] = to_text(*timeout);
  }
  if (session.flag("fresh")) body["fresh"] = true;
  if (preview) body["dryRun"] = true;
  return body;
}

// The preview is a request of its own even without --dry-run, so nothing is added to its target.
Result<json::value> preview_of(Session& session, const std::vector<std::string>& questions) {
  auto body = body_of(session, questions, true);
  if (!body) return std::move(body).error();
  return session.post("/api/v1/ask", *body);
}

// ---- preview ----

double charge_of(const json::value& preview) {
  double sum = 0;
  for (const json::value& charge : array_of_field(preview, "charge")) {
    sum += number_of_field(charge, "epsilon").value_or(0);
  }
  return sum;
}

constexpr std::size_t kLine = 100;

// "  label     words", going on below the words where the line is full.
void say_words(Session& session, const std::string& label, const std::string& text) {
  std::string line = "  " + label + std::string(label.size() < 10 ? 10 - label.size() : 1, ' ');
  const std::string below(line.size(), ' ');
  std::size_t start = 0;
  bool first = true;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    const std::string word = text.substr(start, end - start);
    if (!first && line.size() + 1 + word.size() > kLine) {
      session.say(line);
      line = below;
      first = true;
    }
    line += (first ? "" : " ") + word;
    first = false;
    start = end + 1;
  }
  session.say(line);
}

// "washington: epsilon 4, then 3.9 left; 2 guaranteed"
std::string charge_text(const json::value& charge) {
  const auto epsilon = number_of_field(charge, "epsilon");
  const auto after = number_of_field(charge, "left_epsilon_after");
  const auto guaranteed = number_of_field(charge, "guaranteed_epsilon");
  const std::size_t blocks = array_of_field(charge, "blocks").size();
  std::string text =
      text_of_field(charge, "organisation") + ": epsilon " + (epsilon ? shortest(*epsilon) : "?");
  if (blocks > 1) text += " at most on each of " + std::to_string(blocks) + " blocks";
  const json::value& enough = field(charge, "enough");
  const bool too_much = enough.is_bool() && !enough.get_bool();
  const auto left = number_of_field(charge, "left_epsilon");
  // It may be delta alone that is short.
  const bool of_epsilon = too_much && !(epsilon && left && *epsilon <= *left);
  if (of_epsilon) {
    text += ", more than is left: " + (left ? shortest(*left) : "?");
  } else if (after) {
    text += ", then " + shortest(*after) + " left";
  }
  if (const auto delta = number_of_field(charge, "delta"); delta && *delta > 0) {
    const auto delta_left = number_of_field(charge, "left_delta");
    const auto delta_after = number_of_field(charge, "left_delta_after");
    text += "; delta " + shortest(*delta);
    if (too_much && !of_epsilon) {
      text += ", more than is left" + (delta_left ? ": " + shortest(*delta_left) : "");
    } else if (delta_after) {
      text += ", then " + shortest(*delta_after) + " left";
    }
  }
  if (guaranteed && *guaranteed > 0) {
    text += "; no other partner can use up " + shortest(*guaranteed);
  }
  return text;
}

// "about 12 more like this until 2026-…": of the site that allows least.
void say_more(Session& session, const json::value& preview) {
  const json::value* least = nullptr;
  for (const json::value& charge : array_of_field(preview, "charge")) {
    const auto more = number_of_field(charge, "more");
    if (!more) continue;
    if (least == nullptr || *more < *number_of_field(*least, "more")) least = &charge;
  }
  if (least == nullptr) return;
  const std::string until = text_of_field(*least, "until");
  const double more = *number_of_field(*least, "more");
  say_words(session, "more",
            std::string(more < 1     ? "none"
                        : more > 1e6 ? "over a million"
                                     : "about " + fixed(more, 0)) +
                " more like this" +
                (until.empty()
                     ? " ever: what is charged is not bound to days"
                     : " until " + until + ", when windows as long touch none of these blocks"));
}

// Of several questions: what each one adds.
void say_questions(Session& session, const json::value& preview) {
  const auto& questions = array_of_field(preview, "questions");
  if (questions.size() < 2) return;
  Table table{{{"question", "question", Kind::integer},
               {"organisation", "organisation"},
               {"epsilon", "epsilon", Kind::epsilon},
               {"free", "free because"}},
              {}};
  std::size_t number = 0;
  for (const json::value& question : questions) {
    ++number;
    for (const json::value& charge : array_of_field(question, "charge")) {
      const std::string free = text_of_field(charge, "free");
      table.rows.push_back({json::value(number), field(charge, "organisation"),
                            field(charge, "epsilon"), json::value(free.empty() ? " " : free)});
    }
  }
  if (!table.rows.empty()) session.say_table(table);
}

void say_preview(Session& session, const json::value& preview) {
  session.say("Preview: costs nothing, reads no private row");
  say_questions(session, preview);
  for (const json::value& charge : array_of_field(preview, "charge")) {
    say_words(session, "charge", charge_text(charge));
  }
  const auto& questions = array_of_field(preview, "questions");
  if (questions.size() == 1) {
    for (const json::value& charge : array_of_field(questions.front(), "charge")) {
      const std::string free = text_of_field(charge, "free");
      if (free.empty()) continue;
      say_words(session, "free", text_of_field(charge, "organisation") + ": " + free);
    }
  }
  if (array_of_field(preview, "charge").empty()) session.say("  charge    none");
  say_more(session, preview);
  if (const auto protects = text_of_field(preview, "protects"); !protects.empty()) {
    say_words(session, "protects", protects);
  }
  if (const auto odds = text_of_field(field(preview, "odds"), "text"); !odds.empty()) {
    say_words(session, "odds", odds);
  }
  for (const json::value& note : array_of_field(preview, "notes")) {
    if (note.is_string()) say_words(session, "note", std::string(note.get_string()));
  }
}

std::string group_text(const json::value& group) {
  if (group.is_string()) return std::string(group.get_string());
  std::string out;
  if (const auto* values = group.if_array()) {
    for (const json::value& value : *values) {
      if (value.is_string()) out += (out.empty() ? "" : ", ") + std::string(value.get_string());
    }
  }
  return out;
}

Table expected_table(const json::value& preview) {
  const bool several = array_of_field(preview, "questions").size() > 1;
  Table table{{{"question", several ? "question" : "", Kind::integer},
               {"label", "item"},
               {"group", "group"},
               {"error95", "within, 95 times in 100", Kind::number}},
              {}};
  for (const json::value& row : array_of_field(preview, "expected")) {
    const std::string group = is_true(row, "total") ? "all" : group_text(field(row, "group"));
    table.rows.push_back(
        {field(row, "question"), field(row, "label"), json::value(group), field(row, "error95")});
  }
  return table;
}

Result<int> preview(Session& session) {
  auto questions = questions_of(session);
  if (!questions) return std::move(questions).error();
  auto got = preview_of(session, *questions);
  if (!got) return std::move(got).error();
  Table table = expected_table(*got);
  session.show({object_of(*got), std::move(table), "expected", false});
  if (session.for_people()) say_preview(session, *got);
  return 0;
}

// ---- answer ----

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

bool answered(const json::value& site) {
  return text_of_field(site, "state") == "answered";
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

// 0, or 6 when somebody is missing, or the refusal's own code when everybody refused alike.
int exit_code_of(const json::value& answer) {
  const auto& sites = array_of_field(answer, "coverage");
  const auto good = std::count_if(sites.begin(), sites.end(), answered);
  if (good == static_cast<std::ptrdiff_t>(sites.size()) && !is_true(answer, "partial")) return 0;
  if (good > 0 || sites.empty()) return exit_code(ErrorCode::partial_answer);
  std::optional<int> common;
  for (const json::value& site : sites) {
    int code = exit_code(ErrorCode::partial_answer);
    const std::string text = text_of_field(site, "code");
    if (text.starts_with("ENT-") && text.size() == 8) {
      code = exit_code(code_from_number(static_cast<std::uint16_t>(std::atoi(text.c_str() + 4))));
    }
    if (common && *common != code) return exit_code(ErrorCode::partial_answer);
    common = code;
  }
  return *common;
}

// Shows what it will cost and asks, when there is a cost and a person. False: the person said no.
Result<bool> agreed_to_pay(Session& session, const std::string& question) {
  if (session.flag("yes") || !session.can_ask()) return true;
  auto got = preview_of(session, {question});
  if (!got) return std::move(got).error();
  if (charge_of(*got) <= 0) return true;
  say_preview(session, *got);
  const Table expected = expected_table(*got);
  if (!expected.rows.empty()) session.say_table(expected);
  return session.confirm("Ask it?");
}

Result<int> ask(Session& session) {
  if (session.dry_run()) return preview(session);
  auto question = question_of(session);
  if (!question) return std::move(question).error();
  auto go = agreed_to_pay(session, *question);
  if (!go) return std::move(go).error();
  if (!*go) {
    session.say("Not asked; nothing was charged.");
    return 0;
  }
  auto body = body_of(session, {*question}, false);
  if (!body) return std::move(body).error();
  auto got = session.post("/api/v1/ask", *body);
  if (!got) return std::move(got).error();
  Table table = answer_table(session, *got);
  session.show({object_of(*got), std::move(table), "rows", false});
  if (session.format() != Format::json) say_answer(session, *got);
  return exit_code_of(*got);
}

}  // namespace

void add_ask_commands(CommandTable& table) {
  std::vector<OptionSpec> options{
      {"QUESTION", Form::optional_positional, "",
       "the question, over count, share, sum, mean, variance, stddev, min, max, median, quantile "
       "or "
       "histogram; - for standard input"},
      {"file", Form::value, "FILE", "read the question from a file", 'f'},
      {"purpose", Form::value, "TEXT", "what the answer is for, as the agreement names it"},
      {"fresh", Form::flag, "",
       "pay for noise of its own rather than have earlier answers added up"},
      {"verbose", Form::flag, "", "say also what the range covers and how it is protected", 'v'}};
  table.push_back({"ask",
                   Effect::rw,
                   "Ask a question; a person is shown its cost first",
                   options,
                   {"entente ask \"SELECT mean(pm25) FROM smoke GROUP BY state OVER 24h\"",
                    "entente ask \"SELECT median(pm25), quantile(pm25, 0.9), histogram(pm25, 8) "
                    "FROM smoke OVER 24h\"",
                    "entente ask -f weekly.ent -o json --yes"},
                   ask});
  options[0].form = Form::optional_positionals;
  options[0].help += "; several are added up";
  options[1].help = "read questions from a file, with semicolons between them";
  table.push_back({"ask preview",
                   Effect::ro,
                   "What questions would cost together and how exact they would be",
                   options,
                   {"entente ask preview \"SELECT count(*) FROM smoke OVER 24h\"",
                    "entente ask preview -f weekly.ent -o json"},
                   preview});
}

}  // namespace entente::node
