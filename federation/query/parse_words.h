// What to say where a rule raises: what was expected in words, the words that could stand there,
// and remedies for habits from other languages. Included by parser.cpp only.
#pragma once

#include "federation/query/parse_builder.h"
#include "federation/query/suggest.h"

namespace entente::federation::parsing {

template <class Rule>
inline constexpr const char* wanted = nullptr;
template <>
inline constexpr const char* wanted<g::k_select> = "SELECT";
template <>
inline constexpr const char* wanted<g::k_by> = "BY";
template <>
inline constexpr const char* wanted<g::k_from> = "a comma or FROM";
template <>
inline constexpr const char* wanted<g::k_over> = "OVER";
template <>
inline constexpr const char* wanted<g::open> = "an opening parenthesis";
template <>
inline constexpr const char* wanted<g::close> = "a closing parenthesis";
template <>
inline constexpr const char* wanted<g::comma> = "a comma";
template <>
inline constexpr const char* wanted<g::dots> = "'..' and the end of the window";
template <>
inline constexpr const char* wanted<g::equals> = "=";
template <>
inline constexpr const char* wanted<g::edges_close> = "a comma or ]";
template <>
inline constexpr const char* wanted<g::closing_quote> = "the text's closing quote";
template <>
inline constexpr const char* wanted<g::number> = "a number";
template <>
inline constexpr const char* wanted<g::comparison> = "a comparison: <, <=, >, >=, = or !=";
template <>
inline constexpr const char* wanted<g::signal> = "the name of a signal";
template <>
inline constexpr const char* wanted<g::folded> = "a signal or a reducer of one";
template <>
inline constexpr const char* wanted<g::item> = "an aggregate such as count(*) or mean(pm25)";
template <>
inline constexpr const char* wanted<g::count_argument> = "* or a condition";
template <>
inline constexpr const char* wanted<g::value_condition> = "a condition such as pm25 > 55.5";
template <>
inline constexpr const char* wanted<g::disjunction<g::value_test>> = "a condition";
template <>
inline constexpr const char* wanted<g::conjunction<g::value_test>> = "a condition";
template <>
inline constexpr const char* wanted<g::operand<g::value_test>> = "a condition";
template <>
inline constexpr const char* wanted<g::disjunction<g::reading_test>> =
    "a condition over the readings such as pm25 > 35";
template <>
inline constexpr const char* wanted<g::conjunction<g::reading_test>> =
    "a condition over the readings";
template <>
inline constexpr const char* wanted<g::operand<g::reading_test>> = "a condition over the readings";
template <>
inline constexpr const char* wanted<g::disjunction<g::key_test>> =
    "a condition over public keys such as state = 'WA'";
template <>
inline constexpr const char* wanted<g::conjunction<g::key_test>> = "a condition over public keys";
template <>
inline constexpr const char* wanted<g::operand<g::key_test>> = "a condition over public keys";
template <>
inline constexpr const char* wanted<g::key_condition> = "=, != or IN";
template <>
inline constexpr const char* wanted<g::key_value> = "a value in single quotes such as 'WA'";
template <>
inline constexpr const char* wanted<g::quantile_rank> = "a rank between 0 and 1";
template <>
inline constexpr const char* wanted<g::bins> =
    "a number of bins or their edges such as [0, 12, 35]";
template <>
inline constexpr const char* wanted<g::edge> = "a bin's edge";
template <>
inline constexpr const char* wanted<g::target> = "an export or system twin, or twins OF 'dtmi:…;1'";
template <>
inline constexpr const char* wanted<g::organisation> = "the name of an organisation";
template <>
inline constexpr const char* wanted<g::dtmi> = "a type such as 'dtmi:example:Monitor;1'";
template <>
inline constexpr const char* wanted<g::group_key> = "the name of a public key";
template <>
inline constexpr const char* wanted<g::window> =
    "a window such as 24h or '2015-08-20T00:00Z' .. '2015-08-21T00:00Z'";
template <>
inline constexpr const char* wanted<g::to_instant> = "the window's end such as '2015-08-21T00:00Z'";
template <>
inline constexpr const char* wanted<g::every_length> = "a length such as 1h";
template <>
inline constexpr const char* wanted<g::option> = "epsilon, purpose or mode";
template <>
inline constexpr const char* wanted<g::epsilon_value> = "a number such as 0.2";
template <>
inline constexpr const char* wanted<g::purpose_value> =
    "a purpose in single quotes such as 'planning'";
template <>
inline constexpr const char* wanted<g::mode_value> = "'each' or 'sum'";
template <>
inline constexpr const char* wanted<g::end> = "the end of the question";

// The words that could stand at a place where several clauses may follow.
template <class Rule>
std::vector<std::string> candidates(const Builder& b) {
  const Sentence& s = b.sentence;
  if constexpr (std::is_same_v<Rule, g::k_over>) {
    if (!s.group_by.empty()) return {"OVER"};
    if (s.where) return {"AND", "OR", "GROUP BY", "OVER"};
    return {"WHERE", "GROUP BY", "OVER"};
  } else if constexpr (std::is_same_v<Rule, g::end>) {
    if (s.options.epsilon || s.options.purpose || s.options.mode) return {};
    if (s.every) return {"WITH"};
    return {"EVERY", "WITH"};
  } else if constexpr (std::is_same_v<Rule, g::item>) {
    return kAggregates;
  } else if constexpr (std::is_same_v<Rule, g::option>) {
    return {"epsilon", "purpose", "mode"};
  } else if constexpr (std::is_same_v<Rule, g::k_select>) {
    return {"SELECT"};
  } else if constexpr (std::is_same_v<Rule, g::k_from>) {
    return {"FROM"};
  } else if constexpr (std::is_same_v<Rule, g::k_by>) {
    return {"BY"};
  } else if constexpr (std::is_same_v<Rule, g::key_condition>) {
    return {"IN"};
  } else {
    return {};
  }
}

inline std::string expected_words(std::string_view rule_words,
                                  const std::vector<std::string>& clauses) {
  std::string text = "expected ";
  for (const std::string& clause : clauses) text += clause + ", ";
  if (!clauses.empty()) {
    text.resize(text.size() - 2);
    text += " or ";
  }
  return text + std::string(rule_words);
}

inline bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

inline std::string_view word_at(std::string_view text, std::size_t offset) {
  std::size_t end = offset;
  while (end < text.size() && is_letter(text[end])) ++end;
  return text.substr(offset, end - offset);
}

// Remedies for habits from other languages, seen where `rule` raised.
template <class Rule>
std::string habit(std::string_view rest, std::string_view word) {
  constexpr bool wants_text = std::is_same_v<Rule, g::key_value> || std::is_same_v<Rule, g::dtmi> ||
                              std::is_same_v<Rule, g::purpose_value> ||
                              std::is_same_v<Rule, g::mode_value> ||
                              std::is_same_v<Rule, g::to_instant>;
  if (wants_text && !word.empty()) return "put it in single quotes: '" + std::string(word) + "'";
  if (wants_text && rest.starts_with('"')) return "use single quotes";
  if (std::is_same_v<Rule, g::number> && rest.starts_with('=')) return "write a single =";
  if (std::is_same_v<Rule, g::number> && rest.starts_with('>')) return "write != for 'differs'";
  if (std::is_same_v<Rule, g::number> && !word.empty() && word.front() >= '0' &&
      word.front() <= '9') {
    return "write the number without a unit; it is in the signal's own";
  }
  if (std::is_same_v<Rule, g::key_condition> && (rest.starts_with('<') || rest.starts_with('>'))) {
    return "keys are compared by =, != and IN; a signal belongs inside an aggregate: "
           "count(pm25 > 55.5)";
  }
  if (std::is_same_v<Rule, g::window> && word.size() > 4 && word[4] == '-') {
    return "put both instants in single quotes: '2015-08-20T00:00Z' .. '2015-08-21T00:00Z'";
  }
  if (std::is_same_v<Rule, g::comparison> && rest.starts_with(')')) {
    return "count and share take a condition such as pm25 > 55.5; count(*) counts members";
  }
  if (std::is_same_v<Rule, g::item>) {
    if (edit_distance(word, "avg") == 0 || edit_distance(word, "average") == 0)
      return "did you mean 'mean'?";
    if (edit_distance(word, "percentile") == 0) return "did you mean 'quantile'?";
    if (edit_distance(word, "std") == 0 || edit_distance(word, "stdev") == 0)
      return "did you mean 'stddev'?";
    if (edit_distance(word, "var") == 0) return "did you mean 'variance'?";
  }
  return {};
}

template <class Rule>
struct control : p::normal<Rule> {
  template <class Input>
  [[noreturn]] static void raise(const Input& in, Builder& b) {
    static_assert(wanted<Rule> != nullptr, "say in words what was expected here");
    const std::string_view rest(in.current(), static_cast<std::size_t>(in.end() - in.current()));
    const std::size_t offset = static_cast<std::size_t>(in.current() - b.begin);
    SyntaxFailure failure;
    failure.offset = offset;
    failure.candidates = candidates<Rule>(b);
    std::vector<std::string> clauses;
    if constexpr (std::is_same_v<Rule, g::k_over> || std::is_same_v<Rule, g::end>) {
      clauses = failure.candidates;
      if (std::is_same_v<Rule, g::k_over>) clauses.pop_back();
    }
    failure.expected = expected_words(wanted<Rule>, clauses);
    failure.hint = habit<Rule>(rest, word_at(rest, 0));
    throw failure;
  }
};

}  // namespace entente::federation::parsing
