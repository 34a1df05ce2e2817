// A standing question: its terms, the orders about it, and where it stands; with their wire forms
// (schemas/wire/feed.capnp).
//
// A feed repeats one question in consecutive windows ("ticks") as long as its window, for a fixed
// number of them. Everything is absolute in the terms, so that asker and site compute the same
// ticks, price and coordinates. Conversions are total and refuse (invalid_argument) with the field
// that is wrong.
#pragma once

#include <string_view>
#include <vector>

#include "schemas/answer.h"
#include "schemas/base/ids.h"
#include "schemas/question.h"

namespace entente {

enum class FeedKind { repeat, sliding, cumulative };
enum class FeedMechanism { buckets, dyadic, toeplitz };
std::string_view to_text(FeedKind kind);
std::string_view to_text(FeedMechanism mechanism);  // "per-tick buckets", …

// What the envelope of an order is signed in: another context than a question's
// (security/identity/keys.h has the rest), so that neither passes for the other.
inline constexpr std::string_view kFeedOrderContext = "entente feed order signature v1";

inline constexpr std::uint32_t kFeedTicksMost = 4'096;

struct FeedTerms {
  Question question;  // about the first tick; rho_per_block: of the block that is charged most
  std::uint32_t ticks = 1;
  FeedKind kind = FeedKind::repeat;
  FeedMechanism mechanism = FeedMechanism::buckets;
  std::uint32_t window_ticks = 0;  // sliding: at least 2; otherwise 0
  bool operator==(const FeedTerms&) const = default;
};

enum class FeedVerb { start, pull, cancel };

// What an envelope of a feed holds in place of a question.
struct FeedOrder {
  FeedVerb verb = FeedVerb::pull;
  QueryId feed;                // the query id of the envelope that started it
  std::uint32_t sequence = 0;  // pull
  Bytes terms;                 // start: canonical
  bool operator==(const FeedOrder&) const = default;
};

// What a site says to start and cancel, in place of a release.
struct FeedStanding {
  QueryId feed;
  Hash256 terms_hash;
  std::uint32_t next = 0;             // the first tick that is not released
  std::uint16_t ended = 0;            // number of an error code; 0 = it runs
  std::vector<BlockAmount> returned;  // of blocks that had not begun
  bool operator==(const FeedStanding&) const = default;
};

Bytes canonical_bytes(const FeedTerms& terms);
[[nodiscard]] Result<FeedTerms> feed_terms_from_bytes(ByteView canonical);
Hash256 feed_terms_hash(ByteView canonical);

Bytes canonical_bytes(const FeedOrder& order);
[[nodiscard]] Result<FeedOrder> feed_order_from_bytes(ByteView canonical);

Bytes canonical_bytes(const FeedStanding& standing);
[[nodiscard]] Result<FeedStanding> feed_standing_from_bytes(ByteView canonical);

}  // namespace entente
