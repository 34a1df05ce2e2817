// Noise that was drawn before anybody asked for it, so that no answer's time depends on the draw.
//
// The time that rejection takes grows with |noise| (privacy.md 1 and 2.4), and whoever knows the
// noise knows the figure. So each variance of the grid (noise_grid.h) has a pool of draws; taking
// one takes the same time whatever it is. A pool comes into being when its variance is first asked
// for; until it is filled, and when it is empty, the taker draws itself, which is right but slower,
// and is counted. Variances off the grid, and Laplace noise, are never pooled.
//
// Scheduling: when a pool is less than half full, the taker calls `schedule`, which is to have
// refill() run soon on a worker, and returns whether it will; nothing is scheduled twice. The
// daemon posts it to its workers. Without `schedule` the caller calls refill() when it likes.
//
// Each draw is handed out once and wiped from the pool in the same step; the rest is wiped when the
// pool is destroyed, replaced, or found in a forked child, which never hands out its parent's
// draws. Threads: refill() any, one at a time (a second returns at once); gaussian() and laplace()
// one at a time, at the same time as refill().
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "schemas/base/guarded.h"
#include "security/privacy/noise.h"

namespace entente::security {

inline constexpr std::size_t kNoisePools = 32;         // variances; the idlest makes room
inline constexpr std::size_t kNoisePoolDraws = 8'192;  // of each: 64 KiB

class NoisePool final : public NoiseSource {
 public:
  struct Options {
    std::size_t draws = kNoisePoolDraws;  // 2 at least
    std::function<bool()> schedule;       // called by the taking thread, without a lock
  };
  // `random` is used by the taking thread and by refill(): its fill() must be safe from both.
  NoisePool(Random& random, Options options);
  ~NoisePool() override;
  NoisePool(const NoisePool&) = delete;
  NoisePool& operator=(const NoisePool&) = delete;

  std::int64_t gaussian(std::uint64_t variance) override;
  std::int64_t laplace(std::uint64_t scale) override;

  // Fills every pool. What `random` throws passes through; what was drawn before stays.
  void refill();

  // How many Gaussians came from a pool, and how many the taker drew itself.
  std::uint64_t taken() const { return taken_.load(); }
  std::uint64_t drawn_by_taker() const { return drawn_by_taker_.load(); }

 private:
  struct Pool {
    std::uint64_t variance = 0;  // 0: none
    std::uint64_t used_at = 0;   // in takes
    std::vector<std::int64_t> draws;
  };
  struct Pools {
    std::array<Pool, kNoisePools> pools;
    std::uint64_t takes = 0;
    std::uint64_t forks = 0;  // that had led to the process when they were drawn
  };
  static void wipe(std::vector<std::int64_t>& draws);
  static void forget_the_parents(Pools& pools);
  Pool& pool_of(Pools& pools, std::uint64_t variance) const;
  void ask_for_more();

  Options options_;
  Guarded<Pools> pools_;
  ExactNoise own_;  // the taking thread's
  std::mutex refilling_;
  ExactNoise refills_;  // under refilling_
  std::atomic<bool> scheduled_{false};
  std::atomic<std::uint64_t> taken_{0};
  std::atomic<std::uint64_t> drawn_by_taker_{0};
};

}  // namespace entente::security
