// Charters: making the first one, signing the next, and believing a partner's.
//
// Source: the thresholds over the old and the new keys follow The Update Framework, section 5.3
// (root rotation). The organisation's id is the hash of its first charter, so whoever knows the id
// needs no third party to check the rest of the chain.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/charter.h"
#include "security/identity/keys.h"

namespace entente::security {

// The private halves of what a charter names. The roots belong off the node once it runs.
struct OrganisationKeys {
  std::vector<SigningKey> roots;
  SigningKey ca;
  SigningKey answer;
  SigningKey audit;
  SigningKey envelope;
  SigningKey agreement;
};
OrganisationKeys generate_keys(Random& random, std::size_t roots = 1);

struct CharterTerms {
  std::string name;   // local id
  std::string title;  // for people
  Instant issued;
  Instant expires;
  std::uint8_t threshold = 1;
};
// Version 1. Refuses (charter_invalid) terms that break a rule of schemas/charter.h.
[[nodiscard]] Result<Charter> first_charter(const CharterTerms& terms,
                                            const OrganisationKeys& keys);

// Signs the canonical bytes with each of `signers`.
SignedCharter sign_charter(const Charter& charter, std::span<const SigningKey* const> signers);
SignedCharter sign_charter(const Charter& charter, const std::vector<SigningKey>& signers);

// How many distinct keys of `roots` signed the charter. A key that signed twice counts once, one
// that is not among them not at all.
std::size_t distinct_signers(const SignedCharter& charter, const std::vector<PublicKey>& roots);

// What became of a charter that was shown to a pinned organisation.
enum class Advance {
  advanced,   // it was the next one and is now in force
  unchanged,  // it is the one in force
};

// A key that charters name or once named.
struct DatedKey {
  PublicKey key;
  std::optional<Instant> until = {};  // when the first charter that named it no more was issued
  bool operator==(const DatedKey&) const = default;
};

// An organisation whose charters were verified from the first to the current one. Only its CA,
// answer and other keys are believed. Threads: as a value.
class PinnedOrganisation {
 public:
  // Refuses (charter_invalid), naming the version: too few distinct root signatures, a gap, a wrong
  // previous hash, a weak key, time running backwards, an empty or overlong chain.
  [[nodiscard]] static Result<PinnedOrganisation> from_chain(std::vector<SignedCharter> chain);

  const OrgId& id() const { return id_; }
  const Charter& current() const { return current_; }
  const std::vector<SignedCharter>& chain() const { return chain_; }
  // False from `expires` on: no session, question or answer of this organisation counts.
  bool in_force(Instant now) const { return now < current_.expires; }
  bool has_key(KeyPurpose purpose, const PublicKey& key) const;
  // The key of this purpose of every charter, newest first and each once, without those that the
  // current one revokes: what was signed before a rotation still verifies.
  std::vector<PublicKey> keys_ever(KeyPurpose purpose) const;
  // The same keys with the time until which charters named them.
  std::vector<DatedKey> dated_keys(KeyPurpose purpose) const;
  bool has_revoked(const PublicKey& key) const;

  // Whether `next`, once signed by the thresholds of both, could follow the one in force. Refuses
  // (charter_invalid) as `advance` does, but for signatures.
  [[nodiscard]] Outcome could_follow(ByteView next) const;
  // The version that first named this key for this purpose; 0 when none did.
  std::uint32_t named_since(KeyPurpose purpose, const PublicKey& key) const;
  // The version that first named the key of this purpose under which the signature verifies;
  // nothing when it is no such key's, or a revoked one's.
  std::optional<std::uint32_t> signed_since(KeyPurpose purpose, std::string_view context,
                                            ByteView body, const Signature& signature) const;

  // Takes the next charter. Refuses, unchanged:
  //   conflict         properly signed, but another charter with that number is pinned: the
  //                    organisation says two things, and the link must freeze
  //   stale            an older version that is pinned already (rollback)
  //   charter_invalid  anything that from_chain refuses
  [[nodiscard]] Result<Advance> advance(const SignedCharter& next);

 private:
  PinnedOrganisation() = default;
  Outcome append(const SignedCharter& next);
  OrgId id_;
  std::vector<SignedCharter> chain_;
  Charter current_;
};

}  // namespace entente::security
