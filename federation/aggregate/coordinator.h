// The coordinator of a round of secure aggregation: messages in, messages out.
//
// A round has five phases. In each the coordinator has one message for each member that is still in
// the round (message_for), takes their replies in any order (take) and ends the phase (advance):
//
//   phase      goes out                         comes back        to end it takes
//   keys       the signed proposal              SumKeys           n - d members
//   shares     everybody's keys                 SumShares         n - d
//   masked     what others sealed to it         SumMasked         n - d
//   consents   who finished and who survives    SumConsent        t
//   unmasking  the survivors' signatures        SumUnmasking      t
//
// How messages travel is the caller's business, as is time: replies may come by way of others, and
// whoever has not replied when the caller ends a phase is out of the round. Nothing here is secret
// until the end, and then only the sum comes out. A reply taken again is fine; another one in its
// place is refused, and the first stays. Threads: one at a time.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "federation/aggregate/masking.h"
#include "federation/aggregate/round_terms.h"
#include "federation/aggregate/shamir.h"
#include "schemas/sum_round.h"
#include "security/identity/keys.h"

namespace entente::federation {

enum class RoundPhase { keys, shares, masked, consents, unmasking };
std::string_view to_text(RoundPhase phase);

// The survivors' vectors added up, noise included: what nobody had before.
struct RoundSum {
  std::vector<std::int64_t> values;  // as the layout has them
  std::vector<std::uint32_t>
      survivors;  // the noise on a value is their number times share_variance
  bool operator==(const RoundSum&) const = default;
};

class Coordinator {
 public:
  // `key` signs the proposal. Refuses as check_proposal does.
  [[nodiscard]] static Result<Coordinator> make(SumProposal proposal,
                                                const security::SigningKey& key);

  const SumProposal& proposal() const { return proposal_; }
  const RoundContext& round() const { return round_; }
  RoundPhase phase() const { return phase_; }
  // To whom the phase's message goes: who replied in the phase before.
  const std::vector<std::uint32_t>& members() const { return members_; }
  Bytes message_for(std::uint32_t member) const;

  // Refuses: verification_failed (not signed by the member, or of another round), shape_refused
  // (not of its form), conflict (of another phase or member, or unlike what it said before).
  [[nodiscard]] Outcome take(std::uint32_t member, ByteView reply);
  // Goes on with those who replied. Refuses (peer_unreachable) when they are too few: then the
  // round has failed.
  [[nodiscard]] Outcome advance();
  bool all_replied() const { return replies_.size() == members_.size(); }
  bool replied(std::uint32_t member) const { return replies_.contains(member); }

  // After unmasking, when enough have replied; keys and seeds are held against what was said of
  // them in their phases. Refuses: peer_unreachable (too few), verification_failed (no t members'
  // shares give back what a member committed to, though every t neighbouring ones were tried).
  [[nodiscard]] Result<RoundSum> sum() const;

 private:
  Coordinator(SumProposal proposal, const security::SigningKey& key);
  Outcome take_keys(std::uint32_t member, ByteView reply);
  Outcome take_shares(std::uint32_t member, ByteView reply);
  Outcome take_masked(std::uint32_t member, ByteView reply);
  Outcome take_consent(std::uint32_t member, ByteView reply);
  Outcome take_unmasking(std::uint32_t member, ByteView reply);
  template <class Message>
  Result<Message> open(std::uint32_t member, ByteView reply, std::string_view context,
                       Result<Message> (*read)(ByteView)) const;
  std::size_t needed() const;
  Bytes key_list() const;
  Bytes share_list(std::uint32_t member) const;
  Bytes consent_list() const;

  SumProposal proposal_;
  RoundContext round_;
  Bytes signed_proposal_;
  RoundPhase phase_ = RoundPhase::keys;
  std::vector<std::uint32_t> members_;        // in the phase, ascending
  std::map<std::uint32_t, Hash256> replies_;  // in the phase
  Bytes common_;                              // the phase's message, where all get the same
  std::map<std::uint32_t, SumKeyList::Entry> keys_;
  std::map<std::uint32_t, SumShares> shares_;
  std::map<std::uint32_t, SumMasked> masked_;
  SumSurvivors survivors_;
  Hash256 statement_;
  std::map<std::uint32_t, Signature> consents_;
  std::map<std::uint32_t, SumUnmasking> unmasked_;
};

}  // namespace entente::federation
