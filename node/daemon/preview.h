// What a batch of questions would cost and how exact it would be, from public descriptions and this
// node's own memory of what it was answered: nothing is asked of anybody and no reading is touched.
//
// Charges are those of the ledgers, block by block, added up over the batch: a question that comes
// twice counts once, one that was answered before or can be added up from earlier answers (or from
// those before it in the batch) is free. What others were released may make a site charge less, as
// composition.h says; never more, unless a scheduled revision comes due meanwhile.
//
// Sums are looked for in the answers that the site would look at (CellsReach in composition.h).
//
// What is left, of rho and of the delta that questions by private keys spend, is what the site said
// at its last answer about the block; before any, all that the agreement allows. Of delta sites say
// the least of an answer's blocks, so there may be more; what was never said is null, and noted.
//
// "More like this": how often the least block's rest, as it was known at the last answer about it,
// holds the batch again. Blocks are event time and never refill, so that ends only when windows as
// long lie in later blocks: `until`. Threads: any, workers for what may wait for the store.
#pragma once

#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "federation/ask/answer_book.h"
#include "federation/ask/asker.h"

namespace entente::node {

struct PreviewedQuestion {
  std::string text;
  federation::Plan plan;
  std::vector<federation::AskTarget> targets;  // plan.members[i] belongs to targets[i]
  std::vector<std::string> notes;
  bool exact = false;  // of own twins: costs nothing
};

// The JSON of POST /api/v1/ask with dryRun. At least one question; fields of one question alone
// stand at the top too. Refuses what price_of refuses.
[[nodiscard]] Result<boost::json::value> preview_json(const std::vector<PreviewedQuestion>& batch,
                                                      const federation::AnswerBook& answers,
                                                      Instant now);

}  // namespace entente::node
