// A question as written: the syntax tree that the parser gives and the planner reads.
//
// Names are not resolved here; every part remembers where it stands, so that later refusals can
// point at the character. Places and the original text take no part in equality: two sentences are
// equal when they say the same in the same order.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "schemas/base/time.h"
#include "schemas/question.h"

namespace entente::federation {

// Bytes [offset, offset + length) of the question's text.
struct Span {
  std::size_t offset = 0;
  std::size_t length = 0;
  bool operator==(const Span&) const { return true; }
};

// The text a sentence was parsed from; empty when it was made by a program.
struct Source {
  std::string text;
  bool operator==(const Source&) const { return true; }
};

// A signal, key, export or organisation, or (in quotes) a value of a key.
struct Name {
  std::string text;
  Span at;
  bool operator==(const Name&) const = default;
};

struct Number {
  double value = 0;
  Span at;
  bool operator==(const Number&) const = default;
};

// A condition over leaves of one kind. AND and OR hold two children or more, NOT exactly one.
template <class Leaf>
struct Tree {
  enum class Kind { leaf, all, any, negation };
  Kind kind = Kind::leaf;
  Leaf leaf;
  std::vector<Tree> children;
  bool operator==(const Tree&) const = default;
};

// Inside duration(…): one reading of the named signal against a constant.
struct ReadingTest {
  Comparison comparison = Comparison::less;
  Number constant;
  bool operator==(const ReadingTest&) const = default;
};

// e: one value per unit and cell. `condition` is there exactly when the reducer is duration.
struct FoldedSignal {
  Name signal;
  std::optional<Reducer> reducer;  // absent: the measure's default
  std::optional<Tree<ReadingTest>> condition;
  Span at;
  bool operator==(const FoldedSignal&) const = default;
};

// Inside count(…) and share(…): a folded value against a constant.
struct ValueTest {
  FoldedSignal value;
  Comparison comparison = Comparison::less;
  Number constant;
  bool operator==(const ValueTest&) const = default;
};

// In WHERE: key = 'v' and key IN ('v', 'w'); key != 'v' has `differs` and one value.
struct KeyTest {
  Name key;
  bool differs = false;
  std::vector<Name> values;
  bool operator==(const KeyTest&) const = default;
};

struct Members {
  bool operator==(const Members&) const = default;
};

struct BinCount {
  int count = 0;
  bool operator==(const BinCount&) const = default;
};
using Bins = std::variant<BinCount, std::vector<Number>>;  // equal widths, or ascending edges

struct SelectItem {
  Aggregate aggregate = Aggregate::count;
  std::variant<Members, FoldedSignal, Tree<ValueTest>> argument;
  std::optional<Number> rank;  // quantile
  std::optional<Bins> bins;    // histogram
  Span at;
  bool operator==(const SelectItem&) const = default;
};

struct NamedTarget {
  Name name;
  std::optional<Name> organisation;
  bool operator==(const NamedTarget&) const = default;
};
struct TypeTarget {
  Name dtmi;
  bool operator==(const TypeTarget&) const = default;
};
using Target = std::variant<NamedTarget, TypeTarget>;

struct RelativeWindow {
  Duration length;
  Span at;
  bool operator==(const RelativeWindow&) const = default;
};
struct AbsoluteWindow {
  TimeWindow window;
  Span from_at;
  Span to_at;
  bool operator==(const AbsoluteWindow&) const = default;
};
using WindowClause = std::variant<RelativeWindow, AbsoluteWindow>;

struct EveryClause {
  Duration length;
  Span at;
  bool operator==(const EveryClause&) const = default;
};

// `each`: every site adds its own noise. `sum`: secure aggregation, one noise for all.
enum class Mode { each, sum };

struct Options {
  std::optional<Number> epsilon;
  std::optional<Name> purpose;
  std::optional<Mode> mode;
  Span mode_at;
  bool operator==(const Options&) const = default;
};

struct Sentence {
  std::vector<SelectItem> items;
  Target target;
  std::optional<Tree<KeyTest>> where;
  std::vector<Name> group_by;
  WindowClause over;
  std::optional<EveryClause> every;
  Options options;
  Source source;
  bool operator==(const Sentence&) const = default;
};

}  // namespace entente::federation
