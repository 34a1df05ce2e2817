#include "security/privacy/noise_pool.h"

#include <sodium.h>

#include <algorithm>
#include <optional>

#include "schemas/base/check.h"
#include "security/privacy/noise_grid.h"

namespace entente::security {
namespace {

// Draws between two looks at the lock: the taker waits for a copy of this many at most.
constexpr std::size_t kBatch = 256;

}  // namespace

NoisePool::NoisePool(Random& random, Options options)
    : options_(std::move(options)), own_(random), refills_(random) {
  ENTENTE_CHECK(options_.draws >= 2);
  pools_.with([](Pools& pools) { pools.forks = forks_so_far(); });
}

NoisePool::~NoisePool() {
  pools_.with([](Pools& pools) {
    for (Pool& pool : pools.pools) wipe(pool.draws);
  });
}

void NoisePool::wipe(std::vector<std::int64_t>& draws) {
  if (!draws.empty()) sodium_memzero(draws.data(), draws.size() * sizeof draws[0]);
  draws.clear();
}

void NoisePool::forget_the_parents(Pools& pools) {
  const std::uint64_t forks = forks_so_far();
  if (pools.forks == forks) return;
  pools.forks = forks;
  for (Pool& pool : pools.pools) wipe(pool.draws);
}

NoisePool::Pool& NoisePool::pool_of(Pools& pools, std::uint64_t variance) const {
  Pool* idlest = &pools.pools[0];
  for (Pool& pool : pools.pools) {
    if (pool.variance == variance) return pool;
    if (pool.used_at < idlest->used_at) idlest = &pool;
  }
  wipe(idlest->draws);
  idlest->variance = variance;
  idlest->draws.reserve(options_.draws);  // never moved: nothing is left where it was
  return *idlest;
}

std::int64_t NoisePool::gaussian(std::uint64_t variance) {
  if (!on_grid(variance)) {
    ++drawn_by_taker_;
    return own_.gaussian(variance);
  }
  bool low = false;
  const auto draw = pools_.with([&](Pools& pools) -> std::optional<std::int64_t> {
    forget_the_parents(pools);
    Pool& pool = pool_of(pools, variance);
    pool.used_at = ++pools.takes;
    low = pool.draws.size() <= options_.draws / 2;
    if (pool.draws.empty()) return {};
    const std::int64_t latest = pool.draws.back();
    sodium_memzero(&pool.draws.back(), sizeof latest);
    pool.draws.pop_back();
    return latest;
  });
  if (low) ask_for_more();
  if (draw) {
    ++taken_;
    return *draw;
  }
  ++drawn_by_taker_;
  return own_.gaussian(variance);
}

std::int64_t NoisePool::laplace(std::uint64_t scale) {
  return own_.laplace(scale);
}

void NoisePool::ask_for_more() {
  if (!options_.schedule || scheduled_.exchange(true)) return;
  if (!options_.schedule()) scheduled_ = false;  // refused: the next take asks again
}

void NoisePool::refill() {
  scheduled_ = false;  // what is asked for from now on may come too late for this round
  const std::unique_lock lock(refilling_, std::try_to_lock);
  if (!lock) return;
  std::array<std::int64_t, kBatch> batch{};
  struct Wiped {
    std::array<std::int64_t, kBatch>& batch;
    ~Wiped() { sodium_memzero(batch.data(), sizeof batch); }
  } wiped{batch};
  for (std::size_t i = 0; i < kNoisePools; ++i) {
    for (;;) {
      std::uint64_t variance = 0;
      const std::size_t missing = pools_.with([&](Pools& pools) -> std::size_t {
        forget_the_parents(pools);
        variance = pools.pools[i].variance;
        return variance == 0 ? 0 : options_.draws - pools.pools[i].draws.size();
      });
      const std::size_t count = std::min(missing, kBatch);
      if (count == 0) break;
      for (std::size_t d = 0; d < count; ++d) batch[d] = refills_.gaussian(variance);
      pools_.with([&](Pools& pools) {
        Pool& pool = pools.pools[i];
        if (pool.variance != variance) return;  // it made room for another meanwhile
        const std::size_t room = options_.draws - pool.draws.size();
        pool.draws.insert(pool.draws.end(), batch.begin(),
                          batch.begin() + static_cast<std::ptrdiff_t>(std::min(count, room)));
      });
    }
  }
}

}  // namespace entente::security
