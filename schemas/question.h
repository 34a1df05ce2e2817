// A planned question as one site receives it, and its wire form (schemas/wire/question.capnp).
//
// Everything is absolute: instants, bounds, public cells by index. WHERE and GROUP BY have become
// `groups`: which public cells of the export make up each group. Two sentences that mean the same
// have the same canonical bytes. Conversions are total and refuse (invalid_argument) with the field
// that is wrong: unordered or repeated cells, indices out of range, non-finite numbers, empty
// windows, an `every` that does not divide the window, more than limits::kCells cells, trees of
// ranks higher than kTreeHeightMost or for no item.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente {

enum class Aggregate {
  count,
  share,
  sum,
  mean,
  variance,
  stddev,
  min,
  max,
  median,
  quantile,
  histogram
};
enum class Reducer { mean, delta, last, min, max, sum, median, duration };
enum class Comparison { less, less_equal, greater, greater_equal, equal, not_equal };

// Answered from a tree of ranks: min, max, median, quantile.
bool is_rank(Aggregate aggregate);
inline constexpr std::uint8_t kTreeHeightMost = 4;

std::string_view to_text(Aggregate aggregate);
std::string_view to_text(Reducer reducer);
std::string_view to_text(Comparison comparison);  // "<", "<=", …
std::optional<Aggregate> aggregate_from_text(std::string_view text);
std::optional<Reducer> reducer_from_text(std::string_view text);

// `column` indexes Question::columns; in the predicate of a duration column it is ignored and the
// reading itself is compared.
struct Compare {
  std::uint16_t column = 0;
  Comparison comparison = Comparison::less;
  double constant = 0;
  bool operator==(const Compare&) const = default;
};
enum class Connective { and_, or_, not_ };
// Postfix: operands first, the root last.
using PredicateNode = std::variant<Compare, Connective>;
using Predicate = std::vector<PredicateNode>;

// One folded value per unit and cell.
struct Column {
  std::string signal;
  Reducer reducer = Reducer::mean;
  double lower = 0;  // the plan's bounds; a value beyond is clamped
  double upper = 0;
  Predicate predicate;  // Reducer::duration only
  bool operator==(const Column&) const = default;
};

struct Item {
  Aggregate aggregate = Aggregate::count;
  // none: count(*); column: e; predicate: count(c), share(c).
  std::optional<std::uint16_t> column;
  Predicate predicate;
  double rank = 0;            // quantile
  std::vector<double> edges;  // histogram
  bool operator==(const Item&) const = default;
};

struct Group {
  std::vector<std::string> values;   // one per group key
  std::vector<std::uint32_t> cells;  // indices into ExportView::cells, ascending, not empty
  bool operator==(const Group&) const = default;
};

struct Question {
  std::string export_name;
  Hash256 export_hash;
  std::vector<Column> columns;
  std::vector<Item> items;
  std::vector<std::string> group_keys;
  std::vector<Group> groups;
  TimeWindow window;
  std::optional<Duration> every;
  std::uint64_t rho_per_block = 0;  // 2^-40 rho; 0 in local, exact questions
  // Levels of the trees from which a release answers min, max, median and quantile: one number for
  // all members of a plan, so that their trees can be added. 0 where none is asked for.
  std::uint8_t tree_height = 0;
  // Private keys of the export (ExportView::private_keys): the site splits every group by their
  // values, and names those that enough units share. One site's questions only.
  std::vector<std::string> private_keys = {};

  std::size_t tick_count() const;
  TimeWindow tick(std::size_t index) const;
  bool operator==(const Question&) const = default;
};

Bytes canonical_bytes(const Question& question);
[[nodiscard]] Result<Question> question_from_bytes(ByteView canonical);
Hash256 question_hash(ByteView canonical);

}  // namespace entente
