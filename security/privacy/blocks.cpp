#include "security/privacy/blocks.h"

#include "schemas/base/limits.h"
#include "schemas/base/zone.h"

namespace entente::security {

Result<std::vector<BlockWeight>> weigh_blocks(const std::vector<TimeWindow>& ticks, Duration block,
                                              std::string_view zone) {
  if (block.ns == 0) return std::vector<BlockWeight>{{kLifetimeBlock, ticks.size()}};
  if (auto fits = check_step(block, zone); !fits) return std::move(fits).error();
  std::vector<BlockWeight> blocks;
  Instant end{INT64_MIN};  // of the last block in `blocks`
  for (const TimeWindow& tick : ticks) {
    std::size_t first = blocks.size();
    if (!blocks.empty() && tick.from < end) {
      first = blocks.size() - 1;
    } else {
      blocks.push_back({step_begin(tick.from, block, zone), 0});
      end = step_end(tick.from, block, zone);
    }
    while (end < tick.to) {
      blocks.push_back({end, 0});
      end = step_end(end, block, zone);
      if (blocks.size() > limits::kBlocks) {
        return make_error(
            ErrorCode::shape_refused,
            "the window touches more than " + std::to_string(limits::kBlocks) + " blocks");
      }
    }
    const std::uint64_t weight = blocks.size() - first > 1 ? 4 : 1;
    for (std::size_t i = first; i < blocks.size(); ++i) blocks[i].weight += weight;
  }
  if (blocks.size() > limits::kBlocks) {
    return make_error(ErrorCode::shape_refused, "the window touches too many blocks");
  }
  return blocks;
}

}  // namespace entente::security
