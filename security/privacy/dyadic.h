// Windows over a stream of ticks as few dyadic nodes, and what such a stream costs.
//
// Node (level, index) covers the ticks [index 2^level, (index + 1) 2^level). A feed that releases
// the nodes of levels 0 to L once can answer every window from a few of them, where per-tick
// buckets would add up the noise of every tick (privacy.md 2.9). A window of r ticks takes at most
// log2(r) + 1 nodes of levels up to floor(log2 r) (r a power of two); worth it from r = 64 on.
//
// Charge [D]: a unit that contributes up to m in each of T contiguous ticks moves, at one level,
// the nodes by n_1, n_2, … with n_i <= 2^level and sum n_i = T, so by
//   q 4^level + s^2   (q = T div 2^level, s = T mod 2^level)   times m^2
// in squared L2 at most, since the sum of squares is convex; a unit that begins at a node's begin
// attains it. That is T 2^level for whole nodes and T^2 below one, as privacy.md 2.3 says; all
// levels together add up, since the noise is drawn for each node apart. Threads: any; pure.
#pragma once

#include <cstdint>
#include <vector>

namespace entente::security {

inline constexpr int kDyadicLevelMost = 20;

struct DyadicNode {
  int level = 0;
  std::uint64_t index = 0;
  std::uint64_t begin() const { return index << level; }
  std::uint64_t end() const { return (index + 1) << level; }
  bool operator==(const DyadicNode&) const = default;
};

// Ticks [from, to).
struct TickRange {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

// The fewest nodes of levels 0 to `level_most` that make up the range, ascending; none for an
// empty one. 0 <= level_most <= kDyadicLevelMost, range.to <= 2^62 (a bug otherwise).
std::vector<DyadicNode> dyadic_nodes(TickRange range, int level_most);

// The highest level that a window of r >= 1 ticks can use: floor(log2 r), kDyadicLevelMost at most.
int dyadic_level_of(std::uint64_t ticks);

// The squared L2 sensitivity of one level, for m = 1 and a unit of T <= 2^20 ticks; and of levels 0
// to `level_most` together, which is what one node's rho is multiplied by when all have one
// variance: level_most + 1 for a unit of one tick.
std::uint64_t dyadic_squares(std::uint32_t unit_ticks, int level);
std::uint64_t dyadic_weight(std::uint32_t unit_ticks, int level_most);

}  // namespace entente::security
