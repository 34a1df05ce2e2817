#include "federation/query/parser.h"

#include <charconv>
#include <cmath>

#include "federation/query/grammar.h"
#include "federation/query/limits.h"
#include "federation/query/suggest.h"
#include "schemas/base/limits.h"

namespace entente::federation {
namespace {

namespace g = grammar;
namespace p = tao::pegtl;

// Leaves PEGTL from inside an action or a raise; parse_question turns it into the Error.
struct SyntaxFailure {
  std::size_t offset = 0;
  std::string expected;                 // "expected FROM"; without "found" when `whole`
  std::vector<std::string> candidates;  // right words, for suggestions
  std::string hint;                     // a better remedy than the nearest word
  bool whole = false;                   // `expected` is the whole sentence
};

const std::vector<std::string> kReducers = {"mean", "delta", "last",   "min",
                                            "max",  "sum",   "median", "duration"};
const std::vector<std::string> kAggregates = {"count",    "share",    "sum",      "mean",
                                              "variance", "stddev",   "min",      "max",
                                              "median",   "quantile", "histogram"};

// What the actions fill. Registers hold the latest token of a kind; whoever needs it takes it at
// once.
struct Builder {
  const char* begin = nullptr;
  Sentence sentence;

  Name name;
  Name text;
  Name integer;
  Name first_instant;
  Number number;
  Duration length;
  Span length_at;
  Comparison comparison = Comparison::less;

  FoldedSignal fold;
  Name duration_signal;
  Reducer reducer = Reducer::mean;
  KeyTest key;
  SelectItem item;
  std::vector<Number> edges;

  int depth = 0;
  std::vector<std::size_t> marks;
  std::vector<Tree<ReadingTest>> reading_trees;
  std::vector<Tree<ValueTest>> value_trees;
  std::vector<Tree<KeyTest>> key_trees;

  template <class Input>
  Span span(const Input& in) const {
    const std::string_view matched(in.begin(), in.size());
    return {static_cast<std::size_t>(in.begin() - begin), matched.find_last_not_of(" \t\r\n") + 1};
  }
};

template <class Leaf>
auto& trees(Builder& b) {
  if constexpr (std::is_same_v<Leaf, g::reading_test>)
    return b.reading_trees;
  else if constexpr (std::is_same_v<Leaf, g::value_test>)
    return b.value_trees;
  else
    return b.key_trees;
}

template <class Stack>
typename Stack::value_type take_last(Stack& stack) {
  typename Stack::value_type value = std::move(stack.back());
  stack.pop_back();
  return value;
}

// Replaces the trees above the latest mark by one that joins them; a single one stays as it is.
template <class Leaf, class Kind>
void join(Builder& b, Kind kind) {
  auto& stack = trees<Leaf>(b);
  const auto from = stack.begin() + static_cast<std::ptrdiff_t>(take_last(b.marks));
  if (stack.end() - from == 1) return;
  typename std::decay_t<decltype(stack)>::value_type tree;
  tree.kind = kind;
  tree.children.assign(std::make_move_iterator(from), std::make_move_iterator(stack.end()));
  stack.erase(from, stack.end());
  stack.push_back(std::move(tree));
}

[[noreturn]] void refuse(std::size_t offset, std::string what, std::string hint = {},
                         std::vector<std::string> candidates = {}) {
  throw SyntaxFailure{offset, std::move(what), std::move(candidates), std::move(hint), true};
}

// ---- What was expected where a rule raises. Words in capitals are offered as corrections.

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

std::string expected_words(std::string_view rule_words, const std::vector<std::string>& clauses) {
  std::string text = "expected ";
  for (const std::string& clause : clauses) text += clause + ", ";
  if (!clauses.empty()) {
    text.resize(text.size() - 2);
    text += " or ";
  }
  return text + std::string(rule_words);
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

std::string_view word_at(std::string_view text, std::size_t offset) {
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

// ---- Actions.

template <class Rule>
struct action : p::nothing<Rule> {};

template <>
struct action<g::name_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.name = {in.string(), b.span(in)};
    if (in.size() > limits::kNameBytes)
      refuse(b.name.at.offset, "a name has at most 63 characters");
  }
};

template <>
struct action<g::number_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    const char* first = *in.begin() == '+' ? in.begin() + 1 : in.begin();
    double value = 0;
    const auto [end, failure] = std::from_chars(first, in.end(), value);
    if (failure != std::errc{} || end != in.end() || !std::isfinite(value)) {
      refuse(b.span(in).offset, "this number cannot be held");
    }
    b.number = {value, b.span(in)};
  }
};

template <>
struct action<g::integer_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.integer = {in.string(), b.span(in)};
  }
};

template <>
struct action<g::text_body> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.text = {{}, b.span(in)};
    for (const char* c = in.begin(); c != in.end(); ++c) {
      b.text.text += *c;
      if (*c == '\'') ++c;
    }
    if (b.text.text.size() > limits::kTextBytes) refuse(b.text.at.offset, "this text is too long");
  }
};

template <>
struct action<g::span_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    const auto length = parse_duration(in.string_view());
    b.length_at = b.span(in);
    if (!length)
      refuse(b.length_at.offset, length.error().what, "the units are w, d, h, m, s, ms, us and ns");
    if (length->ns == 0) refuse(b.length_at.offset, "this length is zero");
    b.length = *length;
  }
};

template <>
struct action<g::comparison_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    const std::string_view text = in.string_view();
    for (const Comparison c :
         {Comparison::less, Comparison::less_equal, Comparison::greater, Comparison::greater_equal,
          Comparison::equal, Comparison::not_equal}) {
      if (to_text(c) == text) b.comparison = c;
    }
  }
};

template <>
struct action<g::enter> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    if (++b.depth > kConditionDepth) {
      refuse(b.span(in).offset,
             "conditions nest at most " + std::to_string(kConditionDepth) + " deep");
    }
  }
};
template <>
struct action<g::leave> {
  static void apply0(Builder& b) { --b.depth; }
};

template <class Leaf>
struct action<g::mark<Leaf>> {
  static void apply0(Builder& b) { b.marks.push_back(trees<Leaf>(b).size()); }
};
template <class Leaf>
struct action<g::conjunction<Leaf>> {
  static void apply0(Builder& b) {
    using Node = typename std::decay_t<decltype(trees<Leaf>(b))>::value_type;
    join<Leaf>(b, Node::Kind::all);
  }
};
template <class Leaf>
struct action<g::disjunction<Leaf>> {
  static void apply0(Builder& b) {
    using Node = typename std::decay_t<decltype(trees<Leaf>(b))>::value_type;
    join<Leaf>(b, Node::Kind::any);
  }
};
template <>
struct action<g::value_condition> : action<g::disjunction<g::value_test>> {};
template <class Leaf>
struct action<g::negated<Leaf>> {
  static void apply0(Builder& b) {
    auto& stack = trees<Leaf>(b);
    typename std::decay_t<decltype(stack)>::value_type tree;
    tree.kind = decltype(tree.kind)::negation;
    tree.children.push_back(take_last(stack));
    stack.push_back(std::move(tree));
  }
};

template <>
struct action<g::k_duration> {
  static void apply0(Builder& b) { b.duration_signal = {}; }
};
template <>
struct action<g::reading_test> {
  static void apply0(Builder& b) {
    if (b.duration_signal.text.empty()) b.duration_signal = b.name;
    if (b.duration_signal.text != b.name.text) {
      refuse(b.name.at.offset, "the condition of one duration is about one signal, here '" +
                                   b.duration_signal.text + "'");
    }
    Tree<ReadingTest> tree;
    tree.leaf = {b.comparison, b.number};
    b.reading_trees.push_back(std::move(tree));
  }
};
template <>
struct action<g::duration_fold> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.fold = {b.duration_signal, Reducer::duration, take_last(b.reading_trees), b.span(in)};
  }
};
template <>
struct action<g::reducer_open> {
  static void apply0(Builder& b) {
    std::string word = b.name.text;
    for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const auto reducer = reducer_from_text(word);
    if (!reducer) {
      const auto names = nearest(word, kReducers);
      const bool mean = word == "avg" || word == "average";
      refuse(b.name.at.offset, "'" + b.name.text + "' is no reducer of a signal",
             mean            ? "did you mean 'mean'?"
             : names.empty() ? "the reducers are " + listed(kReducers)
                             : did_you_mean(names));
    }
    b.reducer = *reducer;
  }
};
template <>
struct action<g::reducer_fold> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.fold = {b.name, b.reducer, std::nullopt, b.span(in)};
  }
};
template <>
struct action<g::bare_fold> {
  static void apply0(Builder& b) { b.fold = {b.name, std::nullopt, std::nullopt, b.name.at}; }
};
template <>
struct action<g::value_test> {
  static void apply0(Builder& b) {
    Tree<ValueTest> tree;
    tree.leaf = {std::move(b.fold), b.comparison, b.number};
    b.value_trees.push_back(std::move(tree));
  }
};

template <>
struct action<g::all_members> {
  static void apply0(Builder& b) { b.item.argument = Members{}; }
};
template <>
struct action<g::count_argument> {
  static void apply0(Builder& b) {
    b.item.aggregate = Aggregate::count;
    if (!b.value_trees.empty()) b.item.argument = take_last(b.value_trees);
  }
};
template <>
struct action<g::share_item> {
  static void apply0(Builder& b) {
    b.item.aggregate = Aggregate::share;
    b.item.argument = take_last(b.value_trees);
  }
};
template <>
struct action<g::plain_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    std::string word = in.string();
    for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (const auto aggregate = aggregate_from_text(word)) b.item.aggregate = *aggregate;
  }
};
template <>
struct action<g::plain_item> {
  static void apply0(Builder& b) { b.item.argument = std::move(b.fold); }
};
template <>
struct action<g::quantile_rank> {
  static void apply0(Builder& b) {
    if (!(b.number.value > 0 && b.number.value < 1)) {
      refuse(b.number.at.offset, "a quantile's rank lies between 0 and 1",
             "write 0.9 for the value that nine tenths stay below");
    }
    b.item.rank = b.number;
  }
};
template <>
struct action<g::quantile_item> {
  static void apply0(Builder& b) {
    b.item.aggregate = Aggregate::quantile;
    b.item.argument = std::move(b.fold);
  }
};
template <>
struct action<g::edge> {
  static void apply0(Builder& b) {
    if (!b.edges.empty() && !(b.edges.back().value < b.number.value)) {
      refuse(b.number.at.offset, "bin edges ascend");
    }
    b.edges.push_back(b.number);
  }
};
template <>
struct action<g::edges> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    if (b.edges.size() < 2) refuse(b.span(in).offset, "bins have at least two edges");
    if (b.edges.size() > limits::kBins + 1) {
      refuse(b.span(in).offset,
             "a histogram has at most " + std::to_string(limits::kBins) + " bins");
    }
    b.item.bins = std::move(b.edges);
    b.edges.clear();
  }
};
template <>
struct action<g::bin_count> {
  static void apply0(Builder& b) {
    const std::string& digits = b.integer.text;
    std::size_t count = 0;
    const auto failure = std::from_chars(digits.data(), digits.data() + digits.size(), count).ec;
    if (failure != std::errc{} || count < 1 || count > limits::kBins) {
      refuse(b.integer.at.offset,
             "a histogram has 1 to " + std::to_string(limits::kBins) + " bins");
    }
    b.item.bins = BinCount{static_cast<int>(count)};
  }
};
template <>
struct action<g::histogram_item> {
  static void apply0(Builder& b) {
    b.item.aggregate = Aggregate::histogram;
    b.item.argument = std::move(b.fold);
  }
};
template <>
struct action<g::item> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.item.at = b.span(in);
    b.sentence.items.push_back(std::move(b.item));
    b.item = {};
  }
};

template <>
struct action<g::dtmi> {
  static void apply0(Builder& b) {
    if (!b.text.text.starts_with("dtmi:")) {
      refuse(b.text.at.offset,
             "a type's name begins with dtmi:", "such as 'dtmi:example:Monitor;1'");
    }
    b.sentence.target = TypeTarget{b.text};
  }
};
template <>
struct action<g::target_name> {
  static void apply0(Builder& b) { b.sentence.target = NamedTarget{b.name, std::nullopt}; }
};
template <>
struct action<g::organisation> {
  static void apply0(Builder& b) { std::get<NamedTarget>(b.sentence.target).organisation = b.name; }
};

template <>
struct action<g::key> {
  static void apply0(Builder& b) { b.key = {b.name, false, {}}; }
};
template <>
struct action<g::key_value> {
  static void apply0(Builder& b) { b.key.values.push_back(b.text); }
};
template <>
struct action<g::differs_value> {
  static void apply0(Builder& b) { b.key.differs = true; }
};
template <>
struct action<g::key_test> {
  static void apply0(Builder& b) {
    Tree<KeyTest> tree;
    tree.leaf = std::move(b.key);
    b.key_trees.push_back(std::move(tree));
  }
};
template <>
struct action<g::where_clause> {
  static void apply0(Builder& b) { b.sentence.where = take_last(b.key_trees); }
};
template <>
struct action<g::group_key> {
  static void apply0(Builder& b) {
    for (const Name& key : b.sentence.group_by) {
      if (key.text == b.name.text) refuse(b.name.at.offset, "'" + key.text + "' is named twice");
    }
    b.sentence.group_by.push_back(b.name);
  }
};

Instant instant(const Name& text) {
  const auto at = parse_instant(text.text);
  if (!at) refuse(text.at.offset, at.error().what);
  return *at;
}

template <>
struct action<g::relative_window> {
  static void apply0(Builder& b) { b.sentence.over = RelativeWindow{b.length, b.length_at}; }
};
template <>
struct action<g::from_instant> {
  static void apply0(Builder& b) { b.first_instant = b.text; }
};
template <>
struct action<g::absolute_window> {
  static void apply0(Builder& b) {
    const TimeWindow window{instant(b.first_instant), instant(b.text)};
    if (window.to <= window.from)
      refuse(b.text.at.offset, "a window's end lies after its beginning");
    b.sentence.over = AbsoluteWindow{window, b.first_instant.at, b.text.at};
  }
};
template <>
struct action<g::every_length> {
  static void apply0(Builder& b) { b.sentence.every = EveryClause{b.length, b.length_at}; }
};

template <>
struct action<g::k_epsilon> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    if (b.sentence.options.epsilon) refuse(b.span(in).offset, "epsilon is given twice");
  }
};
template <>
struct action<g::k_purpose> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    if (b.sentence.options.purpose) refuse(b.span(in).offset, "purpose is given twice");
  }
};
template <>
struct action<g::k_mode> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    if (b.sentence.options.mode) refuse(b.span(in).offset, "mode is given twice");
  }
};
template <>
struct action<g::epsilon_value> {
  static void apply0(Builder& b) { b.sentence.options.epsilon = b.number; }
};
template <>
struct action<g::purpose_value> {
  static void apply0(Builder& b) { b.sentence.options.purpose = b.text; }
};
template <>
struct action<g::mode_value> {
  static void apply0(Builder& b) {
    const std::vector<std::string> modes = {"each", "sum"};
    if (b.text.text != "each" && b.text.text != "sum") {
      const auto names = nearest(b.text.text, modes);
      refuse(b.text.at.offset, "'" + b.text.text + "' is no mode",
             names.empty() ? "the modes are " + listed(modes) : did_you_mean(names));
    }
    b.sentence.options.mode = b.text.text == "each" ? Mode::each : Mode::sum;
    b.sentence.options.mode_at = b.text.at;
  }
};

// ---- The refusal for people.

std::string found(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return "the end";
  std::string_view word = word_at(text, offset).substr(0, 40);
  if (word.empty()) {
    std::size_t length = 1;
    while (offset + length < text.size() &&
           (static_cast<unsigned char>(text[offset + length]) & 0xC0) == 0x80)
      ++length;
    word = text.substr(offset, length);
  }
  return word == "\n" || word == "\t" || word == "\r" ? "a line end"
                                                      : "'" + std::string(word) + "'";
}

Error syntax_error(std::string_view text, const SyntaxFailure& failure) {
  std::string what = place(text, failure.offset) + ": " + failure.expected;
  if (!failure.whole) what += ", found " + found(text, failure.offset);
  what += "\n" + pointed(text, failure.offset);
  std::string remedy = failure.hint;
  if (remedy.empty())
    remedy = did_you_mean(nearest(word_at(text, failure.offset), failure.candidates));
  return make_error(ErrorCode::query_syntax, std::move(what), std::move(remedy));
}

// The byte where the text stops being clean, if anywhere.
std::optional<std::size_t> unclean(std::string_view text) {
  p::memory_input<p::tracking_mode::lazy> in(text.data(), text.data() + text.size(), "question");
  if (p::parse<p::star<g::clean_character>>(in) && in.empty()) return std::nullopt;
  return static_cast<std::size_t>(in.current() - text.data());
}

}  // namespace

Result<Sentence> parse_question(std::string_view text) {
  if (text.size() > limits::kQuestionBytes) {
    return make_error(
        ErrorCode::query_syntax,
        "the question is longer than " + std::to_string(limits::kQuestionBytes) + " bytes");
  }
  if (const auto at = unclean(text)) {
    return make_error(
        ErrorCode::query_syntax,
        "byte " + std::to_string(*at + 1) + " of the question is not printable UTF-8 text",
        "write the question as plain text");
  }
  Builder builder;
  builder.begin = text.data();
  p::memory_input<p::tracking_mode::lazy> in(text.data(), text.data() + text.size(), "question");
  try {
    // The last rule expects the end, so a parse that returns at all has succeeded.
    ENTENTE_CHECK((p::parse<g::sentence, action, control>(in, builder)));
  } catch (const SyntaxFailure& failure) {
    return syntax_error(text, failure);
  }
  builder.sentence.source.text = std::string(text);
  return std::move(builder.sentence);
}

}  // namespace entente::federation
