// Passwords of local users, by Argon2id, and what slows down whoever guesses them.
//
// Hashing takes 256 MiB and most of a second (libsodium's MODERATE), on a thread of its own, one
// after the other, behind a queue of limits::kPasswordsWaiting. A name that nobody has costs the
// same: its password is compared with a hash that fits none. After limits::kLoginsFree failures in
// a row a name waits, known or not, twice as long after each further one up to kLoginWaitMost; an
// attempt under way counts as failed until it has succeeded, so that many at once are no way
// around. The waits are forgotten at a restart; when one begins, the audit log says so.
// Source: RFC 9106. Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "federation/link/workers.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "schemas/base/ids.h"

namespace entente::node {

class Passwords {
 public:
  // Operations and bytes for Argon2id; zero: libsodium's MODERATE.
  struct Cost {
    unsigned long long operations = 0;
    std::size_t bytes = 0;
  };
  struct Parts {
    Store& store;
    const Clock& clock;
    federation::Loop& loop;
    Cost cost = {};
  };
  using Done = std::function<void(Outcome)>;

  explicit Passwords(Parts parts);
  // Before the loop runs. Refuses: store_failed.
  [[nodiscard]] Outcome load();

  bool has(const std::string& user) const { return hashes_.contains(user); }
  // Refuses: invalid_argument (shorter than 12 bytes, longer than 1024, or the user's name within
  // it), overloaded, store_failed; then the former one stays.
  void set(const std::string& actor, const std::string& user, std::string password, Done done);
  // Ends a user's password, as of a user who is gone.
  void forget(const std::string& actor, const std::string& user, Done done);
  // Refuses: unauthenticated (wrong, or nobody of that name, the same words), overloaded (this name
  // waits; says how long; or too many at once).
  void check(const std::string& user, std::string password, Done done);
  // Waits for what is being hashed. Before the loop goes.
  void stop() { worker_.stop(); }

 private:
  struct Attempts {
    int failures = 0;
    Instant until;  // no attempt before
  };
  Outcome admit(const Hash256& name, bool known, Instant now);
  void failed(const std::string& user, const Hash256& name);
  template <class T, class Job>
  void hash_off_loop(Job job, std::function<void(Result<T>)> done);

  Parts parts_;
  std::string nobody_;                         // the hash that no password fits
  std::map<std::string, std::string> hashes_;  // by user
  std::map<Hash256, Attempts> attempts_;       // by the hash of the name
  federation::Workers worker_;
};

}  // namespace entente::node
