#include "schemas/feed.h"

#include <array>

#include "schemas/base/hash.h"
#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/feed.capnp.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuseTerms{ErrorCode::invalid_argument, "feed terms"};
constexpr rules::Refuse kRefuseOrder{ErrorCode::invalid_argument, "feed order"};
constexpr rules::Refuse kRefuseStanding{ErrorCode::invalid_argument, "feed standing"};
constexpr std::array<std::string_view, 3> kKinds = {"repeat", "sliding", "cumulative"};
constexpr std::array<std::string_view, 3> kMechanisms = {"per-tick buckets", "dyadic nodes",
                                                         "square-root Toeplitz"};
constexpr std::size_t kVerbs = 3;
static_assert(static_cast<std::size_t>(wire::FeedKind::CUMULATIVE) + 1 == kKinds.size());
static_assert(static_cast<std::size_t>(wire::FeedMechanism::TOEPLITZ) + 1 == kMechanisms.size());
static_assert(static_cast<std::size_t>(wire::FeedVerb::CANCEL) + 1 == kVerbs);

bool makes_sense(FeedKind kind, FeedMechanism mechanism) {
  if (mechanism == FeedMechanism::dyadic) return kind != FeedKind::repeat;
  if (mechanism == FeedMechanism::toeplitz) return kind == FeedKind::cumulative;
  return true;
}

Result<FeedTerms> read_terms(wire::FeedTerms::Reader in) {
  FeedTerms out;
  auto question = question_from_bytes(view_of(in.getQuestion()));
  if (!question) return std::move(question).error();
  out.question = std::move(*question);
  out.ticks = in.getTicks();
  if (out.ticks < 1 || out.ticks > kFeedTicksMost)
    return kRefuseTerms("ticks", "must be 1 to 4096");
  const auto kind = static_cast<std::size_t>(in.getKind());
  if (kind >= kKinds.size()) return kRefuseTerms("kind", "is not known");
  out.kind = static_cast<FeedKind>(kind);
  const auto mechanism = static_cast<std::size_t>(in.getMechanism());
  if (mechanism >= kMechanisms.size()) return kRefuseTerms("mechanism", "is not known");
  out.mechanism = static_cast<FeedMechanism>(mechanism);
  if (!makes_sense(out.kind, out.mechanism)) {
    return kRefuseTerms("mechanism", "does not serve feeds of this kind");
  }
  out.window_ticks = in.getWindowTicks();
  const bool sliding = out.kind == FeedKind::sliding;
  if (sliding ? out.window_ticks < 2 || out.window_ticks > out.ticks : out.window_ticks != 0) {
    return kRefuseTerms("windowTicks", "must be 2 to ticks in sliding feeds and 0 in others");
  }
  return out;
}

Result<FeedOrder> read_order(wire::FeedOrder::Reader in) {
  FeedOrder out;
  const auto verb = static_cast<std::size_t>(in.getVerb());
  if (verb >= kVerbs) return kRefuseOrder("verb", "is not known");
  out.verb = static_cast<FeedVerb>(verb);
  auto feed = QueryId::from_bytes(view_of(in.getFeed()));
  if (!feed || feed->is_zero()) return kRefuseOrder("feed", "is no query id");
  out.feed = *feed;
  out.sequence = in.getSequence();
  if (out.sequence >= kFeedTicksMost || (out.sequence != 0 && out.verb != FeedVerb::pull)) {
    return kRefuseOrder("sequence", "is no tick of a feed, or not of a pull");
  }
  out.terms = bytes_from(in.getTerms());
  if (out.terms.empty() == (out.verb == FeedVerb::start)) {
    return kRefuseOrder("terms", "belong to a start and to nothing else");
  }
  return out;
}

Result<FeedStanding> read_standing(wire::FeedStanding::Reader in) {
  FeedStanding out;
  auto feed = QueryId::from_bytes(view_of(in.getFeed()));
  if (!feed || feed->is_zero()) return kRefuseStanding("feed", "is no query id");
  out.feed = *feed;
  auto terms = Hash256::from_bytes(view_of(in.getTermsHash()));
  if (!terms) return kRefuseStanding("termsHash", "must be 32 bytes");
  out.terms_hash = *terms;
  out.next = in.getNext();
  out.ended = in.getEnded();
  const auto returned = in.getReturned();
  if (returned.size() > limits::kBlocks)
    return kRefuseStanding("returned", "holds too many blocks");
  for (const auto amount : returned) {
    out.returned.push_back({{amount.getStartNs()}, {amount.getRho()}});
  }
  return out;
}

}  // namespace

std::string_view to_text(FeedKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}
std::string_view to_text(FeedMechanism mechanism) {
  return kMechanisms[static_cast<std::size_t>(mechanism)];
}

Bytes canonical_bytes(const FeedTerms& terms) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::FeedTerms>();
  const Bytes question = canonical_bytes(terms.question);
  out.setQuestion(data_of(question));
  out.setTicks(terms.ticks);
  out.setKind(static_cast<wire::FeedKind>(terms.kind));
  out.setMechanism(static_cast<wire::FeedMechanism>(terms.mechanism));
  out.setWindowTicks(terms.window_ticks);
  return canonicalize(out.asReader());
}

Result<FeedTerms> feed_terms_from_bytes(ByteView canonical) {
  if (canonical.size() > limits::kEnvelopeBytes) return kRefuseTerms("size", "is over 256 KiB");
  return rules::only_encoding(
      with_canonical<wire::FeedTerms>(canonical, ErrorCode::invalid_argument, "feed terms",
                                      [](auto in) -> Result<FeedTerms> { return read_terms(in); }),
      canonical, kRefuseTerms, [](const FeedTerms& value) { return canonical_bytes(value); });
}

Hash256 feed_terms_hash(ByteView canonical) {
  return hash("entente feed terms v1", canonical);
}

Bytes canonical_bytes(const FeedOrder& order) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::FeedOrder>();
  out.setVerb(static_cast<wire::FeedVerb>(order.verb));
  out.setFeed(data_of(order.feed.view()));
  out.setSequence(order.sequence);
  if (!order.terms.empty()) out.setTerms(data_of(order.terms));
  return canonicalize(out.asReader());
}

Result<FeedOrder> feed_order_from_bytes(ByteView canonical) {
  if (canonical.size() > limits::kEnvelopeBytes) return kRefuseOrder("size", "is over 256 KiB");
  return rules::only_encoding(
      with_canonical<wire::FeedOrder>(canonical, ErrorCode::invalid_argument, "feed order",
                                      [](auto in) -> Result<FeedOrder> { return read_order(in); }),
      canonical, kRefuseOrder, [](const FeedOrder& value) { return canonical_bytes(value); });
}

Bytes canonical_bytes(const FeedStanding& standing) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::FeedStanding>();
  out.setFeed(data_of(standing.feed.view()));
  out.setTermsHash(data_of(standing.terms_hash.view()));
  out.setNext(standing.next);
  out.setEnded(standing.ended);
  auto returned = out.initReturned(static_cast<unsigned>(standing.returned.size()));
  for (unsigned i = 0; i < returned.size(); ++i) {
    returned[i].setStartNs(standing.returned[i].start.ns);
    returned[i].setRho(standing.returned[i].rho.units);
  }
  return canonicalize(out.asReader());
}

Result<FeedStanding> feed_standing_from_bytes(ByteView canonical) {
  if (canonical.size() > limits::kReleaseBytes) return kRefuseStanding("size", "is too large");
  return rules::only_encoding(
      with_canonical<wire::FeedStanding>(
          canonical, ErrorCode::invalid_argument, "feed standing",
          [](auto in) -> Result<FeedStanding> { return read_standing(in); }),
      canonical, kRefuseStanding, [](const FeedStanding& value) { return canonical_bytes(value); });
}

}  // namespace entente
