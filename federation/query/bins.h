// The bins of a histogram: [edge, next edge), the last one with its upper edge.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

namespace entente::federation {

// Nothing below the first edge and above the last. `edges` ascend, at least two; `value` is not
// NaN.
inline std::optional<std::size_t> bin_of(const std::vector<double>& edges, double value) {
  if (value < edges.front() || value > edges.back()) return {};
  const auto above = std::upper_bound(edges.begin(), edges.end(), value);
  return std::min(static_cast<std::size_t>(above - edges.begin()), edges.size() - 1) - 1;
}

}  // namespace entente::federation
