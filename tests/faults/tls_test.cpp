// What the handshake refuses, and what rotation may not lose.
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "tests/faults/hostile.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

// In TLS 1.3 a client finishes before the server refuses it: served means the gate answered.
bool served(Stage& stage, const RawPeer::Options& options) {
  bool got = false;
  stage.play([&] {
    RawPeer foe(stage.node.port, options);
    if (foe.connected()) got = foe.open_gate().has_value();
  });
  return got;
}

void expect_refused(Stage& stage, const RawPeer::Options& options) {
  const std::size_t before = stage.node.reasons(LinkEvent::Kind::refused).size();
  CHECK_FALSE(served(stage, options));
  CHECK(run_until(stage.loop, [&] {
    return stage.node.reasons(LinkEvent::Kind::refused).size() > before;
  }));
}

std::string last_refusal(Stage& stage) {
  const auto reasons = stage.node.reasons(LinkEvent::Kind::refused);
  return reasons.empty() ? "" : reasons.back();
}

}  // namespace

TEST_SUITE("faults/tls") {
  TEST_CASE("a proper certificate under TLS 1.3 is served: the control of this file") {
    Stage stage;
    CHECK(served(stage, stage.options()));
  }

  TEST_CASE("TLS 1.2, no certificate and wrong protocols are refused") {
    Stage stage;
    RawPeer::Options options = stage.options();
    options.tls_version_most = TLS1_2_VERSION;
    expect_refused(stage, options);
    CHECK(last_refusal(stage).find("protocol") != std::string::npos);
    options = stage.options();
    options.leaf = nullptr;
    expect_refused(stage, options);
    CHECK(last_refusal(stage).find("certificate") != std::string::npos);
    for (const char* alpn : {"", "h2", "entente-call/2"}) {
      CAPTURE(alpn);
      options = stage.options();
      options.alpn = alpn;
      expect_refused(stage, options);
    }
    CHECK(served(stage, stage.options()));
    stage.expect_health();
  }

  TEST_CASE("every certificate that the verifier does not believe is refused") {
    Stage stage;
    RawPeer::Options options = stage.options();
    // The foe's authority names the neighbour: kj-tls would have accepted it.
    TestAuthority::LeafOptions impostor;
    impostor.claims = stage.neighbour.id();
    const auto false_name = stage.foe.leaf("main", impostor);
    options.leaf = false_name.get();
    expect_refused(stage, options);
    CHECK(last_refusal(stage) == "not signed by the pinned authority");
    TestAuthority::LeafOptions two;
    two.extra_uris = {"spiffe://" + stage.neighbour.id().hex() + "/site/main"};
    const auto two_names = stage.foe.leaf("main", two);
    options.leaf = two_names.get();
    expect_refused(stage, options);
    CHECK(last_refusal(stage) == "not exactly one name");
    TestAuthority::LeafOptions past;
    past.life = seconds(-5);
    const auto expired = stage.foe.leaf("main", past);
    options.leaf = expired.get();
    expect_refused(stage, options);
    CHECK(last_refusal(stage) == "expired");
    const TestAuthority stranger("stranger");
    const auto unknown = stranger.leaf("main");
    options.leaf = unknown.get();
    expect_refused(stage, options);
    CHECK(last_refusal(stage) == "an unknown organisation");
    CHECK(served(stage, stage.options()));
  }

  TEST_CASE("silence and rubbish instead of a handshake end by the deadline") {
    LinkLimits limits = eager_limits();
    limits.handshake = milliseconds(300);
    Stage stage(limits);
    bool silent = false, partial = false, rubbish = false;
    stage.play([&] {
      const int one = connect_silently(stage.node.port);
      const int two = connect_silently(stage.node.port);
      const int three = connect_silently(stage.node.port);
      ::send(two, "\x16\x03\x01", 3, MSG_NOSIGNAL);  // a record's first bytes
      ::send(three, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
      rubbish = closed_within(three, 250);
      silent = closed_within(one, 5'000);
      partial = closed_within(two, 5'000);
      for (const int socket : {one, two, three}) ::close(socket);
    });
    CHECK(rubbish);
    CHECK(silent);
    CHECK(partial);
    // In whatever order a busy machine tells them.
    const auto too_long = [&] {
      const auto reasons = stage.node.reasons(LinkEvent::Kind::refused);
      return std::count(reasons.begin(), reasons.end(), "the TLS handshake took too long");
    };
    run_until(stage.loop, [&] { return too_long() == 2; });
    CHECK(too_long() == 2);
    stage.expect_health();
  }

  TEST_CASE("the dialler refuses whom it did not dial") {
    Stage stage;
    RawListener listener;
    // The neighbour's address is taken over by the foe, which shows its own valid certificate.
    const TestAuthority victim("victim");
    stage.node.verifier.pin(victim);
    Partner partner;
    partner.organisation = victim.organisation();
    partner.name = "victim";
    partner.dial = DialAddress{"127.0.0.1", listener.port()};
    partner.serve = false;
    stage.node.manager.set_partner(partner);
    stage.play([&] { listener.accept(stage.options()); });
    REQUIRE(run_until(stage.loop, [&] { return !last_refusal(stage).empty(); }));
    CHECK(last_refusal(stage) == "not whom we dialled");
    stage.node.manager.remove_partner(victim.organisation());
  }

  TEST_CASE("a flood of handshakes is bounded per address, and an honest partner gets in after") {
    LinkLimits limits = eager_limits();
    limits.handshake = seconds(3);
    limits.handshakes_per_address = 4;
    Stage stage(limits);
    int cut = 0;
    stage.play([&] {
      std::vector<int> sockets;
      for (int i = 0; i < 40; ++i) sockets.push_back(connect_silently(stage.node.port));
      for (const int socket : sockets) cut += closed_within(socket, 200) ? 1 : 0;
      for (const int socket : sockets) closed_within(socket, 5'000);
      for (const int socket : sockets) ::close(socket);
    });
    CHECK(cut == 36);
    CHECK(served(stage, stage.options()));
  }

  TEST_CASE("rotating both leaves under load loses none of 10,000 calls") {
    LinkLimits limits;
    limits.watch = milliseconds(5);
    limits.ask_rate = limits.ask_burst = 1e6;
    Loop loop;
    LinkNode a(loop, "a", limits), b(loop, "b", limits);
    LinkNode::link(a, b);
    loop.run(a.manager.when_connected(b.id(), Direction::we_call));
    auto desk = a.manager.questions(b.id());
    int done = 0, lost = 0, started = 0;
    std::function<kj::Promise<void>()> chain = [&]() -> kj::Promise<void> {
      if (started == 10'000) return kj::READY_NOW;
      if (++started % 1'000 == 0) {
        a.credentials.swap(a.authority.leaf("main"));
        b.credentials.swap(b.authority.leaf("main"));
      }
      auto request = desk.askRequest();
      request.initEnvelope(256);
      return request.send().then(
          [&](auto&& response) {
            ++(response.getOutcome().isSealed() ? done : lost);
            return chain();
          },
          [&](kj::Exception&&) {
            ++lost;
            return chain();
          });
    };
    auto all = kj::heapArrayBuilder<kj::Promise<void>>(32);
    for (int i = 0; i < 32; ++i) all.add(chain());
    loop.run(kj::joinPromises(all.finish()));
    CHECK(done == 10'000);
    CHECK(lost == 0);
    // The control: connections really were made anew, with the new leaf.
    CHECK(a.manager.health(b.id())->call.opened >= 3);
    CHECK(b.manager.health(a.id())->serve.opened >= 3);
  }
}
