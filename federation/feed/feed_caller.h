// The following side of a feed: one signed order, sent, and the answer opened and verified.
//
// Orders are like questions (federation/ask/asker.h): each in an envelope with a fresh key to seal
// the answer to, and with the newest receipt of that site. Threads: loop.
#pragma once

#include <functional>

#include "federation/ask/asker.h"
#include "schemas/feed.h"

namespace entente::federation {

// Sends a signed envelope to a partner's method; rejects when it cannot be reached.
using SendFeedOrder =
    std::function<kj::Promise<MemberReply>(const OrgId&, FeedVerb verb, Bytes envelope)>;

// What came of an order: a verified answer, a refusal of the partner, or why there is neither.
struct FeedReply {
  std::optional<Answer> answer;
  ErrorCode code = ErrorCode::internal;  // without an answer
  std::string reason;                    // likewise
  std::vector<BlockAmount> left;         // budget refusals
  Duration retry_after;
};

class FeedCaller {
 public:
  struct Parts {
    Loop& loop;
    const Clock& clock;
    Random& random;
    const security::SigningKey& envelope_key;
    SnapshotSource site;
    SendFeedOrder send;
    ReceiptBook& receipts;
  };
  explicit FeedCaller(Parts parts) : parts_(std::move(parts)) {}

  struct Terms {
    std::string purpose;
    Duration timeout;
  };
  // Of a start, `order.feed` becomes the envelope's query id; others get a fresh one. Always
  // fulfils by the timeout; never rejects.
  kj::Promise<FeedReply> send(const AskTarget& target, FeedOrder order, Terms terms);

 private:
  Parts parts_;
};

}  // namespace entente::federation
