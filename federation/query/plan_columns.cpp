#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "federation/query/canonical_text.h"
#include "federation/query/plan_parts.h"
#include "federation/query/suggest.h"
#include "schemas/base/limits.h"

namespace entente::federation::planning {
namespace {

// ---- Predicates in one form: NOT moved into the comparisons, chains flattened, sorted, without
// repetition. Moving NOT keeps the meaning because a unit that lacks any value of the predicate
// takes no part in it (release.h), and readings are never NaN.

using Key = std::tuple<std::size_t, std::uint16_t, Comparison, double, Connective>;

Key key_of(const PredicateNode& node) {
  if (const auto* c = std::get_if<Compare>(&node)) {
    return {0, c->column, c->comparison, c->constant, Connective::and_};
  }
  return {1, 0, Comparison::less, 0, std::get<Connective>(node)};
}

bool before(const Predicate& a, const Predicate& b) {
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const PredicateNode& x, const PredicateNode& y) { return key_of(x) < key_of(y); });
}

Comparison opposite(Comparison comparison) {
  switch (comparison) {
    case Comparison::less:
      return Comparison::greater_equal;
    case Comparison::less_equal:
      return Comparison::greater;
    case Comparison::greater:
      return Comparison::less_equal;
    case Comparison::greater_equal:
      return Comparison::less;
    case Comparison::equal:
      return Comparison::not_equal;
    case Comparison::not_equal:
      return Comparison::equal;
  }
  return comparison;
}

template <class Leaf, class Convert>
Predicate postfix(const Tree<Leaf>& tree, bool negated, const Convert& convert);

// What the node joins its children by once negations above it are moved down (De Morgan).
template <class Leaf>
Connective word_of(const Tree<Leaf>& tree, bool negated) {
  return (tree.kind == Tree<Leaf>::Kind::all) != negated ? Connective::and_ : Connective::or_;
}

// The operands of a chain of `word`, those of nested chains of the same word included.
template <class Leaf, class Convert>
void operands(const Tree<Leaf>& tree, bool negated, Connective word, const Convert& convert,
              std::vector<Predicate>& out) {
  using Kind = typename Tree<Leaf>::Kind;
  if (tree.kind == Kind::negation) {
    operands(tree.children.front(), !negated, word, convert, out);
    return;
  }
  if (tree.kind == Kind::leaf || word_of(tree, negated) != word) {
    out.push_back(postfix(tree, negated, convert));
    return;
  }
  for (const Tree<Leaf>& child : tree.children) operands(child, negated, word, convert, out);
}

template <class Leaf, class Convert>
Predicate postfix(const Tree<Leaf>& tree, bool negated, const Convert& convert) {
  using Kind = typename Tree<Leaf>::Kind;
  if (tree.kind == Kind::leaf) {
    Compare compare = convert(tree.leaf);
    if (negated) compare.comparison = opposite(compare.comparison);
    return {PredicateNode(compare)};
  }
  if (tree.kind == Kind::negation) return postfix(tree.children.front(), !negated, convert);
  const Connective word = word_of(tree, negated);
  std::vector<Predicate> parts;
  operands(tree, negated, word, convert, parts);
  std::sort(parts.begin(), parts.end(), before);
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  Predicate out = std::move(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    out.insert(out.end(), parts[i].begin(), parts[i].end());
    out.emplace_back(word);
  }
  return out;
}

// Adding zero turns -0 into 0, so that one number has one form.
double plain_number(double value) {
  return value + 0.0;
}

// ---- Signals.

std::vector<std::string> signals_of(const ExportView& view) {
  std::vector<std::string> names;
  for (const Measure& measure : view.measures) names.push_back(measure.signal);
  return names;
}

class Selector {
 public:
  Selector(const Sentence& sentence, std::span<const MemberView> asked, const PlanOptions& options,
           Duration cell_length)
      : sentence_(sentence), asked_(asked), options_(options), cell_length_(cell_length) {}

  Result<Selection> select() {
    if (sentence_.items.size() > limits::kItems) {
      return refuse_at(sentence_, sentence_.items[limits::kItems].at, ErrorCode::shape_refused,
                       "one question has at most " + std::to_string(limits::kItems) + " items",
                       "ask in two questions");
    }
    for (const SelectItem& item : sentence_.items) {
      if (auto done = collect(item); !done) return std::move(done).error();
    }
    sort_columns();
    Selection selection;
    for (const SelectItem& item : sentence_.items) {
      auto made = make_item(item);
      if (!made) return std::move(made).error();
      selection.items.push_back(*std::move(made));
      selection.labels.push_back(
          {label_of(item), unit_of(item), item.aggregate, selection.items.back().edges});
    }
    selection.columns = std::move(columns_);
    return selection;
  }

 private:
  Error fail(Span at, ErrorCode code, std::string what, std::string remedy = {}) const {
    return refuse_at(sentence_, at, code, std::move(what), std::move(remedy));
  }

  Outcome collect(const SelectItem& item) {
    if (const auto* value = std::get_if<FoldedSignal>(&item.argument)) return collect(*value);
    if (const auto* tree = std::get_if<Tree<ValueTest>>(&item.argument)) return collect(*tree);
    return {};
  }

  Outcome collect(const Tree<ValueTest>& tree) {
    if (tree.kind == Tree<ValueTest>::Kind::leaf) return collect(tree.leaf.value);
    for (const Tree<ValueTest>& child : tree.children) {
      if (auto done = collect(child); !done) return done;
    }
    return {};
  }

  Outcome collect(const FoldedSignal& value) {
    if (auto named = check_signal(value); !named) return named;
    auto column = make_column(value);
    if (!column) return std::move(column).error();
    if (std::find(columns_.begin(), columns_.end(), *column) != columns_.end()) return {};
    if (columns_.size() == limits::kColumns) {
      return fail(value.at, ErrorCode::shape_refused,
                  "one question folds at most " + std::to_string(limits::kColumns) + " values",
                  "ask in two questions");
    }
    columns_.push_back(*std::move(column));
    return {};
  }

  // Every member offers the signal, in one unit and, when none is written, with one default
  // reducer.
  Outcome check_signal(const FoldedSignal& value) const {
    const Name& signal = value.signal;
    const MemberView& first = asked_.front();
    for (const MemberView& member : asked_) {
      const Measure* measure = member.view->measure(signal.text);
      if (measure == nullptr) return unknown_signal(signal, member);
      const Measure& other = *first.view->measure(signal.text);
      if (measure->unit != other.unit) {
        return fail(signal.at, ErrorCode::query_unsupported,
                    member_name(first) + " gives '" + signal.text + "' in '" + other.unit + "', " +
                        member_name(member) + " in '" + measure->unit + "'",
                    "ask the members separately, or let them agree on one unit");
      }
      if (!value.reducer && measure->default_reducer != other.default_reducer) {
        return fail(signal.at, ErrorCode::query_unsupported,
                    member_name(first) + " and " + member_name(member) + " fold '" + signal.text +
                        "' differently when nothing is said",
                    "name the reducer, as in mean(" + signal.text + ")");
      }
    }
    return {};
  }

  Error unknown_signal(const Name& signal, const MemberView& member) const {
    const auto known = signals_of(*member.view);
    const auto& keys = member.view->keys;
    if (std::find(keys.begin(), keys.end(), signal.text) != keys.end()) {
      return fail(
          signal.at, ErrorCode::query_unknown_name,
          "'" + signal.text + "' is a public key of " + member_name(member) + ", not a signal",
          "use it in WHERE or GROUP BY; the signals are " + listed(known));
    }
    const auto near = nearest(signal.text, known);
    return fail(signal.at, ErrorCode::query_unknown_name,
                member_name(member) + " offers no signal '" + signal.text + "'",
                near.empty() ? "the signals are " + listed(known) : did_you_mean(near));
  }

  Reducer reducer_of(const FoldedSignal& value) const {
    return value.reducer ? *value.reducer
                         : asked_.front().view->measure(value.signal.text)->default_reducer;
  }

  Result<Column> make_column(const FoldedSignal& value) const {
    Column column;
    column.signal = value.signal.text;
    column.reducer = reducer_of(value);
    if (column.reducer == Reducer::duration && !value.condition) {
      return fail(value.at, ErrorCode::query_syntax, "duration takes a condition",
                  "as in duration(" + column.signal + " > 35)");
    }
    if (value.condition) {
      column.predicate = postfix(*value.condition, false, [](const ReadingTest& test) {
        return Compare{0, test.comparison, plain_number(test.constant.value)};
      });
      if (column.predicate.size() > limits::kPredicateNodes) return too_long(value.at);
    }
    auto bounds = bounds_of(value, column.reducer);
    if (!bounds) return std::move(bounds).error();
    column.lower = plain_number(bounds->lower);
    column.upper = plain_number(bounds->upper);
    return column;
  }

  Error too_long(Span at) const {
    return fail(at, ErrorCode::shape_refused,
                "a condition has at most " + std::to_string(limits::kPredicateNodes) + " parts",
                "ask in two questions");
  }

  // Without a declaration: duration lies within its cell; other values are as wide as numbers are.
  ReducerBounds unbounded(Reducer reducer) const {
    if (reducer == Reducer::duration) return {reducer, 0, cell_length_.seconds()};
    return {reducer, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max()};
  }

  // The override, which each member's bounds must hold, or else what all members' bounds share.
  Result<ReducerBounds> bounds_of(const FoldedSignal& value, Reducer reducer) const {
    ReducerBounds shared = unbounded(reducer);
    bool declared = false;
    for (const MemberView& member : asked_) {
      const ReducerBounds* own = member.view->measure(value.signal.text)->bounds_for(reducer);
      if (own == nullptr) {
        if (options_.exact) continue;
        return reducer_not_offered(value, reducer, member);
      }
      shared.lower = declared ? std::max(shared.lower, own->lower) : own->lower;
      shared.upper = declared ? std::min(shared.upper, own->upper) : own->upper;
      declared = true;
    }
    if (!(shared.lower < shared.upper)) {
      return fail(value.at, ErrorCode::shape_refused,
                  "the members' bounds of " + to_text(value) + " have nothing in common",
                  "ask the members separately");
    }
    for (const BoundsOverride& wish : options_.bounds) {
      if (wish.signal != value.signal.text || wish.reducer != reducer) continue;
      const bool inside = wish.lower >= shared.lower && wish.upper <= shared.upper;
      if (!(wish.lower < wish.upper) || !std::isfinite(wish.lower) || !std::isfinite(wish.upper) ||
          !inside) {
        return fail(value.at, ErrorCode::shape_refused,
                    "the bounds " + number_text(wish.lower) + " to " + number_text(wish.upper) +
                        " set for " + to_text(value) + " do not lie within those of every member",
                    "choose bounds within " + number_text(shared.lower) + " to " +
                        number_text(shared.upper));
      }
      return ReducerBounds{reducer, wish.lower, wish.upper};
    }
    return shared;
  }

  Error reducer_not_offered(const FoldedSignal& value, Reducer reducer,
                            const MemberView& member) const {
    std::vector<std::string> offered;
    for (const ReducerBounds& own : member.view->measure(value.signal.text)->bounds) {
      offered.push_back(std::string(to_text(own.reducer)));
    }
    return fail(value.at, ErrorCode::shape_refused,
                member_name(member) + " declares no bounds for " + std::string(to_text(reducer)) +
                    " of '" + value.signal.text + "'",
                "the reducers it offers are " + listed(offered));
  }

  void sort_columns() {
    std::sort(columns_.begin(), columns_.end(), [](const Column& a, const Column& b) {
      const auto key = [](const Column& c) {
        return std::tie(c.signal, c.reducer, c.lower, c.upper);
      };
      if (key(a) != key(b)) return key(a) < key(b);
      return before(a.predicate, b.predicate);
    });
  }

  std::uint16_t column_index(const FoldedSignal& value) const {
    const auto column = make_column(value);
    const auto found = std::find(columns_.begin(), columns_.end(), *column);
    return static_cast<std::uint16_t>(found - columns_.begin());
  }

  Result<Item> make_item(const SelectItem& item) const {
    Item made;
    made.aggregate = item.aggregate;
    if (const auto* value = std::get_if<FoldedSignal>(&item.argument)) {
      made.column = column_index(*value);
    } else if (const auto* tree = std::get_if<Tree<ValueTest>>(&item.argument)) {
      made.predicate = postfix(*tree, false, [&](const ValueTest& test) {
        return Compare{column_index(test.value), test.comparison,
                       plain_number(test.constant.value)};
      });
      if (made.predicate.size() > limits::kPredicateNodes) return too_long(item.at);
    }
    if (item.rank) made.rank = item.rank->value;
    if (item.bins) {
      auto edges = edges_of(item, columns_[*made.column]);
      if (!edges) return std::move(edges).error();
      made.edges = *std::move(edges);
    }
    return made;
  }

  Result<std::vector<double>> edges_of(const SelectItem& item, const Column& column) const {
    std::vector<double> edges;
    if (const auto* written = std::get_if<std::vector<Number>>(&*item.bins)) {
      for (const Number& edge : *written) edges.push_back(plain_number(edge.value));
      return edges;
    }
    const int count = std::get<BinCount>(*item.bins).count;
    const double width = (column.upper - column.lower) / count;
    for (int i = 0; i <= count; ++i) {
      edges.push_back(i == count ? column.upper : column.lower + width * i);
    }
    if (std::isfinite(width) && std::is_sorted(edges.begin(), edges.end(), std::less_equal<>())) {
      return edges;
    }
    return fail(item.at, ErrorCode::shape_refused, "no bounds are declared to be cut into bins",
                "name the bins' edges, as in [0, 12, 35]");
  }

  std::string unit_of(const SelectItem& item) const {
    const auto* value = std::get_if<FoldedSignal>(&item.argument);
    if (value == nullptr || item.aggregate == Aggregate::histogram) return {};
    const std::string unit = reducer_of(*value) == Reducer::duration
                                 ? "s"
                                 : asked_.front().view->measure(value->signal.text)->unit;
    if (item.aggregate != Aggregate::variance || unit.empty()) return unit;
    return "(" + unit + ")^2";
  }

  std::string label_of(const SelectItem& item) const {
    const std::string& text = sentence_.source.text;
    if (text.empty() || item.at.offset + item.at.length > text.size()) return to_text(item);
    std::string label;
    for (const char c : text.substr(item.at.offset, item.at.length)) {
      const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
      if (!blank) label += c;
      if (blank && label.back() != ' ') label += ' ';
    }
    return label;
  }

  const Sentence& sentence_;
  std::span<const MemberView> asked_;
  const PlanOptions& options_;
  Duration cell_length_;
  std::vector<Column> columns_;
};

}  // namespace

Result<Selection> plan_selection(const Sentence& sentence, std::span<const MemberView> asked,
                                 const PlanOptions& options, Duration cell_length) {
  return Selector(sentence, asked, options, cell_length).select();
}

}  // namespace entente::federation::planning
