// From matched rules to the syntax tree, and the rules that no grammar can say. Included by
// parser.cpp only.
#pragma once

#include <charconv>
#include <cmath>

#include "federation/query/limits.h"
#include "federation/query/parse_builder.h"
#include "federation/query/suggest.h"
#include "schemas/base/limits.h"

namespace entente::federation::parsing {

template <class Rule>
struct action : p::nothing<Rule> {};

template <>
struct action<g::name_text> {
  template <class Input>
  static void apply(const Input& in, Builder& b) {
    b.name = {in.string(), b.span(in)};
    if (in.size() > limits::kLabelBytes) refuse(b.name.at.offset, "this name is too long");
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

inline Instant instant(const Name& text) {
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

}  // namespace entente::federation::parsing
