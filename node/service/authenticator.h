// Who calls, and whether they may: what the HTTP edge asks before it reads a body.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/result.h"
#include "security/policy/policy.h"

namespace entente::node {

using security::Verb;

// The caller of a route: a local user or service. Empty name: nobody (open routes only).
using Subject = security::LocalUser;

using Parameters = std::map<std::string, std::string, std::less<>>;

// Threads: loop only; must not block.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // The owner of this bearer token; nothing when nobody owns it. Takes the same time either way.
  virtual std::optional<Subject> authenticate(std::string_view token) const = 0;
  // Refuses (denied): this subject may not use this verb on the object that the path names.
  [[nodiscard]] virtual Outcome authorise(const Subject& subject, Verb verb,
                                          const Parameters& path) const = 0;
};

// BLAKE2b-256 of a token: what is kept instead of it, and what two tokens are compared by.
Hash256 token_hash(std::string_view token);

// A fixed list of tokens, each of which may do everything; the first form, of one administrator.
// Every entry is compared in constant time, and all of them, whichever matches.
class TokenList final : public Authenticator {
 public:
  struct Entry {
    Hash256 hash;
    Subject subject;
  };
  explicit TokenList(std::vector<Entry> entries) : entries_(std::move(entries)) {}
  std::optional<Subject> authenticate(std::string_view token) const override;
  [[nodiscard]] Outcome authorise(const Subject&, Verb, const Parameters&) const override;

 private:
  std::vector<Entry> entries_;
};

}  // namespace entente::node
