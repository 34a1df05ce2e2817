#include "security/identity/charter.h"

#include <algorithm>
#include <set>

#include "security/identity/limits.h"

namespace entente::security {
namespace {

Error invalid(std::uint32_t version, const std::string& why) {
  return make_error(ErrorCode::charter_invalid,
                    "charter version " + std::to_string(version) + ": " + why);
}

Outcome check_signatures(const SignedCharter& received, const Charter& charter,
                         const Charter* before) {
  if (distinct_signers(received, charter.root_keys) < charter.threshold) {
    return invalid(charter.version, "fewer of its own root keys signed than its threshold");
  }
  if (before != nullptr && distinct_signers(received, before->root_keys) < before->threshold) {
    return invalid(charter.version, "fewer root keys of the version before signed than needed");
  }
  return {};
}

Outcome check_keys(const Charter& charter) {
  const auto weak = [](const PublicKey& key) { return !is_strong(key); };
  if (std::any_of(charter.root_keys.begin(), charter.root_keys.end(), weak)) {
    return invalid(charter.version, "a root key is no sound Ed25519 key");
  }
  for (const PurposeKey& item : charter.keys) {
    // Keys for purposes of a newer version need not be Ed25519.
    if (item.purpose <= KeyPurpose::agreement && weak(item.key)) {
      return invalid(charter.version, "a purpose's key is no sound Ed25519 key");
    }
  }
  return {};
}

// Whether `charter` may follow `before` (null: be the first), signatures apart.
Outcome check_content(const Charter& charter, const Charter* before, ByteView before_bytes) {
  if (auto done = check_keys(charter); !done) return done;
  if (before == nullptr) {
    if (charter.version != 1) return invalid(charter.version, "the chain must begin at version 1");
    return {};
  }
  if (charter.version != before->version + 1) {
    return invalid(charter.version,
                   "it does not follow version " + std::to_string(before->version));
  }
  if (charter.previous != charter_hash(before_bytes)) {
    return invalid(charter.version, "it names another charter as the one before");
  }
  if (charter.issued < before->issued) {
    return invalid(charter.version, "it was issued before the version that it replaces");
  }
  return {};
}

Outcome check_step(const SignedCharter& received, const Charter& charter, const Charter* before,
                   ByteView before_bytes) {
  if (auto done = check_content(charter, before, before_bytes); !done) return done;
  return check_signatures(received, charter, before);
}

}  // namespace

std::size_t distinct_signers(const SignedCharter& charter, const std::vector<PublicKey>& roots) {
  std::set<PublicKey> signers;
  for (const KeySignature& item : charter.signatures) {
    const bool known = std::find(roots.begin(), roots.end(), item.key) != roots.end();
    if (known && !signers.contains(item.key) &&
        verify(item.key, contexts::kCharter, charter.charter, item.signature)) {
      signers.insert(item.key);
    }
  }
  return signers.size();
}

OrganisationKeys generate_keys(Random& random, std::size_t roots) {
  std::vector<SigningKey> root_keys;
  for (std::size_t i = 0; i < roots; ++i) root_keys.push_back(SigningKey::generate(random));
  // One after the other: the order of arguments' evaluation must not decide which key is which.
  SigningKey ca = SigningKey::generate(random);
  SigningKey answer = SigningKey::generate(random);
  SigningKey audit = SigningKey::generate(random);
  SigningKey envelope = SigningKey::generate(random);
  SigningKey agreement = SigningKey::generate(random);
  return {std::move(root_keys), std::move(ca),       std::move(answer),
          std::move(audit),     std::move(envelope), std::move(agreement)};
}

Result<Charter> first_charter(const CharterTerms& terms, const OrganisationKeys& keys) {
  Charter out;
  out.name = terms.name;
  out.title = terms.title;
  out.version = 1;
  for (const SigningKey& root : keys.roots) out.root_keys.push_back(root.public_key());
  out.threshold = terms.threshold;
  out.keys = {{KeyPurpose::ca, keys.ca.public_key()},
              {KeyPurpose::answer, keys.answer.public_key()},
              {KeyPurpose::audit, keys.audit.public_key()},
              {KeyPurpose::envelope, keys.envelope.public_key()},
              {KeyPurpose::agreement, keys.agreement.public_key()}};
  out.issued = terms.issued;
  out.expires = terms.expires;
  return charter_from_bytes(canonical_bytes(out));
}

SignedCharter sign_charter(const Charter& charter, std::span<const SigningKey* const> signers) {
  SignedCharter out{canonical_bytes(charter), {}};
  for (const SigningKey* signer : signers) {
    out.signatures.push_back({signer->public_key(), signer->sign(contexts::kCharter, out.charter)});
  }
  return out;
}

SignedCharter sign_charter(const Charter& charter, const std::vector<SigningKey>& signers) {
  std::vector<const SigningKey*> pointers;
  for (const SigningKey& signer : signers) pointers.push_back(&signer);
  return sign_charter(charter, pointers);
}

Result<PinnedOrganisation> PinnedOrganisation::from_chain(std::vector<SignedCharter> chain) {
  if (chain.empty() || chain.size() > limits::kCharterChain) {
    return make_error(ErrorCode::charter_invalid, "a chain of 1 to 256 charters was expected");
  }
  PinnedOrganisation out;
  for (const SignedCharter& next : chain) {
    if (auto done = out.append(next); !done) return std::move(done).error();
  }
  return out;
}

Outcome PinnedOrganisation::append(const SignedCharter& next) {
  auto charter = charter_from_bytes(next.charter);
  if (!charter) return std::move(charter).error();
  const bool first = chain_.empty();
  if (auto done = check_step(next, *charter, first ? nullptr : &current_,
                             first ? ByteView{} : ByteView(chain_.back().charter));
      !done) {
    return done;
  }
  if (first) id_ = org_id_of(next.charter);
  chain_.push_back(next);
  current_ = *std::move(charter);
  return {};
}

bool PinnedOrganisation::has_key(KeyPurpose purpose, const PublicKey& key) const {
  const PurposeKey wanted{purpose, key};
  return std::find(current_.keys.begin(), current_.keys.end(), wanted) != current_.keys.end();
}

std::vector<PublicKey> PinnedOrganisation::keys_ever(KeyPurpose purpose) const {
  std::vector<PublicKey> keys;
  for (const DatedKey& one : dated_keys(purpose)) keys.push_back(one.key);
  return keys;
}

std::vector<DatedKey> PinnedOrganisation::dated_keys(KeyPurpose purpose) const {
  std::vector<DatedKey> keys;
  std::optional<Instant> until;  // of a key that the charter looked at is the last to name
  for (auto signed_charter = chain_.rbegin(); signed_charter != chain_.rend(); ++signed_charter) {
    const auto charter = charter_from_bytes(signed_charter->charter);
    ENTENTE_CHECK(charter.has_value());
    for (const PurposeKey& named : charter->keys) {
      const auto same = [&](const DatedKey& other) { return other.key == named.key; };
      const bool known = std::any_of(keys.begin(), keys.end(), same);
      if (named.purpose == purpose && !known && !has_revoked(named.key)) {
        keys.push_back({named.key, until});
      }
    }
    until = charter->issued;
  }
  return keys;
}

std::uint32_t PinnedOrganisation::named_since(KeyPurpose purpose, const PublicKey& key) const {
  for (const SignedCharter& signed_charter : chain_) {
    const auto charter = charter_from_bytes(signed_charter.charter);
    ENTENTE_CHECK(charter.has_value());
    const PurposeKey wanted{purpose, key};
    const auto& keys = charter->keys;
    if (std::find(keys.begin(), keys.end(), wanted) != keys.end()) return charter->version;
  }
  return 0;
}

std::optional<std::uint32_t> PinnedOrganisation::signed_since(KeyPurpose purpose,
                                                              std::string_view context,
                                                              ByteView body,
                                                              const Signature& signature) const {
  for (const DatedKey& one : dated_keys(purpose)) {
    if (verify(one.key, context, body, signature)) return named_since(purpose, one.key);
  }
  return {};
}

Outcome PinnedOrganisation::could_follow(ByteView next) const {
  auto charter = charter_from_bytes(next);
  if (!charter) return std::move(charter).error();
  return check_content(*charter, &current_, chain_.back().charter);
}

bool PinnedOrganisation::has_revoked(const PublicKey& key) const {
  const auto& revoked = current_.revoked_keys;
  return std::find(revoked.begin(), revoked.end(), hash_public_key(key)) != revoked.end();
}

Result<Advance> PinnedOrganisation::advance(const SignedCharter& next) {
  auto charter = charter_from_bytes(next.charter);
  if (!charter) return std::move(charter).error();
  const std::uint32_t version = charter->version;
  if (version > current_.version) {
    if (chain_.size() >= limits::kCharterChain) return invalid(version, "the chain is full");
    if (auto done = append(next); !done) return std::move(done).error();
    return Advance::advanced;
  }
  const SignedCharter& pinned = chain_[version - 1];
  if (pinned.charter == next.charter) {
    if (version == current_.version) return Advance::unchanged;
    return make_error(ErrorCode::stale, "charter version " + std::to_string(version) +
                                            " was replaced by version " +
                                            std::to_string(current_.version));
  }
  if (version == 1) return invalid(version, "it is the first charter of another organisation");
  // Only a charter that the organisation's own keys signed proves that it says two things; a forged
  // one must not be able to freeze a link.
  const SignedCharter& before_bytes = chain_[version - 2];
  auto before = charter_from_bytes(before_bytes.charter);
  if (!before) return std::move(before).error();
  if (auto done = check_step(next, *charter, &*before, before_bytes.charter); !done) {
    return std::move(done).error();
  }
  return make_error(ErrorCode::conflict,
                    "two different charters carry version " + std::to_string(version) +
                        "; the organisation's root keys are misused",
                    "freeze the link and ask the partner's administrator by another channel");
}

}  // namespace entente::security
