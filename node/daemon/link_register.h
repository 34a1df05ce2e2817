// The node's partners: whose charter is pinned, how far the link is, whose turn it is.
//
//   enrolment -> pending (our turn: compare the eight words) -> active <-> suspended -> revoked
//
// A pending or revoked partner is not believed at a handshake; a new link grants nothing. Every
// change is durable, with its audit record, before it counts. Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "security/identity/certificate_verifier.h"

namespace entente::node {

enum class LinkState { pending, active, suspended, revoked };
std::string_view to_text(LinkState state);

struct LinkEntry {
  OrgId organisation;
  std::string name;  // local alias, unique
  std::string title;
  std::string site;
  std::vector<std::string> addresses;  // host:port; ours to dial when `dials`
  std::vector<SignedCharter> chain;
  LinkState state = LinkState::pending;
  bool our_turn = true;
  Instant since;
  std::string last_error;
  bool dials = false;  // this side dials
  std::string words;   // eight, from the enrolment
  // When the partner last showed the charter that is in force (partner_status.h), and which of ours
  // it had then. Saved every limits::kStatusSaved.
  Instant heard;
  std::uint32_t told = 0;
};

// Two charters of one number, both signed as they must be: proof that the organisation's root keys
// are misused. Kept for ever.
struct CharterConflict {
  OrgId organisation;
  std::uint32_t version = 0;
  Instant time;
  SignedCharter pinned, shown;
};

class LinkRegister {
 public:
  struct Parts {
    Store& store;
    const Clock& clock;
    std::function<void()> changed;
  };
  using Reply = std::function<void(Result<LinkEntry>)>;

  explicit LinkRegister(Parts parts) : parts_(std::move(parts)) {}
  static const char* migration();
  // What came later: the partners' status, charters in conflict, open invitations.
  static const char* trust_migration();
  [[nodiscard]] Outcome load();

  // `actor` is who did it, for the audit log: "user:ann", "organisation:ID", "node".
  // From a finished enrolment. Refuses: conflict (the name or the organisation is taken by another
  // link that is not revoked; the charter contradicts one that was pinned before), stale (an older
  // charter than was pinned before: an organisation that enrols anew does not go back).
  void add(const std::string& actor, LinkEntry entry, Reply reply);
  // Both administrators confirm the words. Refuses: conflict, verification_failed (other words).
  void confirm(const std::string& actor, const std::string& name,
               const std::optional<std::string>& words, Reply reply);
  void suspend(const std::string& actor, const std::string& name, Reply reply);
  void resume(const std::string& actor, const std::string& name, Reply reply);
  void revoke(const std::string& actor, const std::string& name, Reply reply);
  // The node itself suspends a link, because of what the partner did; `why` is its last error.
  // Resuming a link settles what the partner's log had against it, which begins anew.
  void freeze(const OrgId& organisation, const std::string& why, Reply reply);

  // What a partner of an active link shows of its charters, oldest first: takes as many as follow
  // from the one pinned, durably and audited, and answers with the version pinned then.
  // Refuses: conflict (it proves that the partner says two things: kept, and the link freezes),
  // stale (the newest shown is older than the one pinned), charter_invalid, link_not_active,
  // overloaded (another change of the link is being saved).
  using Pinned = std::function<void(Result<std::uint32_t>)>;
  void take_charters(const OrgId& organisation, std::vector<SignedCharter> shown, Pinned pinned);
  // The partner says which of our charters it has pinned.
  void told(const OrgId& organisation, std::uint32_t version);
  const std::vector<CharterConflict>& charter_conflicts() const { return conflicts_; }

  const std::map<OrgId, LinkEntry>& entries() const { return entries_; }
  const LinkEntry* named(std::string_view name) const;
  bool name_taken(std::string_view name) const;
  // Organisations whose links are active, for the verifier.
  security::PinnedOrganisations pinned() const;

 private:
  void save(const std::string& actor, LinkEntry entry, std::string action, Reply reply);
  void move(const std::string& actor, const std::string& name, const std::string& action,
            std::set<LinkState> from, LinkState to, Reply reply);
  Outcome check_continues(const LinkEntry& entry) const;
  void in_conflict(const LinkEntry& entry, const SignedCharter& shown, const Error& why,
                   Pinned pinned);
  void heard(LinkEntry& entry);
  void save_status(const LinkEntry& entry);
  Outcome load_trust(Database& reader);

  Parts parts_;
  std::map<OrgId, LinkEntry> entries_;
  std::set<OrgId> saving_;
  std::vector<CharterConflict> conflicts_;
  std::map<OrgId, Instant> status_saved_;
};

}  // namespace entente::node
