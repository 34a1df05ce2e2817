// What would stop a system twin from being answered, found without asking anybody: from the
// members' public descriptions and the agreements that both sides hold.
//
// Each member is judged by itself, each property at each member as the member's own site would
// judge it, and then all members together, so that a finding names who and why. Nothing is charged
// and no reading is touched. Threads: any; pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "federation/ask/asker.h"
#include "federation/compose/system_twin.h"

namespace entente::federation {

struct SystemFinding {
  std::string member;    // "air@washington"; empty: of the system as a whole
  std::string property;  // empty: of every property
  Error error;
};

struct SystemScene {
  const SystemTwin& system;
  std::shared_ptr<const SiteSnapshot> site;
  Instant now;
  std::optional<double> default_epsilon;
};

// Finds: unknown partners and exports (with the nearest names), agreements that are missing,
// aggregates, purposes, windows, granularity and group sizes that an agreement or an export does
// not allow, bounds wider than a member's, units that do not fit together, members of one privacy
// domain (its units would count twice), a system that is its own member. In order of members, then
// properties. Empty: a question to it can be answered by all.
std::vector<SystemFinding> find_faults(const SystemScene& scene);

// The members that can be asked now; the others are left out.
std::vector<AskTarget> known_members(const SystemTwin& system,
                                     const std::shared_ptr<const SiteSnapshot>& site);

// Bounds that a system's properties state for the signals they name: what plan() is given.
std::vector<BoundsOverride> bounds_of(const SystemTwin& system);

}  // namespace entente::federation
