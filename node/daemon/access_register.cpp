#include "node/daemon/access_register.h"

#include <sodium.h>

#include "node/daemon/keyring.h"
#include "node/service/authenticator.h"
#include "node/store/audit_log.h"

namespace entente::node {

using security::AuditOutcome;
using security::LocalUser;

namespace {

constexpr std::size_t kTokenBytes = 32;

std::string verbs_text(const std::optional<std::set<Verb>>& only) {
  if (!only) return "*";
  std::string text;
  for (const Verb verb : *only) text += (text.empty() ? "" : " ") + std::string(to_text(verb));
  return text;
}

std::optional<std::set<Verb>> verbs_from(const std::string& text) {
  if (text == "*") return std::nullopt;
  std::set<Verb> verbs;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    // A verb of another version allows nothing.
    if (const auto verb = security::verb_from_text(text.substr(at, end - at))) verbs.insert(*verb);
    at = end + 1;
  }
  return verbs;
}

security::AuditRecord entry(const Actor& actor, const std::string& action, const std::string& what,
                            AuditOutcome outcome, Instant now) {
  security::AuditRecord record;
  record.time = now;
  record.actor = actor;
  record.action = action;
  record.object = what;
  record.outcome = outcome;
  return record;
}

}  // namespace

const char* AccessRegister::migration() {
  return "CREATE TABLE access_token (name TEXT PRIMARY KEY, user TEXT NOT NULL,"
         "  hash BLOB NOT NULL UNIQUE, verbs TEXT NOT NULL, created INTEGER NOT NULL,"
         "  expires INTEGER NOT NULL) STRICT;";
}

Outcome AccessRegister::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows =
      reader->prepare("SELECT name, user, hash, verbs, created, expires FROM access_token");
  while (rows.step()) {
    const auto hash = Hash256::from_bytes(rows.blob(2));
    if (!hash) return make_error(ErrorCode::store_failed, "a stored token does not read");
    const std::string name = rows.text(0);
    tokens_[name] = {
        name, rows.text(1), verbs_from(rows.text(3)), {rows.integer(4)}, {rows.integer(5)}};
    hashes_[name] = *hash;
  }
  return {};
}

void AccessRegister::record(const Actor& actor, const std::string& action, const std::string& what,
                            std::function<void(Database&)> also, Done done) {
  const Instant now = parts_.clock.now();
  parts_.store.post<int>(
      [=, also = std::move(also)](Database& database) -> Result<int> {
        if (also) also(database);
        append_audit(database, entry(actor, action, what, AuditOutcome::done, now));
        return 0;
      },
      [done = std::move(done)](Result<int> kept) {
        done(kept ? Outcome{} : Outcome(std::move(kept).error()));
      });
}

void AccessRegister::change(const Actor& actor, const std::string& action, const std::string& what,
                            security::Policy next, Done done) {
  if (saving_) {
    return done(make_error(ErrorCode::overloaded, "another change of the policy is being saved"));
  }
  saving_ = true;
  const Instant now = parts_.clock.now();
  // The intent is durable before the file changes; the outcome is recorded with the change.
  parts_.store.post<int>(
      [=](Database& database) -> Result<int> {
        append_audit(database, entry(actor, action, what, AuditOutcome::intent, now));
        return 0;
      },
      [=, this, next = std::move(next), done = std::move(done)](Result<int> intended) mutable {
        if (!intended) {
          saving_ = false;
          return done(std::move(intended).error());
        }
        const auto written = std::make_shared<Outcome>();
        const std::string text = next.to_toml();
        parts_.store.post<int>(
            [=, path = parts_.policy_path](Database& database) -> Result<int> {
              *written = write_private(path, bytes_of(text));
              append_audit(database,
                           entry(actor, action, what,
                                 *written ? AuditOutcome::done : AuditOutcome::failed, now));
              return 0;
            },
            [=, this, next = std::move(next), done = std::move(done)](Result<int> kept) mutable {
              saving_ = false;
              if (!kept) return done(std::move(kept).error());
              if (!*written) return done(*written);
              parts_.policy = std::move(next);
              parts_.changed();
              done({});
            });
      });
}

void AccessRegister::add_token(const Actor& actor, AccessToken token, TokenDone done) {
  token.created = parts_.clock.now();
  if (auto named = checked_local_id(token.name, "token"); !named) {
    return done(std::move(named).error());
  }
  if (tokens_.contains(token.name)) {
    return done(make_error(ErrorCode::conflict, "there is a token '" + token.name + "' already",
                           "revoke it first, or choose another name"));
  }
  if (tokens_.size() >= kAccessTokens) {
    return done(make_error(ErrorCode::overloaded, "there are 1000 tokens already",
                           "revoke some: 'entente access token list'"));
  }
  if (!parts_.policy.user(token.user)) {
    return done(make_error(ErrorCode::not_found, "there is no user '" + token.user + "'",
                           "give them a role first: 'entente role grant'"));
  }
  if (token.expires <= token.created || token.expires > token.created + kTokenLife) {
    return done(make_error(ErrorCode::invalid_argument,
                           "a token lives at least a moment and at most 366 days"));
  }
  Bytes secret(kTokenBytes);
  parts_.random.fill(secret);
  const std::string text = "ent_" + to_base64url(secret);
  const Hash256 hash = token_hash(text);
  tokens_[token.name] = token;  // the name is taken while it is saved
  record(
      actor, "access.token.add", "token:" + token.name + " of " + token.user,
      [token, hash](Database& database) {
        Statement& row = database.cached(
            "INSERT INTO access_token (name, user, hash, verbs, created, expires) "
            "VALUES (?, ?, ?, ?, ?, ?)");
        const std::string verbs = verbs_text(token.only);
        row.bind(1, std::string_view(token.name)).bind(2, std::string_view(token.user));
        row.bind(3, hash.view()).bind(4, std::string_view(verbs));
        row.bind(5, token.created.ns).bind(6, token.expires.ns).run();
      },
      [this, name = token.name, hash, text, done = std::move(done)](Outcome kept) {
        if (!kept) {
          tokens_.erase(name);
          return done(std::move(kept).error());
        }
        hashes_[name] = hash;
        done(text);
      });
}

void AccessRegister::revoke_token(const Actor& actor, const std::string& name, Done done) {
  if (!tokens_.contains(name)) {
    return done(make_error(ErrorCode::not_found, "there is no token '" + name + "'",
                           "see 'entente access token list'"));
  }
  hashes_.erase(name);  // at once, whatever the disk says
  record(
      actor, "access.token.revoke", "token:" + name,
      [name](Database& database) {
        Statement& row = database.cached("DELETE FROM access_token WHERE name = ?");
        row.bind(1, std::string_view(name)).run();
      },
      [this, name, done = std::move(done)](Outcome kept) {
        if (kept) tokens_.erase(name);
        done(std::move(kept));
      });
}

std::optional<LocalUser> AccessRegister::owner_of(const Hash256& token, Instant now) const {
  const AccessToken* match = nullptr;
  for (const auto& [name, hash] : hashes_) {
    if (sodium_memcmp(hash.bytes.data(), token.bytes.data(), token.bytes.size()) == 0) {
      match = &tokens_.at(name);
    }
  }
  if (match == nullptr || match->expires <= now) return std::nullopt;
  auto user = parts_.policy.user(match->user);
  if (user) user->only = match->only;
  return user;
}

}  // namespace entente::node
