#include "node/daemon/access_register.h"

#include <sodium.h>

#include "node/daemon/keyring.h"
#include "node/service/authenticator.h"
#include "node/daemon/verb_list.h"
#include "node/store/audit_log.h"

namespace entente::node {

using security::AuditOutcome;
using security::LocalUser;

namespace {

constexpr std::size_t kTokenBytes = 32;

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

void drop_tokens(Database& database, const std::set<std::string>& names) {
  Statement& row = database.cached("DELETE FROM access_token WHERE name = ?");
  for (const std::string& name : names) row.bind(1, std::string_view(name)).run();
}

void drop_passwords(Database& database, const std::set<std::string>& users) {
  Statement& row = database.cached("DELETE FROM password WHERE user = ?");
  for (const std::string& user : users) row.bind(1, std::string_view(user)).run();
}

void keep_policy(Database& database, const FormerPolicy& policy) {
  Statement& row = database.cached(
      "INSERT INTO policy_version (time, actor, action, what, text) VALUES (?, ?, ?, ?, ?)");
  row.bind(1, policy.time.ns).bind(2, std::string_view(policy.actor));
  row.bind(3, std::string_view(policy.action)).bind(4, std::string_view(policy.what));
  row.bind(5, std::string_view(policy.text)).run();
  database
      .cached(
          "DELETE FROM policy_version WHERE number <= "
          "(SELECT max(number) FROM policy_version) - ?")
      .bind(1, kPoliciesKept)
      .run();
}

bool has_policies(Database& database) {
  return database.prepare("SELECT 1 FROM policy_version LIMIT 1").step();
}

constexpr const char* kPolicyColumns = "SELECT number, time, actor, action, what, text ";

FormerPolicy read_policy(const Statement& row) {
  return {row.integer(0), {row.integer(1)}, row.text(2), row.text(3), row.text(4), row.text(5)};
}

}  // namespace

// Tokens of users that this policy no longer knows: a new user of that name starts without them.
std::set<std::string> AccessRegister::without_user(const security::Policy& policy) const {
  std::set<std::string> names;
  for (const auto& [name, token] : tokens_) {
    if (!policy.user(token.user)) names.insert(name);
  }
  return names;
}

void AccessRegister::forget(const std::string& name) {
  hashes_.erase(name);
  tokens_.erase(name);
}

const char* AccessRegister::migration() {
  return "CREATE TABLE access_token (name TEXT PRIMARY KEY, user TEXT NOT NULL,"
         "  hash BLOB NOT NULL UNIQUE, verbs TEXT NOT NULL, created INTEGER NOT NULL,"
         "  expires INTEGER NOT NULL) STRICT;";
}

const char* AccessRegister::steps_migration() {
  return "CREATE TABLE policy_version (number INTEGER PRIMARY KEY AUTOINCREMENT,"
         "  time INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, what TEXT NOT NULL,"
         "  text TEXT NOT NULL) STRICT;"
         "CREATE TABLE password (user TEXT PRIMARY KEY, hash TEXT NOT NULL,"
         "  changed INTEGER NOT NULL) STRICT;"
         "CREATE TABLE approval (id TEXT PRIMARY KEY, step TEXT NOT NULL, route TEXT NOT NULL,"
         "  path TEXT NOT NULL, query TEXT NOT NULL, content_type TEXT NOT NULL,"
         "  body BLOB NOT NULL, hash BLOB NOT NULL, requester TEXT NOT NULL, verbs TEXT NOT NULL,"
         "  requested INTEGER NOT NULL, expires INTEGER NOT NULL, state TEXT NOT NULL,"
         "  decided_by TEXT NOT NULL, decided INTEGER NOT NULL, outcome TEXT NOT NULL) STRICT;"
         "CREATE TABLE break_glass_use (number INTEGER PRIMARY KEY AUTOINCREMENT,"
         "  time INTEGER NOT NULL, what TEXT NOT NULL, acknowledged_by TEXT) STRICT;";
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
  if (parts_.has_entrance && !parts_.has_entrance(next)) {
    return done(make_error(ErrorCode::conflict,
                           "no owner who stays could log in any more: neither is 'admin' one, nor "
                           "does one have a password",
                           "give an owner a password first: 'entente user password'"));
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
        const FormerPolicy former{0,  parts_.clock.now(),     "node", "policy.first",
                                  "", parts_.policy.to_toml()};
        const std::set<std::string> gone = without_user(next);
        std::set<std::string> users_gone;
        for (const auto& [user, held] : parts_.policy.users()) {
          if (!next.user(user)) users_gone.insert(user);
        }
        parts_.store.post<int>(
            [=, path = parts_.policy_path](Database& database) -> Result<int> {
              *written = write_private(path, bytes_of(text));
              if (*written) drop_tokens(database, gone);
              if (*written) drop_passwords(database, users_gone);
              if (*written && !has_policies(database)) keep_policy(database, former);
              if (*written) keep_policy(database, {0, former.time, actor, action, what, text});
              append_audit(database,
                           entry(actor, action, what,
                                 *written ? AuditOutcome::done : AuditOutcome::failed, now));
              return 0;
            },
            [=, this, next = std::move(next), done = std::move(done)](Result<int> kept) mutable {
              saving_ = false;
              if (!kept) {
                // The disk failed under it: what stays in force is what the next start reads.
                (void)write_private(parts_.policy_path, bytes_of(parts_.policy.to_toml()));
                return done(std::move(kept).error());
              }
              if (!*written) return done(*written);
              for (const std::string& name : gone) forget(name);
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
      actor, "access.token.add",
      "token:" + token.name + " of " + token.user + " for " + verbs_text(token.only) + " until " +
          to_text(token.expires),
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

void AccessRegister::add_login(const std::string& user, Duration life, TokenDone done) {
  const Instant now = parts_.clock.now();
  const std::string prefix = "login-" + user.substr(0, 40) + "-";  // a local id with its tail
  std::set<std::string> over;
  for (const auto& [name, token] : tokens_) {
    const bool ended = token.expires <= now && hashes_.contains(name);
    if (ended && token.user == user && name.starts_with(prefix)) over.insert(name);
  }
  for (const std::string& name : over) forget(name);
  if (!over.empty()) {
    parts_.store.post<int>(
        [over](Database& database) -> Result<int> {
          drop_tokens(database, over);
          return 0;
        },
        [](Result<int>) {});
  }
  Bytes tail(6);
  parts_.random.fill(tail);
  AccessToken token;
  token.name = prefix + to_hex(tail);
  token.user = user;
  token.expires = now + life;
  add_token("user:" + user, std::move(token), std::move(done));
}

Result<std::vector<FormerPolicy>> AccessRegister::former_policies() const {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows =
      reader->prepare(std::string(kPolicyColumns) + "FROM policy_version ORDER BY number DESC");
  std::vector<FormerPolicy> out;
  while (rows.step()) out.push_back(read_policy(rows));
  return out;
}

Result<FormerPolicy> AccessRegister::former_policy(std::int64_t number) const {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement row =
      reader->prepare(std::string(kPolicyColumns) + "FROM policy_version WHERE number = ?");
  row.bind(1, number);
  if (row.step()) return read_policy(row);
  return make_error(ErrorCode::not_found, "no policy " + std::to_string(number) + " is kept",
                    "see 'entente policy list'");
}

void AccessRegister::revoke_token(const Actor& actor, const std::string& name, Done done) {
  if (!tokens_.contains(name)) {
    return done(make_error(ErrorCode::not_found, "there is no token '" + name + "'",
                           "see 'entente access token list'"));
  }
  if (!hashes_.contains(name)) {
    return done(make_error(ErrorCode::overloaded, "this token is being saved or revoked"));
  }
  hashes_.erase(name);  // at once, whatever the disk says
  record(
      actor, "access.token.revoke", "token:" + name,
      [name](Database& database) { drop_tokens(database, {name}); },
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
  if (!user || user->disabled) return std::nullopt;
  user->only = match->only;
  user->until = match->expires;
  return user;
}

}  // namespace entente::node
