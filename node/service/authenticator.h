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

// Where a request's connection comes from.
enum class Origin { loopback, elsewhere };

// Threads: loop only; must not block.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // The owner of this bearer token; nothing when nobody owns it. Takes the same time either way.
  virtual std::optional<Subject> authenticate(std::string_view token, Origin from) const = 0;
  // Refuses (denied): this subject may not use this verb on what the path names.
  [[nodiscard]] virtual Outcome authorise(const Subject& subject, Verb verb,
                                          const security::Resource& resource) const = 0;
};

// BLAKE2b-256 of a token: what is kept instead of it, and what two tokens are compared by.
Hash256 token_hash(std::string_view token);

}  // namespace entente::node
