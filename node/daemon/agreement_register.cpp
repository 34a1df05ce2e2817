#include "node/daemon/agreement_register.h"

#include <algorithm>
#include <utility>

#include "federation/agree/limits.h"
#include "node/daemon/agreement_rows.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {

using federation::AgreementState;

namespace {

Refusal refusal_of(ErrorCode code) {
  Refusal refusal;
  refusal.code = code;
  return refusal;
}

std::string organisation(const OrgId& id) {
  return "organisation:" + id.hex();
}

}  // namespace

AgreementRegister::AgreementRegister(Parts parts) : parts_(std::move(parts)) {}

const char* AgreementRegister::migration() {
  return "CREATE TABLE agreements (id BLOB PRIMARY KEY, signed BLOB NOT NULL,"
         "  provides INTEGER NOT NULL, state TEXT NOT NULL, our_turn INTEGER NOT NULL,"
         "  since INTEGER NOT NULL, last_error TEXT NOT NULL, outbox TEXT NOT NULL,"
         "  reason TEXT NOT NULL) STRICT;";
}

const char* AgreementRegister::threads_migration() {
  return agreement_threads_migration();
}

Outcome AgreementRegister::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  auto rows = read_agreement_rows(*reader);
  if (!rows) return std::move(rows).error();
  for (AgreementEntry& entry : *rows) {
    const AgreementId id = entry.id;
    entries_.insert_or_assign(id, std::move(entry));
  }
  return {};
}

const AgreementEntry* AgreementRegister::known(const AgreementId& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

Result<const AgreementEntry*> AgreementRegister::needed(const AgreementId& id) const {
  if (const AgreementEntry* entry = known(id)) return entry;
  return make_error(ErrorCode::not_found, "no such agreement", "see 'entente agreement list'");
}

void AgreementRegister::save(AgreementEntry entry, std::string action, std::string actor,
                             Reply reply) {
  if (!saving_.insert(entry.id).second) {
    return reply(
        make_error(ErrorCode::overloaded, "another change of this agreement is being saved"));
  }
  const Instant now = parts_.clock.now();
  const AgreementId id = entry.id;
  parts_.store.post<AgreementEntry>(
      [entry = std::move(entry), action = std::move(action), actor = std::move(actor),
       now](Database& database) -> Result<AgreementEntry> {
        write_agreement_row(database, entry);
        security::AuditRecord record;
        record.time = now;
        record.actor = actor;
        record.action = action;
        record.object = "agreement:" + entry.id.hex();
        record.outcome = security::AuditOutcome::done;
        record.detail = {{"state", std::string(to_text(entry.standing.state))},
                         {"terms", entry.terms.hex()}};
        append_audit(database, std::move(record));
        return entry;
      },
      [this, id, reply = std::move(reply)](Result<AgreementEntry> saved) {
        saving_.erase(id);
        if (saved) {
          entries_.insert_or_assign(id, *saved);
          parts_.changed();
        }
        reply(std::move(saved));
      });
}

void AgreementRegister::propose(const std::string& actor, Agreement terms, Reply reply) {
  auto made = try_propose(std::move(terms));
  if (!made) return reply(std::move(made).error());
  save(std::move(*made), "agreement.propose", actor, std::move(reply));
}

void AgreementRegister::counter(const std::string& actor, const AgreementId& id, Agreement terms,
                                Reply reply) {
  auto made = try_counter(id, std::move(terms));
  if (!made) return reply(std::move(made).error());
  save(std::move(*made), "agreement.counter", actor, std::move(reply));
}

void AgreementRegister::take(const std::string& actor, const AgreementId& id, AgreementStep step,
                             std::string reason, Reply reply) {
  auto entry = needed(id);
  if (!entry) return reply(std::move(entry).error());
  auto taken = federation::take(party(*parts_.site()), **entry, step, std::move(reason));
  if (!taken) return reply(std::move(taken).error());
  const std::string action = "agreement." + std::string(to_text(step));
  if (!taken->failed) return save(std::move(taken->entry), action, actor, std::move(reply));
  // The person learns why at once; the partner is told as well, once that is durable.
  save(std::move(taken->entry), "agreement.report", actor,
       [failed = *taken->failed, reply = std::move(reply)](Result<AgreementEntry> saved) {
         reply(saved ? Result<AgreementEntry>(failed) : std::move(saved));
       });
}

Result<AgreementEntry> AgreementRegister::try_propose(Agreement terms) const {
  return federation::propose(party(*parts_.site()), std::move(terms));
}

Result<AgreementEntry> AgreementRegister::try_counter(const AgreementId& id,
                                                      Agreement terms) const {
  auto entry = needed(id);
  if (!entry) return std::move(entry).error();
  return federation::counter(party(*parts_.site()), **entry, std::move(terms));
}

Result<AgreementEntry> AgreementRegister::try_take(const AgreementId& id,
                                                   AgreementStep step) const {
  auto entry = needed(id);
  if (!entry) return std::move(entry).error();
  auto taken = federation::take(party(*parts_.site()), **entry, step, "");
  if (!taken) return std::move(taken).error();
  if (taken->failed) return *taken->failed;
  return std::move(taken->entry);
}

void AgreementRegister::on_message(const OrgId& peer, Bytes signed_message, Done done) {
  const auto site = parts_.site();
  const auto refuse = [&](const Refusal& refusal, const std::string& why) {
    log::info("agreement", "a message was refused",
              {{"partner", peer.short_hex()}, {"code", code_text(refusal.code)}, {"why", why}});
    done({refusal, AgreementState::draft});
  };
  auto opened = federation::open_message(*site, peer, signed_message);
  if (!opened) return refuse(refusal_of(opened.error().code), opened.error().what);
  const std::string verb = "agreement." + std::string(to_text(opened->message.step));
  const Outcome allowed = parts_.allowed ? parts_.allowed(peer, verb) : Outcome{};
  if (!allowed) return refuse(refusal_of(allowed.error().code), allowed.error().what);
  const AgreementEntry* entry = known(opened->message.thread);
  if (saving_.contains(opened->message.thread)) {
    return refuse(refusal_of(ErrorCode::overloaded), "a change is being saved");
  }
  federation::Heard heard = federation::hear(party(*site), peer, *opened, entry);
  if (!heard.changed) {
    if (heard.refusal) return refuse(*heard.refusal, heard.why);
    return done({{}, entry->standing.state});
  }
  if (entry == nullptr) {
    std::size_t waiting = 0;
    for (const auto& [id, other] : entries_) {
      waiting += other.partner() == peer && other.standing.state == AgreementState::proposed &&
                         !other.standing.offered_here
                     ? 1
                     : 0;
    }
    if (waiting >= federation::limits::kOffersOpen) {
      return refuse(refusal_of(ErrorCode::overloaded), "too many proposals wait for an answer");
    }
  }
  if (heard.refusal) {
    log::info("agreement", "the terms were refused", {{"why", heard.why}});
  }
  const std::string action = "agreement.heard." + std::string(to_text(opened->message.step));
  save(std::move(*heard.changed), action, organisation(peer),
       [refusal = heard.refusal, done = std::move(done)](Result<AgreementEntry> saved) {
         if (!saved) return done({refusal_of(saved.error().code), AgreementState::draft});
         done({refusal, saved->standing.state});
       });
}

std::optional<AgreementRegister::Delivery> AgreementRegister::begin_delivery(
    const AgreementId& id) {
  const AgreementEntry* entry = known(id);
  if (entry == nullptr || !entry->outbox || !delivering_.insert(id).second) return {};
  return Delivery{entry->partner(),
                  federation::sealed_message(parts_.agreement_key, *entry->outbox),
                  entry->outbox->number};
}

void AgreementRegister::delivered(const AgreementId& id, std::uint64_t number,
                                  const federation::Told& told) {
  delivering_.erase(id);
  const AgreementEntry* entry = known(id);
  // While a change is being saved the answer is asked for again.
  if (entry == nullptr || saving_.contains(id)) return;
  auto next = federation::answered(*entry, number, told, parts_.clock.now());
  if (!next) return;
  if (next->outbox) {  // to be tried again: why it failed need not outlive the process
    entries_.insert_or_assign(id, std::move(*next));
    return;
  }
  const std::string step(to_text(entry->outbox->step));
  save(std::move(*next), "agreement.delivered." + step, "node", [](Result<AgreementEntry> saved) {
    if (!saved) log::error("agreement", "a state was not saved", {{"reason", saved.error().what}});
  });
}

Result<AgreementEntry> AgreementRegister::find(std::string_view id) const {
  const AgreementEntry* match = nullptr;
  bool several = false;
  for (const auto& [key, entry] : entries_) {
    const bool fits =
        entry.value.name == id ||
        (id.size() >= 4 && (key.hex().starts_with(id) || entry.terms.hex().starts_with(id)));
    if (!fits) continue;
    const bool over = is_over(entry.standing.state);
    if (match != nullptr && is_over(match->standing.state) != over) {
      if (over) continue;  // one that is not over comes first
      several = false;
    } else {
      several = match != nullptr;
    }
    match = &entry;
  }
  if (several) {
    return make_error(ErrorCode::conflict, "'" + std::string(id) + "' fits several agreements",
                      "use the id from 'entente agreement list'");
  }
  if (match == nullptr) {
    return make_error(ErrorCode::not_found, "no agreement '" + std::string(id) + "'",
                      "see 'entente agreement list'");
  }
  return *match;
}

void AgreementRegister::remind(const AgreementEntry& entry, Instant now) {
  if (is_over(entry.standing.state) || turn_of(entry.standing) != federation::Turn::ours) return;
  Instant& last = reminded_.try_emplace(entry.id, entry.since).first->second;
  if (last < entry.since) last = entry.since;
  if (now - last < federation::limits::kReminder) return;
  last = now;
  log::warn("agreement", "waits for this side",
            {{"agreement", entry.value.name},
             {"state", std::string(to_text(entry.standing.state))},
             {"for", to_text(now - entry.since)}});
}

void AgreementRegister::tend(Instant now) {
  const Instant before = std::exchange(tended_, now);
  const bool began = std::any_of(entries_.begin(), entries_.end(), [&](const auto& item) {
    const AgreementEntry& entry = item.second;
    return entry.standing.state == AgreementState::active && entry.value.starts &&
           before < *entry.value.starts && *entry.value.starts <= now;
  });
  if (began) parts_.changed();
  for (const auto& [id, entry] : entries_) {
    remind(entry, now);
    auto lapsed = federation::lapse(entry, now);
    if (!lapsed || saving_.contains(id)) continue;
    save(std::move(*lapsed), "agreement.lapsed", "node", [](Result<AgreementEntry>) {});
  }
}

}  // namespace entente::node
