#include "node/daemon/sealed_start.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <prometheus/registry.h>

#include <csignal>
#include <memory>
#include <ostream>
#include <utility>

#include "node/daemon/keyring.h"
#include "node/daemon/limits.h"
#include "node/daemon/vault_lock.h"
#include "node/limits.h"
#include "node/service/health.h"
#include "node/service/http_server.h"
#include "schemas/base/clock.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

namespace asio = boost::asio;
using security::Secret;
using security::Vault;

class Nobody final : public Authenticator {
 public:
  std::optional<Subject> authenticate(std::string_view, Origin) const override {
    return std::nullopt;
  }
  Outcome authorise(const Subject&, Verb, const security::Resource&) const override {
    return make_error(ErrorCode::denied, "the node is sealed");
  }
};

Error sealed_error() {
  return make_error(ErrorCode::node_not_running,
                    "the node is sealed: its vault wants a pass phrase",
                    "open it with 'entente vault unseal'");
}

// Takes pass phrases, one at a time.
class Lock {
 public:
  Lock(asio::io_context& loop, std::string home, std::function<void()> opened)
      : loop_(loop), home_(std::move(home)), opened_(std::move(opened)) {}
  ~Lock() { worker_.join(); }

  asio::awaitable<Result<Reply>> unseal(const Call& call) {
    auto text = call.text_field("passphrase");
    if (!text) co_return std::move(text).error();
    if (vault_) co_return Reply::json({{"sealed", false}});
    if (waiting_ >= limits::kUnsealWaiters) {
      co_return make_error(ErrorCode::overloaded, "too many pass phrases wait to be tried",
                           "try again in a few seconds");
    }
    ++waiting_;
    auto phrase = std::make_shared<Secret>(
        Secret::take({reinterpret_cast<std::uint8_t*>(text->data()), text->size()}));
    auto opened = co_await hashed(std::move(phrase));
    --waiting_;
    if (vault_) co_return Reply::json({{"sealed", false}});  // another was right meanwhile
    if (!*opened) {
      log::warn("vault", "it was not opened", {{"reason", opened->error().what}});
      co_return opened->error();
    }
    vault_ = std::make_shared<Vault>(std::move(**opened));
    opened_();
    co_return Reply::json({{"sealed", false}});
  }
  std::optional<Vault> take() { return vault_ ? std::optional(std::move(*vault_)) : std::nullopt; }

 private:
  using Opened = std::shared_ptr<Result<Vault>>;
  asio::awaitable<Opened> hashed(std::shared_ptr<Secret> phrase) {
    // Only references: GCC 12 destroys a closure twice that is made inside a co_await expression.
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Opened)>(
        [this, &phrase](auto&& handler) {
          using Waiter = std::decay_t<decltype(handler)>;
          auto kept = std::make_shared<Waiter>(std::move(handler));
          asio::post(worker_, [this, kept, held = phrase] {
            auto opened = std::make_shared<Result<Vault>>(open_vault(home_, held.get()));
            asio::post(loop_, [kept, opened] { std::move (*kept)(opened); });
          });
        },
        asio::use_awaitable);
  }

  asio::io_context& loop_;
  const std::string home_;
  const std::function<void()> opened_;
  asio::thread_pool worker_{1};  // one at a time, in the order in which they came
  std::shared_ptr<Vault> vault_;
  std::size_t waiting_ = 0;
};

}  // namespace

Result<SealedStart> wait_unsealed(const Settings& settings, std::ostream& out) {
  asio::io_context loop;
  SystemClock clock;
  SystemRandom random;
  prometheus::Registry registry;
  HttpMetrics metrics(registry);
  const Nobody nobody;
  std::unique_ptr<HttpServer> server;
  bool ending = false;
  const auto end = [&] {
    if (std::exchange(ending, true)) return;
    server->stop(limits::kStopCallers, [&loop] { loop.stop(); });
  };
  Lock lock(loop, settings.home, [&] { asio::post(loop, end); });

  RouteTable routes;
  add_health_routes(routes, {{"vault", [] {
                                return CheckResult{CheckState::fail, "the vault is sealed",
                                                   "open it with 'entente vault unseal'"};
                              }}});
  routes.add({Method::post, "/api/v1/vault/unseal", Verb::read_status, "unseal",
              "Opens a sealed node's vault with its pass phrase", BodyKind::json,
              [&lock](const Call& call) { return lock.unseal(call); }, Access::open});
  HttpConfig config;
  config.address = settings.http_address;
  config.port = settings.http_port;
  config.unavailable = sealed_error();
  auto started = HttpServer::start(loop, config, {routes, nobody, metrics, clock, random});
  if (!started) return std::move(started).error();
  server = std::move(*started);
  SealedStart result;
  result.http_port = server->port();
  if (auto written =
          write_private(settings.path("run/http.port"), bytes_of(std::to_string(server->port())));
      !written) {
    return std::move(written).error();
  }
  asio::signal_set signals(loop, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code failed, int) {
    if (!failed) end();
  });
  out << "sealed http=" << settings.http_address << ":" << server->port() << std::endl;
  log::info("vault", "sealed: waiting for the pass phrase");
  loop.run();
  server.reset();
  result.vault = lock.take();
  return result;
}

}  // namespace entente::node
