// Which experiments an export allows: the attacks that subtract one answer from another, over every
// aggregate, and the faults that must be caught. Pure; threads: any.
#pragma once

#include <vector>

#include "federation/audit/experiment.h"

namespace entente::federation {

// One unit dropped (of every aggregate), doubled, dominating; a group made smaller; a window moved
// by a tick; a block and its quarters; a block and those after it; sums of released cells, one's own
// and another's; many askers, adaptively; the low bits of an answer. Left out is what the export has
// no measure, no key or no room for, or the agreement does not allow.
std::vector<Experiment> experiments_of(const AuditedSite& site);
inline constexpr const char* kHalfTheNoise = "half the noise";
inline constexpr const char* kWithoutCharge = "answers without their charge";
// Each of them has a fault. `random` outlives them.
std::vector<Experiment> controls_of(const AuditedSite& site, Random& random);

}  // namespace entente::federation
