// Hostile servers at the level of bytes against our client: what a malicious partner can send to a
// node that calls it.
#include "tests/faults/hostile.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;
namespace rpc = capnp::rpc;

namespace {

// The node dials the foe, which serves TLS honestly and then acts on the connection.
void serve(Stage& stage, const std::function<void(RawPeer&)>& act) {
  RawListener listener;
  Partner partner;
  partner.organisation = stage.foe.organisation();
  partner.name = "foe";
  partner.dial = DialAddress{"127.0.0.1", listener.port()};
  partner.serve = false;
  stage.node.manager.set_partner(partner);
  stage.play([&] {
    auto foe = listener.accept(stage.options());
    if (!foe || !foe->connected()) return;
    act(*foe);
    foe->closed_by_peer();
  });
  stage.node.manager.remove_partner(partner.organisation);
}

void expect(const std::string& reason, const std::function<void(RawPeer&)>& act) {
  CAPTURE(reason);
  Stage stage;
  serve(stage, act);
  stage.expect_violation(reason);
}

// Answers the bootstrap as `build` says; the node's first two messages are Bootstrap and Call.
void answer_bootstrap(RawPeer& foe, const std::function<void(rpc::Return::Builder)>& build) {
  const auto bootstrap = foe.receive();
  if (!bootstrap || !bootstrap->root().isBootstrap()) return;
  foe.send([&](rpc::Message::Builder message) {
    auto answer = message.initReturn();
    answer.setAnswerId(bootstrap->root().getBootstrap().getQuestionId());
    build(answer);
  });
}

void give_capability(rpc::Return::Builder answer,
                     const std::function<void(rpc::CapDescriptor::Builder)>& describe) {
  capnp::AnyPointer::Builder content = answer.initResults().getContent();
  content.setAs<capnp::Text>("");  // replaced below by a raw capability pointer through the table
  describe(answer.getResults().initCapTable(1)[0]);
}

}  // namespace

TEST_SUITE("faults/hostile_server") {
  TEST_CASE("a promise capability that resolves to itself") {
    expect("a promise capability", [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) {
        give_capability(answer, [](auto descriptor) { descriptor.setSenderPromise(0); });
      });
      foe.send([](auto message) {
        auto resolve = message.initResolve();
        resolve.setPromiseId(0);
        resolve.initCap().setSenderPromise(0);
      });
    });
    expect("resolve", [](RawPeer& foe) {
      foe.send([](auto message) {
        auto resolve = message.initResolve();
        resolve.setPromiseId(0);
        resolve.initCap().setSenderPromise(0);
      });
    });
  }

  TEST_CASE("capabilities that a server of ours never returns") {
    expect("a capability that the callee does not host", [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) {
        give_capability(answer, [](auto descriptor) { descriptor.setReceiverHosted(0); });
      });
    });
    expect("a capability that the callee does not host", [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) {
        give_capability(answer, [](auto d) { d.initReceiverAnswer().setQuestionId(0); });
      });
    });
    expect("a capability that the callee does not host", [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) {
        give_capability(answer, [](auto d) { d.initThirdPartyHosted().setVineId(0); });
      });
    });
    expect("too many capabilities in one answer", [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) {
        auto table = answer.initResults().initCapTable(5);
        for (auto descriptor : table) descriptor.setSenderHosted(0);
      });
    });
  }

  TEST_CASE("answers that nobody asked for") {
    expect("a return that nobody asked for", [](RawPeer& foe) {
      foe.send([](auto message) { message.initReturn().setAnswerId(1'000); });
    });
    expect("a return that nobody asked for", [](RawPeer& foe) {
      for (int i = 0; i < 100'000; ++i) {
        const bool sent = foe.send([](auto message) {
          auto answer = message.initReturn();
          answer.setAnswerId(0);
          answer.initException().setReason("no");
        });
        if (!sent) break;
      }
    });
    expect("a return that is neither results, exception nor canceled", [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) { answer.setTakeFromOtherQuestion(0); });
    });
    expect("a return that is neither results, exception nor canceled", [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) { answer.setResultsSentElsewhere(); });
    });
  }

  TEST_CASE("a server that calls back, embargoes or speaks other messages") {
    expect("a call from the side that serves", [](RawPeer& foe) {
      foe.send([](auto message) { message.initBootstrap().setQuestionId(0); });
    });
    expect("a call from the side that serves", [](RawPeer& foe) {
      foe.send([](auto message) { message.initCall().initTarget().setImportedCap(0); });
    });
    expect("disembargo", [](RawPeer& foe) {
      foe.send([](auto message) {
        message.initDisembargo().initTarget().setImportedCap(0);
      });
    });
    expect("a message that no server sends", [](RawPeer& foe) {
      foe.send([](auto message) { message.initFinish().setQuestionId(0); });
    });
    expect("unimplemented", [](RawPeer& foe) {
      foe.send([](auto message) { message.initUnimplemented(); });
    });
  }

  TEST_CASE("headers that lie, and an answer larger than agreed") {
    expect("too many segments", [](RawPeer& foe) { foe.send_words({0xFFFFFFFF, 0}); });
    expect("message too large", [](RawPeer& foe) { foe.send_words({0, 0x10000000}); });
    expect("message too large", [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) {
        answer.initException().setReason(std::string(300'000, 'x'));
      });
    });
  }

  TEST_CASE("a server that never answers is given up, and its words are tamed") {
    {
      LinkLimits limits = eager_limits();
      limits.handshake = milliseconds(300);
      Stage stage(limits);
      serve(stage, [](RawPeer&) {});
      stage.expect_end("no session in time", LinkEvent::Kind::refused);
    }
    Stage stage;
    serve(stage, [](RawPeer& foe) {
      answer_bootstrap(foe, [](auto answer) {
        answer.initException().setReason("\x1b[2J" + std::string(5'000, 'x'));
      });
    });
    std::string why;
    for (const auto& event : stage.node.events) {
      if (event.organisation == stage.foe.organisation()) why = event.reason;
    }
    CHECK(why.size() <= federation::limits::kPeerTextBytes);
    CHECK(why.find('\x1b') == std::string::npos);
    stage.expect_health();
  }
}
