// A round in one process: sites with an account in memory, and everything a test may do to it.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "federation/aggregate/coordinator.h"
#include "federation/aggregate/site_part.h"
#include "schemas/base/clock.h"
#include "schemas/envelope.h"

namespace entente::test {

using namespace federation;

class NoNoise final : public security::NoiseSource {
 public:
  std::int64_t gaussian(std::uint64_t) override { return 0; }
  std::int64_t laplace(std::uint64_t) override { return 0; }
};

// Hands on what another source gives, and remembers the first bytes: a site's secrets.
class RecordingRandom final : public Random {
 public:
  explicit RecordingRandom(std::uint64_t seed) : own_(seed) {}
  void fill(std::span<std::uint8_t> out) override {
    own_.fill(out);
    if (first_.empty()) first_.assign(out.begin(), out.end());
  }
  ByteView mask_secret() const { return ByteView(first_).subspan(0, 32); }
  ByteView seal_secret() const { return ByteView(first_).subspan(32, 32); }
  ByteView seed() const { return ByteView(first_).subspan(64, 32); }

 private:
  SeededRandom own_;
  Bytes first_;
};

// What a site's database would hold: it outlives the site's part in a round.
class MemoryAccount final : public RoundAccount {
 public:
  explicit MemoryAccount(security::NoiseSource& noise) : noise_(noise) {}

  Outcome open(const RoundContext& round, Instant) override {
    if (opened_.insert(round.round).second) return {};
    return make_error(ErrorCode::replayed, "this round was joined before");
  }
  Result<Bytes> release(const RoundContext& round, const SumLayout& layout,
                        const Mask& mask) override {
    if (refuse_release) return make_error(ErrorCode::budget_exhausted, "nothing is left");
    if (!released_.insert(round.round).second) {
      return make_error(ErrorCode::replayed, "this round was charged before");
    }
    ++charges;
    noisy = noisy_share(layout, exact, noise_);
    return mask(noisy);
  }
  Outcome agree(const RoundContext& round, const Hash256& survivors) override {
    const auto [kept, first] = agreed_.emplace(round.round, survivors);
    if (first || kept->second == survivors) return {};
    return make_error(ErrorCode::conflict, "the round has other survivors");
  }

  std::vector<std::int64_t> exact;
  std::vector<std::int64_t> noisy;  // of the latest release
  int charges = 0;
  bool refuse_release = false;

 private:
  security::NoiseSource& noise_;
  std::set<RoundId> opened_, released_;
  std::map<RoundId, Hash256> agreed_;
};

struct CohortShape {
  std::uint32_t members = 3;
  std::uint32_t cells = 2;
  std::vector<SumCoordinate> coordinates = {{-3, 1, 3'200, 0}, {0, 2, 800, 0}};
  std::optional<std::uint32_t> colluders = {};
  std::optional<std::uint32_t> dropouts = {};
  std::uint64_t seed = 1;
};

class Cohort {
 public:
  struct Site {
    OrgId organisation;
    security::SigningKey key;
    std::unique_ptr<RecordingRandom> random;
    std::unique_ptr<MemoryAccount> account;
    std::unique_ptr<SitePart> part;
  };

  Cohort(const CohortShape& shape, security::NoiseSource& noise)
      : random_(shape.seed), coordinator_key_(security::SigningKey::generate(random_)) {
    RoundNumbers numbers = *usual_numbers(shape.members);
    numbers.colluders = shape.colluders.value_or(numbers.colluders);
    numbers.threshold = threshold_of(numbers.members, numbers.colluders);
    numbers.dropouts =
        shape.dropouts.value_or(std::min(numbers.dropouts, numbers.members - numbers.threshold));
    proposal_.coordinator = random_.id<OrgId>();
    proposal_.layout = {shape.cells, shape.coordinates};
    for (SumCoordinate& one : proposal_.layout.coordinates) {
      one.share_variance = *share_variance(one.variance, numbers);
    }
    proposal_.colluders = numbers.colluders;
    proposal_.dropouts = numbers.dropouts;
    proposal_.threshold = numbers.threshold;
    proposal_.issued = clock.now();
    proposal_.deadline = clock.now() + seconds(60);
    proposal_.round = random_.id<RoundId>();
    for (std::uint32_t i = 0; i < shape.members; ++i) {
      Site site{random_.id<OrgId>(), security::SigningKey::generate(random_),
                std::make_unique<RecordingRandom>(shape.seed * 10'000 + i),
                std::make_unique<MemoryAccount>(noise), nullptr};
      for (std::size_t v = 0; v < proposal_.layout.integers(); ++v) {
        site.account->exact.push_back(static_cast<std::int64_t>(random_.below(2'000'001)) -
                                      1'000'000);
      }
      proposal_.members.push_back(
          {site.organisation, "main", site.key.public_key(), random_.id<Hash256>()});
      sites.push_back(std::move(site));
    }
  }

  SumProposal& proposal() { return proposal_; }
  const security::SigningKey& coordinator_key() const { return coordinator_key_; }
  Random& random() { return random_; }
  Coordinator coordinator() { return *Coordinator::make(proposal_, coordinator_key_); }

  SiteTerms terms(std::uint32_t site) const {
    SiteTerms terms;
    terms.self = sites[site].organisation;
    terms.site = "main";
    terms.coordinator = proposal_.coordinator;
    terms.coordinator_key = coordinator_key_.public_key();
    terms.question = proposal_.members[site].question;
    terms.layout = proposal_.layout;
    for (const Site& one : sites) terms.pinned[one.organisation] = {one.key.public_key()};
    return terms;
  }

  Result<std::unique_ptr<SitePart>> join(std::uint32_t site, ByteView proposal) {
    return join(site, terms(site), proposal);
  }
  Result<std::unique_ptr<SitePart>> join(std::uint32_t site, SiteTerms with, ByteView proposal) {
    Site& one = sites[site];
    return SitePart::join(std::move(with), proposal, {clock, *one.random, one.key, *one.account});
  }

  // What a site answers in a phase.
  Result<Bytes> reply(std::uint32_t site, RoundPhase phase, ByteView message) {
    std::unique_ptr<SitePart>& part = sites[site].part;
    switch (phase) {
      case RoundPhase::keys: {
        auto joined = join(site, message);
        if (!joined) return std::move(joined).error();
        part = std::move(*joined);
        return part->keys();
      }
      case RoundPhase::shares:
        return part->share(message);
      case RoundPhase::masked:
        return part->mask(message);
      case RoundPhase::consents:
        return part->consent(message);
      case RoundPhase::unmasking:
        return part->unmask(message);
    }
    return Bytes{};
  }

  // Runs one phase to its end; whoever is lost does not reply.
  using Lost = std::function<bool(RoundPhase, std::uint32_t)>;
  Outcome run_phase(Coordinator& coordinator, const Lost& lost = {}) {
    const RoundPhase phase = coordinator.phase();
    for (const std::uint32_t member : coordinator.members()) {
      if (lost && lost(phase, member)) continue;
      auto said = reply(member, phase, coordinator.message_for(member));
      if (!said) return std::move(said).error();
      if (auto taken = coordinator.take(member, *said); !taken) return taken;
    }
    return coordinator.advance();
  }
  Outcome run_until(Coordinator& coordinator, RoundPhase phase, const Lost& lost = {}) {
    while (coordinator.phase() != phase) {
      if (auto ran = run_phase(coordinator, lost); !ran) return ran;
    }
    return {};
  }
  Result<RoundSum> run(Coordinator& coordinator, const Lost& lost = {}) {
    if (auto ran = run_until(coordinator, RoundPhase::unmasking, lost); !ran) {
      return std::move(ran).error();
    }
    if (auto ran = run_phase(coordinator, lost); !ran) return std::move(ran).error();
    return coordinator.sum();
  }

  std::vector<std::int64_t> plain_sum(const std::vector<std::uint32_t>& of) const {
    std::vector<std::int64_t> sum(proposal_.layout.integers());
    for (const std::uint32_t member : of) {
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += sites[member].account->exact[i];
    }
    return sum;
  }

  ManualClock clock{*parse_instant("2026-03-01")};
  std::vector<Site> sites;

 private:
  SeededRandom random_;
  security::SigningKey coordinator_key_;
  SumProposal proposal_;
};

inline ErrorCode code_of(const Outcome& outcome) {
  REQUIRE_FALSE(outcome);
  return outcome.error().code;
}
template <class T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

}  // namespace entente::test
