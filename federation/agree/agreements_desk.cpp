#include "federation/agree/agreements_desk.h"

#include <algorithm>
#include <memory>

#include "federation/ask/questions_desk.h"
#include "federation/link/governor.h"
#include "federation/link/link_manager.h"

namespace entente::federation {
namespace {

class AgreementsDesk final : public Governed<wire::Agreements> {
 public:
  AgreementsDesk(const Caller& caller, AgreementBook& book) : Governed(caller), book_(book) {}

 private:
  kj::Promise<void> tell(TellContext context) override {
    auto pair = kj::newPromiseAndFulfiller<void>();
    auto fulfiller = std::make_shared<kj::Own<kj::PromiseFulfiller<void>>>(kj::mv(pair.fulfiller));
    const auto raw = context.getParams().getMessage();
    auto done = [fulfiller, context](AgreementBook::Reply reply) mutable {
      if (!(*fulfiller)->isWaiting()) return;
      auto outcome = context.getResults().initOutcome();
      if (reply.refusal) {
        write_refusal(*reply.refusal, outcome.initRefusal());
      } else {
        outcome.setState(std::string(to_text(reply.state)));
      }
      (*fulfiller)->fulfill();
    };
    book_.on_message(caller().peer.organisation, Bytes(raw.begin(), raw.end()), std::move(done));
    return kj::mv(pair.promise);
  }

  AgreementBook& book_;
};

Told read_told(wire::SettleOutcome::Reader outcome) {
  if (outcome.isState()) return {};
  Refusal refusal = read_refusal(outcome.getRefusal());
  std::string what = "the partner refused: " + std::string(code_name(refusal.code));
  std::replace(what.begin(), what.end(), '_', ' ');
  return {make_error(refusal.code, std::move(what)), std::move(refusal.subject)};
}

}  // namespace

wire::Agreements::Client make_agreements_desk(const Caller& caller, AgreementBook& book) {
  return kj::heap<AgreementsDesk>(caller, book);
}

kj::Promise<Told> tell_partner(LinkManager& links, OrgId partner, Bytes signed_message) {
  auto request = links.agreements(partner).tellRequest();
  request.setMessage(capnp::Data::Reader(signed_message.data(), signed_message.size()));
  return request.send()
      .then([](auto response) { return read_told(response.getOutcome()); })
      .catch_([](kj::Exception&& fault) {
        return Told{make_error(ErrorCode::peer_unreachable, fault.getDescription().cStr()), {}};
      });
}

}  // namespace entente::federation
