#include "schemas/charter.h"

#include <algorithm>
#include <set>

#include "schemas/base/hash.h"
#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/identity.capnp.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::charter_invalid, "charter"};
constexpr std::uint16_t kPurposes = 5;

Outcome read_root_keys(wire::Charter::Reader in, Charter& out) {
  const auto keys = in.getRootKeys();
  if (keys.size() == 0 || keys.size() > limits::kRootKeys) {
    return kRefuse("rootKeys", "must hold 1 to 16 keys");
  }
  std::set<PublicKey> seen;
  for (const auto raw : keys) {
    auto key = PublicKey::from_bytes(view_of(raw));
    if (!key) return kRefuse("rootKeys", "must hold keys of 32 bytes");
    if (!seen.insert(*key).second) return kRefuse("rootKeys", "names one key twice");
    out.root_keys.push_back(*key);
  }
  out.threshold = in.getThreshold();
  if (out.threshold == 0 || out.threshold > out.root_keys.size()) {
    return kRefuse("threshold", "must lie between 1 and the number of root keys");
  }
  return {};
}

Outcome read_purpose_keys(wire::Charter::Reader in, Charter& out) {
  const auto keys = in.getKeys();
  if (keys.size() > limits::kPurposeKeys) return kRefuse("keys", "holds more than 64 keys");
  std::set<PublicKey> seen(out.root_keys.begin(), out.root_keys.end());
  for (const auto item : keys) {
    // A purpose of a newer version is carried along; nothing here uses it.
    const auto purpose = static_cast<std::uint16_t>(item.getPurpose());
    auto key = PublicKey::from_bytes(view_of(item.getKey()));
    if (!key) return kRefuse("keys", "must hold keys of 32 bytes");
    // A key with two purposes would let a signature for one be taken for the other.
    if (!seen.insert(*key).second) return kRefuse("keys", "gives one key two purposes");
    out.keys.push_back({static_cast<KeyPurpose>(purpose), *key});
  }
  for (std::uint16_t purpose = 0; purpose < kPurposes; ++purpose) {
    if (out.key_for(static_cast<KeyPurpose>(purpose)) == nullptr) {
      return kRefuse("keys", "lacks a key for one of ca, answer, audit, envelope, agreement");
    }
  }
  return {};
}

Outcome read_revoked(wire::Charter::Reader in, Charter& out) {
  const auto revoked = in.getRevokedKeys();
  if (revoked.size() > limits::kRevokedKeys) {
    return kRefuse("revokedKeys", "holds more than 1024 hashes");
  }
  for (const auto raw : revoked) {
    auto hash = Hash256::from_bytes(view_of(raw));
    if (!hash) return kRefuse("revokedKeys", "must hold hashes of 32 bytes");
    out.revoked_keys.push_back(*hash);
  }
  return {};
}

Result<Charter> read(wire::Charter::Reader in) {
  Charter out;
  out.name = string_from(in.getName());
  if (!is_local_id(out.name)) return kRefuse("name", "is no local id");
  out.title = string_from(in.getTitle());
  if (!rules::is_clean_text(out.title, limits::kLabelBytes)) {
    return kRefuse("title", "must be clean UTF-8 of at most 255 bytes");
  }
  out.version = in.getVersion();
  if (out.version == 0) return kRefuse("version", "begins at 1");
  const auto previous = in.getPrevious();
  if ((previous.size() == 0) != (out.version == 1)) {
    return kRefuse("previous", "must be empty in version 1 and only there");
  }
  if (previous.size() != 0) {
    auto hash = Hash256::from_bytes(view_of(previous));
    if (!hash) return kRefuse("previous", "must be a hash of 32 bytes");
    out.previous = *hash;
  }
  if (auto done = read_root_keys(in, out); !done) return std::move(done).error();
  if (auto done = read_purpose_keys(in, out); !done) return std::move(done).error();
  if (auto done = read_revoked(in, out); !done) return std::move(done).error();
  out.issued = {in.getIssuedNs()};
  out.expires = {in.getExpiresNs()};
  if (out.expires <= out.issued) return kRefuse("expires", "must come after issued");
  return out;
}

}  // namespace

const PublicKey* Charter::key_for(KeyPurpose purpose) const {
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const PurposeKey& key) { return key.purpose == purpose; });
  return found == keys.end() ? nullptr : &found->key;
}

Bytes canonical_bytes(const Charter& charter) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Charter>();
  out.setName(charter.name);
  out.setTitle(charter.title);
  out.setVersion(charter.version);
  if (charter.previous) out.setPrevious(data_of(charter.previous->view()));
  auto roots = out.initRootKeys(static_cast<unsigned>(charter.root_keys.size()));
  for (unsigned i = 0; i < roots.size(); ++i) roots.set(i, data_of(charter.root_keys[i].view()));
  out.setThreshold(charter.threshold);
  auto keys = out.initKeys(static_cast<unsigned>(charter.keys.size()));
  for (unsigned i = 0; i < keys.size(); ++i) {
    keys[i].setPurpose(static_cast<wire::KeyPurpose>(charter.keys[i].purpose));
    keys[i].setKey(data_of(charter.keys[i].key.view()));
  }
  auto revoked = out.initRevokedKeys(static_cast<unsigned>(charter.revoked_keys.size()));
  for (unsigned i = 0; i < revoked.size(); ++i) {
    revoked.set(i, data_of(charter.revoked_keys[i].view()));
  }
  out.setIssuedNs(charter.issued.ns);
  out.setExpiresNs(charter.expires.ns);
  return canonicalize(out.asReader());
}

Result<Charter> charter_from_bytes(ByteView canonical) {
  if (canonical.size() > limits::kCharterBytes) return kRefuse("size", "is over 64 KiB");
  return rules::only_encoding(
      with_canonical<wire::Charter>(canonical, ErrorCode::charter_invalid, "charter",
                                    [](auto in) -> Result<Charter> { return read(in); }),
      canonical, kRefuse, [](const Charter& charter) { return canonical_bytes(charter); });
}

Bytes to_wire_bytes(const SignedCharter& charter) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SignedCharter>();
  out.setCharter(data_of(charter.charter));
  auto signatures = out.initSignatures(static_cast<unsigned>(charter.signatures.size()));
  for (unsigned i = 0; i < signatures.size(); ++i) {
    signatures[i].setKey(data_of(charter.signatures[i].key.view()));
    signatures[i].setSignature(data_of(charter.signatures[i].signature.view()));
  }
  return canonicalize(out.asReader());
}

Result<SignedCharter> signed_charter_from_bytes(ByteView bytes) {
  if (bytes.size() > limits::kCharterBytes) return kRefuse("size", "is over 64 KiB");
  const auto read_signed = [](wire::SignedCharter::Reader in) -> Result<SignedCharter> {
    SignedCharter out;
    out.charter = bytes_from(in.getCharter());
    if (out.charter.empty()) return kRefuse("charter", "is empty");
    const auto signatures = in.getSignatures();
    // A charter is signed by the thresholds of two versions at most.
    if (signatures.size() > 2 * limits::kRootKeys) {
      return kRefuse("signatures", "holds more than 32 signatures");
    }
    for (const auto item : signatures) {
      auto key = PublicKey::from_bytes(view_of(item.getKey()));
      auto signature = Signature::from_bytes(view_of(item.getSignature()));
      if (!key || !signature) return kRefuse("signatures", "has one of a wrong length");
      out.signatures.push_back({*key, *signature});
    }
    return out;
  };
  return rules::only_encoding(
      with_canonical<wire::SignedCharter>(bytes, ErrorCode::charter_invalid, "signed charter",
                                          read_signed),
      bytes, kRefuse, [](const SignedCharter& value) { return to_wire_bytes(value); });
}

OrgId org_id_of(ByteView first_charter) {
  return {hash("entente organisation v1", first_charter).bytes};
}
Hash256 charter_hash(ByteView charter) { return hash("entente charter v1", charter); }
Hash256 hash_public_key(const PublicKey& key) {
  return hash("entente public key v1", key.view());
}

}  // namespace entente
