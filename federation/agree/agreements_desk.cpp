#include "federation/agree/agreements_desk.h"

#include <memory>

#include "federation/ask/questions_desk.h"
#include "federation/link/governor.h"
#include "federation/link/link_manager.h"
#include "schemas/base/log.h"

namespace entente::federation {
namespace {

using SettleOutcome = wire::SettleOutcome;

class AgreementsDesk final : public Governed<wire::Agreements> {
 public:
  AgreementsDesk(const Caller& caller, AgreementBook& book) : Governed(caller), book_(book) {}

 private:
  // Calls `act(done)` and writes what it is done with into the results.
  template <class Context, class Act>
  kj::Promise<void> settle_with(Context context, Act act) {
    auto pair = kj::newPromiseAndFulfiller<void>();
    auto fulfiller = std::make_shared<kj::Own<kj::PromiseFulfiller<void>>>(kj::mv(pair.fulfiller));
    auto shared = std::make_shared<Context>(context);
    act([fulfiller, shared](Result<AgreementState> state) {
      if (!(*fulfiller)->isWaiting()) return;
      auto outcome = shared->getResults().initOutcome();
      if (state) {
        outcome.setState(kj::heapString(to_text(*state).data(), to_text(*state).size()));
      } else {
        log::info("agreement", "a message was refused", {{"reason", state.error().text()}});
        Refusal refusal;
        refusal.code = state.error().code;
        write_refusal(refusal, outcome.initRefusal());
      }
      (*fulfiller)->fulfill();
    });
    return kj::mv(pair.promise);
  }

  kj::Promise<void> propose(ProposeContext context) override {
    const auto bytes = context.getParams().getAgreement();
    return settle_with(context, [&](AgreementBook::Done done) {
      book_.on_propose(caller().peer.organisation, Bytes(bytes.begin(), bytes.end()),
                       std::move(done));
    });
  }

  kj::Promise<void> settle(SettleContext context) override {
    const auto bytes = context.getParams().getAgreement();
    return settle_with(context, [&](AgreementBook::Done done) {
      book_.on_settle(caller().peer.organisation, Bytes(bytes.begin(), bytes.end()),
                      std::move(done));
    });
  }

  kj::Promise<void> terminate(TerminateContext context) override {
    const auto params = context.getParams();
    const auto raw = params.getAgreement();
    const auto id = AgreementId::from_bytes({raw.begin(), raw.size()});
    const auto text = params.getReason();
    std::string reason(text.begin(), std::min(text.size(), entente::limits::kTextBytes));
    return settle_with(context, [&](AgreementBook::Done done) {
      if (!id) return done(id.error());
      book_.on_terminate(caller().peer.organisation, *id, std::move(reason), std::move(done));
    });
  }

  AgreementBook& book_;
};

Outcome read_settled(SettleOutcome::Reader outcome) {
  if (outcome.isState()) return {};
  const Refusal refusal = read_refusal(outcome.getRefusal());
  return make_error(refusal.code, "the partner refused: " + std::string(code_name(refusal.code)));
}

}  // namespace

wire::Agreements::Client make_agreements_desk(const Caller& caller, AgreementBook& book) {
  return kj::heap<AgreementsDesk>(caller, book);
}

kj::Promise<Outcome> tell_partner(LinkManager& links, OrgId partner, std::string message,
                                  Bytes body, std::string reason) {
  wire::Agreements::Client desk = links.agreements(partner);
  const capnp::Data::Reader data(body.data(), body.size());
  kj::Promise<Outcome> told = Outcome{};
  if (message == "propose") {
    auto request = desk.proposeRequest();
    request.setAgreement(data);
    told = request.send().then([](auto response) { return read_settled(response.getOutcome()); });
  } else if (message == "settle") {
    auto request = desk.settleRequest();
    request.setAgreement(data);
    told = request.send().then([](auto response) { return read_settled(response.getOutcome()); });
  } else {
    auto request = desk.terminateRequest();
    request.setAgreement(data);
    request.setReason(reason);
    told = request.send().then([](auto response) { return read_settled(response.getOutcome()); });
  }
  return told.catch_([](kj::Exception&& fault) {
    return Outcome(make_error(ErrorCode::peer_unreachable, fault.getDescription().cStr()));
  });
}

}  // namespace entente::federation
