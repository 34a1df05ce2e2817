#include "node/daemon/passwords.h"

#include <sodium.h>

#include <algorithm>

#include "node/daemon/limits.h"
#include "node/store/audit_log.h"
#include "schemas/base/check.h"
#include "schemas/base/hash.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

// The text's bytes are wiped when it goes. Shared by copies of a job, which never write it.
class Secret {
 public:
  explicit Secret(std::string text) : text_(std::make_shared<std::string>(std::move(text))) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = delete;
  ~Secret() {
    if (text_.use_count() == 1) sodium_memzero(text_->data(), text_->size());
  }
  const std::string& text() const { return *text_; }

 private:
  std::shared_ptr<std::string> text_;
};

Result<std::string> hashed(const Secret& password, Passwords::Cost cost) {
  char out[crypto_pwhash_STRBYTES];
  const std::string& text = password.text();
  if (crypto_pwhash_str(out, text.data(), text.size(), cost.operations, cost.bytes) != 0) {
    return make_error(ErrorCode::overloaded, "there is not enough memory to hash a password");
  }
  return std::string(out);
}

Outcome acceptable(const std::string& user, const std::string& password) {
  if (password.size() < limits::kPasswordBytesLeast ||
      password.size() > limits::kPasswordBytesMost) {
    return make_error(ErrorCode::invalid_argument, "a password has 12 to 1024 bytes",
                      "take a sentence");
  }
  if (password.find(user) != std::string::npos) {
    return make_error(ErrorCode::invalid_argument, "the password holds the user's name");
  }
  return {};
}

security::AuditRecord entry(const std::string& actor, const std::string& action,
                            const std::string& object, Instant now) {
  security::AuditRecord record;
  record.time = now;
  record.actor = actor;
  record.action = action;
  record.object = object;
  record.outcome = security::AuditOutcome::done;
  return record;
}

Hash256 name_hash(const std::string& user) {
  return hash("entente login name v1", bytes_of(user));
}

}  // namespace

Passwords::Passwords(Parts parts)
    : parts_(std::move(parts)), worker_(1, limits::kPasswordsWaiting) {
  if (parts_.cost.operations == 0) {
    parts_.cost = {crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE};
  }
}

Outcome Passwords::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare("SELECT user, hash FROM password");
  while (rows.step()) hashes_[rows.text(0)] = rows.text(1);
  return {};
}

// Runs `job` on the one worker; `done` with its value on the loop.
template <class T, class Job>
void Passwords::hash_off_loop(Job job, std::function<void(Result<T>)> done) {
  const bool queued = worker_.post([&loop = parts_.loop, job = std::move(job), done] {
    auto result = std::make_shared<Result<T>>(job());
    loop.post([result, done] { done(std::move(*result)); });
  });
  if (!queued) done(make_error(ErrorCode::overloaded, "too many passwords are being checked"));
}

void Passwords::set(const std::string& actor, const std::string& user, std::string password,
                    Done done) {
  const Secret secret(std::move(password));
  if (auto good = acceptable(user, secret.text()); !good) return done(std::move(good));
  auto job = [secret, cost = parts_.cost] { return hashed(secret, cost); };
  auto keep = [this, actor, user, done = std::move(done)](Result<std::string> hash) {
    if (!hash) return done(std::move(hash).error());
    const Instant now = parts_.clock.now();
    parts_.store.post<int>(
        [actor, user, text = *hash, now](Database& database) -> Result<int> {
          Statement& row = database.cached(
              "INSERT OR REPLACE INTO password (user, hash, changed) VALUES (?, ?, ?)");
          row.bind(1, std::string_view(user)).bind(2, std::string_view(text)).bind(3, now.ns).run();
          append_audit(database, entry(actor, "user.password", "user:" + user, now));
          return 0;
        },
        [this, user, text = *hash, done](Result<int> kept) {
          if (!kept) return done(std::move(kept).error());
          hashes_[user] = text;
          attempts_.erase(name_hash(user));
          done({});
        });
  };
  hash_off_loop<std::string>(std::move(job), std::move(keep));
}

void Passwords::forget(const std::string& actor, const std::string& user, Done done) {
  if (hashes_.erase(user) == 0) return done({});
  const Instant now = parts_.clock.now();
  parts_.store.post<int>(
      [actor, user, now](Database& database) -> Result<int> {
        database.cached("DELETE FROM password WHERE user = ?")
            .bind(1, std::string_view(user))
            .run();
        append_audit(database, entry(actor, "user.password.end", "user:" + user, now));
        return 0;
      },
      [done = std::move(done)](Result<int> kept) {
        done(kept ? Outcome{} : Outcome(std::move(kept).error()));
      });
}

// Counts the attempt as failed, or says how long this name waits.
Outcome Passwords::admit(const Hash256& name, bool known, Instant now) {
  // Names that strangers make up may fill the list; they keep no user of this node out.
  if (!known && attempts_.size() >= limits::kLoginNames && !attempts_.contains(name)) {
    std::erase_if(attempts_, [now](const auto& one) {
      return one.second.until + limits::kLoginWaitMost <= now;
    });
    if (attempts_.size() >= limits::kLoginNames) {
      return make_error(ErrorCode::overloaded, "too many logins fail at this time",
                        "try again in an hour, or use a token");
    }
  }
  Attempts& attempts = attempts_[name];
  if (now < attempts.until) {
    const std::int64_t left = (attempts.until - now).ns / seconds(1).ns + 1;
    return make_error(ErrorCode::overloaded, "too many logins failed under this name",
                      "try again in " + std::to_string(left) + " s");
  }
  ++attempts.failures;
  attempts.until = now;
  const int over = attempts.failures - limits::kLoginsFree;
  if (over >= 0) {
    const std::int64_t wait = limits::kLoginWaitLeast.ns << std::min(over, 10);
    attempts.until = now + std::min(Duration{wait}, limits::kLoginWaitMost);
  }
  return {};
}

void Passwords::failed(const std::string& user, const Hash256& name) {
  const auto attempts = attempts_.find(name);
  if (attempts == attempts_.end() || attempts->second.failures < limits::kLoginsFree) return;
  const Instant now = parts_.clock.now();
  // A name of this node alone: what a stranger types is no matter for the log.
  if (!hashes_.contains(user)) return;
  log::warn("access", "logins fail and wait", {{"user", user}});
  parts_.store.post<int>(
      [user, now](Database& database) -> Result<int> {
        append_audit(database, entry("node", "login.wait", "user:" + user, now));
        return 0;
      },
      [](Result<int>) {});
}

void Passwords::check(const std::string& user, std::string password, Done done) {
  const Secret secret(std::move(password));
  const Hash256 name = name_hash(user);
  const bool known_name = hashes_.contains(user);
  if (auto free = admit(name, known_name, parts_.clock.now()); !free) {
    return done(std::move(free));
  }
  const auto found = hashes_.find(user);
  // Nobody's hash costs what a user's does, and says no whatever comes out.
  auto job = [this, secret, known = found != hashes_.end(), cost = parts_.cost,
              hash = found == hashes_.end() ? std::string() : found->second]() -> Result<bool> {
    if (nobody_.empty()) {  // whoever comes first, known or not
      auto made = hashed(Secret("a password that nobody has"), cost);
      if (!made) return std::move(made).error();
      nobody_ = *made;  // the one worker alone reads and writes it
    }
    const std::string& text = secret.text();
    const std::string& against = known ? hash : nobody_;
    const bool fits = text.size() <= limits::kPasswordBytesMost &&
                      crypto_pwhash_str_verify(against.c_str(), text.data(), text.size()) == 0;
    return fits && known;
  };
  auto judge = [this, user, name, done = std::move(done)](Result<bool> fits) {
    if (fits && *fits) {
      attempts_.erase(name);
      return done({});
    }
    failed(user, name);
    if (!fits) return done(std::move(fits).error());
    done(make_error(ErrorCode::unauthenticated, "no user has this name and password",
                    "check both; after five failures the name waits"));
  };
  hash_off_loop<bool>(std::move(job), std::move(judge));
}

}  // namespace entente::node
