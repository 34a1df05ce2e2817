#include "federation/query/canonical_text.h"

#include <charconv>

namespace entente::federation {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

std::string test(std::string_view left, Comparison comparison, const Number& constant) {
  return std::string(left) + " " + std::string(to_text(comparison)) + " " +
         number_text(constant.value);
}

std::string leaf_text(const ValueTest& leaf) {
  return test(to_text(leaf.value), leaf.comparison, leaf.constant);
}

std::string leaf_text(const KeyTest& leaf) {
  if (leaf.differs) return leaf.key.text + " != " + quoted(leaf.values.front().text);
  if (leaf.values.size() == 1) return leaf.key.text + " = " + quoted(leaf.values.front().text);
  std::string text = leaf.key.text + " IN (";
  for (std::size_t i = 0; i < leaf.values.size(); ++i) {
    text += (i > 0 ? ", " : "") + quoted(leaf.values[i].text);
  }
  return text + ")";
}

// Parentheses stand where the tree would otherwise be read differently: around OR inside AND,
// around anything joined inside NOT, and around a chain inside a chain of the same word.
template <class Leaf, class Print>
std::string tree_text(const Tree<Leaf>& tree, const Print& print) {
  using Kind = typename Tree<Leaf>::Kind;
  const auto joined = [](const Tree<Leaf>& child) {
    return child.kind == Kind::all || child.kind == Kind::any;
  };
  const auto child_text = [&](const Tree<Leaf>& child) {
    const bool plain = !joined(child) || (tree.kind == Kind::any && child.kind == Kind::all);
    return plain ? tree_text(child, print) : "(" + tree_text(child, print) + ")";
  };
  if (tree.kind == Kind::leaf) return print(tree.leaf);
  if (tree.kind == Kind::negation) return "NOT " + child_text(tree.children.front());
  std::string text;
  for (const Tree<Leaf>& child : tree.children) {
    if (!text.empty()) text += tree.kind == Kind::all ? " AND " : " OR ";
    text += child_text(child);
  }
  return text;
}

std::string target_text(const Target& target) {
  if (const auto* type = std::get_if<TypeTarget>(&target))
    return "twins OF " + quoted(type->dtmi.text);
  const auto& named = std::get<NamedTarget>(target);
  return named.name.text + (named.organisation ? "@" + named.organisation->text : "");
}

std::string window_text(const WindowClause& over) {
  if (const auto* relative = std::get_if<RelativeWindow>(&over)) return to_text(relative->length);
  const TimeWindow& window = std::get<AbsoluteWindow>(over).window;
  return quoted(to_text(window.from)) + " .. " + quoted(to_text(window.to));
}

std::string options_text(const Options& options) {
  std::string text;
  const auto add = [&](std::string option) { text += (text.empty() ? "" : ", ") + option; };
  if (options.epsilon) add("epsilon = " + number_text(options.epsilon->value));
  if (options.purpose) add("purpose = " + quoted(options.purpose->text));
  if (options.mode) add(*options.mode == Mode::each ? "mode = 'each'" : "mode = 'sum'");
  return text.empty() ? text : " WITH (" + text + ")";
}

std::string bins_text(const Bins& bins) {
  if (const auto* count = std::get_if<BinCount>(&bins)) return std::to_string(count->count);
  std::string text = "[";
  for (const Number& edge : std::get<std::vector<Number>>(bins)) {
    text += (text.size() > 1 ? ", " : "") + number_text(edge.value);
  }
  return text + "]";
}

}  // namespace

std::string number_text(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

std::string to_text(const FoldedSignal& value) {
  if (!value.reducer) return value.signal.text;
  const std::string open = std::string(to_text(*value.reducer)) + "(";
  if (!value.condition) return open + value.signal.text + ")";
  return open +
         tree_text(*value.condition,
                   [&](const ReadingTest& leaf) {
                     return test(value.signal.text, leaf.comparison, leaf.constant);
                   }) +
         ")";
}

std::string to_text(const SelectItem& item) {
  std::string text = std::string(to_text(item.aggregate)) + "(";
  if (std::holds_alternative<Members>(item.argument)) text += "*";
  if (const auto* value = std::get_if<FoldedSignal>(&item.argument)) text += to_text(*value);
  if (const auto* condition = std::get_if<Tree<ValueTest>>(&item.argument)) {
    text += tree_text(*condition, [](const ValueTest& leaf) { return leaf_text(leaf); });
  }
  if (item.rank) text += ", " + number_text(item.rank->value);
  if (item.bins) text += ", " + bins_text(*item.bins);
  return text + ")";
}

std::string to_text(const Sentence& sentence) {
  std::string text = "SELECT ";
  for (std::size_t i = 0; i < sentence.items.size(); ++i) {
    text += (i > 0 ? ", " : "") + to_text(sentence.items[i]);
  }
  text += " FROM " + target_text(sentence.target);
  if (sentence.where) {
    text +=
        " WHERE " + tree_text(*sentence.where, [](const KeyTest& leaf) { return leaf_text(leaf); });
  }
  for (std::size_t i = 0; i < sentence.group_by.size(); ++i) {
    text += (i > 0 ? ", " : " GROUP BY ") + sentence.group_by[i].text;
  }
  text += " OVER " + window_text(sentence.over);
  if (sentence.every) text += " EVERY " + to_text(sentence.every->length);
  return text + options_text(sentence.options);
}

}  // namespace entente::federation
