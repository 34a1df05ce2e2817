// Who may do what on this node, durably: the policy in `policy.toml`, and access tokens in
// entente.db. Every change is in the audit log: its intent before, its outcome after.
//
// Former policies are kept, the last kPoliciesKept, so that one can be restored.
//
// A token is shown once and kept as its hash. It belongs to a user, ends at an instant, and may be
// for some verbs only; what its owner may not do, it never may. With the user their tokens go.
// Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "security/policy/policy_change.h"

namespace entente::node {

inline constexpr std::size_t kAccessTokens = 1'000;
inline constexpr Duration kTokenLife = days(366);  // at most
inline constexpr std::int64_t kPoliciesKept = 100;

// A policy as it was put in force.
struct FormerPolicy {
  std::int64_t number = 0;
  Instant time;
  std::string actor;
  std::string action;
  std::string what;
  std::string text;  // TOML
};

struct AccessToken {
  std::string name;  // local id, unique
  std::string user;
  std::optional<std::set<security::Verb>> only;
  Instant created;
  Instant expires;
};

// Who makes a change, for the log.
using Actor = std::string;  // "user:ann"

class AccessRegister {
 public:
  struct Parts {
    Store& store;
    const Clock& clock;
    Random& random;
    std::string policy_path;
    security::Policy& policy;  // replaced as a whole by a change
    std::function<void()> changed;
    // Whether somebody could still log in as an owner under this policy; empty: not asked.
    std::function<bool(const security::Policy&)> has_entrance = {};
  };
  using Done = std::function<void(Outcome)>;
  using TokenDone = std::function<void(Result<std::string>)>;

  explicit AccessRegister(Parts parts) : parts_(std::move(parts)) {}
  static const char* migration();
  // Former policies, passwords, requests for approval, uses of break-glass.
  static const char* steps_migration();
  // Before the loop runs. Refuses: store_failed.
  [[nodiscard]] Outcome load();

  // Puts a policy in force that security/policy/policy_change.h made. Refuses: conflict (no owner
  // could log in any more), overloaded (another change is being saved), store_failed; then the
  // former one stays.
  void change(const Actor& actor, const std::string& action, const std::string& what,
              security::Policy next, Done done);

  // The token's text, once. Refuses: conflict (the name is taken), not_found (no such user),
  // invalid_argument (an end that is past or too far), overloaded.
  void add_token(const Actor& actor, AccessToken token, TokenDone done);
  // The same for a login: named after the user and at random; ended ones of theirs go.
  void add_login(const std::string& user, Duration life, TokenDone done);
  // Refuses: not_found.
  void revoke_token(const Actor& actor, const std::string& name, Done done);

  // Newest first. On a worker. Refuses: store_failed, not_found.
  [[nodiscard]] Result<std::vector<FormerPolicy>> former_policies() const;
  [[nodiscard]] Result<FormerPolicy> former_policy(std::int64_t number) const;

  const std::map<std::string, AccessToken>& tokens() const { return tokens_; }
  // The user with the token's limits; nothing when it is unknown or over, or its user is gone.
  std::optional<security::LocalUser> owner_of(const Hash256& token, Instant now) const;

 private:
  std::set<std::string> without_user(const security::Policy& policy) const;
  void forget(const std::string& name);
  void record(const Actor& actor, const std::string& action, const std::string& what,
              std::function<void(Database&)> also, Done done);

  Parts parts_;
  std::map<std::string, AccessToken> tokens_;
  std::map<std::string, Hash256> hashes_;  // by token name
  bool saving_ = false;
};

}  // namespace entente::node
