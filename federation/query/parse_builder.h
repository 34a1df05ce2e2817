// What the parser's actions fill, and how they refuse. Included by the parser's own files only.
#pragma once

#include <string>
#include <vector>

#include "federation/query/ast.h"
#include "federation/query/grammar.h"

namespace entente::federation::parsing {

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

inline const std::vector<std::string> kReducers = {"mean", "delta", "last",   "min",
                                                   "max",  "sum",   "median", "duration"};
inline const std::vector<std::string> kAggregates = {"count",    "share",    "sum",      "mean",
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

[[noreturn]] inline void refuse(std::size_t offset, std::string what, std::string hint = {},
                                std::vector<std::string> candidates = {}) {
  throw SyntaxFailure{offset, std::move(what), std::move(candidates), std::move(hint), true};
}

}  // namespace entente::federation::parsing
