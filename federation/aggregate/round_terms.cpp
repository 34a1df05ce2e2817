#include "federation/aggregate/round_terms.h"

#include <algorithm>
#include <set>

#include "security/privacy/noise.h"

namespace entente::federation {
namespace {

Error unfit(std::string what) {
  return make_error(ErrorCode::shape_refused, "the round's proposal " + std::move(what));
}

Outcome check_members(const SumProposal& proposal) {
  std::set<OrgId> organisations;
  std::set<PublicKey> keys;
  for (const SumMember& member : proposal.members) {
    if (!organisations.insert(member.organisation).second) {
      return unfit("names the organisation " + member.organisation.short_hex() + " twice");
    }
    if (!keys.insert(member.key).second) return unfit("names one key for two members");
  }
  return {};
}

}  // namespace

std::uint32_t threshold_of(std::uint32_t members, std::uint32_t colluders) {
  return (members + colluders) / 2 + 1;
}

Result<RoundNumbers> usual_numbers(std::size_t members) {
  if (members < limits::kSumMembersLeast || members > kSumMembersMost) {
    return make_error(ErrorCode::invalid_argument,
                      "a secure sum has 3 to 1000 members, not " + std::to_string(members),
                      "ask with mode = 'each'");
  }
  RoundNumbers out;
  out.members = static_cast<std::uint32_t>(members);
  out.colluders = out.members / 3;
  out.threshold = threshold_of(out.members, out.colluders);
  out.dropouts = std::min(out.members - out.threshold, std::max(1U, out.members / 10));
  return out;
}

RoundNumbers numbers_of(const SumProposal& proposal) {
  return {static_cast<std::uint32_t>(proposal.members.size()), proposal.colluders,
          proposal.dropouts, proposal.threshold};
}

Result<std::uint64_t> share_variance(std::uint64_t variance, const RoundNumbers& numbers) {
  if (numbers.members <= std::uint64_t{numbers.colluders} + numbers.dropouts) {
    return make_error(ErrorCode::invalid_argument, "no member is left that is honest and present");
  }
  const std::uint64_t honest = numbers.members - numbers.colluders - numbers.dropouts;
  const std::uint64_t share = variance / honest + (variance % honest == 0 ? 0 : 1);
  if (share >= limits::kShareVarianceLeast && share <= security::kVarianceMost) return share;
  return make_error(ErrorCode::epsilon_refused,
                    "a member's share of the noise would have a variance of " +
                        std::to_string(share) + " squared steps, which is not drawn",
                    "ask with another epsilon");
}

Outcome check_proposal(const SumProposal& proposal) {
  const RoundNumbers numbers = numbers_of(proposal);
  if (numbers.members < limits::kSumMembersLeast) return unfit("has fewer than three members");
  if (auto distinct = check_members(proposal); !distinct) return distinct;
  if (numbers.colluders < 1) return unfit("allows for no colluding member");
  if (numbers.threshold != threshold_of(numbers.members, numbers.colluders)) {
    return unfit("has another threshold than floor((n + k) / 2) + 1");
  }
  if (std::uint64_t{numbers.threshold} + numbers.dropouts > numbers.members) {
    return unfit("allows for more lost members than the threshold leaves");
  }
  for (const SumCoordinate& one : proposal.layout.coordinates) {
    auto least = share_variance(one.variance, numbers);
    if (!least) return std::move(least).error();
    if (one.share_variance < *least || one.share_variance > security::kVarianceMost) {
      return unfit("has members add too little noise, or more than can be drawn");
    }
  }
  return {};
}

double variance_factor(const RoundNumbers& numbers) {
  return static_cast<double>(numbers.members) /
         static_cast<double>(numbers.members - numbers.colluders - numbers.dropouts);
}

}  // namespace entente::federation
