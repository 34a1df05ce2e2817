#include "federation/link/link_stream.h"

#include <kj/debug.h>

#include <array>
#include <chrono>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace entente::federation {

struct LinkStream::Impl : std::enable_shared_from_this<LinkStream::Impl> {
  Impl(Loop& owner, TlsContext& tls, tcp::socket socket)
      : loop(owner),
        protocol(tls.protocol()),
        stream(std::move(socket), tls.native()),
        timer(owner.io()) {
    context = tls.attach(stream.native_handle(), state);
  }

  using Done = kj::Own<kj::PromiseFulfiller<std::shared_ptr<LinkStream>>>;

  void start_handshake(asio::ssl::stream_base::handshake_type type, Duration limit) {
    error_code ignored;
    stream.next_layer().set_option(tcp::no_delay(true), ignored);
    const auto remote = stream.next_layer().remote_endpoint(ignored);
    if (!ignored) {
      result.address = remote.address().to_string() + ":" + std::to_string(remote.port());
    }
    arm(limit, "the TLS handshake took too long");
    stream.async_handshake(type, [self = shared_from_this()](const error_code& e) {
      self->timer.cancel();
      self->handshake_done(e);
    });
  }

  void arm(Duration limit, const char* why) {
    timer.expires_after(std::chrono::nanoseconds(limit.ns));
    timer.async_wait([weak = weak_from_this(), why](const error_code& e) {
      auto self = weak.lock();
      if (e || !self || !self->done) return;
      self->timed_out = why;
      self->close_socket();
    });
  }

  void handshake_done(const error_code& e) {
    if (!done) return close_socket();
    if (!state.refusal.empty()) return fail(kj::Exception::Type::FAILED, state.refusal);
    if (timed_out != nullptr) return fail(kj::Exception::Type::DISCONNECTED, timed_out);
    if (e) return fail(kj::Exception::Type::DISCONNECTED, "TLS: " + e.message());
    const unsigned char* alpn = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(stream.native_handle(), &alpn, &length);
    const std::string_view agreed(reinterpret_cast<const char*>(alpn), length);
    if (!speaks_alpn(protocol, agreed)) {
      return fail(kj::Exception::Type::FAILED, "the peer agreed to no protocol of ours");
    }
    if (!state.peer) return fail(kj::Exception::Type::FAILED, "the peer showed no certificate");
    const bool dialler = SSL_is_server(stream.native_handle()) == 0;
    result.direction =
        (agreed != kAlpnServe) == dialler ? Direction::we_call : Direction::we_serve;
    result.charters = agreed == kAlpnCharters;
    result.peer = *state.peer;
    result.shown = state.credential;
    auto fulfiller = kj::mv(done);
    fulfiller->fulfill(std::make_shared<LinkStream>(shared_from_this()));
  }

  void fail(kj::Exception::Type type, const std::string& why) {
    close_socket();
    if (!done) return;
    auto fulfiller = kj::mv(done);
    fulfiller->reject(kj::Exception(type, "link", 0, kj::heapString(why.c_str(), why.size())));
  }

  void close_socket() {
    error_code ignored;
    stream.next_layer().shutdown(tcp::socket::shutdown_both, ignored);
    stream.next_layer().close(ignored);
    ERR_clear_error();
  }

  void on_read(const error_code& e, std::size_t size) {
    reading = false;
    if (reader == nullptr) return;
    if (e) return ended(e);
    reader->on_bytes({in.data(), size});
  }

  void ended(const error_code& e) {
    Reader* told = std::exchange(reader, nullptr);
    const bool orderly = e == asio::error::eof || e == asio::ssl::error::stream_truncated;
    close_socket();
    if (told != nullptr) told->on_closed(orderly ? std::string() : e.message());
  }

  Loop& loop;
  const TlsContext::Protocol protocol;
  HandshakeState state;           // before the stream, which points to it
  std::shared_ptr<void> context;  // what the handshake's callbacks use
  asio::ssl::stream<tcp::socket> stream;
  asio::steady_timer timer;
  Done done;
  const char* timed_out = nullptr;
  Handshake result{};
  Reader* reader = nullptr;
  bool reading = false;
  std::vector<std::uint8_t> out;
  std::array<std::uint8_t, limits::kReadBytes> in;
};

namespace {

struct Dial : std::enable_shared_from_this<Dial> {
  explicit Dial(Loop& loop) : resolver(loop.io()), socket(loop.io()), timer(loop.io()) {}
  tcp::resolver resolver;
  tcp::socket socket;
  asio::steady_timer timer;
  bool late = false;
};

}  // namespace

kj::Promise<std::shared_ptr<LinkStream>> LinkStream::dial(Loop& loop, TlsContext& tls,
                                                          const std::string& host,
                                                          std::uint16_t port, Direction direction,
                                                          OrgId partner,
                                                          const LinkLimits& limits) {
  auto pair = kj::newPromiseAndFulfiller<std::shared_ptr<LinkStream>>();
  auto done = std::make_shared<Impl::Done>(kj::mv(pair.fulfiller));
  auto dial = std::make_shared<Dial>(loop);
  dial->timer.expires_after(std::chrono::nanoseconds(limits.handshake.ns));
  dial->timer.async_wait([dial](const error_code& e) {
    if (e) return;
    dial->late = true;
    dial->resolver.cancel();
    error_code ignored;
    dial->socket.close(ignored);
  });
  auto refuse = [dial, done](const error_code& e) {
    dial->timer.cancel();
    const std::string why = dial->late ? "no TCP connection in time" : "TCP: " + e.message();
    (*done)->reject(KJ_EXCEPTION(DISCONNECTED, why.c_str()));
  };
  auto secure = [&loop, &tls, dial, done, direction, partner, limit = limits.handshake] {
    dial->timer.cancel();
    auto impl = std::make_shared<Impl>(loop, tls, std::move(dial->socket));
    impl->state.dialled = partner;
    impl->done = kj::mv(*done);
    const std::string_view name = tls.offer(direction);
    std::string offered(1, static_cast<char>(name.size()));
    offered += name;
    SSL_set_alpn_protos(impl->stream.native_handle(),
                        reinterpret_cast<const unsigned char*>(offered.data()),
                        static_cast<unsigned>(offered.size()));
    impl->start_handshake(asio::ssl::stream_base::client, limit);
  };
  dial->resolver.async_resolve(
      host, std::to_string(port),
      [dial, refuse, secure](const error_code& e, const tcp::resolver::results_type& found) {
        if (e) return refuse(e);
        asio::async_connect(dial->socket, found,
                            [dial, refuse, secure](const error_code& failed, const tcp::endpoint&) {
                              if (failed || dial->late) return refuse(failed);
                              secure();
                            });
      });
  return kj::mv(pair.promise);
}

kj::Promise<std::shared_ptr<LinkStream>> LinkStream::accept(Loop& loop, TlsContext& tls,
                                                            tcp::socket socket,
                                                            const LinkLimits& limits) {
  auto pair = kj::newPromiseAndFulfiller<std::shared_ptr<LinkStream>>();
  auto impl = std::make_shared<Impl>(loop, tls, std::move(socket));
  impl->done = kj::mv(pair.fulfiller);
  impl->start_handshake(asio::ssl::stream_base::server, limits.handshake);
  return kj::mv(pair.promise);
}

LinkStream::LinkStream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
LinkStream::~LinkStream() {
  impl_->reader = nullptr;
  impl_->close_socket();
}

const Handshake& LinkStream::handshake() const { return impl_->result; }
void LinkStream::set_reader(Reader* reader) { impl_->reader = reader; }

void LinkStream::want_read() {
  if (impl_->reading) return;
  impl_->reading = true;
  impl_->stream.async_read_some(asio::buffer(impl_->in),
                                [impl = impl_](const error_code& e, std::size_t size) {
                                  impl->on_read(e, size);
                                });
}

void LinkStream::write(std::vector<std::uint8_t>& bytes) {
  impl_->out.clear();
  impl_->out.swap(bytes);
  asio::async_write(impl_->stream, asio::buffer(impl_->out),
                    [impl = impl_](const error_code& e, std::size_t) {
                      if (impl->reader == nullptr) return;
                      if (e) return impl->ended(e);
                      impl->reader->on_written();
                    });
}

void LinkStream::close() {
  impl_->reader = nullptr;
  impl_->close_socket();
}

}  // namespace entente::federation
