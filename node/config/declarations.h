// What an administrator declares in files of `provision.d`: privacy domains, exports, system twins
// (design section 14), rules for the quality of readings ([quality.…], see quality/rule_text.h) and
// for how long they are kept ([retention], see retention_rules.h).
// Unknown keys refuse; errors name file and line.
//
//   [domain.air]
//   unit = "twin"    block = "1d"    zone = "UTC"    epsilon = 8    delta = 1e-6
//   threshold_delta = 0      # of each block, what private keys may spend besides; 0 = none
//
// What one unit is, for ever: unit = "twin", or "property:owner" (all twins with one owner), or
// "ancestor:part_of" (all twins below one twin, where that relationship ends), or
// "ancestor:dtmi:…;1" (below the nearest twin of that type). Twins without a unit are left out.
//
//   [export.air]
//   domain = "air"   type = "dtmi:…;1"   tick = "1h"   lateness = "2h"
//   keys = { state = ["WA"], county = ["King", "Chelan"] }
//   units = { "WA/King" = 9, "WA/Chelan" = 3 }      # declared numbers of units; key values in the
//                                                   # order of keys
//   groups_per_unit = 1      # that a unit counts in, of a question; noise is for as many
//   private_keys = ["owner"]      # group keys whose values are named where enough units share them
//   private_delta = 1e-9          # what one such question spends of threshold_delta
//   private_min_units = 10        # that a value has at least to be named
//   measures.pm25 = { unit = "ug/m3", default = "mean", mean = [0, 200], max = [0, 500],
//                    valid = [0, 1000] }            # optional: readings outside are bad, unless
//                    the
//                                                   # type or [quality] gives another range; the
//                                                   # bounds beside it only clamp what is answered
//
//   [system.smoke]
//   title = "…"      members = ["air@washington", "air@oregon"]      needs = "any"
//   property.pm25 = { item = "mean(pm25)", over = "1d", bounds = [0, 200],
//                     unit = "ug/m3", every = "1h",       # optional: the value's unit, cells in
//                     time keep = true, epsilon = 0.2,         # asked by the node itself, window
//                     by window, purpose = "planning",               # at this charge to every
//                     member since = "2025-03-01", until = "2025-04-01" }      # optional: which
//                     windows
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "federation/compose/system_twin.h"
#include "node/config/retention_rules.h"
#include "node/quality/rule.h"
#include "schemas/agreement.h"

namespace entente::node {

using SystemTwins = std::map<std::string, federation::SystemTwin, std::less<>>;

struct Declarations {
  std::map<std::string, std::shared_ptr<const ExportView>, std::less<>> exports;
  SystemTwins systems;
  RuleBook quality;
  RetentionRules retention;
};

// Adds what one file declares; `site` becomes the exports' site. Refuses: config_invalid; then
// nothing of the file was added.
[[nodiscard]] Outcome read_declarations(std::string_view text, const std::string& file,
                                        const std::string& site, Declarations& into);
// The declaration of a system twin in one form, whatever the file it came from looks like: what is
// said is said in one order, what is not said is left out. read_declarations() reads it back.
std::string system_text(const federation::SystemTwin& system);
// All *.toml files of a folder in name order; a missing folder is empty.
[[nodiscard]] Result<Declarations> load_declarations(const std::string& folder,
                                                     const std::string& site);

}  // namespace entente::node
