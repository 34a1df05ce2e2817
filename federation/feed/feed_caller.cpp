#include "federation/feed/feed_caller.h"

#include <algorithm>

#include "federation/ask/limits.h"
#include "federation/link/loop.h"
#include "schemas/base/log.h"
#include "schemas/envelope.h"

namespace entente::federation {
namespace {

// One order under way.
struct Sent {
  AskTarget target;
  security::SealPair seal;
  Hash256 envelope_hash;
};

FeedReply failed(ErrorCode code, std::string reason) {
  FeedReply reply;
  reply.code = code;
  reply.reason = std::move(reason);
  return reply;
}

FeedReply refused(const Refusal& refusal) {
  std::string words(code_name(refusal.code));
  std::replace(words.begin(), words.end(), '_', ' ');
  FeedReply reply = failed(refusal.code, std::move(words));
  reply.left = refusal.left;
  reply.retry_after = refusal.retry_after;
  return reply;
}

}  // namespace

kj::Promise<FeedReply> FeedCaller::send(const AskTarget& target, FeedOrder order, Terms terms) {
  auto sent = std::make_shared<Sent>(Sent{target, security::SealPair::generate(parts_.random), {}});
  Envelope envelope;
  envelope.origin = parts_.site()->self;
  envelope.audience = target.partner.organisation;
  envelope.audience_site = target.view->site;
  envelope.query_id = order.verb == FeedVerb::start ? order.feed : parts_.random.id<QueryId>();
  envelope.issued = parts_.clock.now();
  envelope.deadline = envelope.issued + std::min(terms.timeout, limits::kDeadlineMax);
  envelope.agreement = target.agreement_id;
  envelope.purpose = terms.purpose;
  envelope.seal_key = sent->seal.public_key();
  envelope.question = canonical_bytes(order);
  envelope.receipt = parts_.receipts.newest(envelope.audience, envelope.audience_site);
  const Signed body =
      security::sign_body(parts_.envelope_key, kFeedOrderContext, canonical_bytes(envelope));
  sent->envelope_hash = envelope_hash(body.body);
  auto reply = parts_.send(target.partner.organisation, order.verb, to_wire_bytes(body))
                   .then([this, sent](MemberReply outcome) -> FeedReply {
                     if (const Refusal* refusal = std::get_if<Refusal>(&outcome))
                       return refused(*refusal);
                     auto opened = open_answer(sent->seal, sent->target, sent->envelope_hash,
                                               parts_.site()->self, std::get<Bytes>(outcome));
                     if (!opened) return failed(opened.error().code, opened.error().what);
                     Answer& answer = opened->answer;
                     const auto receipt = open_receipt(answer, sent->target);
                     if (!receipt) return failed(receipt.error().code, receipt.error().what);
                     if (*receipt) parts_.receipts.keep(**receipt, answer.receipt);
                     FeedReply good;
                     good.answer = std::move(answer);
                     return good;
                   });
  auto late = parts_.loop.after(terms.timeout).then([] {
    return failed(ErrorCode::deadline_exceeded, "no answer within the deadline");
  });
  return reply.exclusiveJoin(kj::mv(late)).catch_([](kj::Exception&& fault) -> FeedReply {
    log::info("feed", "a partner could not be reached",
              {{"reason", fault.getDescription().cStr()}});
    const auto type = fault.getType();
    if (type == kj::Exception::Type::OVERLOADED) {
      return failed(ErrorCode::overloaded, "the partner is overloaded");
    }
    if (type == kj::Exception::Type::UNIMPLEMENTED) {
      return failed(ErrorCode::unsupported, "the partner's software knows no feeds");
    }
    return failed(ErrorCode::peer_unreachable, "the link is down");
  });
}

}  // namespace entente::federation
