// Answers a sum from cells that were released before: no new noise, no charge to the site.
//
// Only sums of sums are additive: what a unit's readings of a day come to is what those of its
// hours come to. A mean, a share, a quantile of a day is not made of its hours', and neither is a
// rise (`delta`), which as it is folded here begins anew in each cell: hourly readings of a counter
// rise by nothing within any hour. The bounds hold for each cell by itself, so they must contain
// zero: otherwise a cell of little would count as the lower bound, hour after hour.
//
// Cells of releases about the same export (its whole description, so the same domain, bounds,
// groups and policy), the same items and groups and the same revision may be used, each once,
// wherever they cover every tick of the question exactly. What was composed is not composed again.
//
// Not where a unit may lie in several groups: in which of them it is counted is chosen for each
// question (contribution.h). Not by private keys either, whose groups nobody knows beforehand.
//
// Whose cells. Those of releases that the asker has paid for are free: it could add them up itself.
// Cells that others have paid for are used only if that makes the answer no less exact than the
// noise that the question would get, and if each block's charge for the whole releases they are
// from is no more than the question's own: the asker's quota pays that, and the site nothing. So
// nobody is given a worse figure, or charged more, because somebody else asked before.
//
// Which cells are looked at, where there are more than may be: those of the longest windows first,
// and those that the asker has paid for before others. Site and preview go by CellsReach alike.
//
// The variance of a composed statistic is the sum of its cells' variances, which is right because
// each cell has noise of its own; a release states one variance for all its cells, so compositions
// whose ticks differ in it are not made. Integers only. Threads: any; pure.
#pragma once

#include <optional>
#include <vector>

#include "federation/ask/release_store.h"
#include "federation/query/price.h"
#include "schemas/agreement.h"
#include "schemas/answer.h"
#include "schemas/question.h"

namespace entente::federation {

struct Composition {
  std::vector<Statistic> statistics;
  std::vector<ReleasedCell> cells;
  std::vector<ComposedOf> composed_of;
  std::vector<BlockAmount> charges;  // to the asker's quota, ascending; empty: free
};

// Whether cells of this question may be added up, and it be answered so.
bool is_additive(const Question& question);

// By what cells that may be added to one another are found: hash of all of the question but its
// window, ticks and charge, and of the revision.
Hash256 cells_key(const Question& question, std::uint32_t revision);

// What the release of a question would offer to compositions, all its sums zero: for whoever knows
// what was asked and paid for, and wants to know what that makes free. As long as the release
// itself but for a few words. Refuses as price_of does.
[[nodiscard]] Result<StoredRelease> as_if_paid(const Question& question, const ExportView& view);

// Whether a release is looked at, asked in the order that looked_at_before says: until
// limits::kComposedReleases of them, or limits::kComposedBytes together, have been.
class CellsReach {
 public:
  bool admits(std::size_t bytes);

 private:
  std::size_t releases_ = 0;
  std::size_t bytes_ = 0;
};
// Paid before not paid, longer windows before shorter, earlier before later.
bool looked_at_before(const StoredRelease& a, const StoredRelease& b);

// `price` is the question's own. `stored` in any order; what does not read is left out. None when
// its cells do not cover the question, or may not be used.
std::optional<Composition> compose(const Question& question, const ExportView& view,
                                   const Price& price, const std::vector<StoredRelease>& stored);

}  // namespace entente::federation
