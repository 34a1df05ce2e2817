#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/unit/federation/aggregate/cohort.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

std::vector<std::uint32_t> everybody(std::uint32_t members) {
  std::vector<std::uint32_t> out(members);
  std::iota(out.begin(), out.end(), 0U);
  return out;
}

}  // namespace

TEST_SUITE("federation/aggregate round") {
  TEST_CASE("without noise a round gives exactly the plain sum") {
    NoNoise none;
    for (const std::uint32_t members : {3U, 4U, 5U, 7U, 10U, 33U, 80U}) {
      CAPTURE(members);
      Cohort cohort({members, 2, {{-3, 1, 3'200, 0}, {0, 2, 90'000, 0}}, {}, {}, members}, none);
      Coordinator coordinator = cohort.coordinator();
      const auto sum = cohort.run(coordinator);
      if (!sum) FAIL(sum.error().text());
      CHECK(sum->survivors == everybody(members));
      CHECK(sum->values == cohort.plain_sum(everybody(members)));
    }
  }

  TEST_CASE("negative and extreme values add up modulo 2^64") {
    NoNoise none;
    Cohort cohort({3}, none);
    const std::int64_t large = std::int64_t{1} << 61;
    const std::int64_t values[3] = {-large, -large + 1, -5};
    for (std::uint32_t i = 0; i < 3; ++i) {
      std::fill(cohort.sites[i].account->exact.begin(), cohort.sites[i].account->exact.end(),
                values[i]);
    }
    Coordinator coordinator = cohort.coordinator();
    const auto sum = cohort.run(coordinator);
    REQUIRE(sum);
    CHECK(sum->values.front() == -2 * large - 4);
  }

  TEST_CASE("up to d members may be lost at any phase and the rest is the sum of the survivors") {
    NoNoise none;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const auto members = static_cast<std::uint32_t>(4 + random.below(12));
      Cohort cohort({members, 1, {{0, 3, 90'000, 0}}, {}, {}, seed}, none);
      // The most that the threshold allows.
      cohort.proposal().dropouts = members - cohort.proposal().threshold;
      for (SumCoordinate& one : cohort.proposal().layout.coordinates) {
        one.share_variance = *share_variance(one.variance, numbers_of(cohort.proposal()));
      }
      std::map<std::uint32_t, std::uint64_t> lost_in;  // member -> from which phase on
      const auto lost = random.below(cohort.proposal().dropouts + 1);
      while (lost_in.size() < lost) {
        lost_in[static_cast<std::uint32_t>(random.below(members))] = random.below(5);
      }
      Coordinator coordinator = cohort.coordinator();
      const auto sum = cohort.run(coordinator, [&](RoundPhase phase, std::uint32_t member) {
        const auto gone = lost_in.find(member);
        return gone != lost_in.end() && static_cast<std::uint64_t>(phase) >= gone->second;
      });
      if (!sum) FAIL(sum.error().text());
      std::vector<std::uint32_t> survivors;
      for (const std::uint32_t member : everybody(members)) {
        const auto gone = lost_in.find(member);
        const auto masked = static_cast<std::uint64_t>(RoundPhase::masked);
        if (gone == lost_in.end() || gone->second > masked) survivors.push_back(member);
      }
      CHECK(sum->survivors == survivors);
      CHECK(sum->values == cohort.plain_sum(survivors));
    }
  }

  TEST_CASE("one more lost than allowed fails the round before anything can be unmasked") {
    NoNoise none;
    for (const RoundPhase at : {RoundPhase::keys, RoundPhase::shares, RoundPhase::masked}) {
      Cohort cohort({10}, none);
      Coordinator coordinator = cohort.coordinator();
      const auto sum = cohort.run(coordinator, [&](RoundPhase phase, std::uint32_t member) {
        return phase >= at && member < 2;
      });
      CHECK(code_of(sum) == ErrorCode::peer_unreachable);
      CHECK(coordinator.phase() == at);
    }
  }

  TEST_CASE("whoever is lost later needs only the threshold to go on") {
    NoNoise none;
    Cohort cohort({10}, none);
    Coordinator coordinator = cohort.coordinator();
    // Seven of ten consent, and the same seven unmask.
    const auto sum = cohort.run(coordinator, [](RoundPhase phase, std::uint32_t member) {
      return phase >= RoundPhase::consents && member >= 7;
    });
    REQUIRE(sum);
    CHECK(sum->values == cohort.plain_sum(everybody(10)));

    Cohort fewer({10}, none);
    Coordinator other = fewer.coordinator();
    CHECK(code_of(fewer.run(other, [](RoundPhase phase, std::uint32_t member) {
            return phase >= RoundPhase::consents && member >= 6;
          })) == ErrorCode::peer_unreachable);
  }

  TEST_CASE("the noise of the sum is that of all survivors and of the honest ones at least sigma") {
    SeededRandom stream(11);
    security::ExactNoise noise(stream);
    // One coordinate of 20,000 integers: the standard error of their variance is 1 %.
    constexpr std::uint32_t kIntegers = 20'000;
    Cohort cohort({10, 1, {{0, kIntegers, 3'200, 0}}, 3U, 1U, 3}, noise);
    REQUIRE(cohort.proposal().layout.coordinates[0].share_variance == 534);
    Coordinator coordinator = cohort.coordinator();
    const auto sum = cohort.run(coordinator, [](RoundPhase phase, std::uint32_t member) {
      return phase >= RoundPhase::masked && member == 4;
    });
    REQUIRE(sum);
    REQUIRE(sum->survivors.size() == 9);
    const auto exact = cohort.plain_sum(sum->survivors);
    // Three colluders know their own noise: what is left is the honest ones'.
    double all = 0, honest = 0;
    for (std::size_t i = 0; i < kIntegers; ++i) {
      const std::int64_t noisy = sum->values[i] - exact[i];
      std::int64_t known = 0;
      for (const std::uint32_t colluder : {0U, 1U, 2U}) {
        const MemoryAccount& account = *cohort.sites[colluder].account;
        known += account.noisy[i] - account.exact[i];
      }
      all += static_cast<double>(noisy) * static_cast<double>(noisy);
      honest += static_cast<double>(noisy - known) * static_cast<double>(noisy - known);
    }
    CHECK(all / kIntegers == doctest::Approx(9 * 534.0).epsilon(0.04));
    CHECK(honest / kIntegers == doctest::Approx(6 * 534.0).epsilon(0.04));
    CHECK(6 * 534 >= 3'200);
    // The control: the share alone is far below what is promised.
    CHECK(534 < 3'200 / 5);
  }

  TEST_CASE("masked vectors say nothing by themselves") {
    // All zeros without noise: what travels must look uniform, and differ from round to round.
    NoNoise none;
    Cohort cohort({3, 1, {{0, 4'000, 3'200, 0}}, {}, {}, 5}, none);
    for (auto& site : cohort.sites) {
      std::fill(site.account->exact.begin(), site.account->exact.end(), 0);
    }
    Coordinator coordinator = cohort.coordinator();
    REQUIRE(cohort.run_until(coordinator, RoundPhase::masked));
    const auto said = cohort.reply(1, RoundPhase::masked, coordinator.message_for(1));
    REQUIRE(said);
    const auto masked = sum_masked_from_bytes(signed_from_bytes(*said)->body);
    REQUIRE(masked);
    int ones = 0;
    for (const std::uint64_t value : masked->values) ones += __builtin_popcountll(value);
    // 256,000 fair bits: 5 standard deviations are 1,265.
    CHECK(std::abs(ones - 128'000) < 1'265);
  }

  TEST_CASE("each site is charged once and a repeated step answers what it answered") {
    NoNoise none;
    Cohort cohort({4}, none);
    Coordinator coordinator = cohort.coordinator();
    while (true) {
      const RoundPhase phase = coordinator.phase();
      for (const std::uint32_t member : coordinator.members()) {
        const auto said = cohort.reply(member, phase, coordinator.message_for(member));
        REQUIRE(said);
        REQUIRE(coordinator.take(member, *said));
        REQUIRE(coordinator.take(member, *said));
        if (phase == RoundPhase::keys) continue;
        const auto again = cohort.reply(member, phase, coordinator.message_for(member));
        REQUIRE(again);
        CHECK(*again == *said);
      }
      REQUIRE(coordinator.advance());
      if (phase == RoundPhase::unmasking) break;
    }
    CHECK(coordinator.sum()->values == cohort.plain_sum(everybody(4)));
    for (const auto& site : cohort.sites) CHECK(site.account->charges == 1);
  }

  TEST_CASE("a budget that is exhausted refuses the masked vector and costs nothing") {
    NoNoise none;
    Cohort cohort({4}, none);
    Coordinator coordinator = cohort.coordinator();
    REQUIRE(cohort.run_until(coordinator, RoundPhase::masked));
    cohort.sites[2].account->refuse_release = true;
    const auto refused = cohort.reply(2, RoundPhase::masked, coordinator.message_for(2));
    CHECK(code_of(refused) == ErrorCode::budget_exhausted);
    CHECK(cohort.sites[2].account->charges == 0);
    // Three of four are enough: it dropped out.
    const auto sum =
        cohort.run(coordinator, [](RoundPhase, std::uint32_t member) { return member == 2; });
    REQUIRE(sum);
    CHECK(sum->values == cohort.plain_sum({0, 1, 3}));
  }
}
