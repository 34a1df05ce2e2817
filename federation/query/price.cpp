#include "federation/query/price.h"

#include <algorithm>

#include "schemas/base/limits.h"
#include "security/privacy/blocks.h"

namespace entente::federation {

namespace {

// What the release's canonical bytes come to, at most: so that nobody pays for an answer that is
// too long to be read.
Outcome check_size(const Question& question, std::size_t statistics, std::size_t blocks) {
  constexpr std::size_t kFixed = 1'024, kCell = 16, kEach = 16, kMantissa = 8;
  const std::size_t cells = question.groups.size() * question.tick_count();
  const std::size_t bytes =
      kFixed + cells * (kCell + kMantissa * statistics) + kEach * (statistics + blocks);
  if (bytes <= limits::kReleaseBytes) return {};
  return make_error(ErrorCode::shape_refused,
                    "the answer would have " + std::to_string(bytes) + " bytes, at most " +
                        std::to_string(limits::kReleaseBytes) + " are sent",
                    "ask with fewer groups, ticks or items");
}

}  // namespace

Result<Price> price_of(const Question& question, const ExportView& view) {
  auto layout = lay_out(question, view);
  if (!layout) return std::move(layout).error();
  auto blocks = weigh(question, view);
  if (!blocks) return std::move(blocks).error();
  if (auto fits = check_size(question, layout->size(), blocks->size()); !fits) {
    return std::move(fits).error();
  }
  Price price;
  for (const StatisticLayout& one : *layout) {
    price.statistics.push_back({one.lattice.exponent(), one.variance});
  }
  price.layout = std::move(*layout);
  const std::uint64_t most = heaviest(*blocks);
  for (const security::BlockWeight& block : *blocks) {
    const unsigned __int128 share =
        static_cast<unsigned __int128>(question.rho_per_block) * block.weight;
    price.charges.push_back({block.start, {static_cast<std::uint64_t>((share + most - 1) / most)}});
  }
  return price;
}

}  // namespace entente::federation
