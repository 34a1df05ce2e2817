#include "federation/aggregate/round_terms.h"

#include <doctest/doctest.h>

#include <functional>

#include "schemas/base/random.h"

using namespace entente;
using namespace entente::federation;

namespace {

SumProposal sound_proposal(std::uint32_t members) {
  SeededRandom random(members);
  const RoundNumbers numbers = *usual_numbers(members);
  SumProposal out;
  out.round = random.id<RoundId>();
  out.coordinator = random.id<OrgId>();
  for (std::uint32_t i = 0; i < members; ++i) {
    out.members.push_back(
        {random.id<OrgId>(), "main", random.id<PublicKey>(), random.id<Hash256>()});
  }
  out.layout = {1, {{0, 1, 90'000, *share_variance(90'000, numbers)}}};
  out.colluders = numbers.colluders;
  out.dropouts = numbers.dropouts;
  out.threshold = numbers.threshold;
  out.deadline = out.issued + seconds(30);
  return out;
}

}  // namespace

TEST_SUITE("federation/round_terms") {
  TEST_CASE("the usual numbers of small and large rounds") {
    struct Row {
      std::uint32_t members, colluders, dropouts, threshold;
    };
    for (const Row& row : {Row{3, 1, 0, 3}, Row{4, 1, 1, 3}, Row{5, 1, 1, 4}, Row{7, 2, 1, 5},
                           Row{10, 3, 1, 7}, Row{100, 33, 10, 67}, Row{1'000, 333, 100, 667}}) {
      CAPTURE(row.members);
      const auto numbers = usual_numbers(row.members);
      REQUIRE(numbers);
      CHECK(*numbers == RoundNumbers{row.members, row.colluders, row.dropouts, row.threshold});
    }
    for (const std::size_t members : {0U, 1U, 2U, 1'001U}) {
      const auto none = usual_numbers(members);
      REQUIRE_FALSE(none);
      CHECK(none.error().code == ErrorCode::invalid_argument);
    }
  }

  TEST_CASE("two sets of signers always share an honest member and the rest suffices") {
    for (std::uint32_t n = 3; n <= 1'000; ++n) {
      const RoundNumbers one = *usual_numbers(n);
      CAPTURE(n);
      CHECK(2 * one.threshold > n + one.colluders);
      CHECK(one.threshold + one.dropouts <= n);
      CHECK(one.colluders + one.dropouts < n);
    }
  }

  TEST_CASE("each member adds what the honest part needs and no less") {
    // privacy.md 3.6: rho = .01, Delta = 8.
    const RoundNumbers numbers{10, 3, 1, 7};
    CHECK(*share_variance(3'200, numbers) == 534);
    CHECK(*share_variance(3'198, numbers) == 533);
    CHECK(variance_factor(numbers) == doctest::Approx(10.0 / 6));
    const auto thin = share_variance(90, numbers);
    REQUIRE_FALSE(thin);
    CHECK(thin.error().code == ErrorCode::epsilon_refused);
    CHECK(*share_variance(91, numbers) == 16);
    CHECK_FALSE(share_variance(3'200, {3, 2, 1, 3}));
  }

  TEST_CASE("a sound proposal passes and each broken rule is refused") {
    for (const std::uint32_t members : {3U, 4U, 10U, 1'000U}) {
      CHECK(check_proposal(sound_proposal(members)));
    }
    struct Broken {
      const char* what;
      std::function<void(SumProposal&)> spoil;
    };
    const Broken cases[] = {
        {"two members", [](SumProposal& p) { p.members.resize(2); }},
        {"an organisation twice",
         [](SumProposal& p) { p.members[1].organisation = p.members[2].organisation; }},
        {"a key twice", [](SumProposal& p) { p.members[1].key = p.members[2].key; }},
        {"nobody colludes", [](SumProposal& p) { p.colluders = 0, p.threshold = 6; }},
        {"too low a threshold", [](SumProposal& p) { --p.threshold; }},
        {"too high a threshold", [](SumProposal& p) { ++p.threshold; }},
        {"too many may be lost", [](SumProposal& p) { p.dropouts = 4; }},
        {"too little noise", [](SumProposal& p) { --p.layout.coordinates[0].share_variance; }},
        {"noise below four steps",
         [](SumProposal& p) {
           p.layout.coordinates[0] = {0, 1, 80, 15};
         }},
        {"noise that cannot be drawn",
         [](SumProposal& p) { p.layout.coordinates[0].share_variance = ~std::uint64_t{0}; }},
    };
    for (const Broken& one : cases) {
      CAPTURE(std::string(one.what));
      SumProposal proposal = sound_proposal(10);
      one.spoil(proposal);
      CHECK_FALSE(check_proposal(proposal));
    }
  }
}
