// Hostile callers at the level of bytes: every row of security.md section 1's table, against the
// side that serves. Each ends in a close with the expected reason, an honest neighbour is served
// afterwards, and the process stays within 64 MiB.
#include "tests/faults/hostile.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;
namespace rpc = capnp::rpc;

namespace {

using Build = std::function<void(rpc::Message::Builder)>;

// The foe bootstraps honestly, then sends one message.
void after_bootstrap(const std::string& reason, const Build& build) {
  Stage stage;
  stage.play([&] {
    RawPeer foe(stage.node.port, stage.options());
    const auto gate = foe.open_gate();
    if (!gate || !foe.send(build)) return;
    foe.closed_by_peer();
  });
  stage.expect_violation(reason);
}

// The foe holds a questions desk, then acts.
void with_desk(Stage& stage, const std::function<void(RawPeer&, std::uint32_t)>& act) {
  stage.play([&] {
    RawPeer foe(stage.node.port, stage.options());
    const auto gate = foe.open_gate();
    const auto session = gate ? foe.open_session(*gate) : std::nullopt;
    const auto desk = session ? foe.open_questions(*session) : std::nullopt;
    if (!desk) return;
    for (std::uint32_t id = 0; id < 3; ++id) foe.finish(id);
    act(foe, *desk);
    foe.closed_by_peer();
  });
}

void first_words(const std::string& reason, std::initializer_list<std::uint32_t> words) {
  CAPTURE(reason);
  Stage stage;
  stage.play([&] {
    RawPeer foe(stage.node.port, stage.options());
    foe.send_words(words);
    foe.closed_by_peer();
  });
  stage.expect_violation(reason);
}

rpc::Call::Builder plain_call(rpc::Message::Builder message, std::uint32_t question) {
  auto call = message.initCall();
  call.setQuestionId(question);
  call.initTarget().setImportedCap(0);
  call.setInterfaceId(capnp::typeId<wire::Gate>());
  call.getSendResultsTo().setCaller();
  call.initParams().getContent().initAs<wire::Gate::OpenParams>();
  return call;
}

}  // namespace

TEST_SUITE("faults/hostile_caller") {
  TEST_CASE("an honest raw caller is served: the control of this file") {
    Stage stage;
    std::string answer;
    with_desk(stage, [&](RawPeer& foe, std::uint32_t desk) {
      foe.ask(3, desk, "honest");
      if (const auto message = foe.receive()) {
        const auto results = message->root().getReturn().getResults().getContent();
        const auto sealed =
            results.getAs<wire::Questions::AskResults>().getOutcome().getSealed();
        answer.assign(reinterpret_cast<const char*>(sealed.begin()), sealed.size());
      }
      foe.send([](auto message) { message.initAbort().setReason("bye"); });
    });
    CHECK(answer == "honest");
    stage.expect_end("the peer aborted the connection", LinkEvent::Kind::closed);
  }

  TEST_CASE("headers that lie about their size take no memory") {
    first_words("too many segments", {0xFFFFFFFF, 0});
    first_words("too many segments", {511, 1});
    first_words("too many segments", {16, 1});
    first_words("message too large", {0, 0x10000000});  // 2 GiB
    first_words("message too large", {0, 0x00800000});  // 64 MiB
    first_words("message too large", {1, 0xFFFFFFFF, 0xFFFFFFFF, 0});
    first_words("message too large", {0, 131'073});
    first_words("empty message", {0, 0});
  }

  TEST_CASE("a message that is no message of the protocol") {
    first_words("malformed message", {0, 1, 0xFFFFFFFC, 0x7FFFFFFF});
  }

  TEST_CASE("promise capabilities and what belongs to them") {
    after_bootstrap("resolve", [](auto message) {
      auto resolve = message.initResolve();
      resolve.setPromiseId(0);
      resolve.initCap().setSenderPromise(0);
    });
    after_bootstrap("a capability from the caller", [](auto message) {
      auto call = plain_call(message, 1);
      call.getParams().initCapTable(1)[0].setSenderPromise(0);
    });
    after_bootstrap("a capability from the caller", [](auto message) {
      auto call = plain_call(message, 1);
      call.getParams().initCapTable(1)[0].setSenderHosted(7);
    });
    after_bootstrap("a capability from the caller", [](auto message) {
      auto call = plain_call(message, 1);
      auto table = call.getParams().initCapTable(2);
      table[0].initReceiverAnswer().setQuestionId(1);
      table[1].setReceiverHosted(0);
    });
    after_bootstrap("disembargo", [](auto message) {
      auto disembargo = message.initDisembargo();
      disembargo.initTarget().setImportedCap(0);
      disembargo.getContext().setSenderLoopback(0);
    });
  }

  TEST_CASE("messages that only other protocols send") {
    after_bootstrap("provide", [](auto message) { message.initProvide().setQuestionId(5); });
    after_bootstrap("accept", [](auto message) { message.initAccept().setQuestionId(5); });
    after_bootstrap("join", [](auto message) { message.initJoin().setQuestionId(5); });
    after_bootstrap("unimplemented", [](auto message) { message.initUnimplemented(); });
    after_bootstrap("an unknown message", [](auto message) { message.initObsoleteSave(); });
    after_bootstrap("a return that nobody asked for",
                    [](auto message) { message.initReturn().setAnswerId(0); });
    after_bootstrap("results sent elsewhere", [](auto message) {
      plain_call(message, 1).getSendResultsTo().setYourself();
    });
    after_bootstrap("third-party tail call", [](auto message) {
      plain_call(message, 1).setAllowThirdPartyTailCall(true);
    });
  }

  TEST_CASE("ids that do not belong") {
    after_bootstrap("a second bootstrap",
                    [](auto message) { message.initBootstrap().setQuestionId(9); });
    after_bootstrap("question id in use", [](auto message) { plain_call(message, 0); });
    after_bootstrap("question id too large",
                    [](auto message) { plain_call(message, 0xFFFFFFFF); });
    after_bootstrap("finish of an unknown question",
                    [](auto message) { message.initFinish().setQuestionId(77); });
    after_bootstrap("broke the RPC protocol", [](auto message) {
      auto release = message.initRelease();
      release.setId(77);
      release.setReferenceCount(1);
    });
    after_bootstrap("broke the RPC protocol", [](auto message) {
      plain_call(message, 1).getTarget().setImportedCap(77);
    });
  }

  TEST_CASE("only the first call may be pipelined, and only on the bootstrap") {
    after_bootstrap("a pipelined call", [](auto message) {
      auto promised = plain_call(message, 1).getTarget().initPromisedAnswer();
      promised.setQuestionId(1);
    });
    after_bootstrap("a pipelined call", [](auto message) {
      auto promised = plain_call(message, 1).getTarget().initPromisedAnswer();
      promised.setQuestionId(0);
      promised.initTransform(1)[0].setGetPointerField(0);
    });
    for (const std::uint32_t depth : {2u, 64u, 10'000u}) {
      CAPTURE(depth);
      Stage stage;
      stage.play([&] {
        RawPeer foe(stage.node.port, stage.options());
        foe.open_gate();
        for (std::uint32_t i = 1; i <= depth; ++i) {
          const bool sent = foe.send([&](auto message) {
            plain_call(message, i).getTarget().initPromisedAnswer().setQuestionId(i - 1);
          });
          if (!sent) break;
        }
        foe.closed_by_peer();
      });
      stage.expect_violation("a pipelined call");
    }
  }

  TEST_CASE("200,000 open calls") {
    Stage stage;
    stage.node.answer = [](auto&) -> kj::Promise<void> { return kj::NEVER_DONE; };
    with_desk(stage, [&](RawPeer& foe, std::uint32_t desk) {
      for (std::uint32_t id = 3; id < 200'003; ++id) {
        if (!foe.ask(id, desk, std::string(100, 'x'))) break;
      }
    });
    stage.expect_violation("too many open answers");
  }

  TEST_CASE("100,000 calls that return a capability, never finished") {
    Stage stage;
    stage.play([&] {
      RawPeer foe(stage.node.port, stage.options());
      const auto gate = foe.open_gate();
      const auto session = gate ? foe.open_session(*gate) : std::nullopt;
      if (!session) return;
      for (std::uint32_t id = 2; id < 100'002; ++id) {
        const bool sent = foe.send([&](auto message) {
          auto call = plain_call(message, id);
          call.getTarget().setImportedCap(*session);
          call.setInterfaceId(capnp::typeId<wire::Session>());
          call.setMethodId(1);
        });
        if (!sent) break;
      }
      foe.closed_by_peer();
    });
    stage.expect_violation("too many open answers");
  }

  TEST_CASE("sessions finished but never released") {
    Stage stage;
    stage.play([&] {
      RawPeer foe(stage.node.port, stage.options());
      const auto gate = foe.open_gate();
      for (std::uint32_t i = 0; gate && i < 1'000; ++i) {
        if (!foe.open_session(*gate) || !foe.finish(1)) break;
      }
      foe.closed_by_peer();
    });
    stage.expect_violation("too many live objects");
  }

  TEST_CASE("never reads its answers") {
    Stage stage;
    with_desk(stage, [&](RawPeer& foe, std::uint32_t desk) {
      // Finished without reading: the answers pile up at the node, not at us.
      for (std::uint32_t i = 0; i < 90; ++i) {
        if (!foe.ask(3 + i, desk, std::string(200'000, 'x'))) return;
      }
      stage.wait_for_end();
    });
    stage.expect_violation("does not read its answers");
  }

  TEST_CASE("call and finish in a loop") {
    Stage stage;
    with_desk(stage, [&](RawPeer& foe, std::uint32_t desk) {
      for (std::uint32_t i = 0; i < 50'000; ++i) {
        const std::uint32_t id = 3 + i % 64;
        if (!foe.ask(id, desk, "x") || !foe.finish(id)) break;
        if (!foe.receive()) break;
      }
    });
    stage.expect_violation("too many calls a second");
  }

  TEST_CASE("fills the flow limit and goes") {
    Stage stage;
    stage.node.answer = [](auto&) -> kj::Promise<void> { return kj::NEVER_DONE; };
    with_desk(stage, [&](RawPeer& foe, std::uint32_t desk) {
      for (std::uint32_t i = 0; i < 8; ++i) foe.ask(3 + i, desk, std::string(200'000, 'x'));
    });
    stage.expect_violation("more parameters in flight than allowed");
  }

  TEST_CASE("silence, at every stage") {
    {
      Stage stage;
      stage.play([&] {
        RawPeer foe(stage.node.port, stage.options());
        foe.closed_by_peer();
      });
      stage.expect_violation("silence");
    }
    {
      Stage stage;
      with_desk(stage, [](RawPeer&, std::uint32_t) {});
      stage.expect_violation("silence");
    }
    first_words("a message that does not end", {0});
    first_words("a message that does not end", {0, 100, 0, 0});
  }

  TEST_CASE("a faulty method answers with a fixed text and the link lives") {
    Stage stage;
    stage.node.answer = [](auto&) -> kj::Promise<void> {
      return kj::Promise<void>(
          KJ_EXCEPTION(FAILED, "reading 17.3 of /var/lib/entente/secret.db", __FILE__));
    };
    std::string text, unknown_method, unknown_interface, trace;
    with_desk(stage, [&](RawPeer& foe, std::uint32_t desk) {
      auto reason = [&]() -> std::string {
        const auto message = foe.receive();
        if (!message) return "closed";
        const auto exception = message->root().getReturn().getException();
        trace += exception.hasTrace() ? exception.getTrace().cStr() : "";
        return exception.getReason().cStr();
      };
      foe.ask(3, desk, "x");
      text = reason();
      foe.send([&](auto message) {
        auto call = plain_call(message, 4);
        call.getTarget().setImportedCap(desk);
        call.setInterfaceId(capnp::typeId<wire::Questions>());
        call.setMethodId(99);
      });
      unknown_method = reason();
      foe.send([&](auto message) {
        plain_call(message, 5).getTarget().setImportedCap(desk);
      });
      unknown_interface = reason();
    });
    CHECK(text == "ENT-1009 internal fault");
    CHECK(unknown_method == "ENT-1008 not offered by this version");
    CHECK(unknown_interface == "ENT-1008 not offered by this version");
    CHECK(trace == "");
    stage.expect_violation("silence");
  }

  TEST_CASE("hostile contents of parameters do no harm") {
    // A list of 500 million voids where the envelope should be, and a capability table that lies.
    Stage stage;
    std::string answer;
    with_desk(stage, [&](RawPeer& foe, std::uint32_t desk) {
      foe.send([&](auto message) {
        auto call = plain_call(message, 3);
        call.getTarget().setImportedCap(desk);
        call.setInterfaceId(capnp::typeId<wire::Questions>());
        auto params = call.getParams().getContent().initAsAnyStruct(0, 1);
        params.getPointerSection()[0].template initAs<capnp::List<capnp::Void>>(500'000'000);
      });
      const auto message = foe.receive();
      answer = message && message->root().getReturn().isException()
                   ? message->root().getReturn().getException().getReason().cStr()
                   : "none";
      foe.send([](auto m) { m.initAbort(); });
    });
    CHECK(answer == "ENT-1009 internal fault");
    stage.expect_end("the peer aborted the connection", LinkEvent::Kind::closed);
  }
}
