#include "node/daemon/invitation_register.h"

#include <algorithm>
#include <vector>

#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using security::InvitationId;
using security::InvitationState;
using security::VaultUse;

std::string aad_of(const InvitationId& id) {
  return "invitation|" + id.hex();
}

security::AuditRecord record_of(const OpenInvitation& invitation, const std::string& actor,
                                const char* action, Instant now) {
  security::AuditRecord record;
  record.time = now;
  record.actor = actor;
  record.action = action;
  record.object = "invitation:" + invitation.id.hex();
  record.outcome = security::AuditOutcome::done;
  record.detail = {{"expires", to_text(invitation.expires)}, {"name", invitation.name}};
  return record;
}

void tell(const char* what, const Result<int>& kept) {
  if (!kept) log::warn("link", what, {{"reason", kept.error().what}});
}

}  // namespace

Outcome InvitationRegister::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare(
      "SELECT id, name, secret, created, expires, wrong_proofs, port, made_by FROM invitation");
  while (rows.step()) {
    const auto id = InvitationId::from_bytes(rows.blob(0));
    if (!id) return make_error(ErrorCode::store_failed, "a stored invitation does not read");
    auto secret = parts_.vault.open(VaultUse::invitation, aad_of(*id), rows.blob(2));
    if (!secret) return std::move(secret).error();
    OpenInvitation open{*id,
                        rows.text(1),
                        {rows.integer(3)},
                        {rows.integer(4)},
                        static_cast<int>(rows.integer(5)),
                        static_cast<std::uint16_t>(rows.integer(6)),
                        rows.text(7)};
    parts_.book.restore({*id, std::move(*secret), open.expires, open.wrong_proofs, false});
    open_.emplace(*id, std::move(open));
  }
  return {};
}

void InvitationRegister::add(const security::Invitation& invitation, OpenInvitation open,
                             Done done) {
  open.id = invitation.id;
  open.created = parts_.clock.now();
  open.expires = invitation.expires;
  const Bytes sealed = parts_.vault.seal(VaultUse::invitation, aad_of(open.id),
                                         invitation.secret.view(), parts_.random);
  parts_.store.post<int>(
      [open, sealed](Database& database) -> Result<int> {
        Statement& row = database.cached(
            "INSERT INTO invitation (id, name, secret, created, expires, wrong_proofs, port, "
            "made_by) VALUES (?, ?, ?, ?, ?, 0, ?, ?)");
        row.bind(1, open.id.view()).bind(2, std::string_view(open.name)).bind(3, ByteView(sealed));
        row.bind(4, open.created.ns).bind(5, open.expires.ns).bind(6, std::int64_t{open.port});
        row.bind(7, std::string_view(open.made_by)).run();
        append_audit(database, record_of(open, open.made_by, "link.invite", open.created));
        return 0;
      },
      [this, open, done = std::move(done)](Result<int> kept) {
        if (!kept) {
          parts_.book.withdraw(open.id);
          return done(std::move(kept).error());
        }
        open_.emplace(open.id, open);
        done({});
      });
}

void InvitationRegister::drop(const OpenInvitation& invitation, const std::string& actor,
                              const char* action, Done done) {
  open_.erase(invitation.id);
  parts_.store.post<int>(
      [invitation, actor, action, now = parts_.clock.now()](Database& database) -> Result<int> {
        Statement& row = database.cached("DELETE FROM invitation WHERE id = ?");
        row.bind(1, invitation.id.view()).run();
        append_audit(database, record_of(invitation, actor, action, now));
        return 0;
      },
      [done = std::move(done)](Result<int> kept) {
        done(kept ? Outcome{} : Outcome(std::move(kept).error()));
      });
}

void InvitationRegister::cancel(const std::string& actor, const std::string& name, Done done) {
  std::vector<OpenInvitation> found;
  for (const auto& [id, open] : open_) {
    if (open.name == name) found.push_back(open);
  }
  if (found.empty()) {
    return done(make_error(ErrorCode::not_found, "no invitation named '" + name + "' is open",
                           "see 'entente link list'"));
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    parts_.book.withdraw(found[i].id);  // at once, whatever the disk says
    const bool last = i + 1 == found.size();
    drop(found[i], actor, "link.invitation.cancel", last ? done : Done([](Outcome) {}));
  }
}

void InvitationRegister::use(const InvitationId& id, Done done) {
  const auto found = open_.find(id);
  if (found == open_.end()) {
    return done(make_error(ErrorCode::enrolment_refused, "the invitation is no longer open"));
  }
  drop(OpenInvitation(found->second), "node", "link.invitation.used", std::move(done));
}

void InvitationRegister::tend() {
  const Instant now = parts_.clock.now();
  std::vector<std::pair<OpenInvitation, const char*>> over;
  for (auto& [id, open] : open_) {
    const auto record = parts_.book.records().find(id);
    if (record == parts_.book.records().end()) continue;
    if (record->second.wrong_proofs > open.wrong_proofs) {
      open.wrong_proofs = record->second.wrong_proofs;
      log::warn("link", "a wrong proof for an open invitation",
                {{"name", open.name}, {"wrong_proofs", open.wrong_proofs}});
      parts_.store.post<int>(
          [id = id, wrong = open.wrong_proofs](Database& database) -> Result<int> {
            Statement& row = database.cached("UPDATE invitation SET wrong_proofs = ? WHERE id = ?");
            row.bind(1, std::int64_t{wrong}).bind(2, id.view()).run();
            return 0;
          },
          [](Result<int> kept) { tell("a wrong proof was not kept", kept); });
    }
    const InvitationState state = parts_.book.state(id, now);
    if (state == InvitationState::burnt) over.emplace_back(open, "link.invitation.burnt");
    if (state == InvitationState::expired) over.emplace_back(open, "link.invitation.expired");
  }
  for (const auto& [open, action] : over) {
    drop(open, "node", action, [](Outcome kept) {
      if (!kept)
        log::warn("link", "an invitation's end was not kept", {{"reason", kept.error().what}});
    });
  }
}

std::string InvitationRegister::name_of(const InvitationId& id) const {
  const auto found = open_.find(id);
  return found == open_.end() ? "" : found->second.name;
}

bool InvitationRegister::name_taken(const std::string& name) const {
  return std::any_of(open_.begin(), open_.end(),
                     [&](const auto& item) { return item.second.name == name; });
}

}  // namespace entente::node
