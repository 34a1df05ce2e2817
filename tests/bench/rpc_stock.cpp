#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include <future>
#include <thread>

#include "tests/bench/capnp_load.h"
#include "tests/bench/rpc_systems.h"
#include "tests/support/test_certificates.h"

namespace entente::bench {
namespace {

kj::ArrayPtr<const kj::byte> view(const Bytes& bytes) {
  return kj::arrayPtr(bytes.data(), bytes.size());
}

class StockSystem final : public System {
 public:
  explicit StockSystem(Load load) : load_(load) {
    test::TestAuthority::LeafOptions options;
    options.extra_dns = {"localhost"};
    leaf_ = authority_.leaf("main", options);
    std::promise<kj::uint> listening;
    auto port = listening.get_future();
    server_ = std::thread([this, &listening] { serve(listening); });
    const kj::uint at = port.get();
    std::promise<void> ready;
    client_ = std::thread([this, at, &ready] { call(at, ready); });
    ready.get_future().get();
  }
  ~StockSystem() noexcept override {
    client_executor_->executeSync([this] { client_stop_->fulfill(); });
    client_.join();
    server_executor_->executeSync([this] { server_stop_->fulfill(); });
    server_.join();
  }

  std::uint64_t run(double seconds) override {
    std::promise<std::uint64_t> done;
    client_executor_->executeSync([&] {
      task_ = load_runner_->run(seconds)
                  .then([&](std::uint64_t answers) { done.set_value(answers); })
                  .eagerlyEvaluate([&](kj::Exception&& e) {
                    done.set_exception(std::make_exception_ptr(kj::mv(e)));
                  });
    });
    const std::uint64_t answers = done.get_future().get();
    client_executor_->executeSync([this] { task_ = nullptr; });
    return answers;
  }

 private:
  // Mutual, as strict as kj-tls can be told; OpenSSL negotiates TLS 1.3 on both sides.
  kj::TlsContext make_tls(const kj::TlsKeypair& pair, const kj::TlsCertificate& trusted) {
    kj::TlsContext::Options options;
    options.useSystemTrustStore = false;
    options.verifyClients = true;
    options.trustedCertificates = kj::arrayPtr(&trusted, 1);
    options.minVersion = kj::TlsVersion::TLS_1_2;
    options.defaultKeypair = pair;
    return kj::TlsContext(kj::mv(options));
  }
  kj::TlsKeypair keypair() const {
    return {kj::TlsPrivateKey(view(leaf_->private_key_der)),
            kj::TlsCertificate(view(leaf_->chain_der.front()))};
  }

  void serve(std::promise<kj::uint>& listening) {
    pin(End::server);
    auto io = kj::setupAsyncIo();
    const auto pair = keypair();
    const kj::TlsCertificate trusted(view(authority_.certificate_der()));
    auto tls = make_tls(pair, trusted);
    auto port = tls.wrapPort(
        io.provider->getNetwork().parseAddress("127.0.0.1").wait(io.waitScope)->listen());
    capnp::TwoPartyServer server(kj::heap<PlainEcho>());
    auto accepting = server.listen(*port).eagerlyEvaluate(nullptr);
    auto stop = kj::newPromiseAndFulfiller<void>();
    server_stop_ = kj::mv(stop.fulfiller);
    server_executor_ = kj::getCurrentThreadExecutor().addRef();
    listening.set_value(port->getPort());
    stop.promise.wait(io.waitScope);
  }

  void call(kj::uint port, std::promise<void>& ready) {
    pin(End::client);
    auto io = kj::setupAsyncIo();
    const auto pair = keypair();
    const kj::TlsCertificate trusted(view(authority_.certificate_der()));
    auto tls = make_tls(pair, trusted);
    auto raw = io.provider->getNetwork()
                   .parseAddress("127.0.0.1", port)
                   .wait(io.waitScope)
                   ->connect()
                   .wait(io.waitScope);
    auto stream = tls.wrapClient(kj::mv(raw), "localhost").wait(io.waitScope);
    capnp::TwoPartyClient client(*stream);
    auto desk = client.bootstrap().castAs<wire::Questions>();
    desk.whenResolved().wait(io.waitScope);
    CapnpLoad runner(kj::mv(desk), load_);
    load_runner_ = &runner;
    auto stop = kj::newPromiseAndFulfiller<void>();
    client_stop_ = kj::mv(stop.fulfiller);
    client_executor_ = kj::getCurrentThreadExecutor().addRef();
    ready.set_value();
    stop.promise.wait(io.waitScope);
  }

  const Load load_;
  test::TestAuthority authority_{"bench"};
  std::shared_ptr<const security::LeafCredential> leaf_;
  CapnpLoad* load_runner_ = nullptr;
  kj::Promise<void> task_ = nullptr;
  kj::Own<const kj::Executor> server_executor_, client_executor_;
  kj::Own<kj::PromiseFulfiller<void>> server_stop_, client_stop_;
  std::thread server_, client_;
};

}  // namespace

std::unique_ptr<System> make_stock(Load load) { return std::make_unique<StockSystem>(load); }

}  // namespace entente::bench
