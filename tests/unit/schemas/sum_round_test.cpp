#include "schemas/sum_round.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/schemas/check_conversion.h"

using namespace entente;
using entente::test::check_conversion;
using entente::test::check_rules;

namespace {

std::uint32_t number(Random& random, std::uint64_t below) {
  return static_cast<std::uint32_t>(random.below(below));
}

SumProposal random_proposal(Random& random) {
  SumProposal out;
  out.round = random.id<RoundId>();
  out.coordinator = random.id<OrgId>();
  for (auto n = 3 + random.below(4); n > 0; --n) {
    out.members.push_back({random.id<OrgId>(), test::random_name(random), random.id<PublicKey>(),
                           random.id<Hash256>()});
  }
  out.layout.cells = 1 + number(random, 5);
  for (auto n = 1 + random.below(3); n > 0; --n) {
    out.layout.coordinates.push_back({static_cast<int>(random.below(100)) - 50,
                                      1 + number(random, 9), 1 + random.below(1'000'000),
                                      1 + random.below(1'000'000)});
  }
  out.colluders = number(random, 3);
  out.dropouts = number(random, 3);
  out.threshold = number(random, 4);
  out.issued = test::random_instant(random);
  out.deadline = out.issued + seconds(1 + number(random, 100));
  return out;
}

std::vector<std::uint32_t> ascending(Random& random) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < 12; ++i) {
    if (random.below(2) == 0) out.push_back(i);
  }
  return out;
}

std::vector<SealedShare> random_shares(Random& random) {
  std::vector<SealedShare> out;
  for (const std::uint32_t member : ascending(random)) {
    out.push_back({member, Bytes(kSealedShareBytes)});
    random.fill(out.back().sealed);
  }
  return out;
}

SumUnmasking random_unmasking(Random& random) {
  SumUnmasking out{random.id<Hash256>(), number(random, 1'000), {}, {}};
  for (auto n = random.below(5); n > 0; --n) out.seed_shares.push_back(random.id<SecretShare>());
  for (auto n = random.below(5); n > 0; --n) out.key_shares.push_back(random.id<SecretShare>());
  return out;
}

SumKeyList random_key_list(Random& random) {
  SumKeyList out{random.id<Hash256>(), {}};
  for (const std::uint32_t member : ascending(random)) {
    out.entries.push_back(
        {member, random.id<SealKey>(), random.id<SealKey>(), random.id<Signature>()});
  }
  return out;
}

constexpr ErrorCode kCode = ErrorCode::invalid_argument;

}  // namespace

TEST_SUITE("schemas/sum_round") {
  TEST_CASE("every message of a round survives its bytes and nothing else reads as it") {
    check_conversion<SumProposal>(kCode, random_proposal, sum_proposal_from_bytes);
    check_conversion<SumKeys>(
        kCode,
        [](Random& random) {
          return SumKeys{random.id<Hash256>(), number(random, 1'000), random.id<SealKey>(),
                         random.id<SealKey>()};
        },
        sum_keys_from_bytes);
    check_conversion<SumKeyList>(kCode, random_key_list, sum_key_list_from_bytes);
    check_conversion<SumShares>(
        kCode,
        [](Random& random) {
          return SumShares{random.id<Hash256>(), number(random, 1'000), random.id<Hash256>(),
                           random_shares(random)};
        },
        sum_shares_from_bytes);
    check_conversion<SumShareList>(
        kCode,
        [](Random& random) {
          SumShareList out{random.id<Hash256>(), random_shares(random)};
          if (!out.shares.empty()) out.shares.front().sealed.clear();
          return out;
        },
        sum_share_list_from_bytes);
    check_conversion<SumMasked>(
        kCode,
        [](Random& random) {
          SumMasked out{random.id<Hash256>(), number(random, 1'000), {}};
          for (auto n = 1 + random.below(9); n > 0; --n) out.values.push_back(random.u64());
          return out;
        },
        sum_masked_from_bytes);
    check_conversion<SumSurvivors>(
        kCode,
        [](Random& random) {
          return SumSurvivors{random.id<Hash256>(), ascending(random), ascending(random)};
        },
        sum_survivors_from_bytes);
    check_conversion<SumConsent>(
        kCode,
        [](Random& random) {
          return SumConsent{random.id<Hash256>(), number(random, 1'000), random.id<Signature>()};
        },
        sum_consent_from_bytes);
    check_conversion<SumConsentList>(
        kCode,
        [](Random& random) {
          SumConsentList out{random.id<Hash256>(), {}};
          for (const std::uint32_t member : ascending(random)) {
            out.consents.push_back({member, random.id<Signature>()});
          }
          return out;
        },
        sum_consent_list_from_bytes);
    check_conversion<SumUnmasking>(kCode, random_unmasking, sum_unmasking_from_bytes);
  }

  TEST_CASE("a refusal names the field") {
    SeededRandom random(1);
    check_rules<SumProposal>(
        random_proposal(random), sum_proposal_from_bytes,
        {{"round", [](SumProposal& p) { p.round = {}; }},
         {"coordinator", [](SumProposal& p) { p.coordinator = {}; }},
         {"members", [](SumProposal& p) { p.members.resize(1'001, p.members.front()); }},
         {"members", [](SumProposal& p) { p.members[1].site = "No Site"; }},
         {"members", [](SumProposal& p) { p.members[1].key = {}; }},
         {"coordinates", [](SumProposal& p) { p.layout.coordinates.clear(); }},
         {"exponent", [](SumProposal& p) { p.layout.coordinates[0].exponent = 2'000; }},
         {"width", [](SumProposal& p) { p.layout.coordinates[0].width = 0; }},
         {"variance", [](SumProposal& p) { p.layout.coordinates[0].share_variance = 0; }},
         {"cells", [](SumProposal& p) { p.layout.cells = 0; }},
         {"cells", [](SumProposal& p) { p.layout.coordinates[0].width = 28'000; }},
         {"threshold", [](SumProposal& p) { p.dropouts = 60; }},
         {"deadline", [](SumProposal& p) { p.deadline = p.issued; }}});
    const SumSurvivors survivors{random.id<Hash256>(), {0, 1, 2}, {0, 2}};
    check_rules<SumSurvivors>(survivors, sum_survivors_from_bytes,
                              {{"proposal", [](SumSurvivors& s) { s.proposal = {}; }},
                               {"finished",
                                [](SumSurvivors& s) {
                                  s.finished = {0, 2, 1};
                                }},
                               {"finished",
                                [](SumSurvivors& s) {
                                  s.finished = {0, 1, 1'000};
                                }},
                               {"survivors", [](SumSurvivors& s) {
                                  s.survivors = {2, 2};
                                }}});
    SumShares shares{random.id<Hash256>(),
                     1,
                     random.id<Hash256>(),
                     {{0, Bytes(kSealedShareBytes, 1)}, {3, Bytes(kSealedShareBytes, 2)}}};
    check_rules<SumShares>(shares, sum_shares_from_bytes,
                           {{"member", [](SumShares& s) { s.member = 1'000; }},
                            {"commitment", [](SumShares& s) { s.commitment = {}; }},
                            {"shares", [](SumShares& s) { s.shares[1].member = 0; }},
                            {"shares", [](SumShares& s) { s.shares[1].sealed.pop_back(); }},
                            {"shares", [](SumShares& s) { s.shares[1].sealed.clear(); }}});
  }

  TEST_CASE("the longest round's messages fit the link") {
    SeededRandom random(2);
    SumProposal proposal = random_proposal(random);
    proposal.members.resize(kSumMembersMost, proposal.members.front());
    for (SumMember& member : proposal.members) member.site = std::string(63, 's');
    CHECK(sum_proposal_from_bytes(canonical_bytes(proposal)));
    SumKeyList keys{random.id<Hash256>(), {}};
    SumShares shares{random.id<Hash256>(), 0, random.id<Hash256>(), {}};
    for (std::uint32_t i = 0; i < kSumMembersMost; ++i) {
      keys.entries.push_back(
          {i, random.id<SealKey>(), random.id<SealKey>(), random.id<Signature>()});
      shares.shares.push_back({i, Bytes(kSealedShareBytes, 3)});
    }
    CHECK(sum_key_list_from_bytes(canonical_bytes(keys)));
    CHECK(sum_shares_from_bytes(canonical_bytes(shares)));
    SumMasked masked{random.id<Hash256>(), 0, std::vector<std::uint64_t>(kSumIntegersMost, 5)};
    CHECK(sum_masked_from_bytes(canonical_bytes(masked)));
  }
}
