// System twins as the JSON of /api/v1/systems.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "federation/compose/system_check.h"
#include "node/daemon/system_keeper.h"
#include "node/daemon/system_register.h"

namespace entente::node {

// Name, title, needs, version, members with whether they can be asked, properties as declared.
boost::json::object system_json(const DeclaredSystem& declared,
                                const std::shared_ptr<const federation::SiteSnapshot>& site);

// One kept window: figures with their range, coverage, charges, version, revision. `age_s` counts
// from the window's end to `now`.
boost::json::object value_json(const SystemRow& row, Instant now);

// The twin page: of each property the newest value, or why there is none.
struct SystemPage {
  const DeclaredSystem& declared;
  std::shared_ptr<const federation::SiteSnapshot> site;
  std::vector<SystemRow> latest;
  std::map<std::string, SystemKeeper::Outlook> outlooks;  // by property
  Instant now;
};
boost::json::object page_json(const SystemPage& page);

// Members with organisation, site, domain, agreement and what became of their last window, depth
// first; `depth` 0 is the system itself.
boost::json::array tree_json(const SystemPage& page);

boost::json::object version_json(const SystemVersion& version);
boost::json::array findings_json(const std::vector<federation::SystemFinding>& findings);

}  // namespace entente::node
