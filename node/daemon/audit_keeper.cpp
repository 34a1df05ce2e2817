#include "node/daemon/audit_keeper.h"

#include <algorithm>
#include <stdexcept>

#include "federation/witness/witness_call.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/core.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {

using federation::WitnessReply;
using security::Checkpoint;
using security::TreeHead;

namespace {

constexpr double kWarnAt = 0.70;
constexpr double kWarnLoudly = 0.85;
constexpr double kFailAt = 0.95;

// A turn's questions to the database and where the last one ended.
struct Plan {
  std::uint64_t verified = 0;
  std::uint64_t next_old = 1;
  std::uint64_t capacity = 0;
};

std::uint64_t pages(Database& database, const char* pragma) {
  Statement row = database.prepare(pragma);
  return row.step() ? static_cast<std::uint64_t>(row.integer(0)) : 0;
}

// Whether the tree still begins with what was signed last.
std::string moved_away(Database& database, const OwnCheckpoint& newest, std::uint64_t size) {
  const auto said = security::read_checkpoint(newest.note);
  if (!said) return said.error().what;
  if (newest.size > size) return "the log is shorter than the checkpoint that was signed last";
  if (audit_tree(database, newest.size) != said->tree) {
    return "the log is not the one whose checkpoint was signed last";
  }
  return {};
}

Error distrusted(const std::string& why) {
  return make_error(ErrorCode::verification_failed, "the audit log was changed: " + why,
                    "keep the files as they are; see 'entente audit verify' and the partners' "
                    "checkpoints, then restore a backup");
}

}  // namespace

struct AuditKeeper::Reading {
  std::optional<Error> fault;
  TreeHead tree;
  std::optional<OwnCheckpoint> newest;
  std::uint64_t verified = 0;
  std::uint64_t next_old = 1;
  double room_used = 0;
};

namespace {

// What is wrong with the log as far as this turn reads it; empty when nothing is.
template <class Reading>
std::string read_back(Database& database, const Plan& plan, Reading& out) {
  const std::uint64_t size = audit_tree_size(database);
  if (size < plan.verified) return "it lost records while the node ran";
  const std::uint64_t fresh = std::min(size - plan.verified, kReadBackNew);
  if (fresh > 0) {
    const AuditVerdict verdict = verify_audit_part(database, plan.verified + 1, fresh);
    if (verdict.first_bad) return verdict.reason;
  }
  out.verified = plan.verified + fresh;
  out.next_old = plan.next_old;
  if (plan.verified > 0) {
    if (out.next_old > plan.verified) out.next_old = 1;
    const AuditVerdict verdict = verify_audit_part(database, out.next_old, kReadBackShare);
    if (verdict.first_bad) return verdict.reason;
    out.next_old += kReadBackShare;
  }
  out.newest = newest_checkpoint(database);
  if (out.newest) {
    if (std::string why = moved_away(database, *out.newest, size); !why.empty()) return why;
  }
  out.tree = audit_tree(database, out.verified);
  const auto bytes = pages(database, "PRAGMA page_count") * pages(database, "PRAGMA page_size");
  out.room_used = static_cast<double>(bytes) / static_cast<double>(plan.capacity);
  return {};
}

template <class Reading>
std::shared_ptr<Reading> read_back(Store& store, const Plan& plan) {
  auto out = std::make_shared<Reading>();
  auto reader = store.reader();
  if (!reader) throw std::runtime_error(reader.error().what);
  try {
    const std::string why = read_back(*reader, plan, *out);
    if (!why.empty()) out->fault = distrusted(why);
  } catch (const StoreFault& fault) {
    // A node that is missing, or a damaged page; what passes by itself is for the next turn.
    if (!fault.fatal() && fault.sqlite_code() != 0) throw;
    out->fault = distrusted(fault.what());
  }
  return out;
}

}  // namespace

void AuditKeeper::turn() {
  if (busy_ || fault_) return;
  busy_ = true;
  const Plan plan{standing_.verified, next_old_, core_.settings.audit_capacity};
  auto work = [&store = *core_.store, plan] { return read_back<Reading>(store, plan); };
  core_.loop.keep(
      federation::off_loop<std::shared_ptr<Reading>>(core_.loop, *core_.workers, std::move(work))
          .then([this](std::shared_ptr<Reading> reading) {
            busy_ = false;
            finish(*reading);
          })
          .catch_([this](kj::Exception&& failed) {
            busy_ = false;
            log::warn("audit", "the log was not read back; the next turn tries again",
                      {{"reason", failed.getDescription().cStr()}});
          }));
}

void AuditKeeper::finish(const Reading& reading) {
  if (reading.fault) {
    fault_ = reading.fault;
    log::error("audit", "the node is closed for questions and administration",
               {{"reason", fault_->what}});
    return;
  }
  standing_.verified = reading.verified;
  next_old_ = reading.next_old;
  const double before = std::exchange(standing_.room_used, reading.room_used);
  for (const double mark : {kWarnAt, kWarnLoudly, kFailAt}) {
    if (before < mark && standing_.room_used >= mark) {
      log::warn("audit", "the room for the audit log and the ledger runs out",
                {{"used_percent", std::int64_t(standing_.room_used * 100)}});
    }
  }
  standing_.newest = reading.newest;
  const std::uint64_t signed_size = reading.newest ? reading.newest->size : 0;
  if (reading.tree.size > signed_size) return sign(reading.tree);
  show_to_all();
}

void AuditKeeper::sign(const TreeHead& tree) {
  const Checkpoint checkpoint{{core_.organisation(), core_.settings.site}, tree};
  OwnCheckpoint own{tree.size, core_.clock.now(),
                    security::sign_checkpoint(checkpoint, core_.keyring.keys.audit)};
  core_.store->post<int>(
      [own](Database& database) -> Result<int> {
        keep_checkpoint(database, own);
        return 0;
      },
      [this, own](Result<int> kept) {
        // What is not durable is shown to nobody.
        if (!kept) return log::warn("audit", "no checkpoint", {{"reason", kept.error().what}});
        standing_.newest = own;
        show_to_all();
      });
}

void AuditKeeper::show_to_all() {
  if (!core_.link_manager || !standing_.newest) return;
  for (const auto& [organisation, link] : core_.links->entries()) {
    const auto health = core_.link_manager->health(organisation);
    if (link.state != LinkState::active || !health || !health->call.connected) continue;
    core_.store->post<std::uint64_t>(
        [organisation = organisation](Database& database) -> Result<std::uint64_t> {
          const auto cosigned = newest_cosigned(database, organisation);
          return cosigned ? cosigned->size : 0;
        },
        [this, organisation = organisation](Result<std::uint64_t> size) {
          // Once after each start even what is cosigned, since the partner may have seen more than
          // a restored database knows of; and again while it holds something against this log.
          const bool said =
              heard_.contains(organisation) && !standing_.warnings.contains(organisation);
          const bool due = size && (*size < standing_.newest->size || !said);
          if (due) show(organisation, *size, true);
        });
  }
}

void AuditKeeper::show(OrgId partner, std::uint64_t old_size, bool again) {
  auto work = [&store = *core_.store, own = *standing_.newest, old_size] {
    auto reader = store.reader();
    if (!reader) throw std::runtime_error(reader.error().what);
    const std::uint64_t from = std::min(old_size, own.size);
    return std::make_shared<security::WitnessOffer>(security::WitnessOffer{
        own.note, from, security::consistency_proof(from, own.size, audit_nodes(*reader))});
  };
  using Offer = std::shared_ptr<security::WitnessOffer>;
  core_.loop.keep(
      federation::off_loop<Offer>(core_.loop, *core_.workers, std::move(work))
          .then([this, partner](Offer offer) -> kj::Promise<Result<WitnessReply>> {
            if (!core_.link_manager) {
              return Result<WitnessReply>(make_error(ErrorCode::peer_unreachable, "stopping"));
            }
            return federation::show_checkpoint(*core_.link_manager, partner, std::move(*offer));
          })
          .then([this, partner, own = *standing_.newest, again](Result<WitnessReply>&& reply) {
            if (reply) return answered(partner, own, *reply, again);
            log::info("audit", "a partner did not cosign",
                      {{"partner", partner.short_hex()}, {"reason", reply.error().what}});
          })
          .catch_([](kj::Exception&& failed) {
            log::warn("audit", "a checkpoint was not shown",
                      {{"reason", failed.getDescription().cStr()}});
          }));
}

void AuditKeeper::answered(OrgId partner, const OwnCheckpoint& shown, const WitnessReply& reply,
                           bool again) {
  const auto link = core_.links->entries().find(partner);
  if (link == core_.links->entries().end()) return;
  heard_.insert(partner);
  if (reply.cosigned.empty()) return seen_elsewhere(partner, reply.seen, again);
  const auto pinned = security::PinnedOrganisation::from_chain(link->second.chain);
  const std::string note = security::with_cosignature(shown.note, reply.cosigned);
  const auto signed_at = pinned ? security::verify_cosignature(note, {partner, link->second.site},
                                                               pinned->keys_ever(KeyPurpose::audit))
                                : Result<Instant>(pinned.error());
  if (!signed_at) return warn(partner, "its cosignature does not verify");
  standing_.warnings.erase(partner);
  core_.store->post<int>(
      [partner, size = shown.size, line = reply.cosigned](Database& database) -> Result<int> {
        keep_cosignature(database, size, partner, line);
        return 0;
      },
      [](Result<int> kept) {
        if (!kept)
          log::warn("audit", "a cosignature was not kept", {{"reason", kept.error().what}});
      });
}

void AuditKeeper::seen_elsewhere(OrgId partner, const std::string& note, bool again) {
  if (note.empty()) {
    if (again) show(partner, 0, false);
    return;
  }
  const auto seen =
      security::verify_checkpoint(note, core_.keyring.self.keys_ever(KeyPurpose::audit));
  if (!seen || seen->log != security::LogName{core_.organisation(), core_.settings.site}) {
    return warn(partner, "it holds a checkpoint that this site did not sign");
  }
  if (seen->tree.size > standing_.newest->size) {
    return warn(partner, "it saw " + std::to_string(seen->tree.size) + " records of this log, " +
                             std::to_string(standing_.newest->size) +
                             " are here: the database was restored from an older backup");
  }
  if (again) return show(partner, seen->tree.size, false);
  warn(partner, "it saw another log of this site than the one here");
}

void AuditKeeper::warn(OrgId partner, std::string why) {
  const auto known = standing_.warnings.find(partner);
  if (known != standing_.warnings.end() && known->second == why) return;
  log::error("audit", "a witness contradicts this site's audit log",
             {{"partner", partner.short_hex()}, {"reason", why}});
  standing_.warnings[partner] = std::move(why);
}

CheckResult AuditKeeper::check() const {
  if (fault_) return {CheckState::fail, fault_->what, fault_->remedy};
  if (!standing_.warnings.empty()) {
    const auto& [partner, why] = *standing_.warnings.begin();
    return {CheckState::warn, "partner " + partner.short_hex() + ": " + why,
            "entente audit witnesses"};
  }
  const auto percent = std::to_string(static_cast<int>(standing_.room_used * 100));
  const std::string room = percent + " % of its room used";
  if (standing_.room_used >= kFailAt) {
    return {CheckState::fail, room, "raise [audit] capacity, or free space"};
  }
  if (standing_.room_used >= kWarnAt) {
    return {CheckState::warn, room, "raise [audit] capacity, or free space"};
  }
  if (!standing_.newest) return {CheckState::ok, "no checkpoint yet", ""};
  return {CheckState::ok,
          std::to_string(standing_.newest->size) + " records, " + room + ", checkpoint of " +
              shown_time(standing_.newest->time),
          ""};
}

}  // namespace entente::node
