// How many questions an agreement's consumer has asked lately, and whether one more may come.
//
// Counted by the minute: what was asked in a minute counts until the whole minute is an hour, or a
// day, old, so the limits are never exceeded in any 3600 s or 86,400 s. Questions that a repeated
// release answers count; refused ones do not, but for those that the ledger refuses. Whoever wants
// the counts to outlive the process is told of each (`counted`) and gives them back (`restore`).
// Threads: loop.
#pragma once

#include <functional>
#include <map>

#include "federation/ask/site.h"

namespace entente::federation {

class QuestionRates {
 public:
  // An agreement's questions of the minute that begins then.
  using Counted = std::function<void(const AgreementId& id, Instant minute)>;

  explicit QuestionRates(Counted counted = {}) : counted_(std::move(counted)) {}

  // Counts one question of an agreement of `site`, or says in how long one would be allowed.
  // Agreements without limits are not counted.
  [[nodiscard]] std::optional<Duration> take(const SiteSnapshot& site, const AgreementId& id,
                                             Instant now);
  void restore(const AgreementId& id, Instant minute, std::uint32_t questions);

 private:
  using Minutes = std::map<std::int64_t, std::uint32_t>;  // since the epoch

  Counted counted_;
  std::map<AgreementId, Minutes> asked_;
};

}  // namespace entente::federation
