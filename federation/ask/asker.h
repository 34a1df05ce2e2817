// The asking side: sends one planned question to every member at once, waits no longer than the
// deadline, verifies and opens each answer, and merges what came.
//
// One dead partner never blocks the others: it is named in the coverage with the reason. Each
// member is sent the same query id under its own signed envelope with a fresh key to seal the
// answer to. Threads: loop.
#pragma once

#include <kj/async.h>

#include <memory>
#include <vector>

#include "federation/ask/answer_reader.h"
#include "federation/ask/member_call.h"
#include "federation/query/estimate.h"
#include "federation/query/plan.h"

namespace entente::federation {

struct FederatedAnswer {
  QueryId query_id;
  Plan plan;
  std::vector<AnswerRow> rows;
  // Of each member, in order; of one that is a composite, of each of its sites.
  std::vector<MemberCoverage> coverage;
  std::size_t answered() const;
  // A member of which nothing was asked does not make an answer partial.
  bool partial() const;
};

class Asker {
 public:
  struct Parts {
    Loop& loop;
    const Clock& clock;
    Random& random;
    const security::SigningKey& envelope_key;
    SnapshotSource site;
    SendQuestion send;
    ReceiptBook& receipts;
    AnswerBook* answers = nullptr;  // told of every answer, if any
  };
  explicit Asker(Parts parts)
      : caller_({parts.loop, parts.clock, parts.random, parts.envelope_key, parts.site,
                 std::move(parts.send), parts.receipts}),
        reader_({std::move(parts.site), parts.receipts, parts.answers}) {}

  // `plan.members[i]` belongs to `targets[i]`. Always fulfils by `timeout`; never rejects.
  kj::Promise<FederatedAnswer> ask(Plan plan, std::vector<AskTarget> targets, Duration timeout);

 private:
  MemberCaller caller_;
  AnswerReader reader_;
};

}  // namespace entente::federation
