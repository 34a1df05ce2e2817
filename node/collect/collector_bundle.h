// What a collector needs to know and to have, in one secret file.
//
// File: "ECB1" and the canonical wire::CollectorBundle. Whoever holds it sends readings in the
// collector's name until it is revoked: keep it at 0600, move it over a way you trust.
#pragma once

#include <memory>
#include <string>

#include "security/identity/charter.h"
#include "security/identity/peer.h"

namespace entente::node {

struct CollectorBundle {
  std::string name;
  std::string address;                        // host:port of the node
  security::PinnedOrganisation organisation;  // whose node may answer there
  std::shared_ptr<const security::LeafCredential> leaf;
  security::SigningKey batch_key;
};

Bytes bundle_bytes(const CollectorBundle& bundle);
// Refuses (input_unreadable): other bytes; a chain of charters that does not verify.
[[nodiscard]] Result<CollectorBundle> bundle_from_bytes(ByteView bytes);
// Refuses besides: not_found.
[[nodiscard]] Result<CollectorBundle> load_bundle(const std::string& path);
// Over the former one, 0600, whole or not at all. Refuses: store_failed, disk_full.
[[nodiscard]] Outcome save_bundle(const std::string& path, const CollectorBundle& bundle);

}  // namespace entente::node
