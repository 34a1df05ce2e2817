// The time at which an answer leaves must say nothing about its noise (privacy.md 2.4 and 3.5): the
// correlation of what an asker can measure with the size of the noise, over many answers of one
// gate. Jin et al. (2022) recover private sums from the time that a sampler takes.
//
// `./tests/run` asks a share; ENTENTE_TIMING_QUERIES=100000 asks as often as the figure of 0.01
// needs.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "federation/ask/disclosure_gate.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

std::size_t queries() {
  const char* asked = std::getenv("ENTENTE_TIMING_QUERIES");
  return asked == nullptr ? 1'000 : static_cast<std::size_t>(std::strtoull(asked, nullptr, 10));
}

// What independent pairs exceed with a probability below 1e-4, and 0.01 at 100,000 and more.
double allowed(std::size_t pairs) {
  return std::max(0.01, 4 / std::sqrt(static_cast<double>(pairs)));
}

// Ties are broken by lot.
std::vector<double> ranks(const std::vector<double>& values, std::uint32_t seed) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size(); ++i) ranks[order[i]] = static_cast<double>(i);
  return ranks;
}

// Of ranks (Spearman), so that a few interruptions of the process hide nothing.
double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto a = ranks(x, 1), b = ranks(y, 2);
  const auto n = static_cast<double>(a.size());
  const double mean = (n - 1) / 2;
  double covariance = 0, variance = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    covariance += (a[i] - mean) * (b[i] - mean);
    variance += (a[i] - mean) * (a[i] - mean);
  }
  return covariance / variance;
}

// The wall stands still, so that one envelope stays fresh; time itself runs.
class StandingClock final : public Clock {
 public:
  explicit StandingClock(Instant now) : now_(now) {}
  Instant now() const override { return now_; }
  Duration steady() const override { return system_.steady(); }

 private:
  Instant now_;
  SystemClock system_;
};

class ManyMonitors final : public TwinSource {
 public:
  Result<FoldedTable> fold(const FoldRequest& request) const override {
    FoldedTable table{request.ticks.size(), request.columns.size(), {}};
    for (std::uint32_t i = 0; i < 28; ++i) table.units.push_back({i < 8 ? 0u : 1u, {50.0 + i}});
    return table;
  }
};

// Forgets every release, so that each question is drawn anew; keeps the latest for the test.
class Forgetful final : public ReleaseStore {
 public:
  Result<ReleaseStanding> inquire(const ReleaseInquiry&) const override {
    return ReleaseStanding{};
  }
  std::vector<BlockAmount> left(const ReleaseInquiry&) const override { return {}; }
  void commit(ReleaseInquiry, std::function<Bytes()> draw,
              std::function<void(Result<CommittedRelease>)> done) override {
    CommittedRelease committed;
    committed.release = draw();
    const auto release = release_from_bytes(committed.release);
    drawn = static_cast<double>(release->cells.at(0).mantissas.at(0));
    done(std::move(committed));
  }
  void note(const ReleaseInquiry&, std::string_view) override {}

  double drawn = 0;
};

// An unprotected sampler made worse: it takes so long for every sigma.
class SlowWhenLarge final : public security::NoiseSource {
 public:
  SlowWhenLarge(security::NoiseSource& noise, std::chrono::microseconds a_sigma)
      : noise_(noise), a_sigma_(a_sigma) {}
  std::int64_t gaussian(std::uint64_t variance) override {
    const std::int64_t drawn = noise_.gaussian(variance);
    const double sigmas =
        std::fabs(static_cast<double>(drawn)) / std::sqrt(static_cast<double>(variance));
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::microseconds(static_cast<std::int64_t>(
                                               sigmas * static_cast<double>(a_sigma_.count())));
    while (std::chrono::steady_clock::now() < until) {
    }
    return drawn;
  }
  std::int64_t laplace(std::uint64_t scale) override { return noise_.laplace(scale); }

 private:
  security::NoiseSource& noise_;
  std::chrono::microseconds a_sigma_;
};

// Asks one gate again and again, one question at a time; the correlation of each answer's latency
// with the size of its first figure's noise.
double leak(security::NoiseSource& noise, Duration grid, std::size_t count) {
  TwoOrganisations both;
  const Bytes envelope = both.signed_bytes(both.envelope(both.question(kMeanByState)));
  const StandingClock clock(both.now);
  Loop loop;
  Workers workers(1);
  ManyMonitors twins;
  Forgetful releases;
  GateObserver observer;
  SystemRandom random;
  const auto answer_key = security::SigningKey::generate(random);
  const auto site = both.site();
  DisclosureGate gate({loop, workers, clock, twins, releases, answer_key, noise,
                       [site] { return site; }, observer, grid});
  std::vector<double> latency, drawn;
  for (std::size_t i = 0; i < count; ++i) {
    const Duration sent = clock.steady();
    bool answered = false;
    loop.run(gate.answer(both.peer(), envelope).then([&](DisclosureGate::Outcome outcome) {
      answered = std::holds_alternative<Bytes>(outcome);
    }));
    REQUIRE(answered);
    latency.push_back(static_cast<double>((clock.steady() - sent).ns));
    drawn.push_back(releases.drawn);
  }
  double mean = 0;
  for (const double one : drawn) mean += one / static_cast<double>(count);
  for (double& one : drawn) one = std::fabs(one - mean);
  return correlation(latency, drawn);
}

}  // namespace

TEST_SUITE("privacy/timing") {
  TEST_CASE("how long an answer takes says nothing about its noise even when the draw does") {
    SystemRandom random;
    security::ExactNoise exact(random);
    SlowWhenLarge slow(exact, std::chrono::microseconds(500));
    const std::size_t count = queries();
    const double hidden = leak(slow, milliseconds(10), count);
    MESSAGE("correlation over " << count << " answers on the grid: " << hidden);
    CHECK(std::fabs(hidden) < allowed(count));
    // The control: without the grid such a sampler is seen at once; slower still, so that it is
    // also seen on a machine that has other work.
    SlowWhenLarge slower(exact, std::chrono::milliseconds(5));
    const double bare = leak(slower, Duration{}, 300);
    MESSAGE("without the grid: " << bare);
    CHECK(bare > 0.3);
  }

  TEST_CASE("the exact sampler takes longer for larger noise which is why there is a grid") {
    SystemRandom random;
    security::ExactNoise exact(random);
    std::vector<double> took, size;
    for (int i = 0; i < 200'000; ++i) {
      const auto before = std::chrono::steady_clock::now();
      const std::int64_t drawn = exact.laplace(10);
      took.push_back(static_cast<double>((std::chrono::steady_clock::now() - before).count()));
      size.push_back(std::fabs(static_cast<double>(drawn)));
    }
    const double seen = correlation(took, size);
    MESSAGE("correlation of a bare draw's time with its size: " << seen);
    CHECK(seen > 0.01);
  }
}
