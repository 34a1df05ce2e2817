// The answer of another organisation's system twin, verified leaf by leaf.
//
// A routed leaf is checked as a direct answer is: the envelope that its site was asked with must
// lead back, hop by hop, to the one this site sent; the question in it must ask the same items,
// columns, window and cells of time; the site's signature must be of a charter that is pinned here.
// Where it is not, the partner's signature vouches for it, and the coverage says so. So the
// composing organisation can leave an answer out, which shows, but not change one. Threads: any;
// pure.
#pragma once

#include "federation/ask/answer_reader.h"

namespace entente::federation {

inline constexpr std::string_view kCompositeContext = "entente composite answer v1";

// The answer in a reply to `member`, signed by its organisation and for this question; else
// verification_failed.
[[nodiscard]] Result<CompositeAnswer> open_composite(const MemberCall& member, const OrgId& self);

// The leaf's release, verified as above. `leaf` is of an answer that open_composite() gave.
struct ReadLeaf {
  MemberCoverage coverage;
  std::shared_ptr<const AnsweredPart> part;  // of one that answered and verifies
};
ReadLeaf read_leaf(const MemberCall& member, const SiteSnapshot& site, const LeafOutcome& leaf);

// Everything in it: leaves, or the merged release.
MemberOutcome read_composite(const MemberCall& member, const SiteSnapshot& site);

}  // namespace entente::federation
