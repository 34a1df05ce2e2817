// One site's part of a round of secure aggregation: messages in, messages out.
//
// The steps of privacy.md 2.10 as the site takes them, each once and in this order:
//   join     judges the signed proposal, makes the pairs of keys of this round
//   share    checks everybody's keys, splits its mask key and the seed of its own mask, seals them
//   mask     opens what others sealed to it; charges, adds noise, masks and stores, as one step
//   consent  signs one set of survivors, for ever
//   unmask   on enough such signatures reveals shares of the survivors' seeds and of the others'
//            mask keys, never both of one member
// A repeated message gets the stored answer, another one in its place is refused (conflict), as is
// one that comes too early. A refusal changes nothing. What must outlive the process is behind
// RoundAccount; the secrets do not, so a site that restarts leaves its rounds.
//
// What it holds against: a coordinator with at most k members, in any message. What it does not:
// members that put in wrong values, and anybody's refusal to go on.
// Source: Bonawitz et al. (2017), the variant with signatures and the consistency round. Threads:
// one at a time; not the loop's, since keys and masks of many members take a while.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "federation/aggregate/masking.h"
#include "federation/aggregate/round_terms.h"
#include "federation/aggregate/shamir.h"
#include "schemas/base/clock.h"
#include "security/identity/keys.h"
#include "security/privacy/noise.h"

namespace entente::federation {

// What the site itself knows and demands, whatever the proposal says.
struct SiteTerms {
  OrgId self;
  std::string site;
  OrgId coordinator;
  PublicKey coordinator_key;  // of its envelopes, from its pinned charter
  Hash256 question;           // that this site was asked and has admitted
  // What the question is computed as here, with the least variance it is charged for.
  SumLayout layout;
  // The organisations whose charters this site has pinned, with the keys that sign for each; this
  // site's own among them. Every other member counts as colluding.
  std::map<OrgId, std::vector<PublicKey>> pinned;
  std::uint32_t members_least = limits::kSumMembersLeast;  // by the agreement
};

// The site's durable account of rounds. Each returns when it is durable; throws on a store fault.
class RoundAccount {
 public:
  virtual ~RoundAccount() = default;
  // Refuses: replayed (this round was joined before, also by an earlier process).
  virtual Outcome open(const RoundContext& round, Instant deadline) = 0;
  // One transaction: charges, draws noise of `layout`, and stores what `mask` makes of the noisy
  // vector, which is never kept itself. Refuses: budget_exhausted and its like, charging nothing;
  // replayed (this round was charged before).
  using Mask = std::function<Bytes(std::span<const std::int64_t> noisy)>;
  virtual Result<Bytes> release(const RoundContext& round, const SumLayout& layout,
                                const Mask& mask) = 0;
  // Refuses: conflict (the round has another set of survivors).
  virtual Outcome agree(const RoundContext& round, const Hash256& survivors) = 0;
};

// `exact` and noise of each coordinate's share_variance. One value an integer of the layout.
std::vector<std::int64_t> noisy_share(const SumLayout& layout, std::span<const std::int64_t> exact,
                                      security::NoiseSource& noise);

class SitePart {
 public:
  struct Parts {
    const Clock& clock;
    Random& random;
    const security::SigningKey& key;  // by which the site is a member
    RoundAccount& account;
  };
  // Refuses: verification_failed (not signed by the coordinator, a member's key that is not its
  // organisation's), shape_refused (check_proposal's, too few members, more of them unknown here
  // than may collude, another question, layout or less noise than it is charged for), stale,
  // deadline_exceeded, replayed.
  static Result<std::unique_ptr<SitePart>> join(SiteTerms terms, ByteView signed_proposal,
                                                const Parts& parts);
  ~SitePart();
  SitePart(const SitePart&) = delete;
  SitePart& operator=(const SitePart&) = delete;

  const RoundContext& round() const { return round_; }
  const SumProposal& proposal() const { return proposal_; }

  const Bytes& keys() const { return keys_; }               // Signed SumKeys
  [[nodiscard]] Result<Bytes> share(ByteView key_list);     // Signed SumShares
  [[nodiscard]] Result<Bytes> mask(ByteView share_list);    // Signed SumMasked
  [[nodiscard]] Result<Bytes> consent(ByteView survivors);  // SumConsent
  [[nodiscard]] Result<Bytes> unmask(ByteView consents);    // Signed SumUnmasking

 private:
  struct Answered {
    Hash256 asked;
    Bytes reply;
  };
  struct Peer {
    SealKey mask_key;
    StreamKey seal_secret{};  // what both share to seal with; zero of itself
    std::optional<HeldShares> held;
  };

  SitePart(SiteTerms terms, SumProposal proposal, const RoundContext& round, std::uint32_t own,
           const Parts& parts);
  Bytes make_keys();
  // The answer of a step that was taken, an error, or nothing: the step may be taken.
  std::optional<Result<Bytes>> standing(const std::optional<Answered>& step,
                                        const std::optional<Answered>* before,
                                        const Hash256& asked) const;
  Outcome check_keys(const SumKeyList& list) const;
  Outcome take_keys(const SumKeyList& list);
  Outcome open_all(const SumShareList& list, std::map<std::uint32_t, HeldShares>& held) const;
  Result<std::vector<std::uint64_t>> masks(const std::vector<std::uint32_t>& finished) const;
  Outcome check_survivors(const SumSurvivors& survivors) const;
  Bytes signed_message(std::string_view context, Bytes body) const;
  std::size_t least_present() const { return proposal_.members.size() - proposal_.dropouts; }
  ByteView mask_secret() const { return secrets_.view().subspan(0, kSecretBytes); }
  ByteView seal_secret() const { return secrets_.view().subspan(kSecretBytes, kSecretBytes); }
  ByteView seed() const { return secrets_.view().subspan(2 * kSecretBytes, kSecretBytes); }

  const SiteTerms terms_;
  const SumProposal proposal_;
  const RoundContext round_;
  const std::uint32_t own_;
  const Parts parts_;
  security::Secret secrets_;  // mask key, seal key, seed
  Bytes keys_;
  std::map<std::uint32_t, Peer> peers_;  // whose keys were in the list; itself among them
  std::vector<std::uint32_t> finished_;  // with whom it masked
  SumSurvivors survivors_;               // to which it consented
  std::optional<Answered> shared_, masked_, consented_, unmasked_;
};

}  // namespace entente::federation
