// The pool hands out each draw once, of the right distribution, from any interleaving of the taking
// thread and the one that refills.
#include "security/privacy/noise_pool.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <stdexcept>
#include <thread>

#include "schemas/base/random.h"
#include "security/privacy/noise_grid.h"
#include "tests/support/noise_checks.h"

using namespace entente;
using namespace entente::security;

namespace {

constexpr std::uint64_t kWide = std::uint64_t{1} << 50;  // equal draws are one in 10^7

class NoRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    if (broken) throw std::runtime_error("no entropy");
    inner_.fill(out);
  }
  bool broken = false;

 private:
  SeededRandom inner_{4};
};

}  // namespace

TEST_SUITE("security/noise_pool") {
  TEST_CASE("draws from the pool and past it follow the exact probabilities") {
    SeededRandom random(1);
    NoisePool pool(random, {64, {}});
    std::size_t draws = 0;
    const auto cells = test::cells_of(test::discrete_gaussian(20), 0.002);
    const auto draw = [&] {
      if (draws++ % 100 == 0) pool.refill();
      return pool.gaussian(20);
    };
    CHECK(test::p_value(cells, 150'000, draw) > 1e-6);
    CHECK(pool.taken() > 90'000);
    CHECK(pool.drawn_by_taker() > 50'000);
    CHECK(pool.taken() + pool.drawn_by_taker() == 150'000);
    const auto laplace = test::cells_of(test::discrete_laplace(7), 0.002);
    CHECK(test::p_value(laplace, 100'000, [&] { return pool.laplace(7); }) > 1e-6);
  }

  TEST_CASE("no draw is handed out twice") {
    SeededRandom random(2);
    NoisePool pool(random, {512, {}});
    std::set<std::int64_t> seen;
    pool.gaussian(kWide);
    for (int round = 0; round < 4; ++round) {
      pool.refill();
      pool.refill();  // full: draws nothing
      for (int i = 0; i < 600; ++i) seen.insert(pool.gaussian(kWide));
    }
    CHECK(pool.taken() == 4 * 512);
    CHECK(seen.size() > 4 * 600 - 3);
  }

  TEST_CASE("an empty pool does not wait and is counted") {
    SeededRandom random(3);
    NoisePool pool(random, {8, {}});
    for (int i = 0; i < 5; ++i) pool.gaussian(4);
    CHECK(pool.drawn_by_taker() == 5);
    pool.refill();
    for (int i = 0; i < 10; ++i) pool.gaussian(4);
    CHECK(pool.taken() == 8);
    CHECK(pool.drawn_by_taker() == 7);
    // Off the grid there is no pool.
    REQUIRE_FALSE(on_grid(1'000'003));
    for (int i = 0; i < 3; ++i) pool.gaussian(1'000'003), pool.refill();
    CHECK(pool.drawn_by_taker() == 10);
  }

  TEST_CASE("a refill is asked for once when a pool is half empty, and again when refused") {
    SeededRandom random(5);
    int asked = 0;
    bool accepts = false;
    NoisePool pool(random, {8, [&] { return ++asked, accepts; }});
    pool.gaussian(4);
    pool.gaussian(4);
    CHECK(asked == 2);  // refused, so asked again
    accepts = true;
    pool.gaussian(4);
    pool.gaussian(4);
    CHECK(asked == 3);
    pool.refill();
    for (int i = 0; i < 3; ++i) pool.gaussian(4);
    CHECK(asked == 3);  // more than half
    for (int i = 0; i < 5; ++i) pool.gaussian(4);
    CHECK(asked == 4);
  }

  TEST_CASE("more variances than pools replace the idlest and stay right") {
    SeededRandom random(6);
    NoisePool pool(random, {4, {}});
    std::vector<std::uint64_t> variances;
    for (std::uint64_t v = 1'000; variances.size() < 3 * kNoisePools; v = grid_variance(v) + 1) {
      variances.push_back(grid_variance(v));
    }
    for (int round = 0; round < 3; ++round) {
      for (const std::uint64_t variance : variances) {
        pool.gaussian(variance);
        pool.refill();
        const double draw = static_cast<double>(pool.gaussian(variance));
        CHECK(draw * draw < 64 * static_cast<double>(variance));  // of this variance, not another
      }
    }
    CHECK(pool.taken() == 3 * variances.size());
    // The latest kNoisePools are there; the first ones made room.
    const std::uint64_t taken = pool.taken();
    pool.gaussian(variances.back());
    CHECK(pool.taken() == taken + 1);
    pool.gaussian(variances.front());
    CHECK(pool.taken() == taken + 1);
  }

  TEST_CASE("one thread takes while others refill") {
    SystemRandom random;
    NoisePool pool(random, {256, {}});
    std::atomic<bool> done{false};
    std::vector<std::thread> workers;
    for (int i = 0; i < 2; ++i) {
      workers.emplace_back([&] {
        while (!done) pool.refill(), std::this_thread::yield();
      });
    }
    std::set<std::int64_t> seen;
    for (int i = 0; i < 20'000; ++i) {
      seen.insert(pool.gaussian(kWide));
      pool.gaussian(grid_variance(static_cast<std::uint64_t>(1 + i % 7'000)));
    }
    done = true;
    for (std::thread& worker : workers) worker.join();
    CHECK(pool.taken() + pool.drawn_by_taker() == 40'000);
    CHECK(seen.size() > 19'950);  // about two pairs are equal by chance
  }

  TEST_CASE("nothing is drawn without entropy and what was drawn before stays") {
    NoRandom random;
    random.broken = true;
    NoisePool pool(random, {300, {}});
    CHECK_THROWS(pool.gaussian(16));
    CHECK_THROWS(pool.refill());
    CHECK_THROWS(pool.gaussian(16));
    random.broken = false;
    pool.refill();
    random.broken = true;
    const std::uint64_t before = pool.taken();
    for (int i = 0; i < 300; ++i) pool.gaussian(16);
    CHECK(pool.taken() == before + 300);
    CHECK_THROWS(pool.gaussian(16));
  }

  TEST_CASE("a forked child never hands out its parent's draws") {
    SystemRandom random;
    NoisePool pool(random, {64, {}});
    pool.gaussian(kWide);
    pool.refill();
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    constexpr std::size_t kDraws = 64;
    if (child == 0) {
      std::int64_t draws[kDraws + 1];
      for (std::size_t i = 0; i < kDraws; ++i) draws[i] = pool.gaussian(kWide);
      draws[kDraws] = static_cast<std::int64_t>(pool.taken());
      const bool sent = write(ends[1], draws, sizeof draws) == sizeof draws;
      _exit(sent ? 0 : 1);
    }
    std::int64_t theirs[kDraws + 1];
    REQUIRE(read(ends[0], theirs, sizeof theirs) == sizeof theirs);
    REQUIRE(waitpid(child, nullptr, 0) == child);
    close(ends[0]);
    close(ends[1]);
    CHECK(theirs[kDraws] == 0);
    std::set<std::int64_t> ours;
    for (std::size_t i = 0; i < kDraws; ++i) ours.insert(pool.gaussian(kWide));
    CHECK(pool.taken() == kDraws);
    for (std::size_t i = 0; i < kDraws; ++i) CHECK_FALSE(ours.contains(theirs[i]));
  }
}
