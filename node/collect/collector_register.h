// The collectors of this node: whose certificate and batch key count, until when.
//
// A collector enrolled anew under its name has new keys; the old ones count no more from then on.
// Every change is durable, with its audit record, before it counts. Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "security/identity/peer.h"

namespace entente::node {

struct CollectorEntry {
  std::string name;
  Hash256 leaf_key;     // of the only certificate that counts
  PublicKey batch_key;  // signs its batches
  Instant since;        // of the last change
  Instant expires;      // the certificate's end
  bool revoked = false;
};

class CollectorRegister {
 public:
  struct Parts {
    Store& store;
    const Clock& clock;
    std::function<void()> changed;
  };
  using Reply = std::function<void(Result<CollectorEntry>)>;

  explicit CollectorRegister(Parts parts) : parts_(std::move(parts)) {}
  static const char* migration();
  [[nodiscard]] Outcome load();

  // `actor` is who did it, for the audit log ("user:ann").
  // Adds a collector, or gives one of this name new keys, also after it was revoked.
  // Refuses: overloaded (limits::kCollectors, or its last change is still being saved).
  void enrol(const std::string& actor, CollectorEntry entry, Reply reply);
  // Refuses: not_found, conflict (revoked already).
  void revoke(const std::string& actor, const std::string& name, Reply reply);

  // The batch key of a verified peer that may send. Refuses (certificate_refused): unknown,
  // revoked, expired, or another certificate than the one enrolled last.
  [[nodiscard]] Result<PublicKey> admit(const security::PeerIdentity& peer, Instant now) const;

  const std::map<std::string, CollectorEntry>& entries() const { return entries_; }
  bool any_active(Instant now) const;

 private:
  void save(const std::string& actor, CollectorEntry entry, const char* action, Reply reply);

  Parts parts_;
  std::map<std::string, CollectorEntry> entries_;
  std::set<std::string> saving_;
};

}  // namespace entente::node
