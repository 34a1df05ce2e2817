// A bundle: an audit log with all that a stranger needs to verify it, as a file of JSON lines.
//
//   line 1   {"entente_audit_bundle":1, "organisation":HEX, "site":…, "charters":[…],
//             "size":N, "time":…, "checkpoint":NOTE,
//             "witnesses":[{"organisation":HEX,"name":…,"site":…,"charters":[…]},…]}
//   line 2   {"record":BASE64URL,"link":HEX}                 record 1 of the log, and so on to N
// Charters are signed ones, the first charter first. Everything else is believed only as far as it
// follows from the organisation's id, which is the hash of its first charter.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/result.h"
#include "schemas/base/time.h"

namespace entente::node {

struct Cosigned {
  std::string witness;  // the exporting site's name for it
  OrgId organisation;
  Instant time;
};

struct BundleVerdict {
  OrgId organisation;
  std::string site;
  std::uint64_t records = 0;
  Hash256 root;
  std::vector<Cosigned> cosigned;  // whose cosignatures verify against the charters in the bundle
};

// Reads a bundle to its end, in bounded memory. `expected` (zero: whoever it is) is the id of the
// organisation whose log it must be. `progress` is told how many records were read.
// Refuses: invalid_argument (not a bundle; the line), verification_failed (what is wrong, where).
[[nodiscard]] Result<BundleVerdict> verify_bundle(
    std::istream& in, const OrgId& expected,
    const std::function<void(std::uint64_t)>& progress = {});

}  // namespace entente::node
