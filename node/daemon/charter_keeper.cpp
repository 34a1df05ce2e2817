#include "node/daemon/charter_keeper.h"

#include <algorithm>

#include "node/daemon/core.h"
#include "node/daemon/limits.h"
#include "node/daemon/upkeep.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"
#include "security/identity/limits.h"

namespace entente::node {
namespace {

using security::PinnedOrganisation;
using security::SigningKey;

SigningKey copy_of(const SigningKey& key) {
  auto copy = SigningKey::from_seed(key.seed().view());
  ENTENTE_CHECK(copy.has_value());
  return std::move(*copy);
}

SigningKey* in_use(Keyring& keyring, KeyPurpose purpose) {
  switch (purpose) {
    case KeyPurpose::ca:
      return &keyring.keys.ca;
    case KeyPurpose::answer:
      return &keyring.keys.answer;
    case KeyPurpose::audit:
      return &keyring.keys.audit;
    case KeyPurpose::envelope:
      return &keyring.keys.envelope;
    case KeyPurpose::agreement:
      return &keyring.keys.agreement;
  }
  return nullptr;
}

security::AuditRecord record_of(const std::string& actor, const char* action,
                                const std::string& object, security::AuditOutcome outcome,
                                Instant now) {
  security::AuditRecord record;
  record.time = now;
  record.actor = actor;
  record.action = action;
  record.object = object;
  record.outcome = outcome;
  return record;
}

}  // namespace

CharterKeeper::CharterKeeper(Core& core) : core_(core), shelf_(core.settings.home, core.vault) {
  for (const KeyPurpose purpose : kRotatedPurposes) {
    const auto next = shelf_.next(security::to_text(purpose));
    if (!next) {
      log::error("identity", "a key that waits to be used does not open",
                 {{"key", security::to_text(purpose)}, {"reason", next.error().what}});
      continue;
    }
    const PublicKey used = in_use(core_.keyring, purpose)->public_key();
    if (*next && (*next)->public_key() != used) next_[purpose] = (*next)->public_key();
  }
}

Result<SigningKey> CharterKeeper::take_key(const RotationRequest& request,
                                           security::CharterChange& change) {
  const KeyPurpose purpose = *request.purpose;
  const SigningKey* used = in_use(core_.keyring, purpose);
  const std::string name(security::to_text(purpose));
  if (used == nullptr) {
    return make_error(ErrorCode::unsupported, "keys for '" + name + "' are not rotated",
                      "rotate one of leaf, ca, root, answer, audit, envelope, agreement");
  }
  if (const auto before = waiting(purpose); before && before->version != 0) {
    return make_error(ErrorCode::conflict,
                      "the last rotation of the " + name + " key still waits for " +
                          (before->partners.empty() ? "this node" : joined_words(before->partners)),
                      "wait, or use its key without waiting: entente key switch " + name);
  }
  SigningKey fresh = SigningKey::generate(core_.random);
  change.add.push_back({purpose, fresh.public_key()});
  if (request.revoke_old) change.revoke.push_back(hash_public_key(used->public_key()));
  return fresh;
}

Result<SigningKey> CharterKeeper::take_root(security::CharterChange& change) {
  auto mine = shelf_.current("root");
  if (!mine) return std::move(mine).error();
  if (!*mine) {
    return make_error(ErrorCode::denied, "the root key is not kept here",
                      "name the new root keys with --root, and sign where the old ones are: "
                      "--offline FILE");
  }
  SigningKey fresh = SigningKey::generate(core_.random);
  change.roots = core_.keyring.self.current().root_keys;
  std::replace(change.roots->begin(), change.roots->end(), (*mine)->public_key(),
               fresh.public_key());
  return fresh;
}

// A partner that dials us learns of a new certificate when the old one ends: until then its
// connections stand on the former CA key.
Outcome CharterKeeper::may_drop(const Charter& before, const Charter& after) const {
  const Instant until = shelf_.since("ca") + security::limits::kLeafLifeMax;
  if (core_.clock.now() >= until) return {};
  for (const PurposeKey& item : before.keys) {
    const bool named = std::find(after.keys.begin(), after.keys.end(), item) != after.keys.end();
    const auto& revoked = after.revoked_keys;
    const bool stolen =
        std::find(revoked.begin(), revoked.end(), hash_public_key(item.key)) != revoked.end();
    if (item.purpose != KeyPurpose::ca || named || stolen) continue;
    return make_error(ErrorCode::conflict,
                      "certificates of the former CA key are in use until " + to_text(until),
                      "wait until then, or revoke that key, which cuts connections");
  }
  return {};
}

Result<CharterKeeper::Draft> CharterKeeper::draft(const RotationRequest& request, bool dry_run) {
  const PinnedOrganisation& self = core_.keyring.self;
  const Charter& now = self.current();
  security::CharterChange change;
  change.issued = core_.clock.now();
  change.expires = change.issued + security::limits::kCharterLife;
  change.revoke = request.revoke;
  change.drop = request.drop;
  change.roots = request.roots;
  std::optional<SigningKey> key, root;
  if (request.purpose) {
    auto fresh = take_key(request, change);
    if (!fresh) return std::move(fresh).error();
    key.emplace(std::move(*fresh));
  }
  if (request.root) {
    auto fresh = take_root(change);
    if (!fresh) return std::move(fresh).error();
    root.emplace(std::move(*fresh));
  }
  change.threshold = request.threshold;
  if (change.roots && !change.threshold) {
    const std::size_t most = std::max<std::size_t>(change.roots->size(), 1);
    change.threshold = static_cast<std::uint8_t>(std::min<std::size_t>(now.threshold, most));
  }
  auto next = security::next_charter(self, change);
  if (!next) return std::move(next).error();
  if (auto done = may_drop(now, *next); !done) return std::move(done).error();
  if (!dry_run) {
    if (auto kept = keep(request, key, root); !kept) return std::move(kept).error();
  }
  Draft out{{canonical_bytes(*next), {}}, {}, security::changes_of(now, *next)};
  auto here = shelf_.current("root");
  if (!here) return std::move(here).error();
  for (const std::optional<SigningKey>* signer : {&*here, &root}) {
    if (!*signer) continue;
    auto added = security::add_signature(self, out.charter, **signer);
    const bool foreign = !added && added.error().code == ErrorCode::denied;
    if (!added && !foreign) return std::move(added).error();
  }
  auto missing = security::missing_signatures(self, out.charter);
  if (!missing) return std::move(missing).error();
  out.missing = std::move(*missing);
  return out;
}

Outcome CharterKeeper::keep(const RotationRequest& request, const std::optional<SigningKey>& key,
                            const std::optional<SigningKey>& root) {
  if (root) {
    if (auto kept = shelf_.keep_next("root", *root, core_.random); !kept) return kept;
  }
  if (!key) return {};
  if (auto kept = shelf_.keep_next(security::to_text(*request.purpose), *key, core_.random);
      !kept) {
    return kept;
  }
  next_[*request.purpose] = key->public_key();
  return {};
}

void CharterKeeper::record(const std::string& actor, const char* action, const std::string& object,
                           security::AuditOutcome outcome, Reply reply) {
  core_.store->post<int>(
      [entry = record_of(actor, action, object, outcome, core_.clock.now())](
          Database& database) -> Result<int> {
        append_audit(database, entry);
        return 0;
      },
      [reply = std::move(reply)](Result<int> kept) {
        reply(kept ? Outcome{} : Outcome(std::move(kept).error()));
      });
}

void CharterKeeper::note(const std::string& actor, const char* action, const std::string& object,
                         Reply reply) {
  record(actor, action, object, security::AuditOutcome::intent, std::move(reply));
}

void CharterKeeper::apply(const std::string& actor, SignedCharter charter, Reply reply) {
  if (applying_)
    return reply(make_error(ErrorCode::overloaded, "another charter is being applied"));
  PinnedOrganisation next = core_.keyring.self;
  auto advanced = next.advance(charter);
  if (!advanced) return reply(std::move(advanced).error());
  if (*advanced == security::Advance::unchanged) return reply({});
  for (const PurposeKey& item : next.current().keys) {
    const SigningKey* used = in_use(core_.keyring, item.purpose);
    if (used == nullptr || core_.keyring.self.has_key(item.purpose, item.key)) continue;
    const auto waits = next_.find(item.purpose);
    if (waits != next_.end() && waits->second == item.key) continue;
    return reply(make_error(ErrorCode::verification_failed,
                            "the charter names a " + std::string(security::to_text(item.purpose)) +
                                " key that is not kept here, " + item.key.short_hex(),
                            "a later rotation replaced it: make the draft again"));
  }
  for (const KeyPurpose purpose : kRotatedPurposes) {
    const bool old = next.has_key(purpose, in_use(core_.keyring, purpose)->public_key());
    const auto waits = next_.find(purpose);
    if (old || (waits != next_.end() && next.has_key(purpose, waits->second))) continue;
    return reply(make_error(ErrorCode::verification_failed,
                            "the charter names no " + std::string(security::to_text(purpose)) +
                                " key that is kept here",
                            "rotate it first: entente key rotate"));
  }
  applying_ = true;
  const std::string object = "charter:" + std::to_string(next.current().version);
  record(actor, "charter.apply", object, security::AuditOutcome::intent,
         [this, actor, object, next = std::move(next), reply = std::move(reply)](Outcome intended) {
           if (!intended) {
             applying_ = false;
             return reply(std::move(intended));
           }
           const auto written = std::make_shared<Outcome>();
           core_.store->post<int>(
               [written, home = core_.settings.home, chain = next.chain(),
                done = record_of(actor, "charter.apply", object, security::AuditOutcome::done,
                                 core_.clock.now())](Database& database) mutable -> Result<int> {
                 *written = store_charters(home, chain);
                 if (!*written) done.outcome = security::AuditOutcome::failed;
                 append_audit(database, done);
                 return 0;
               },
               [this, written, next, reply](Result<int> kept) {
                 applying_ = false;
                 // Written is in force, whatever became of the record: the next start reads it.
                 if (*written) in_force(next);
                 if (!*written) return reply(*written);
                 reply(kept ? Outcome{} : Outcome(kept.error()));
               });
         });
}

void CharterKeeper::in_force(PinnedOrganisation self) {
  core_.keyring.self = std::move(self);
  const Charter& charter = core_.keyring.self.current();
  log::info("identity", "a new charter is in force",
            {{"version", charter.version}, {"until", to_text(charter.expires)}});
  for (const KeyPurpose purpose : kRotatedPurposes) {
    const bool named =
        core_.keyring.self.has_key(purpose, in_use(core_.keyring, purpose)->public_key());
    const Outcome used = named ? Outcome{} : use(purpose);
    if (!used) log::error("identity", "a key is not in use", {{"reason", used.error().what}});
  }
  auto adopted = core_.certificates->adopt(copy_of(core_.keyring.keys.ca),
                                           {charter.issued, charter.expires}, core_.clock.now());
  if (!adopted) {
    log::error("identity", "no certificate by the new charter", {{"reason", adopted.error().what}});
  }
  auto root = shelf_.next("root");
  if (root && *root) {
    const auto& roots = charter.root_keys;
    if (std::find(roots.begin(), roots.end(), (*root)->public_key()) != roots.end()) {
      if (auto done = shelf_.promote("root", core_.random); !done) {
        log::error("identity", "the new root key did not take its place",
                   {{"reason", done.error().what}});
      }
    }
  }
  core_.collectors->charter_changed();
  refresh_site(core_);
  show_to_all();
}

Outcome CharterKeeper::use(KeyPurpose purpose) {
  const std::string name(security::to_text(purpose));
  auto next = shelf_.next(name);
  if (!next) return std::move(next).error();
  if (!*next) return make_error(ErrorCode::not_found, "no next " + name + " key is kept here");
  if (!core_.keyring.self.has_key(purpose, (*next)->public_key())) {
    return make_error(ErrorCode::charter_invalid,
                      "the charter does not name the next " + name + " key yet",
                      "have its draft signed, and apply it: entente charter apply FILE");
  }
  if (purpose == KeyPurpose::ca) {
    const Charter& charter = core_.keyring.self.current();
    auto adopted = core_.certificates->adopt(copy_of(**next), {charter.issued, charter.expires},
                                             core_.clock.now());
    if (!adopted) return adopted;
  }
  if (auto done = shelf_.promote(name, core_.random); !done) return done;
  *in_use(core_.keyring, purpose) = std::move(**next);
  next_.erase(purpose);
  log::info("identity", "a new key is in use",
            {{"key", name}, {"public", in_use(core_.keyring, purpose)->public_key().short_hex()}});
  return {};
}

void CharterKeeper::switch_now(const std::string& actor, KeyPurpose purpose, Reply reply) {
  if (!waiting(purpose)) {
    return reply(make_error(ErrorCode::not_found, "no " + std::string(security::to_text(purpose)) +
                                                      " key waits to be used"));
  }
  auto used = use(purpose);
  if (!used) return reply(std::move(used));
  refresh_site(core_);
  record(actor, "key.use", "key:" + std::string(security::to_text(purpose)),
         security::AuditOutcome::done, std::move(reply));
}

void CharterKeeper::renew_leaf(const std::string& actor, Reply reply) {
  auto renewed = core_.certificates->renew(core_.clock.now());
  if (!renewed) return reply(std::move(renewed));
  record(actor, "key.rotate", "key:leaf", security::AuditOutcome::done, std::move(reply));
}

std::optional<CharterKeeper::Waiting> CharterKeeper::waiting(KeyPurpose purpose) const {
  const auto next = next_.find(purpose);
  if (next == next_.end()) return {};
  Waiting out{next->second, 0, {}};
  const PinnedOrganisation& self = core_.keyring.self;
  if (!self.has_key(purpose, out.key)) return out;
  out.version = self.named_since(purpose, out.key);
  for (const auto& [org, link] : core_.links->entries()) {
    if (link.state != LinkState::active || link.told >= out.version) continue;
    const auto health = core_.link_manager ? core_.link_manager->health(org) : std::nullopt;
    const bool connected = health && (health->call.connected || health->serve.connected);
    if (purpose == KeyPurpose::ca || connected) out.partners.push_back(link.name);
  }
  return out;
}

void CharterKeeper::tend() {
  for (const KeyPurpose purpose : kRotatedPurposes) {
    const auto waits = waiting(purpose);
    if (!waits || waits->version == 0 || !waits->partners.empty()) continue;
    switch_now("node", purpose, [this, purpose](Outcome used) {
      if (used) return;
      log::error("identity", "a key is not in use", {{"reason", used.error().what}});
      next_.erase(purpose);  // the next start tries again
    });
  }
  const Duration now = core_.clock.steady();
  if (now >= refreshed_ + limits::kCharterRefresh) show_to_all();
  const bool retry = now >= retried_ + limits::kCharterRetry;
  if (retry) retried_ = now;
  const std::uint32_t version = core_.keyring.self.current().version;
  for (const auto& [org, link] : core_.links->entries()) {
    if (link.state != LinkState::active) {
      announced_.erase(org);
      continue;
    }
    if (retry && link.told < version && core_.link_manager) core_.link_manager->greet(org);
    announce(org);
  }
}

}  // namespace entente::node
