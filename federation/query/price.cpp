#include "federation/query/price.h"

#include <algorithm>

#include "security/privacy/blocks.h"

namespace entente::federation {

Result<Price> price_of(const Question& question, const ExportView& view) {
  auto layout = lay_out(question, view);
  if (!layout) return std::move(layout).error();
  auto blocks = weigh(question, view);
  if (!blocks) return std::move(blocks).error();
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
