#include <capnp/rpc-twoparty.h>

#include <future>
#include <optional>
#include <thread>

#include "federation/link/acceptor.h"
#include "federation/link/governor.h"
#include "federation/link/link_network.h"
#include "federation/link/link_stream.h"
#include "federation/link/message_firewall.h"
#include "tests/bench/capnp_load.h"
#include "tests/bench/rpc_systems.h"
#include "tests/support/test_certificates.h"

namespace entente::bench {
namespace {

using namespace federation;

const MethodTable& echo_table() {
  static const MethodTable table({{capnp::typeId<wire::Questions>(), 0, "Questions.ask",
                                   MethodClass::bulk, "bench"}});
  return table;
}

LinkLimits generous() {
  LinkLimits limits;
  limits.bulk_rate = limits.bulk_burst = 1e9;
  return limits;
}

class GovernedEcho final : public Governed<wire::Questions> {
 public:
  using Governed::Governed;

 private:
  kj::Promise<void> ask(AskContext context) override {
    const auto envelope = context.getParams().getEnvelope();
    context.getResults(capnp::MessageSize{envelope.size() / 8 + 8, 0})
        .initOutcome()
        .setSealed(envelope);
    return kj::READY_NOW;
  }
};

// A stream with its firewall and RPC system, in either role.
struct Half {
  Half(Loop& loop, const Clock& clock, std::shared_ptr<LinkStream> s, Side side,
       std::optional<capnp::Capability::Client> bootstrap)
      : stream(std::move(s)),
        firewall(loop, clock, *stream, side, echo_table(), generous(),
                 [](const MessageFirewall::End&) {}),
        network(firewall, side) {
    if (bootstrap) {
      rpc.emplace(capnp::makeRpcServer(network, *bootstrap));
      rpc->setFlowLimit(federation::limits::kFlowWords);
    } else {
      rpc.emplace(capnp::makeRpcClient(network));
    }
  }
  ~Half() { firewall.close("the benchmark is over", false); }
  std::shared_ptr<LinkStream> stream;
  MessageFirewall firewall;
  LinkNetwork network;
  std::optional<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> rpc;
};

class EntenteSystem final : public System {
 public:
  EntenteSystem(Load load, Choke choke) : load_(load), choke_(choke) {
    verifier_.pin(authority_);
    std::promise<std::uint16_t> listening;
    auto port = listening.get_future();
    server_ = std::thread([this, &listening] { serve(listening); });
    const std::uint16_t at = port.get();
    std::promise<void> ready;
    client_ = std::thread([this, at, &ready] { call(at, ready); });
    ready.get_future().get();
  }
  ~EntenteSystem() noexcept override {
    client_loop_->post([this] { client_stop_->fulfill(); });
    client_.join();
    server_loop_->post([this] { server_stop_->fulfill(); });
    server_.join();
  }

  std::uint64_t run(double seconds) override {
    std::promise<std::uint64_t> done;
    client_loop_->post([&] {
      client_loop_->keep(load_runner_->run(seconds).then(
          [&](std::uint64_t answers) { done.set_value(answers); },
          [&](kj::Exception&& e) {
            done.set_exception(std::make_exception_ptr(kj::mv(e)));
          }));
    });
    return done.get_future().get();
  }

 private:
  capnp::Capability::Client make_desk(Loop& loop) {
    if (choke_ == Choke::none) return kj::heap<PlainEcho>();
    LinkHooks hooks;
    hooks.decide = [](const Caller&, const MethodRow&) -> Outcome { return {}; };
    auto governor =
        std::make_shared<Governor>(loop, clock_, echo_table(), generous(),
                                   std::make_shared<const LinkHooks>(std::move(hooks)),
                                   [](std::string) {});
    Caller caller{{}, clock_.now() + hours(1), governor};
    return wire::Questions::Client(kj::heap<GovernedEcho>(caller));
  }

  void serve(std::promise<std::uint16_t>& listening) {
    pin(End::server);
    Loop loop;
    TlsContext tls(TlsContext::Role::acceptor, credentials_, verifier_, clock_);
    std::unique_ptr<Half> end;
    auto desk = make_desk(loop);
    Acceptor acceptor(
        loop, tls, {},
        [&](std::shared_ptr<LinkStream> stream) {
          end = std::make_unique<Half>(loop, clock_, std::move(stream), Side::callee, desk);
        },
        [](const std::string&, const std::string&) {});
    auto pair = kj::newPromiseAndFulfiller<void>();
    server_stop_ = kj::mv(pair.fulfiller);
    server_loop_ = &loop;
    listening.set_value(acceptor.listen("127.0.0.1", 0).value());
    loop.run(kj::mv(pair.promise));
    end.reset();
  }

  void call(std::uint16_t port, std::promise<void>& ready) {
    pin(End::client);
    Loop loop;
    TlsContext tls(TlsContext::Role::dialler, credentials_, verifier_, clock_);
    auto stream = LinkStream::dial(loop, tls, "127.0.0.1", port, Direction::we_call,
                                   authority_.organisation(), {})
                      .wait(loop.wait_scope());
    Half end(loop, clock_, std::move(stream), Side::caller, std::nullopt);
    capnp::MallocMessageBuilder message(4);
    auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
    vat.setSide(capnp::rpc::twoparty::Side::SERVER);
    auto desk = end.rpc->bootstrap(vat).castAs<wire::Questions>();
    loop.run(desk.whenResolved());
    CapnpLoad runner(kj::mv(desk), load_);
    load_runner_ = &runner;
    auto pair = kj::newPromiseAndFulfiller<void>();
    client_stop_ = kj::mv(pair.fulfiller);
    client_loop_ = &loop;
    ready.set_value();
    loop.run(kj::mv(pair.promise));
  }

  const Load load_;
  const Choke choke_;
  SystemClock clock_;
  test::TestAuthority authority_{"bench"};
  test::SwappableCredentials credentials_{authority_.leaf("main")};
  test::PinnedVerifier verifier_;
  Loop* server_loop_ = nullptr;
  Loop* client_loop_ = nullptr;
  CapnpLoad* load_runner_ = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> server_stop_, client_stop_;
  std::thread server_, client_;
};

}  // namespace

std::unique_ptr<System> make_entente(Load load, Choke choke) {
  return std::make_unique<EntenteSystem>(load, choke);
}

}  // namespace entente::bench
