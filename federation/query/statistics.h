// From a question to the integers that answer it: which coordinates each cell's vector has, on
// which lattice, with what sensitivity and noise.
//
// Everything here follows from the question and the export's public description alone, so that
// asker and site compute the same. A coordinate that several items read is there once: mean,
// variance and stddev of one column share its sum and its count, median, quantiles, min and max one
// tree. The k coordinates share one charge equally (privacy.md 2.3):
// sigma_j = Delta_j sqrt(k M / (2 rho)), where M is the weight of the block that is touched most.
// Where a unit may be counted in G groups (contribution.h), it moves G cells of a tick: k becomes k
// G. Exponents are chosen so that sigma is at least 2^10 steps: rounding sigma^2 up then costs
// nothing. Threads: any; pure.
//
// Wide coordinates. A histogram's bins are one coordinate of many integers, and so is each level of
// a tree of ranks: a unit has one value, so it moves one integer of them by one, and Delta is 1 as
// if there were one integer. A tree of height h is h such coordinates: alone, equal split makes its
// noise sigma^2 = h / (2 rho), the tree's own rule (security/privacy/rank_tree.h). Where a cell
// straddles blocks a unit may leave one integer for another, sqrt(2) in L2, within the 2 Delta that
// such cells pay for.
//
// Squares. A unit adds q^2 - floor(W^2 / 2), q its value in steps from the middle of its bounds,
// |q| <= W: an integer within ceil(W^2 / 2). Its lattice is coarser than a sum's, since the noise
// is as wide as W^2: W is chosen for a sigma of 2^20 to 2^24 steps (of squared length).
#pragma once

#include <vector>

#include "schemas/agreement.h"
#include "schemas/answer.h"
#include "schemas/question.h"
#include "security/privacy/blocks.h"
#include "security/privacy/lattice.h"

namespace entente::federation {

// What one coordinate counts or sums over the units of a cell.
enum class StatisticKind {
  members,      // every unit
  present,      // units whose column has a value
  satisfying,   // units for which the predicate holds
  decided,      // units for which every column of the predicate has a value
  sum,          // of the column, from zero
  centred_sum,  // of the column, from the middle of its bounds
  squares,      // of the column's distance from there, each less half of the largest
  bins,         // units by the histogram's bin
  tree_level,   // units by the node of one level
};
// In steps each unit counts as lattice.bound(), or not at all.
bool counts_units(StatisticKind kind);

struct StatisticShape {
  StatisticKind kind = StatisticKind::members;
  // That read it; its predicate or edges are the first one's. None: it only names groups.
  std::vector<std::size_t> items;
  std::uint16_t column = 0;  // of what has one
  std::uint8_t level = 0;    // tree_level: 1 for the 16 nodes at the top, …
  std::uint32_t width = 1;   // how many integers
};

struct StatisticLayout : StatisticShape {
  security::Lattice lattice;   // of one unit's value; counts use steps too: one unit is its bound
  std::uint64_t variance = 0;  // of the noise on each integer, in squared steps

  // Of the released integers: what one unit moves one by at most, and the length of a step.
  std::int64_t bound() const;
  int exponent() const;
};

// The items' coordinates in the items' order: count: satisfying, or members; share: satisfying,
// decided; sum: sum; mean: centred_sum, present; variance, stddev: centred_sum, present, squares;
// histogram: bins; min, max, median, quantile: every tree_level, ascending. The members of a plan
// all have the same. With private keys: members, by which groups are named, last if no item has it.
std::vector<StatisticShape> shapes_of(const Question& question);
// Of one cell's vector; shapes or layouts.
template <class Shape>
std::size_t integers_of(const std::vector<Shape>& shapes) {
  std::size_t integers = 0;
  for (const StatisticShape& shape : shapes) integers += shape.width;
  return integers;
}

// Refuses: epsilon_refused (rho 0, or so small that the noise cannot be drawn), shape_refused (sums
// that could overflow, bounds too close together for a tree, a tree without a height).
[[nodiscard]] Result<std::vector<StatisticLayout>> lay_out(const Question& question,
                                                           const ExportView& view);

// The blocks the question's ticks touch with their weights; the largest weight.
[[nodiscard]] Result<std::vector<security::BlockWeight>> weigh(const Question& question,
                                                               const ExportView& view);
std::uint64_t heaviest(const std::vector<security::BlockWeight>& blocks);

}  // namespace entente::federation
