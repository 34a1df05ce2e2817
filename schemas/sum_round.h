// The messages of a round of secure aggregation, and their wire form (schemas/wire/sum.capnp).
//
// A round adds up one vector of integers a member so that nobody sees a single one
// (federation/aggregate, privacy.md 2.10). Members are named by their place in the proposal, from
// 0, and every list of members ascends without repetition. Each message but the proposal begins
// with the proposal's hash, so that none counts in another round. Conversions are total and refuse
// (invalid_argument) with the field that is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/limits.h"
#include "schemas/base/time.h"

namespace entente {

using RoundId = FixedId<struct RoundTag, 16>;            // random, chosen by the coordinator
using SecretShare = FixedId<struct SecretShareTag, 40>;  // of a secret of 32 bytes (shamir.h)

// What signatures of a round are made in; security/identity/keys.h has the rest.
inline constexpr std::string_view kSumProposalContext = "entente sum proposal signature v1";
inline constexpr std::string_view kSumKeysContext = "entente sum keys signature v1";
inline constexpr std::string_view kSumSharesContext = "entente sum shares signature v1";
inline constexpr std::string_view kSumMaskedContext = "entente sum masked signature v1";
inline constexpr std::string_view kSumConsentContext = "entente sum consent signature v1";
inline constexpr std::string_view kSumUnmaskingContext = "entente sum unmasking signature v1";

inline constexpr std::size_t kSumMembersMost = 1'000;
inline constexpr std::size_t kSumIntegersMost = limits::kReleaseBytes / 8;  // of one vector
inline constexpr std::size_t kSealedShareBytes = 2 * SecretShare::kSize + 16;

struct SumMember {
  OrgId organisation;
  std::string site;
  PublicKey key;     // with which it signs in this round
  Hash256 question;  // question_hash of what it is asked
  bool operator==(const SumMember&) const = default;
};

// `width` like integers of every cell: value = integer * 2^exponent.
struct SumCoordinate {
  int exponent = 0;
  std::uint32_t width = 1;
  std::uint64_t variance = 0;        // that the honest members' noise reaches, in squared steps
  std::uint64_t share_variance = 0;  // of the noise that each member adds
  bool operator==(const SumCoordinate&) const = default;
};

// The vector: cell after cell, in each the coordinates one after the other.
struct SumLayout {
  std::uint32_t cells = 0;
  std::vector<SumCoordinate> coordinates;
  std::size_t integers() const;
  bool operator==(const SumLayout&) const = default;
};

struct SumProposal {
  RoundId round;
  OrgId coordinator;
  std::vector<SumMember> members;
  SumLayout layout;
  std::uint32_t colluders = 0;
  std::uint32_t dropouts = 0;
  std::uint32_t threshold = 0;
  Instant issued;
  Instant deadline;
  bool operator==(const SumProposal&) const = default;
};

struct SumKeys {
  Hash256 proposal;
  std::uint32_t member = 0;
  SealKey mask_key;
  SealKey seal_key;
  bool operator==(const SumKeys&) const = default;
};
struct SumKeyList {
  struct Entry {
    std::uint32_t member = 0;
    SealKey mask_key;
    SealKey seal_key;
    Signature signature;  // over the SumKeys that these make
    bool operator==(const Entry&) const = default;
  };
  Hash256 proposal;
  std::vector<Entry> entries;
  bool operator==(const SumKeyList&) const = default;
};

struct SealedShare {
  std::uint32_t member = 0;
  Bytes sealed;
  bool operator==(const SealedShare&) const = default;
};
// To every other member whose keys were in the list.
struct SumShares {
  Hash256 proposal;
  std::uint32_t member = 0;
  Hash256 commitment;  // to the seed of its own mask
  std::vector<SealedShare> shares;
  bool operator==(const SumShares&) const = default;
};
// What one member is handed: who finished, each with what it sealed to this member; its own is
// empty.
struct SumShareList {
  Hash256 proposal;
  std::vector<SealedShare> shares;
  bool operator==(const SumShareList&) const = default;
};

struct SumMasked {
  Hash256 proposal;
  std::uint32_t member = 0;
  std::vector<std::uint64_t> values;
  bool operator==(const SumMasked&) const = default;
};

struct SumSurvivors {
  Hash256 proposal;
  std::vector<std::uint32_t> finished;   // with whom everybody masked
  std::vector<std::uint32_t> survivors;  // whose masked vectors are added
  bool operator==(const SumSurvivors&) const = default;
};
struct SumConsent {
  Hash256 proposal;
  std::uint32_t member = 0;
  Signature signature;  // over survivors_hash
  bool operator==(const SumConsent&) const = default;
};
struct SumConsentList {
  struct Entry {
    std::uint32_t member = 0;
    Signature signature;
    bool operator==(const Entry&) const = default;
  };
  Hash256 proposal;
  std::vector<Entry> consents;
  bool operator==(const SumConsentList&) const = default;
};

struct SumUnmasking {
  Hash256 proposal;
  std::uint32_t member = 0;
  std::vector<SecretShare> seed_shares;  // one for each survivor, in their order
  std::vector<SecretShare> key_shares;   // one for each that finished and is no survivor
  bool operator==(const SumUnmasking&) const = default;
};

Bytes canonical_bytes(const SumProposal& value);
Bytes canonical_bytes(const SumKeys& value);
Bytes canonical_bytes(const SumKeyList& value);
Bytes canonical_bytes(const SumShares& value);
Bytes canonical_bytes(const SumShareList& value);
Bytes canonical_bytes(const SumMasked& value);
Bytes canonical_bytes(const SumSurvivors& value);
Bytes canonical_bytes(const SumConsent& value);
Bytes canonical_bytes(const SumConsentList& value);
Bytes canonical_bytes(const SumUnmasking& value);

[[nodiscard]] Result<SumProposal> sum_proposal_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumKeys> sum_keys_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumKeyList> sum_key_list_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumShares> sum_shares_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumShareList> sum_share_list_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumMasked> sum_masked_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumSurvivors> sum_survivors_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumConsent> sum_consent_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumConsentList> sum_consent_list_from_bytes(ByteView canonical);
[[nodiscard]] Result<SumUnmasking> sum_unmasking_from_bytes(ByteView canonical);

Hash256 sum_proposal_hash(ByteView canonical);
Hash256 sum_survivors_hash(ByteView canonical);

}  // namespace entente
