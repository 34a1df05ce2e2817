#include "federation/aggregate/coordinator.h"

#include <doctest/doctest.h>

#include "tests/unit/federation/aggregate/cohort.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

constexpr RoundPhase kPhases[] = {RoundPhase::keys, RoundPhase::shares, RoundPhase::masked,
                                  RoundPhase::consents, RoundPhase::unmasking};

}  // namespace

TEST_SUITE("federation/coordinator") {
  TEST_CASE("no byte of what a member says can be changed unnoticed") {
    NoNoise none;
    Cohort cohort({3, 1, {{0, 1, 3'200, 0}}, {}, {}, 21}, none);
    Coordinator coordinator = cohort.coordinator();
    for (const RoundPhase phase : kPhases) {
      CAPTURE(static_cast<int>(phase));
      for (const std::uint32_t member : coordinator.members()) {
        const auto said = cohort.reply(member, phase, coordinator.message_for(member));
        REQUIRE(said);
        int taken = 0;
        for (std::size_t at = 0; at < said->size(); ++at) {
          Bytes bad = *said;
          bad[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
          taken += coordinator.take(member, bad) ? 1 : 0;
        }
        CHECK(taken == 0);
        REQUIRE(coordinator.take(member, *said));
      }
      REQUIRE(coordinator.advance());
    }
    CHECK(coordinator.sum()->values == cohort.plain_sum({0, 1, 2}));
  }

  TEST_CASE("a member speaks for itself alone and once in a phase") {
    NoNoise none;
    Cohort cohort({4}, none);
    Coordinator coordinator = cohort.coordinator();
    std::map<RoundPhase, Bytes> earlier;
    for (const RoundPhase phase : kPhases) {
      CAPTURE(static_cast<int>(phase));
      for (const auto& [before, said] : earlier) {
        CHECK_FALSE(coordinator.take(0, said));
      }
      for (const std::uint32_t member : coordinator.members()) {
        const auto said = cohort.reply(member, phase, coordinator.message_for(member));
        REQUIRE(said);
        CHECK_FALSE(coordinator.take((member + 1) % 4, *said));
        CHECK(code_of(coordinator.take(9, *said)) == ErrorCode::conflict);
        REQUIRE(coordinator.take(member, *said));
        Bytes other = *said;
        other.back() ^= 1;
        CHECK(code_of(coordinator.take(member, other)) == ErrorCode::conflict);
        if (member == 0) earlier[phase] = *said;
      }
      CHECK(coordinator.all_replied());
      REQUIRE(coordinator.advance());
    }
    CHECK(coordinator.sum());
  }

  TEST_CASE("there is no sum before enough have revealed their shares") {
    NoNoise none;
    Cohort cohort({4}, none);
    Coordinator coordinator = cohort.coordinator();
    for (const RoundPhase phase : kPhases) {
      REQUIRE(coordinator.phase() == phase);
      CHECK(code_of(coordinator.sum()) == ErrorCode::peer_unreachable);
      CHECK(code_of(coordinator.advance()) == ErrorCode::peer_unreachable);
      REQUIRE(cohort.run_phase(coordinator));
    }
    CHECK(coordinator.sum());
  }

  TEST_CASE("a member that shares with some only is out of the round") {
    NoNoise none;
    Cohort cohort({4}, none);
    Coordinator coordinator = cohort.coordinator();
    REQUIRE(cohort.run_until(coordinator, RoundPhase::shares));
    const auto said = cohort.reply(0, RoundPhase::shares, coordinator.message_for(0));
    REQUIRE(said);
    SumShares partial = *sum_shares_from_bytes(signed_from_bytes(*said)->body);
    partial.shares.pop_back();
    const auto bad = to_wire_bytes(
        security::sign_body(cohort.sites[0].key, kSumSharesContext, canonical_bytes(partial)));
    CHECK(code_of(coordinator.take(0, bad)) == ErrorCode::shape_refused);
  }

  TEST_CASE("a proposal that breaks the rules is not even made") {
    NoNoise none;
    Cohort cohort({4}, none);
    SumProposal proposal = cohort.proposal();
    proposal.threshold = 2;
    const auto made = Coordinator::make(proposal, cohort.coordinator_key());
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::shape_refused);
  }
}
