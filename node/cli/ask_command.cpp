// `ask` and `ask preview`: a question, what it costs, its answer with the range it lies in, and who
// answered.
#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "node/cli/answer_view.h"
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
  if (!preview && !session.value("receipts").empty()) body["receipts"] = true;
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

// One line for each site that answered. Nothing is lost when it fails: the same question gives the
// same answers free.
Outcome write_receipts(Session& session, const json::value& answer) {
  const std::string path = session.value("receipts");
  const json::array& receipts = array_of_field(answer, "receipts");
  if (path.empty()) return {};
  if (is_true(answer, "exact")) {
    session.say("No receipt: this site answered itself, from its own readings.");
    return {};
  }
  const std::string partial = path + ".part";
  std::ofstream out(partial, std::ios::binary | std::ios::trunc);
  for (const json::value& one : receipts) out << json::serialize(one) << '\n';
  out.close();
  std::error_code failed;
  if (out) std::filesystem::rename(partial, path, failed);
  if (!out || failed) {
    std::filesystem::remove(partial, failed);
    return make_error(ErrorCode::store_failed, "the receipts cannot be written to " + path,
                      "name another file and ask again: the same question is free");
  }
  session.say("Receipts of " + std::to_string(receipts.size()) +
              (receipts.size() == 1 ? " site" : " sites") + " are in " + path +
              "; 'entente audit verify' verifies them anywhere.");
  return {};
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
  if (auto written = write_receipts(session, *got); !written) return std::move(written).error();
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
      {"verbose", Form::flag, "", "say also what the range covers and how it is protected", 'v'},
      {"receipts", Form::value, "FILE", "write what proves each site's answer to anybody"}};
  table.push_back({"ask",
                   Effect::rw,
                   "Ask a question; a person is shown its cost first",
                   options,
                   {"entente ask \"SELECT mean(pm25) FROM smoke GROUP BY state OVER 24h\"",
                    "entente ask \"SELECT median(pm25), quantile(pm25, 0.9), histogram(pm25, 8) "
                    "FROM smoke OVER 24h\"",
                    "entente ask -f weekly.ent -o json --yes",
                    "entente ask -f weekly.ent --receipts weekly.receipts"},
                   ask});
  options.pop_back();
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
