#include "schemas/question.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "schemas/base/check.h"
#include "schemas/base/hash.h"
#include "schemas/base/limits.h"
#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/question.capnp.h"

namespace entente {
namespace {

constexpr std::array<std::string_view, 11> kAggregates = {
    "count", "share", "sum",    "mean",     "variance", "stddev",
    "min",   "max",   "median", "quantile", "histogram"};
constexpr std::array<std::string_view, 8> kReducers = {"mean", "delta", "last",   "min",
                                                       "max",  "sum",   "median", "duration"};
constexpr std::array<std::string_view, 6> kComparisons = {"<", "<=", ">", ">=", "=", "!="};

template <class Enum, std::size_t N>
std::optional<Enum> from_text(const std::array<std::string_view, N>& names, std::string_view text) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

// The domain's and the wire's enumerations have the same order; wire values may be of a later
// version.
template <class Enum, std::size_t N, class Wire>
std::optional<Enum> from_wire(const std::array<std::string_view, N>&, Wire wire) {
  const auto raw = static_cast<std::size_t>(wire);
  if (raw >= N) return std::nullopt;
  return static_cast<Enum>(raw);
}
static_assert(static_cast<std::size_t>(wire::Aggregate::HISTOGRAM) + 1 == kAggregates.size());
static_assert(static_cast<std::size_t>(wire::Reducer::DURATION) + 1 == kReducers.size());
static_assert(static_cast<std::size_t>(wire::Comparison::NOT_EQUAL) + 1 == kComparisons.size());

Error wrong(const std::string& field, const char* rule) {
  return make_error(ErrorCode::invalid_argument, "question." + field + " " + rule);
}

std::string at(const char* list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

bool is_value(std::string_view text) {
  return rules::is_label(text, limits::kLabelBytes);
}

// ---- Rules. They hold for domain values, so that both directions obey the same ones.

Outcome check_predicate(const std::string& field, const Predicate& predicate,
                        std::optional<std::size_t> columns) {
  if (predicate.size() > limits::kPredicateNodes) return wrong(field, "has too many nodes");
  std::size_t depth = 0;
  for (const PredicateNode& node : predicate) {
    if (const auto* compare = std::get_if<Compare>(&node)) {
      if (!std::isfinite(compare->constant))
        return wrong(field, "compares with a number that is not finite");
      if (compare->column >= columns.value_or(1))
        return wrong(field, "names a column that is not there");
      ++depth;
      continue;
    }
    const bool unary = std::get<Connective>(node) == Connective::not_;
    if (depth < (unary ? 1U : 2U)) return wrong(field, "lacks an operand");
    if (!unary) --depth;
  }
  if (depth != 1) return wrong(field, "is not one condition in postfix order");
  return {};
}

Outcome check_column(const std::string& field, const Column& column) {
  if (!rules::is_property_name(column.signal)) return wrong(field + ".signal", "is not a name");
  if (!std::isfinite(column.lower) || !std::isfinite(column.upper) ||
      !(column.lower < column.upper)) {
    return wrong(field, "has no finite lower bound below a finite upper bound");
  }
  if (column.reducer == Reducer::duration) {
    return check_predicate(field + ".predicate", column.predicate, std::nullopt);
  }
  if (!column.predicate.empty()) return wrong(field + ".predicate", "belongs to duration only");
  return {};
}

Outcome check_item(const std::string& field, const Item& item, std::size_t columns) {
  const bool condition = item.aggregate == Aggregate::count || item.aggregate == Aggregate::share;
  if (item.column.has_value() && !item.predicate.empty()) return wrong(field, "has two arguments");
  if (!condition && !item.column) return wrong(field, "lacks its column");
  if (condition && item.column) return wrong(field, "takes a predicate, not a column");
  if (item.aggregate == Aggregate::share && item.predicate.empty())
    return wrong(field, "lacks its predicate");
  if (item.column && *item.column >= columns) return wrong(field + ".column", "is not there");
  if (!item.predicate.empty()) {
    if (auto valid = check_predicate(field + ".predicate", item.predicate, columns); !valid)
      return valid;
  }
  if (item.aggregate == Aggregate::quantile ? !(item.rank > 0 && item.rank < 1) : item.rank != 0) {
    return wrong(field + ".rank", "lies between 0 and 1 for quantile and is 0 for all others");
  }
  if (item.aggregate != Aggregate::histogram) {
    return item.edges.empty() ? Outcome() : wrong(field + ".edges", "belong to histogram only");
  }
  if (item.edges.size() < 2 || item.edges.size() > limits::kBins + 1) {
    return wrong(field + ".edges", "are too few or too many");
  }
  for (std::size_t i = 0; i < item.edges.size(); ++i) {
    if (!std::isfinite(item.edges[i]) || (i > 0 && !(item.edges[i - 1] < item.edges[i]))) {
      return wrong(field + ".edges", "are not finite and ascending");
    }
  }
  return {};
}

Outcome check_groups(const Question& question) {
  const std::vector<std::string>& keys = question.group_keys;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!rules::is_property_name(keys[i])) return wrong(at("groupKeys", i), "is not a name");
    if (std::find(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(i), keys[i]) !=
        keys.begin() + static_cast<std::ptrdiff_t>(i)) {
      return wrong(at("groupKeys", i), "is named twice");
    }
  }
  std::set<std::string> named(keys.begin(), keys.end());
  for (std::size_t i = 0; i < question.private_keys.size(); ++i) {
    const std::string& key = question.private_keys[i];
    if (!rules::is_property_name(key)) return wrong(at("privateKeys", i), "is not a name");
    if (!named.insert(key).second) return wrong(at("privateKeys", i), "is named twice");
  }
  std::set<std::uint32_t> cells;
  std::set<std::vector<std::string>> values;
  for (std::size_t i = 0; i < question.groups.size(); ++i) {
    const Group& group = question.groups[i];
    const std::string field = at("groups", i);
    if (group.values.size() != keys.size())
      return wrong(field + ".values", "are not one for each key");
    if (!std::all_of(group.values.begin(), group.values.end(), is_value)) {
      return wrong(field + ".values", "are not all clean UTF-8 of 1 to 255 bytes");
    }
    if (!values.insert(group.values).second)
      return wrong(field + ".values", "are those of another group");
    if (group.cells.empty()) return wrong(field + ".cells", "are missing");
    for (std::size_t c = 0; c < group.cells.size(); ++c) {
      if (c > 0 && group.cells[c - 1] >= group.cells[c])
        return wrong(field + ".cells", "do not ascend");
      if (!cells.insert(group.cells[c]).second)
        return wrong(field + ".cells", "are also in another group");
      if (cells.size() > limits::kCells) return wrong(field + ".cells", "are too many");
    }
  }
  return {};
}

Outcome check_window(const Question& question) {
  const TimeWindow& window = question.window;
  std::int64_t length = 0;
  if (window.to <= window.from) return wrong("toNs", "is not after fromNs");
  if (__builtin_sub_overflow(window.to.ns, window.from.ns, &length))
    return wrong("toNs", "is too far from fromNs");
  if (question.every) {
    if (question.every->ns <= 0 || length % question.every->ns != 0) {
      return wrong("everyNs", "does not divide the window");
    }
    if (length / question.every->ns > static_cast<std::int64_t>(limits::kCells)) {
      return wrong("everyNs", "cuts the window into too many cells");
    }
  }
  if (question.tick_count() * question.groups.size() > limits::kCells) {
    return wrong("groups", "times ticks are too many cells");
  }
  return {};
}

Outcome check_tree(const Question& question) {
  if (question.tree_height == 0) return {};
  if (question.tree_height > kTreeHeightMost) return wrong("treeHeight", "is more than 4");
  if (std::none_of(question.items.begin(), question.items.end(),
                   [](const Item& item) { return is_rank(item.aggregate); })) {
    return wrong("treeHeight", "belongs to min, max, median and quantile only");
  }
  return {};
}

Outcome check(const Question& question) {
  if (!is_local_id(question.export_name)) return wrong("exportName", "is not a local id");
  if (question.columns.size() > limits::kColumns) return wrong("columns", "are too many");
  for (std::size_t i = 0; i < question.columns.size(); ++i) {
    if (auto valid = check_column(at("columns", i), question.columns[i]); !valid) return valid;
  }
  if (question.items.empty() || question.items.size() > limits::kItems) {
    return wrong("items", "are none or too many");
  }
  for (std::size_t i = 0; i < question.items.size(); ++i) {
    auto valid = check_item(at("items", i), question.items[i], question.columns.size());
    if (!valid) return valid;
  }
  if (question.groups.empty() || question.groups.size() > limits::kCells) {
    return wrong("groups", "are none or too many");
  }
  if (auto valid = check_groups(question); !valid) return valid;
  if (auto valid = check_tree(question); !valid) return valid;
  return check_window(question);
}

// ---- To the wire.

void write(capnp::List<wire::PredicateNode>::Builder out, const Predicate& predicate) {
  for (unsigned i = 0; i < predicate.size(); ++i) {
    auto node = out[i];
    if (const auto* compare = std::get_if<Compare>(&predicate[i])) {
      auto to = node.initCompare();
      to.setColumn(compare->column);
      to.setComparison(static_cast<wire::Comparison>(compare->comparison));
      to.setConstant(compare->constant);
      continue;
    }
    switch (std::get<Connective>(predicate[i])) {
      case Connective::and_:
        node.setAnd();
        break;
      case Connective::or_:
        node.setOr();
        break;
      case Connective::not_:
        node.setNot();
        break;
    }
  }
}

void write(wire::Item::Builder out, const Item& item) {
  out.setAggregate(static_cast<wire::Aggregate>(item.aggregate));
  if (item.column) {
    out.setColumn(*item.column);
  } else if (!item.predicate.empty()) {
    write(out.initPredicate(static_cast<unsigned>(item.predicate.size())), item.predicate);
  } else {
    out.setMembers();
  }
  out.setRank(item.rank);
  if (item.edges.empty()) return;
  auto edges = out.initEdges(static_cast<unsigned>(item.edges.size()));
  for (unsigned i = 0; i < item.edges.size(); ++i) edges.set(i, item.edges[i]);
}

void write(wire::Group::Builder out, const Group& group) {
  if (!group.values.empty()) {
    auto values = out.initValues(static_cast<unsigned>(group.values.size()));
    for (unsigned i = 0; i < group.values.size(); ++i) values.set(i, group.values[i].c_str());
  }
  auto cells = out.initCells(static_cast<unsigned>(group.cells.size()));
  for (unsigned i = 0; i < group.cells.size(); ++i) cells.set(i, group.cells[i]);
}

void write(wire::Question::Builder out, const Question& question) {
  out.setExportName(question.export_name.c_str());
  out.setExportHash(data_of(question.export_hash.view()));
  if (!question.columns.empty()) {
    auto columns = out.initColumns(static_cast<unsigned>(question.columns.size()));
    for (unsigned i = 0; i < question.columns.size(); ++i) {
      const Column& column = question.columns[i];
      columns[i].setSignal(column.signal.c_str());
      columns[i].setReducer(static_cast<wire::Reducer>(column.reducer));
      columns[i].setLower(column.lower);
      columns[i].setUpper(column.upper);
      if (column.predicate.empty()) continue;
      write(columns[i].initPredicate(static_cast<unsigned>(column.predicate.size())),
            column.predicate);
    }
  }
  auto items = out.initItems(static_cast<unsigned>(question.items.size()));
  for (unsigned i = 0; i < question.items.size(); ++i) write(items[i], question.items[i]);
  if (!question.group_keys.empty()) {
    auto keys = out.initGroupKeys(static_cast<unsigned>(question.group_keys.size()));
    for (unsigned i = 0; i < question.group_keys.size(); ++i)
      keys.set(i, question.group_keys[i].c_str());
  }
  auto groups = out.initGroups(static_cast<unsigned>(question.groups.size()));
  for (unsigned i = 0; i < question.groups.size(); ++i) write(groups[i], question.groups[i]);
  out.setFromNs(question.window.from.ns);
  out.setToNs(question.window.to.ns);
  out.setEveryNs(question.every ? question.every->ns : 0);
  out.setRhoPerBlock(question.rho_per_block);
  out.setTreeHeight(question.tree_height);
  if (question.private_keys.empty()) return;
  auto keys = out.initPrivateKeys(static_cast<unsigned>(question.private_keys.size()));
  for (unsigned i = 0; i < keys.size(); ++i) keys.set(i, question.private_keys[i].c_str());
}

// ---- From the wire. Sizes are checked before anything is copied; the rules afterwards.

Result<Predicate> read(const std::string& field, capnp::List<wire::PredicateNode>::Reader in) {
  if (in.size() > limits::kPredicateNodes) return wrong(field, "has too many nodes");
  Predicate predicate;
  for (const auto node : in) {
    switch (node.which()) {
      case wire::PredicateNode::COMPARE: {
        const auto from = node.getCompare();
        const auto comparison = from_wire<Comparison>(kComparisons, from.getComparison());
        if (!comparison) return wrong(field, "compares in a way this version does not know");
        predicate.push_back(Compare{from.getColumn(), *comparison, from.getConstant()});
        break;
      }
      case wire::PredicateNode::AND:
        predicate.push_back(Connective::and_);
        break;
      case wire::PredicateNode::OR:
        predicate.push_back(Connective::or_);
        break;
      case wire::PredicateNode::NOT:
        predicate.push_back(Connective::not_);
        break;
      default:
        return wrong(field, "has a node this version does not know");
    }
  }
  return predicate;
}

Result<Column> read(const std::string& field, wire::Column::Reader in) {
  Column column;
  const auto reducer = from_wire<Reducer>(kReducers, in.getReducer());
  if (!reducer) return wrong(field + ".reducer", "is not known to this version");
  auto predicate = read(field + ".predicate", in.getPredicate());
  if (!predicate) return std::move(predicate).error();
  return Column{string_from(in.getSignal()), *reducer, in.getLower(), in.getUpper(),
                *std::move(predicate)};
}

Result<Item> read(const std::string& field, wire::Item::Reader in) {
  Item item;
  const auto aggregate = from_wire<Aggregate>(kAggregates, in.getAggregate());
  if (!aggregate) return wrong(field + ".aggregate", "is not known to this version");
  item.aggregate = *aggregate;
  switch (in.which()) {
    case wire::Item::MEMBERS:
      break;
    case wire::Item::COLUMN:
      item.column = in.getColumn();
      break;
    case wire::Item::PREDICATE: {
      auto predicate = read(field + ".predicate", in.getPredicate());
      if (!predicate) return std::move(predicate).error();
      if (predicate->empty()) return wrong(field + ".predicate", "is empty");
      item.predicate = *std::move(predicate);
      break;
    }
    default:
      return wrong(field, "has an argument this version does not know");
  }
  item.rank = in.getRank();
  if (in.getEdges().size() > limits::kBins + 1) return wrong(field + ".edges", "are too many");
  for (const double edge : in.getEdges()) item.edges.push_back(edge);
  return item;
}

Result<Question> read(wire::Question::Reader in) {
  Question question;
  question.export_name = string_from(in.getExportName());
  const auto hash = Hash256::from_bytes(view_of(in.getExportHash()));
  if (!hash) return wrong("exportHash", "is not 32 bytes");
  question.export_hash = *hash;
  if (in.getColumns().size() > limits::kColumns) return wrong("columns", "are too many");
  for (const auto column : in.getColumns()) {
    auto value = read(at("columns", question.columns.size()), column);
    if (!value) return std::move(value).error();
    question.columns.push_back(*std::move(value));
  }
  if (in.getItems().size() > limits::kItems) return wrong("items", "are none or too many");
  for (const auto item : in.getItems()) {
    auto value = read(at("items", question.items.size()), item);
    if (!value) return std::move(value).error();
    question.items.push_back(*std::move(value));
  }
  if (in.getGroupKeys().size() > limits::kItems) return wrong("groupKeys", "are too many");
  for (const auto key : in.getGroupKeys()) question.group_keys.push_back(string_from(key));
  if (in.getGroups().size() > limits::kCells) return wrong("groups", "are none or too many");
  for (const auto group : in.getGroups()) {
    Group value;
    if (group.getValues().size() > limits::kItems || group.getCells().size() > limits::kCells) {
      return wrong(at("groups", question.groups.size()), "is too large");
    }
    for (const auto text : group.getValues()) value.values.push_back(string_from(text));
    for (const std::uint32_t cell : group.getCells()) value.cells.push_back(cell);
    question.groups.push_back(std::move(value));
  }
  question.window = {{in.getFromNs()}, {in.getToNs()}};
  if (in.getEveryNs() != 0) question.every = Duration{in.getEveryNs()};
  question.rho_per_block = in.getRhoPerBlock();
  question.tree_height = in.getTreeHeight();
  if (in.getPrivateKeys().size() > limits::kExportKeys) return wrong("privateKeys", "are too many");
  for (const auto key : in.getPrivateKeys()) question.private_keys.push_back(string_from(key));
  return question;
}

}  // namespace

bool is_rank(Aggregate aggregate) {
  return aggregate == Aggregate::min || aggregate == Aggregate::max ||
         aggregate == Aggregate::median || aggregate == Aggregate::quantile;
}

std::string_view to_text(Aggregate aggregate) {
  return kAggregates.at(static_cast<std::size_t>(aggregate));
}
std::string_view to_text(Reducer reducer) {
  return kReducers.at(static_cast<std::size_t>(reducer));
}
std::string_view to_text(Comparison comparison) {
  return kComparisons.at(static_cast<std::size_t>(comparison));
}
std::optional<Aggregate> aggregate_from_text(std::string_view text) {
  return from_text<Aggregate>(kAggregates, text);
}
std::optional<Reducer> reducer_from_text(std::string_view text) {
  return from_text<Reducer>(kReducers, text);
}

std::size_t Question::tick_count() const {
  return every ? static_cast<std::size_t>(window.length().ns / every->ns) : 1;
}

TimeWindow Question::tick(std::size_t index) const {
  ENTENTE_CHECK(index < tick_count());
  if (!every) return window;
  const Instant from = window.from + *every * static_cast<std::int64_t>(index);
  return {from, from + *every};
}

Bytes canonical_bytes(const Question& question) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<wire::Question>();
  write(root, question);
  return canonicalize(root.asReader());
}

Result<Question> question_from_bytes(ByteView canonical) {
  auto question =
      with_canonical<wire::Question>(canonical, ErrorCode::invalid_argument, "question",
                                     [](wire::Question::Reader in) { return read(in); });
  if (!question) return question;
  if (auto valid = check(*question); !valid) return std::move(valid).error();
  // A null list and an empty one are both canonical; one value shall have one form all the same.
  const Bytes again = canonical_bytes(*question);
  if (!std::equal(again.begin(), again.end(), canonical.begin(), canonical.end())) {
    return make_error(ErrorCode::invalid_argument,
                      "these bytes are not the one form of this question");
  }
  return question;
}

Hash256 question_hash(ByteView canonical) {
  return hash("entente question v1", canonical);
}

}  // namespace entente
