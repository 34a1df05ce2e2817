// The numbers of a round of secure aggregation, and whether a proposal keeps its own rules.
//
// n members, of whom at most k collude with the coordinator and at most d are lost on the way; n, k
// and d count organisations, and each organisation is a member once.
//   threshold   t = floor((n + k) / 2) + 1, at most n - d
//   noise       each member adds variance ceil(sigma^2 / (n - k - d)), so that what honest members
//               add to any accepted set of survivors reaches sigma^2
// Since two sets of t signers share more than k members, an honest one among them, and an honest
// member signs one set of survivors ever, two sets cannot both be unmasked.
// Source: privacy.md 2.10; Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving
// Machine Learning" (2017). Threads: any; pure.
#pragma once

#include "federation/aggregate/limits.h"
#include "schemas/base/result.h"
#include "schemas/sum_round.h"

namespace entente::federation {

struct RoundNumbers {
  std::uint32_t members = 0;    // n
  std::uint32_t colluders = 0;  // k
  std::uint32_t dropouts = 0;   // d
  std::uint32_t threshold = 0;  // t
  bool operator==(const RoundNumbers&) const = default;
};

// What is proposed where nobody says otherwise: k a third of the members, d a tenth of them but at
// least one, as far as the threshold allows it (none of three). Refuses: invalid_argument below
// three members and above kSumMembersMost.
[[nodiscard]] Result<RoundNumbers> usual_numbers(std::size_t members);
RoundNumbers numbers_of(const SumProposal& proposal);

std::uint32_t threshold_of(std::uint32_t members, std::uint32_t colluders);

// The noise of each member. Refuses: epsilon_refused (below kShareVarianceLeast, or beyond what can
// be drawn), invalid_argument (no honest member is left).
[[nodiscard]] Result<std::uint64_t> share_variance(std::uint64_t variance,
                                                   const RoundNumbers& numbers);

// Everything that a proposal alone can have wrong: too few members, an organisation or a key that
// stands in it twice, numbers that break the rules above, too little noise. Refuses: shape_refused
// with what is wrong.
[[nodiscard]] Outcome check_proposal(const SumProposal& proposal);

// How much more variance a sum has than one release of the same question, all members present:
// n / (n - k - d).
double variance_factor(const RoundNumbers& numbers);

}  // namespace entente::federation
