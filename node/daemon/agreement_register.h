// The node's agreements: their durable states, and what still has to reach the partner.
//
// Every change is committed before it counts, and what the partner must learn is kept as `outbox`
// until the partner has acknowledged it, so that a crash or silence never leaves a state without an
// owner, an age and a next step. Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "federation/agree/agreement_exchange.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"

namespace entente::node {

struct AgreementEntry {
  AgreementId id;
  Agreement value;
  Bytes signed_bytes;     // SignedAgreement as it stands
  bool provides = false;  // this organisation is the provider
  federation::AgreementState state = federation::AgreementState::proposed;
  bool our_turn = false;
  Instant since;
  std::string last_error;
  // What the partner has to be told yet: empty, "propose", "settle" or "terminate".
  std::string outbox;
  std::string reason;  // of a termination
  const OrgId& partner() const { return provides ? value.consumer : value.provider; }
};

class AgreementRegister final : public federation::AgreementBook {
 public:
  struct Parts {
    Store& store;
    const Clock& clock;
    const security::SigningKey& agreement_key;
    federation::SnapshotSource site;
    std::function<void()> changed;  // rebuild the snapshot; new things may be in the outbox
  };
  using Reply = std::function<void(Result<AgreementEntry>)>;

  explicit AgreementRegister(Parts parts);
  static const char* migration();
  // Before the loop runs. Refuses: store_failed (a row that does not read).
  [[nodiscard]] Outcome load();

  // Local users; `actor` is who, for the audit log ("user:ann"). Refuse: conflict (the state does
  // not allow it), not_found, agreement_invalid.
  void propose(const std::string& actor, Agreement terms, Reply reply);
  void sign(const std::string& actor, const AgreementId& id, Reply reply);
  void terminate(const std::string& actor, const AgreementId& id, std::string reason, Reply reply);

  // The partner (AgreementBook).
  void on_propose(const OrgId& peer, Bytes signed_bytes, Done done) override;
  void on_settle(const OrgId& peer, Bytes signed_bytes, Done done) override;
  void on_terminate(const OrgId& peer, AgreementId id, std::string reason, Done done) override;

  // Claims the outbox of an agreement for one attempt; false while another is under way.
  bool begin_delivery(const AgreementId& id) { return delivering_.insert(id).second; }
  // The outcome of telling the partner what was in the outbox.
  void delivered(const AgreementId& id, const std::string& message, Outcome outcome);

  // `id` may be an id's first digits or an agreement's name, when only one fits.
  Result<AgreementEntry> find(std::string_view id) const;
  const std::map<AgreementId, AgreementEntry>& entries() const { return entries_; }
  // Moves agreements whose time has passed to `expired`.
  void expire(Instant now);

 private:
  void save(AgreementEntry entry, std::string action, std::string actor, Reply reply);
  AgreementEntry* known(const AgreementId& id);

  Parts parts_;
  std::map<AgreementId, AgreementEntry> entries_;
  std::set<AgreementId> delivering_;
  std::set<AgreementId> saving_;  // a change is on its way to the disk; another is refused
};

}  // namespace entente::node
