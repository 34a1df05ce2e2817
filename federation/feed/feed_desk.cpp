#include "federation/feed/feed_desk.h"

#include "federation/ask/questions_desk.h"
#include "federation/link/governor.h"
#include "federation/link/link_manager.h"

namespace entente::federation {
namespace {

class FeedsDesk final : public Governed<wire::Feeds> {
 public:
  FeedsDesk(const Caller& caller, FeedGate& gate) : Governed(caller), gate_(gate) {}

 private:
  kj::Promise<void> start(StartContext context) override {
    return handle(FeedVerb::start, context);
  }
  kj::Promise<void> pull(PullContext context) override { return handle(FeedVerb::pull, context); }
  kj::Promise<void> cancel(CancelContext context) override {
    return handle(FeedVerb::cancel, context);
  }

  template <class Context>
  kj::Promise<void> handle(FeedVerb verb, Context context) {
    const auto envelope = context.getParams().getEnvelope();
    auto answer = gate_.handle(caller().peer, verb, {envelope.begin(), envelope.size()});
    context.releaseParams();
    return answer.then([context](FeedGate::Outcome outcome) mutable {
      write_outcome(outcome, context.getResults().initOutcome());
    });
  }

  FeedGate& gate_;
};

template <class Request>
kj::Promise<MemberReply> send(Request request, const Bytes& envelope) {
  request.setEnvelope({envelope.data(), envelope.size()});
  return request.send().then([](auto response) { return read_outcome(response.getOutcome()); });
}

kj::Promise<MemberReply> send(wire::Feeds::Client desk, FeedVerb verb, const Bytes& envelope) {
  if (verb == FeedVerb::start) return send(desk.startRequest(), envelope);
  if (verb == FeedVerb::pull) return send(desk.pullRequest(), envelope);
  return send(desk.cancelRequest(), envelope);
}

}  // namespace

wire::Feeds::Client make_feeds_desk(const Caller& caller, FeedGate& gate) {
  return kj::heap<FeedsDesk>(caller, gate);
}

SendFeedOrder send_feeds_over(LinkManager& links) {
  return [&links](const OrgId& partner, FeedVerb verb, Bytes envelope) -> kj::Promise<MemberReply> {
    return links.session(partner)
        .then([](wire::Session::Client session) { return session.feedsRequest().send(); })
        .then(
            [verb, envelope = std::move(envelope)](
                capnp::Response<wire::Session::FeedsResults> response) -> kj::Promise<MemberReply> {
              const auto outcome = response.getOutcome();
              if (outcome.isRefusal()) return MemberReply(read_refusal(outcome.getRefusal()));
              return send(outcome.getDesk(), verb, envelope);
            });
  };
}

}  // namespace entente::federation
