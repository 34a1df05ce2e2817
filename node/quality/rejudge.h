// Quarantine: readings that are not good stay in the history with their verdict, are listed with
// their reason, and are judged again when a rule has changed.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "node/history/history.h"
#include "node/quality/rule.h"

namespace entente::node {

struct QuarantineQuery {
  TimeWindow window = kAllTime;
  Verdict least = Verdict::bad;  // uncertain: those as well
  std::size_t limit = 100;
};
// In order of time, at most `limit` and `more` when there are others. Reads: for workers.
struct Quarantined {
  std::vector<Reading> readings;
  bool more = false;
};
Quarantined quarantine(const History& history, SeriesId series, const QuarantineQuery& query);

struct RejudgeReport {
  std::uint64_t judged = 0;   // readings in the window
  std::uint64_t changed = 0;  // of these, those whose verdict is another now
  std::map<std::pair<Quality, Quality>, std::uint64_t> changes;  // from, to
  void operator+=(const RejudgeReport& other);
};

struct RejudgeOptions {
  TimeWindow window = kAllTime;
  bool dry_run = false;
};

// Judges what is kept again, in order of time and from the series' first reading on, so that the
// verdicts in a window do not depend on where the window begins; and writes those that changed as
// corrections: the same time and value, the new verdict. A second run changes nothing.
// When a reading arrived is not kept: so clock_ahead stays as it is, and clock_behind unless the
// value deserves another verdict.
// Works in parts of limits::kRejudgeChanges; after a refusal the parts before it are durable.
// For workers and tools. A reading that is corrected while this runs may get its old value back:
// corrections of values should wait for it.
// Refuses: what History::append refuses.
[[nodiscard]] Result<RejudgeReport> rejudge(History& history, SeriesId series, const Rule& rule,
                                            const RejudgeOptions& options);

}  // namespace entente::node
