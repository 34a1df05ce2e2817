// Releases of several members, added up to releases of the composing site.
//
// Integers are added to integers: members' lattices are powers of two, so a coarser one is a finer
// one shifted, and nothing is rounded. Each group is the sum of exactly the members that have it,
// and its variance the sum of theirs; groups that are sums of the same members share a release.
// Nothing here is private: what is added has left its sites already. Threads: any; pure.
#pragma once

#include <memory>
#include <vector>

#include "federation/ask/answer_reader.h"

namespace entente::federation {

// `parts` answer members' parts of one question: their plans' groups are groups of it.
// Organisation, site, question hash, domain, unit and time are for the caller to fill in. Refuses
// (shape_refused) sums that overflow, and parts whose statistics are not alike.
[[nodiscard]] Result<std::vector<Release>> merge_releases(
    const std::vector<std::shared_ptr<const AnsweredPart>>& parts);

}  // namespace entente::federation
