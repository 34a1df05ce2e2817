// Keeps the counts of federation::QuestionRates over a restart: how many questions each agreement's
// consumer asked in each of the last minutes. A count is written in its own time, after the
// question was admitted, so that a crash forgets at most those of its last moments; what a question
// costs is the ledger's, which forgets nothing. Threads: loop.
#pragma once

#include "federation/ask/question_rates.h"
#include "node/store/store.h"

namespace entente::node {

const char* question_counts_migration();

// Counts as they stood, for a day back from `now`; each question from here on is written to
// `store`, which outlives what is returned. Refuses: store_failed.
[[nodiscard]] Result<std::shared_ptr<federation::QuestionRates>> open_question_counts(Store& store,
                                                                                      Instant now);

}  // namespace entente::node
