#include "security/identity/charter_draft.h"

#include <algorithm>

#include "schemas/base/hash.h"
#include "security/identity/limits.h"

namespace entente::security {
namespace {

constexpr std::string_view kHeader = "entente-charter 1";
constexpr std::string_view kCharterWord = "charter ";
constexpr std::string_view kDraftWord = "draft ";
constexpr std::string_view kRootPrefix = "ENTR1.";
constexpr std::size_t kChecksum = 8;

Error invalid(const std::string& why) {
  return make_error(ErrorCode::charter_invalid, why);
}

template <class List, class Value>
bool contains(const List& list, const Value& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Hash256 root_checksum(ByteView seed) {
  return hash("entente root key file v1", seed);
}

// Of each purpose the newest kKeysOfPurpose, in the order in which they stand.
void keep_newest(std::vector<PurposeKey>& keys) {
  std::vector<PurposeKey> kept;
  for (const PurposeKey& item : keys) {
    const auto same = [&](const PurposeKey& other) { return other.purpose == item.purpose; };
    const auto before = std::count_if(kept.begin(), kept.end(), same);
    if (static_cast<std::size_t>(before) < kKeysOfPurpose) kept.push_back(item);
  }
  keys = std::move(kept);
}

std::string named(const PurposeKey& item) {
  return std::string(to_text(item.purpose)) + " key " + item.key.short_hex();
}

}  // namespace

std::string_view to_text(KeyPurpose purpose) {
  switch (purpose) {
    case KeyPurpose::ca:
      return "ca";
    case KeyPurpose::answer:
      return "answer";
    case KeyPurpose::audit:
      return "audit";
    case KeyPurpose::envelope:
      return "envelope";
    case KeyPurpose::agreement:
      return "agreement";
  }
  return "other";
}

Result<Charter> next_charter(const PinnedOrganisation& now, const CharterChange& change) {
  Charter out = now.current();
  out.version += 1;
  out.previous = charter_hash(now.chain().back().charter);
  out.issued = std::max(change.issued, now.current().issued);
  out.expires = change.expires;
  for (const Hash256& key : change.revoke) {
    if (!contains(out.revoked_keys, key)) out.revoked_keys.push_back(key);
  }
  const auto gone = [&](const PurposeKey& item) {
    return contains(change.drop, item.key) || contains(out.revoked_keys, hash_public_key(item.key));
  };
  std::erase_if(out.keys, gone);
  for (const PurposeKey& item : change.add) {
    if (gone(item)) return invalid("the " + named(item) + " is revoked: it cannot be named again");
    if (contains(now.current().keys, item))
      return invalid("the " + named(item) + " is named already");
    out.keys.insert(out.keys.begin(), item);
  }
  keep_newest(out.keys);
  if (change.roots) out.root_keys = *change.roots;
  if (change.threshold) out.threshold = *change.threshold;
  const Bytes bytes = canonical_bytes(out);
  if (auto done = now.could_follow(bytes); !done) return std::move(done).error();
  return charter_from_bytes(bytes);
}

Result<MissingSignatures> missing_signatures(const PinnedOrganisation& now,
                                             const SignedCharter& draft) {
  if (auto done = now.could_follow(draft.charter); !done) return std::move(done).error();
  auto charter = charter_from_bytes(draft.charter);
  if (!charter) return std::move(charter).error();
  const Charter& before = now.current();
  const Charter& after = *charter;
  MissingSignatures out;
  const auto lacks = [&](const Charter& by) {
    const std::size_t have = distinct_signers(draft, by.root_keys);
    return have < by.threshold ? by.threshold - have : 0;
  };
  out.of_old = lacks(before);
  out.of_new = lacks(after);
  for (const std::vector<PublicKey>* roots : {&before.root_keys, &after.root_keys}) {
    for (const PublicKey& root : *roots) {
      if (distinct_signers(draft, {root}) == 0 && !contains(out.could_sign, root)) {
        out.could_sign.push_back(root);
      }
    }
  }
  return out;
}

Outcome add_signature(const PinnedOrganisation& now, SignedCharter& draft, const SigningKey& root) {
  auto missing = missing_signatures(now, draft);
  if (!missing) return std::move(missing).error();
  const PublicKey& key = root.public_key();
  if (distinct_signers(draft, {key}) > 0) {
    return make_error(ErrorCode::conflict, "the root key " + key.short_hex() + " signed already",
                      "a key counts once: have another one sign");
  }
  if (!contains(missing->could_sign, key)) {
    return make_error(ErrorCode::denied,
                      "the key " + key.short_hex() + " is a root key of neither charter",
                      "sign with one of the keys that 'entente charter show' names");
  }
  // A forged signature under this key would only take up room.
  std::erase_if(draft.signatures, [&](const KeySignature& item) { return item.key == key; });
  draft.signatures.push_back({key, root.sign(contexts::kCharter, draft.charter)});
  return {};
}

std::vector<std::string> changes_of(const Charter& before, const Charter& after) {
  std::vector<std::string> out;
  out.push_back("version " + std::to_string(before.version) + " becomes " +
                std::to_string(after.version) + ", in force until " +
                entente::to_text(after.expires));
  if (before.name != after.name) out.push_back("the name becomes " + after.name);
  if (before.title != after.title) out.push_back("the title becomes " + after.title);
  for (const PurposeKey& item : after.keys) {
    if (!contains(before.keys, item)) out.push_back("adds the " + named(item));
  }
  for (const PurposeKey& item : before.keys) {
    if (!contains(after.keys, item)) out.push_back("drops the " + named(item));
  }
  for (const PublicKey& root : after.root_keys) {
    if (!contains(before.root_keys, root)) out.push_back("adds the root key " + root.hex());
  }
  for (const PublicKey& root : before.root_keys) {
    if (!contains(after.root_keys, root)) out.push_back("drops the root key " + root.hex());
  }
  if (before.threshold != after.threshold) {
    out.push_back("the threshold becomes " + std::to_string(after.threshold) + " of " +
                  std::to_string(after.root_keys.size()) + " root keys");
  }
  for (const Hash256& key : after.revoked_keys) {
    if (!contains(before.revoked_keys, key))
      out.push_back("revokes the key with hash " + key.hex());
  }
  for (const Hash256& key : before.revoked_keys) {
    if (!contains(after.revoked_keys, key)) {
      out.push_back("no longer revokes the key with hash " + key.hex());
    }
  }
  return out;
}

std::string to_text(const CharterFile& file) {
  std::string out = std::string(kHeader) + "\n";
  auto after = charter_from_bytes(file.draft.charter);
  if (after) {
    out += "# of " + after->name + ", " + file.organisation.id().hex() + "\n";
    for (const std::string& change : changes_of(file.organisation.current(), *after)) {
      out += "# " + change + "\n";
    }
  }
  for (const SignedCharter& one : file.organisation.chain()) {
    out += std::string(kCharterWord) + to_base64url(to_wire_bytes(one)) + "\n";
  }
  return out + std::string(kDraftWord) + to_base64url(to_wire_bytes(file.draft)) + "\n";
}

Result<CharterFile> charter_file_from_text(std::string_view text) {
  std::vector<SignedCharter> chain;
  std::optional<SignedCharter> draft;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trimmed(text.substr(at, end - at));
    at = end + 1;
    const auto refuse = [&](const std::string& why) {
      return invalid("line " + std::to_string(number + 1) + " of the charter's file " + why);
    };
    if (number == 0 && line != kHeader) {
      return refuse("is not '" + std::string(kHeader) + "': this is no such file");
    }
    if (number == 0 || line.empty() || line.starts_with('#')) continue;
    const bool is_draft = line.starts_with(kDraftWord);
    if (!is_draft && !line.starts_with(kCharterWord)) {
      return refuse("begins with neither 'charter' nor 'draft'");
    }
    auto bytes = from_base64url(trimmed(line.substr(line.find(' '))));
    if (!bytes) return refuse("is mistyped or cut off");
    auto read = signed_charter_from_bytes(*bytes);
    if (!read) return refuse("does not read: " + read.error().what);
    if (draft) return refuse("comes after the draft, which is the last");
    if (is_draft) {
      draft = std::move(*read);
    } else if (chain.size() >= limits::kCharterChain) {
      return refuse("is one charter too many");
    } else {
      chain.push_back(std::move(*read));
    }
  }
  if (!draft) return invalid("the charter's file holds no draft: it is cut off");
  auto organisation = PinnedOrganisation::from_chain(std::move(chain));
  if (!organisation) return std::move(organisation).error();
  if (auto done = organisation->could_follow(draft->charter); !done) return std::move(done).error();
  return CharterFile{std::move(*organisation), std::move(*draft)};
}

std::string root_key_to_text(const SigningKey& root) {
  const Secret seed = root.seed();
  Bytes bytes(seed.view().begin(), seed.view().end());
  const Hash256 checksum = root_checksum(bytes);
  bytes.insert(bytes.end(), checksum.bytes.begin(), checksum.bytes.begin() + kChecksum);
  std::string text = std::string(kRootPrefix) + to_base64url(bytes) + "\n";
  wipe(bytes);
  return text;
}

Result<SigningKey> root_key_from_text(std::string_view text) {
  text = trimmed(text);
  const auto refused = invalid("this is no root key's file, or it is mistyped or cut off");
  if (!text.starts_with(kRootPrefix)) return refused;
  auto bytes = from_base64url(text.substr(kRootPrefix.size()));
  if (!bytes || bytes->size() != SigningKey::kSeedBytes + kChecksum) return refused;
  const ByteView seed = ByteView(*bytes).first(SigningKey::kSeedBytes);
  const Hash256 checksum = root_checksum(seed);
  const bool same = std::equal(seed.end(), ByteView(*bytes).end(), checksum.bytes.begin());
  auto key = same ? SigningKey::from_seed(seed) : Result<SigningKey>(refused);
  wipe(*bytes);
  return key;
}

}  // namespace entente::security
