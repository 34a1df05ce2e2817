#include "security/privacy/dyadic.h"

#include <algorithm>
#include <bit>

#include "schemas/base/check.h"

namespace entente::security {

std::vector<DyadicNode> dyadic_nodes(TickRange range, int level_most) {
  ENTENTE_CHECK(level_most >= 0 && level_most <= kDyadicLevelMost);
  ENTENTE_CHECK(range.to <= (std::uint64_t{1} << 62));
  std::vector<DyadicNode> nodes;
  for (std::uint64_t at = range.from; at < range.to;) {
    int level = at == 0 ? level_most : std::min(std::countr_zero(at), level_most);
    while ((std::uint64_t{1} << level) > range.to - at) --level;
    nodes.push_back({level, at >> level});
    at += std::uint64_t{1} << level;
  }
  return nodes;
}

int dyadic_level_of(std::uint64_t ticks) {
  ENTENTE_CHECK(ticks >= 1);
  return std::min(static_cast<int>(std::bit_width(ticks)) - 1, kDyadicLevelMost);
}

std::uint64_t dyadic_squares(std::uint32_t unit_ticks, int level) {
  ENTENTE_CHECK(level >= 0 && level <= kDyadicLevelMost && unit_ticks <= (1u << 20));
  const std::uint64_t size = std::uint64_t{1} << level;
  const std::uint64_t whole = unit_ticks / size, rest = unit_ticks % size;
  return whole * size * size + rest * rest;
}

std::uint64_t dyadic_weight(std::uint32_t unit_ticks, int level_most) {
  std::uint64_t weight = 0;
  for (int level = 0; level <= level_most; ++level) weight += dyadic_squares(unit_ticks, level);
  return weight;
}

}  // namespace entente::security
