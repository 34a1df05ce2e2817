#include "node/daemon/agreement_register.h"

#include "federation/ask/admission.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {

using federation::AgreementState;

namespace {

constexpr std::size_t kProposalsOpen = 64;  // of one partner, not yet signed or ended

// Passes on only the state that was reached.
AgreementRegister::Reply state_only(federation::AgreementBook::Done done) {
  return [done = std::move(done)](Result<AgreementEntry> entry) {
    if (!entry) return done(std::move(entry).error());
    done(entry->state);
  };
}

Error wrong_state(const AgreementEntry& entry, std::string_view wanted) {
  return make_error(ErrorCode::conflict, "the agreement '" + entry.value.name + "' is " +
                                             std::string(federation::to_text(entry.state)) +
                                             ", it cannot be " + std::string(wanted));
}

void write_row(Database& database, const AgreementEntry& entry) {
  Statement& row = database.cached(
      "INSERT INTO agreements (id, signed, provides, state, our_turn, since, last_error, outbox, "
      "reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
      "signed = excluded.signed, state = excluded.state, our_turn = excluded.our_turn, "
      "since = excluded.since, last_error = excluded.last_error, outbox = excluded.outbox, "
      "reason = excluded.reason");
  row.bind(1, entry.id.view()).bind(2, ByteView(entry.signed_bytes));
  row.bind(3, std::int64_t{entry.provides}).bind(4, federation::to_text(entry.state));
  row.bind(5, std::int64_t{entry.our_turn}).bind(6, entry.since.ns);
  row.bind(7, std::string_view(entry.last_error)).bind(8, std::string_view(entry.outbox));
  row.bind(9, std::string_view(entry.reason)).run();
}

}  // namespace

AgreementRegister::AgreementRegister(Parts parts) : parts_(std::move(parts)) {}

const char* AgreementRegister::migration() {
  return "CREATE TABLE agreements (id BLOB PRIMARY KEY, signed BLOB NOT NULL,"
         "  provides INTEGER NOT NULL, state TEXT NOT NULL, our_turn INTEGER NOT NULL,"
         "  since INTEGER NOT NULL, last_error TEXT NOT NULL, outbox TEXT NOT NULL,"
         "  reason TEXT NOT NULL) STRICT;";
}

Outcome AgreementRegister::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare(
      "SELECT id, signed, provides, state, our_turn, since, last_error, outbox, reason "
      "FROM agreements");
  while (rows.step()) {
    AgreementEntry entry;
    entry.signed_bytes = rows.blob(1);
    auto wire = signed_agreement_from_bytes(entry.signed_bytes);
    auto state = federation::agreement_state_from_text(rows.text(3));
    if (!wire || !state) {
      return make_error(ErrorCode::store_failed, "a stored agreement does not read");
    }
    auto value = agreement_from_bytes(wire->agreement);
    if (!value) return std::move(value).error();
    entry.id = agreement_id_of(wire->agreement);
    entry.value = std::move(*value);
    entry.provides = rows.integer(2) != 0;
    entry.state = *state;
    entry.our_turn = rows.integer(4) != 0;
    entry.since = {rows.integer(5)};
    entry.last_error = rows.text(6);
    entry.outbox = rows.text(7);
    entry.reason = rows.text(8);
    entries_.emplace(entry.id, std::move(entry));
  }
  return {};
}

AgreementEntry* AgreementRegister::known(const AgreementId& id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
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
        write_row(database, entry);
        security::AuditRecord record;
        record.time = now;
        record.actor = actor;
        record.action = action;
        record.object = "agreement:" + entry.id.hex();
        record.outcome = security::AuditOutcome::done;
        record.detail = {{"state", std::string(federation::to_text(entry.state))}};
        append_audit(database, std::move(record));
        return entry;
      },
      [this, id, reply = std::move(reply)](Result<AgreementEntry> saved) {
        saving_.erase(id);
        if (saved) {
          entries_[saved->id] = *saved;
          parts_.changed();
        }
        reply(std::move(saved));
      });
}

void AgreementRegister::propose(const std::string& actor, Agreement terms, Reply reply) {
  terms.issued = parts_.clock.now();
  if (auto tests = federation::run_agreement_tests(terms, terms.issued); !tests) {
    return reply(std::move(tests).error());
  }
  SignedAgreement wire;
  wire.agreement = canonical_bytes(terms);
  wire.provider_signature =
      parts_.agreement_key.sign(security::contexts::kAgreement, wire.agreement);
  AgreementEntry entry;
  entry.id = agreement_id_of(wire.agreement);
  entry.value = std::move(terms);
  entry.signed_bytes = to_wire_bytes(wire);
  entry.provides = true;
  entry.since = parts_.clock.now();
  entry.outbox = "propose";
  save(std::move(entry), "agreement.propose", actor, std::move(reply));
}

void AgreementRegister::sign(const std::string& actor, const AgreementId& id, Reply reply) {
  AgreementEntry* entry = known(id);
  if (entry == nullptr) return reply(make_error(ErrorCode::not_found, "no such agreement"));
  if (entry->provides || entry->state != AgreementState::proposed) {
    return reply(
        wrong_state(*entry, entry->provides ? "signed here: the partner signs" : "signed"));
  }
  if (auto tests = federation::run_agreement_tests(entry->value, parts_.clock.now()); !tests) {
    return reply(std::move(tests).error());
  }
  auto wire = signed_agreement_from_bytes(entry->signed_bytes);
  if (!wire) return reply(std::move(wire).error());
  wire->consumer_signature =
      parts_.agreement_key.sign(security::contexts::kAgreement, wire->agreement);
  AgreementEntry next = *entry;
  next.signed_bytes = to_wire_bytes(*wire);
  next.state = AgreementState::agreed;
  next.our_turn = false;
  next.since = parts_.clock.now();
  next.outbox = "settle";
  next.last_error.clear();
  save(std::move(next), "agreement.sign", actor, std::move(reply));
}

void AgreementRegister::terminate(const std::string& actor, const AgreementId& id,
                                  std::string reason, Reply reply) {
  AgreementEntry* entry = known(id);
  if (entry == nullptr) return reply(make_error(ErrorCode::not_found, "no such agreement"));
  if (entry->state == AgreementState::terminated || entry->state == AgreementState::expired) {
    return reply(wrong_state(*entry, "terminated again"));
  }
  AgreementEntry next = *entry;
  next.state = AgreementState::terminated;
  next.our_turn = false;
  next.since = parts_.clock.now();
  next.outbox = "terminate";
  next.reason = std::move(reason);
  next.last_error.clear();
  save(std::move(next), "agreement.terminate", actor, std::move(reply));
}

void AgreementRegister::on_propose(const OrgId& peer, Bytes signed_bytes, Done done) {
  auto verified = federation::verify_agreement(*parts_.site(), parts_.agreement_key.public_key(),
                                               peer, signed_bytes, parts_.clock.now());
  if (!verified) return done(std::move(verified).error());
  if (verified->value.provider != peer || verified->settled) {
    return done(make_error(ErrorCode::agreement_invalid, "only the provider proposes"));
  }
  if (AgreementEntry* entry = known(verified->id)) return done(entry->state);
  std::size_t waiting = 0;
  for (const auto& [id, known_entry] : entries_) {
    waiting += known_entry.partner() == peer && known_entry.our_turn ? 1 : 0;
  }
  if (waiting >= kProposalsOpen) {
    return done(make_error(ErrorCode::overloaded, "too many proposals wait for an answer"));
  }
  AgreementEntry entry;
  entry.id = verified->id;
  entry.value = std::move(verified->value);
  entry.signed_bytes = std::move(signed_bytes);
  entry.our_turn = true;
  entry.since = parts_.clock.now();
  save(std::move(entry), "agreement.proposed", "organisation:" + peer.hex(),
       state_only(std::move(done)));
}

void AgreementRegister::on_settle(const OrgId& peer, Bytes signed_bytes, Done done) {
  auto verified = federation::verify_agreement(*parts_.site(), parts_.agreement_key.public_key(),
                                               peer, signed_bytes, parts_.clock.now());
  if (!verified) return done(std::move(verified).error());
  AgreementEntry* entry = known(verified->id);
  if (entry == nullptr || !entry->provides || entry->partner() != peer || !verified->settled) {
    return done(make_error(ErrorCode::agreement_invalid, "there is no such proposal"));
  }
  if (entry->state == AgreementState::active) return done(entry->state);
  if (entry->state != AgreementState::proposed) return done(wrong_state(*entry, "settled"));
  // Others may have been guaranteed their part since this was proposed.
  if (auto kept = federation::check_guarantees(*parts_.site(), entry->value); !kept) {
    return done(std::move(kept).error());
  }
  AgreementEntry next = *entry;
  next.signed_bytes = std::move(signed_bytes);
  next.state = AgreementState::active;
  next.our_turn = false;
  next.since = parts_.clock.now();
  next.outbox.clear();
  next.last_error.clear();
  save(std::move(next), "agreement.settled", "organisation:" + peer.hex(),
       state_only(std::move(done)));
}

void AgreementRegister::on_terminate(const OrgId& peer, AgreementId id, std::string reason,
                                     Done done) {
  AgreementEntry* entry = known(id);
  if (entry == nullptr || entry->partner() != peer) {
    return done(make_error(ErrorCode::not_found, "no such agreement"));
  }
  if (entry->state == AgreementState::terminated) return done(entry->state);
  AgreementEntry next = *entry;
  next.state = AgreementState::terminated;
  next.our_turn = false;
  next.since = parts_.clock.now();
  next.outbox.clear();
  next.reason = std::move(reason);
  save(std::move(next), "agreement.terminated", "organisation:" + peer.hex(),
       state_only(std::move(done)));
}

void AgreementRegister::delivered(const AgreementId& id, const std::string& message,
                                  Outcome outcome) {
  delivering_.erase(id);
  AgreementEntry* entry = known(id);
  if (entry == nullptr || entry->outbox != message) return;
  const bool later = !outcome && (exit_code(outcome.error().code) == 6 ||
                                  outcome.error().code == ErrorCode::overloaded ||
                                  outcome.error().code == ErrorCode::store_failed);
  if (later) {
    entry->last_error = outcome.error().what;
    return;
  }
  AgreementEntry next = *entry;
  next.outbox.clear();
  next.last_error = outcome ? "" : outcome.error().what;
  if (message == "settle" && outcome) {
    next.state = AgreementState::active;
    next.since = parts_.clock.now();
  } else if (message == "settle") {
    next.state = AgreementState::proposed;
    next.our_turn = true;
  }
  save(std::move(next), "agreement.delivered." + message, "node", [](Result<AgreementEntry> saved) {
    if (!saved) log::error("agreement", "a state was not saved", {{"reason", saved.error().what}});
  });
}

Result<AgreementEntry> AgreementRegister::find(std::string_view id) const {
  const AgreementEntry* match = nullptr;
  for (const auto& [key, entry] : entries_) {
    const bool fits = entry.value.name == id || (id.size() >= 4 && key.hex().starts_with(id));
    if (!fits) continue;
    if (match != nullptr) {
      return make_error(ErrorCode::conflict, "'" + std::string(id) + "' fits several agreements",
                        "use the id from 'entente agreement list'");
    }
    match = &entry;
  }
  if (match == nullptr) {
    return make_error(ErrorCode::not_found, "no agreement '" + std::string(id) + "'",
                      "see 'entente agreement list'");
  }
  return *match;
}

void AgreementRegister::expire(Instant now) {
  for (auto& [id, entry] : entries_) {
    const bool over =
        entry.state == AgreementState::terminated || entry.state == AgreementState::expired;
    if (over || entry.value.expires > now) continue;
    AgreementEntry next = entry;
    next.state = AgreementState::expired;
    next.our_turn = false;
    next.outbox.clear();
    next.since = now;
    save(std::move(next), "agreement.expired", "node", [](Result<AgreementEntry>) {});
  }
}

}  // namespace entente::node
