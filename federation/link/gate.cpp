#include "federation/link/gate.h"

#include <kj/debug.h>

#include <algorithm>
#include <optional>

#include "federation/link/charter_exchange.h"
#include "schemas/base/log.h"

namespace entente::federation {
namespace {

class SessionObject final : public Governed<wire::Session> {
 public:
  using Governed::Governed;

 private:
  kj::Promise<void> ping(PingContext context) override {
    context.getResults().initOutcome().setNowNs(caller().governor->clock().now().ns);
    return kj::READY_NOW;
  }
  // One desk of each kind a session: asking again gives the same object.
  kj::Promise<void> questions(QuestionsContext context) override {
    const auto& make = caller().governor->hooks().questions;
    auto outcome = context.getResults().initOutcome();
    if (!make) {
      outcome.initRefusal().setCode(static_cast<std::uint16_t>(ErrorCode::unsupported));
      return kj::READY_NOW;
    }
    if (!questions_) questions_ = make(caller());
    outcome.setDesk(*questions_);
    return kj::READY_NOW;
  }
  kj::Promise<void> agreements(AgreementsContext context) override {
    const auto& make = caller().governor->hooks().agreements;
    auto outcome = context.getResults().initOutcome();
    if (!make) {
      outcome.initRefusal().setCode(static_cast<std::uint16_t>(ErrorCode::unsupported));
      return kj::READY_NOW;
    }
    if (!agreements_) agreements_ = make(caller());
    outcome.setDesk(*agreements_);
    return kj::READY_NOW;
  }
  kj::Promise<void> feeds(FeedsContext context) override {
    const auto& make = caller().governor->hooks().feeds;
    auto outcome = context.getResults().initOutcome();
    if (!make) {
      outcome.initRefusal().setCode(static_cast<std::uint16_t>(ErrorCode::unsupported));
      return kj::READY_NOW;
    }
    if (!feeds_) feeds_ = make(caller());
    outcome.setDesk(*feeds_);
    return kj::READY_NOW;
  }
  kj::Promise<void> witness(WitnessContext context) override {
    const auto& judge = caller().governor->hooks().witness;
    const auto offer = judge ? read_witness(context.getParams()) : no_offer(ErrorCode::unsupported);
    if (!offer) {
      write_code(context, offer.error().code);
      return kj::READY_NOW;
    }
    return judge(caller(), *offer).then([context](Result<WitnessReply>&& reply) mutable {
      if (!reply) return write_code(context, reply.error().code);
      auto outcome = context.getResults().initOutcome();
      if (reply->cosigned.empty()) {
        outcome.setSeen(reply->seen.c_str());
      } else {
        outcome.setCosigned(reply->cosigned.c_str());
      }
    });
  }

  kj::Promise<void> charters(ChartersContext context) override {
    const auto& take = caller().governor->hooks().charters;
    const auto refuse = [](ChartersContext& to, ErrorCode code) {
      to.getResults().initOutcome().initRefusal().setCode(static_cast<std::uint16_t>(code));
    };
    auto offer = take ? entente::federation::read_offer(context.getParams())
                      : Result<CharterOffer>(make_error(ErrorCode::unsupported, ""));
    if (!offer) {
      refuse(context, offer.error().code);
      return kj::READY_NOW;
    }
    return take(caller(), std::move(*offer))
        .then([context, refuse](Result<CharterOffer>&& reply) mutable {
          if (!reply) return refuse(context, reply.error().code);
          write_offer(*reply, context.getResults().initOutcome().initCharters());
        });
  }

  static Result<security::WitnessOffer> no_offer(ErrorCode code) { return make_error(code, ""); }
  static void write_code(WitnessContext& context, ErrorCode code) {
    context.getResults().initOutcome().initRefusal().setCode(static_cast<std::uint16_t>(code));
  }
  static Result<security::WitnessOffer> read_witness(WitnessParams::Reader in) {
    const auto note = in.getNote();
    const auto proof = in.getProof();
    if (note.size() > security::kNoteBytes || proof.size() > security::kProofHashes) {
      return no_offer(ErrorCode::invalid_argument);
    }
    security::WitnessOffer offer{{note.begin(), note.size()}, in.getOldSize(), {}};
    for (const auto step : proof) {
      const auto hash = Hash256::from_bytes({step.begin(), step.size()});
      if (!hash) return no_offer(ErrorCode::invalid_argument);
      offer.proof.push_back(*hash);
    }
    return offer;
  }

  std::optional<wire::Questions::Client> questions_;
  std::optional<wire::Agreements::Client> agreements_;
  std::optional<wire::Feeds::Client> feeds_;
};

class GateObject final : public Governed<wire::Gate> {
 public:
  GateObject(Caller caller, std::function<void(const PeerHello&)> opened)
      : Governed(std::move(caller)), opened_(std::move(opened)) {}

 private:
  kj::Promise<void> open(OpenContext context) override {
    const auto hello = context.getParams().getHello();
    const std::uint16_t least = hello.getProtocolMin(), most = hello.getProtocolMax();
    const std::string software = tame(hello.getSoftware().cStr());
    auto outcome = context.getResults().initOutcome();
    auto refuse = [&](ErrorCode code) {
      log::info("link", "a session was refused",
                {{"peer", caller().peer.organisation.short_hex()}, {"code", code_text(code)}});
      outcome.initRefusal().setCode(static_cast<std::uint16_t>(code));
      return kj::READY_NOW;
    };
    if (least > most) return refuse(ErrorCode::invalid_argument);
    if (least > kProtocolMost) return refuse(ErrorCode::version_too_new);
    if (most < kProtocolLeast) return refuse(ErrorCode::unsupported);
    Governor& governor = *caller().governor;
    if (!governor.hooks().admit) return refuse(ErrorCode::denied);
    const Outcome admitted = governor.hooks().admit(caller().peer);
    if (!admitted) return refuse(admitted.error().code);
    Caller of_session = caller();
    of_session.session_expires = std::min(governor.clock().now() + governor.limits().session_life,
                                          caller().peer.certificate_expires);
    auto welcome = outcome.initWelcome();
    const std::uint16_t protocol = std::min(most, kProtocolMost);
    welcome.setProtocol(protocol);
    welcome.setSoftware(software_name());
    welcome.setExpiresNs(of_session.session_expires.ns);
    welcome.setSession(kj::heap<SessionObject>(std::move(of_session)));
    if (opened_) opened_({protocol, software, least, most});
    return kj::READY_NOW;
  }

  std::function<void(const PeerHello&)> opened_;
};

}  // namespace

const char* software_name() {
  return "entente " ENTENTE_VERSION;
}

std::string tame(std::string_view text) {
  std::string out(text.substr(0, limits::kPeerTextBytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

wire::Gate::Client make_gate(security::PeerIdentity peer, std::shared_ptr<Governor> governor,
                             std::function<void(const PeerHello&)> opened) {
  const Instant expires = peer.certificate_expires;
  return kj::heap<GateObject>(Caller{std::move(peer), expires, std::move(governor)},
                              std::move(opened));
}

}  // namespace entente::federation
