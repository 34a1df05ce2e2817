// This organisation's charter over time: rotations from the draft to the key in use, and the
// exchange of charters with partners.
//
// A rotation has three steps, each durable and audited, none of which needs the next at once:
//   draft    a new key is made and sealed (keys/NAME.next.sealed), the next charter names it before
//            the one in use; root keys sign, here or on another machine by file
//   applied  the charter is in force here (charter.bin) and shown to every partner
//   in use   every partner it matters to has pinned it, and the new key replaces the old one: for a
//            CA key every partner of an active link, since one that does not know it could not be
//            spoken to any more; for any other key those that are connected, since others
//            exchange charters before their first call. `switch_now` does not wait.
// What a former key signed stays what it was: agreements in force, receipts, checkpoints verify by
// the keys of all charters but for revoked ones (PinnedOrganisation::dated_keys), while new
// messages count under the keys of the charter in force alone.
// The charter after drops the old key (`kKeysOfPurpose`). A charter that revokes the key in use, or
// names it no more, puts its successor into use at once.
//
// Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "federation/link/link_hooks.h"
#include "node/daemon/keyring.h"
#include "node/daemon/partner_status.h"
#include "node/service/health.h"
#include "security/audit/audit.h"
#include "security/identity/charter_draft.h"

namespace entente::node {

struct Core;

// Every purpose whose keys are rotated.
inline constexpr KeyPurpose kRotatedPurposes[] = {KeyPurpose::ca, KeyPurpose::answer,
                                                  KeyPurpose::audit, KeyPurpose::envelope,
                                                  KeyPurpose::agreement};

// What an administrator wants of the next charter.
struct RotationRequest {
  std::optional<KeyPurpose> purpose;            // a fresh key of this purpose
  bool revoke_old = false;                      // and the one in use is revoked by the same charter
  bool root = false;                            // the root key kept here gives way to a fresh one
  std::optional<std::vector<PublicKey>> roots;  // or these are the root keys from now on
  std::optional<std::uint8_t> threshold;
  std::vector<Hash256> revoke;  // besides
  std::vector<PublicKey> drop;
};

// "a, b".
std::string joined_words(const std::vector<std::string>& words);

class CharterKeeper {
 public:
  // `core` has its keyring and store, and outlives this.
  explicit CharterKeeper(Core& core);

  struct Draft {
    SignedCharter charter;  // signed by the root key kept here, if there is one
    security::MissingSignatures missing;
    std::vector<std::string> changes;
  };
  // Makes keys and the draft; `dry_run` leaves nothing behind. Refuses: conflict (the last rotation
  // of this purpose is not in use yet), unsupported (a purpose of a newer version),
  // charter_invalid.
  [[nodiscard]] Result<Draft> draft(const RotationRequest& request, bool dry_run);
  using Reply = std::function<void(Outcome)>;
  // Puts a draft with all its signatures into force. Refuses: charter_invalid (signatures missing,
  // or it does not follow), conflict, verification_failed (it names, without a key of that purpose
  // that is here, none that this node could use), overloaded.
  void apply(const std::string& actor, SignedCharter charter, Reply reply);
  // Uses the next key without waiting for partners. Refuses: not_found (none waits).
  void switch_now(const std::string& actor, KeyPurpose purpose, Reply reply);
  // A new leaf certificate at once.
  void renew_leaf(const std::string& actor, Reply reply);
  // Records what is done with a key before it is done.
  void note(const std::string& actor, const char* action, const std::string& object, Reply reply);
  KeyShelf& shelf() { return shelf_; }

  // The key of a purpose that waits to be used, and the partners it waits for.
  struct Waiting {
    PublicKey key;
    std::uint32_t version = 0;  // of the charter that named it; 0: a draft
    std::vector<std::string> partners;
  };
  std::optional<Waiting> waiting(KeyPurpose purpose) const;

  // Each second: uses keys whose time has come, exchanges charters, announces stale partners.
  void tend();

  // LinkHooks.
  kj::Promise<Result<federation::CharterOffer>> shown(const federation::Caller& caller,
                                                      federation::CharterOffer offer);
  kj::Promise<void> greet(const OrgId& partner, wire::Session::Client session);
  [[nodiscard]] Outcome allows(const OrgId& partner, std::string_view verb) const;

  PartnerStatus status_of(const OrgId& partner) const;
  CheckResult check_charter() const;
  CheckResult check_rotations() const;
  CheckResult check_stale() const;

 private:
  Result<security::SigningKey> take_key(const RotationRequest& request,
                                        security::CharterChange& change);
  Result<security::SigningKey> take_root(security::CharterChange& change);
  Outcome keep(const RotationRequest& request, const std::optional<security::SigningKey>& key,
               const std::optional<security::SigningKey>& root);
  Outcome may_drop(const Charter& before, const Charter& after) const;
  void in_force(security::PinnedOrganisation self);
  Outcome use(KeyPurpose purpose);
  void record(const std::string& actor, const char* action, const std::string& object,
              security::AuditOutcome outcome, Reply reply);
  void learn_told(const OrgId& partner, std::uint32_t version);
  void announce(const OrgId& partner);
  void show_to_all();

  Core& core_;
  KeyShelf shelf_;
  std::map<KeyPurpose, PublicKey> next_;
  bool applying_ = false;
  Duration refreshed_{}, retried_{};  // steady
  std::map<OrgId, PartnerStatus> announced_;
  std::map<OrgId, std::uint32_t> ahead_;  // partners that know more of our charter than we do
  std::set<OrgId> unable_;                // whose nodes exchange no charters
};

}  // namespace entente::node
