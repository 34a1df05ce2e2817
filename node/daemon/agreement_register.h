// The node's agreements: durable, with what still has to reach the partner.
//
// What may happen to one is federation/agree/agreement_entry.h's to say; here every change is
// committed, with its audit record, before it counts or is answered, and what the partner must
// learn stays in the entry's outbox until it has answered. So a crash or silence never leaves a
// state without an owner, an age and a next step. Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "federation/agree/agreements_desk.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"

namespace entente::node {

using federation::AgreementEntry;

class AgreementRegister final : public federation::AgreementBook {
 public:
  struct Parts {
    Store& store;
    const Clock& clock;
    const security::SigningKey& agreement_key;
    federation::SnapshotSource site;
    std::function<void()> changed;  // rebuild the snapshot; new things may be in an outbox
    // Whether a partner may take a step now ("agreement.counter"); empty: any.
    std::function<Outcome(const OrgId&, std::string_view)> allowed = {};
  };
  using Reply = std::function<void(Result<AgreementEntry>)>;

  explicit AgreementRegister(Parts parts);
  static const char* migration();
  static const char* threads_migration();  // of the one before
  // Before the loop runs. Refuses: store_failed (a row that does not read).
  [[nodiscard]] Outcome load();

  // Local users; `actor` is who, for the audit log ("user:ann"). Refuse as the functions of
  // agreement_entry.h do; not_found; overloaded (another change is being saved).
  void propose(const std::string& actor, Agreement terms, Reply reply);
  void counter(const std::string& actor, const AgreementId& id, Agreement terms, Reply reply);
  // settle, withdraw, suspend, resume, terminate.
  void take(const std::string& actor, const AgreementId& id, AgreementStep step, std::string reason,
            Reply reply);
  // What these would come to; changes nothing.
  [[nodiscard]] Result<AgreementEntry> try_propose(Agreement terms) const;
  [[nodiscard]] Result<AgreementEntry> try_counter(const AgreementId& id, Agreement terms) const;
  [[nodiscard]] Result<AgreementEntry> try_take(const AgreementId& id, AgreementStep step) const;

  void on_message(const OrgId& peer, Bytes signed_message, Done done) override;

  // What the partner has to be told, claimed for one attempt; nothing while another is under way.
  struct Delivery {
    OrgId partner;
    Bytes signed_message;
    std::uint64_t number = 0;
  };
  std::optional<Delivery> begin_delivery(const AgreementId& id);
  void delivered(const AgreementId& id, std::uint64_t number, const federation::Told& told);

  // `id` may be the first digits of a negotiation's or its terms' id, or a name, when only one
  // fits; of several of one name the one that is not over.
  Result<AgreementEntry> find(std::string_view id) const;
  const std::map<AgreementId, AgreementEntry>& entries() const { return entries_; }
  // Ends what time ends, begins what it begins, and says in the log, once a day each, what waits
  // for this side.
  void tend(Instant now);

 private:
  void save(AgreementEntry entry, std::string action, std::string actor, Reply reply);
  const AgreementEntry* known(const AgreementId& id) const;
  Result<const AgreementEntry*> needed(const AgreementId& id) const;
  void remind(const AgreementEntry& entry, Instant now);
  federation::AgreementParty party(const federation::SiteSnapshot& site) const {
    return {site, parts_.agreement_key, parts_.clock.now()};
  }

  Parts parts_;
  std::map<AgreementId, AgreementEntry> entries_;
  std::set<AgreementId> delivering_;
  std::set<AgreementId> saving_;  // a change is on its way to the disk; another is refused
  std::map<AgreementId, Instant> reminded_;
  Instant tended_;
};

}  // namespace entente::node
