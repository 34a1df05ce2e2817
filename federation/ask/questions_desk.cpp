#include "federation/ask/questions_desk.h"

#include <algorithm>

#include "federation/link/governor.h"
#include "federation/link/link_manager.h"
#include "schemas/base/crash_point.h"

namespace entente::federation {
namespace {

class QuestionsDesk final : public Governed<wire::Questions> {
 public:
  QuestionsDesk(const Caller& caller, AnswerQuestion answer)
      : Governed(caller), answer_(std::move(answer)) {}

 private:
  kj::Promise<void> ask(AskContext context) override {
    const auto envelope = context.getParams().getEnvelope();
    auto answer = answer_(caller().peer, {envelope.begin(), envelope.size()});
    context.releaseParams();
    return answer.then([context](DisclosureGate::Outcome outcome) mutable {
      write_outcome(outcome, context.getResults().initOutcome());
      if (std::holds_alternative<Bytes>(outcome)) crash_point("release.sent");
    });
  }

  AnswerQuestion answer_;
};

}  // namespace

void write_outcome(const DisclosureGate::Outcome& outcome, wire::AskOutcome::Builder out) {
  if (const Refusal* refusal = std::get_if<Refusal>(&outcome)) {
    write_refusal(*refusal, out.initRefusal());
    return;
  }
  const Bytes& sealed = std::get<Bytes>(outcome);
  out.setSealed({sealed.data(), sealed.size()});
}

MemberReply read_outcome(wire::AskOutcome::Reader in) {
  if (in.isRefusal()) return read_refusal(in.getRefusal());
  const auto sealed = in.getSealed();
  return Bytes(sealed.begin(), sealed.end());
}

void write_refusal(const Refusal& refusal, wire::Refusal::Builder out) {
  out.setCode(static_cast<std::uint16_t>(refusal.code));
  out.setSubject(refusal.subject);
  out.setRetryAfterNs(refusal.retry_after.ns);
  auto left = out.initLeft(static_cast<unsigned>(refusal.left.size()));
  for (unsigned i = 0; i < refusal.left.size(); ++i) {
    left[i].setStartNs(refusal.left[i].start.ns);
    left[i].setRho(refusal.left[i].rho.units);
  }
}

Refusal read_refusal(wire::Refusal::Reader in) {
  Refusal refusal;
  refusal.code = in.getCode() == 0 ? ErrorCode::denied : code_from_number(in.getCode());
  const auto subject = in.getSubject();
  refusal.subject.assign(subject.begin(), std::min(subject.size(), entente::limits::kNameBytes));
  refusal.retry_after = {std::max<std::int64_t>(in.getRetryAfterNs(), 0)};
  for (const auto amount : in.getLeft()) {
    if (refusal.left.size() >= entente::limits::kBlocks) break;
    refusal.left.push_back({{amount.getStartNs()}, {amount.getRho()}});
  }
  return refusal;
}

wire::Questions::Client make_questions_desk(const Caller& caller, AnswerQuestion answer) {
  return kj::heap<QuestionsDesk>(caller, std::move(answer));
}

SendQuestion send_over(LinkManager& links) {
  return [&links](const OrgId& partner, Bytes envelope) -> kj::Promise<MemberReply> {
    auto request = links.questions(partner).askRequest();
    request.setEnvelope({envelope.data(), envelope.size()});
    return request.send().then([](capnp::Response<wire::Questions::AskResults> response) {
      return read_outcome(response.getOutcome());
    });
  };
}

}  // namespace entente::federation
