#include "tests/faults/raw_peer.h"

#include <arpa/inet.h>
#include <capnp/serialize.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <vector>

namespace entente::test {
namespace {

constexpr int kPatienceSeconds = 20;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void set_patience(int socket) {
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int at_once = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
}

}  // namespace

struct RawPeer::Impl {
  Impl(int s, const Options& options, bool server) : socket(s) {
    std::signal(SIGPIPE, SIG_IGN);
    set_patience(socket);
    context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_verify(context, server ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_cert_verify_callback(context, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    if (options.tls_version_most != 0) {
      SSL_CTX_set_max_proto_version(context, options.tls_version_most);
    }
    if (options.leaf != nullptr) show(*options.leaf);
    if (server) {
      alpn = options.alpn;
      SSL_CTX_set_alpn_select_cb(context, select, this);
    }
    ssl = SSL_new(context);
    SSL_set_fd(ssl, socket);
    if (!server && !options.alpn.empty()) {
      std::string offered(1, static_cast<char>(options.alpn.size()));
      offered += options.alpn;
      SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(offered.data()),
                          static_cast<unsigned>(offered.size()));
    }
    connected = (server ? SSL_accept(ssl) : SSL_connect(ssl)) == 1;
    ERR_clear_error();
  }
  ~Impl() {
    SSL_free(ssl);
    SSL_CTX_free(context);
    ::close(socket);
    ERR_clear_error();
  }

  static int select(SSL*, const unsigned char** out, unsigned char* size, const unsigned char*,
                    unsigned, void* self) {
    const std::string& name = static_cast<Impl*>(self)->alpn;
    *out = reinterpret_cast<const unsigned char*>(name.data());
    *size = static_cast<unsigned char>(name.size());
    return SSL_TLSEXT_ERR_OK;
  }

  void show(const security::LeafCredential& leaf) {
    for (std::size_t i = 0; i < leaf.chain_der.size(); ++i) {
      const unsigned char* p = leaf.chain_der[i].data();
      X509* certificate = d2i_X509(nullptr, &p, static_cast<long>(leaf.chain_der[i].size()));
      if (i == 0) {
        SSL_CTX_use_certificate(context, certificate);
      } else {
        SSL_CTX_add1_chain_cert(context, certificate);
      }
      X509_free(certificate);
    }
    const unsigned char* p = leaf.private_key_der.data();
    EVP_PKEY* key =
        d2i_AutoPrivateKey(nullptr, &p, static_cast<long>(leaf.private_key_der.size()));
    SSL_CTX_use_PrivateKey(context, key);
    EVP_PKEY_free(key);
  }

  bool read_exactly(void* to, std::size_t size) {
    auto* out = static_cast<char*>(to);
    while (size > 0) {
      const int n = SSL_read(ssl, out, static_cast<int>(size));
      ERR_clear_error();
      if (n <= 0) return false;
      out += n, size -= static_cast<std::size_t>(n);
    }
    return true;
  }

  int socket;
  std::string alpn;
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  bool connected = false;
};

RawPeer::RawPeer(std::uint16_t port, const Options& options) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (options.receive_buffer != 0) {
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer, sizeof(int));
  }
  const sockaddr_in address = loopback(port);
  set_patience(socket);
  (void)::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  impl_ = std::make_unique<Impl>(socket, options, false);
}
RawPeer::RawPeer(int socket, const Options& options, AsServer)
    : impl_(std::make_unique<Impl>(socket, options, true)) {}
RawPeer::~RawPeer() = default;

bool RawPeer::connected() const { return impl_->connected; }

bool RawPeer::send_bytes(const void* bytes, std::size_t size) {
  const int n = SSL_write(impl_->ssl, bytes, static_cast<int>(size));
  ERR_clear_error();
  return n == static_cast<int>(size);
}

bool RawPeer::send_below_tls(const void* bytes, std::size_t size) {
  return ::send(impl_->socket, bytes, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
}

bool RawPeer::send_words(std::initializer_list<std::uint32_t> words) {
  const std::vector<std::uint32_t> list(words);
  return send_bytes(list.data(), list.size() * 4);
}

bool RawPeer::send(capnp::MessageBuilder& message) {
  const auto flat = capnp::messageToFlatArray(message);
  const auto bytes = flat.asBytes();
  return send_bytes(bytes.begin(), bytes.size());
}

bool RawPeer::send(const std::function<void(capnp::rpc::Message::Builder)>& build) {
  capnp::MallocMessageBuilder message;
  build(message.initRoot<capnp::rpc::Message>());
  return send(message);
}

std::optional<RawMessage> RawPeer::receive() {
  std::uint32_t first[2];
  if (!impl_->read_exactly(first, 8)) return std::nullopt;
  const std::size_t segments = first[0] + 1;
  std::vector<std::uint32_t> table(segments / 2 * 2 + 2);
  std::memcpy(table.data(), first, 8);
  if (table.size() > 2 && !impl_->read_exactly(table.data() + 2, (table.size() - 2) * 4)) {
    return std::nullopt;
  }
  std::size_t words = 0;
  for (std::size_t i = 0; i < segments; ++i) words += table[1 + i];
  const std::size_t head = table.size() / 2;
  RawMessage message{kj::heapArray<capnp::word>(head + words), nullptr};
  std::memcpy(message.words.asBytes().begin(), table.data(), head * 8);
  if (!impl_->read_exactly(message.words.begin() + head, words * 8)) return std::nullopt;
  message.reader = std::make_unique<capnp::FlatArrayMessageReader>(message.words.asPtr());
  return message;
}

bool RawPeer::closed_by_peer() {
  char sink[16'384];
  for (;;) {
    const int n = SSL_read(impl_->ssl, sink, sizeof sink);
    const int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(impl_->ssl, n);
    const bool timed_out = why == SSL_ERROR_SYSCALL && errno == EAGAIN;
    ERR_clear_error();
    if (n <= 0) return why != SSL_ERROR_WANT_READ && !timed_out;
  }
}

std::optional<std::uint32_t> RawPeer::receive_capability() {
  const auto message = receive();
  if (!message || !message->root().isReturn() || !message->root().getReturn().isResults()) {
    return std::nullopt;
  }
  const auto table = message->root().getReturn().getResults().getCapTable();
  if (table.size() == 0 || !table[0].isSenderHosted()) return std::nullopt;
  return table[0].getSenderHosted();
}

std::optional<std::uint32_t> RawPeer::open_gate() {
  send([](auto message) { message.initBootstrap().setQuestionId(0); });
  return receive_capability();
}

std::optional<std::uint32_t> RawPeer::open_session(std::uint32_t gate) {
  send([&](auto message) {
    auto call = message.initCall();
    call.setQuestionId(1);
    call.initTarget().setImportedCap(gate);
    call.setInterfaceId(capnp::typeId<wire::Gate>());
    call.setMethodId(0);
    call.getSendResultsTo().setCaller();
    auto hello = call.initParams()
                     .getContent()
                     .template initAs<wire::Gate::OpenParams>()
                     .initHello();
    hello.setProtocolMin(1);
    hello.setProtocolMax(1);
  });
  return receive_capability();
}

std::optional<std::uint32_t> RawPeer::open_questions(std::uint32_t session) {
  send([&](auto message) {
    auto call = message.initCall();
    call.setQuestionId(2);
    call.initTarget().setImportedCap(session);
    call.setInterfaceId(capnp::typeId<wire::Session>());
    call.setMethodId(1);
    call.getSendResultsTo().setCaller();
    call.initParams().getContent().template initAs<wire::Session::QuestionsParams>();
  });
  return receive_capability();
}

bool RawPeer::ask(std::uint32_t question, std::uint32_t desk, const std::string& envelope) {
  return send([&](auto message) {
    auto call = message.initCall();
    call.setQuestionId(question);
    call.initTarget().setImportedCap(desk);
    call.setInterfaceId(capnp::typeId<wire::Questions>());
    call.setMethodId(0);
    call.getSendResultsTo().setCaller();
    auto params = call.initParams().getContent().template initAs<wire::Questions::AskParams>();
    params.setEnvelope(
        kj::arrayPtr(reinterpret_cast<const kj::byte*>(envelope.data()), envelope.size()));
  });
}

bool RawPeer::finish(std::uint32_t question) {
  return send([&](auto message) {
    auto finish = message.initFinish();
    finish.setQuestionId(question);
    finish.setReleaseResultCaps(false);
  });
}

int connect_silently(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  (void)::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return socket;
}

bool closed_within(int socket, int milliseconds) {
  pollfd wait{socket, POLLIN, 0};
  if (::poll(&wait, 1, milliseconds) != 1) return false;
  char byte;
  return ::recv(socket, &byte, 1, MSG_PEEK) <= 0;
}

RawListener::RawListener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = loopback(0);
  (void)::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  (void)::listen(socket_, 16);
  socklen_t size = sizeof address;
  getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
}
RawListener::~RawListener() { ::close(socket_); }

std::unique_ptr<RawPeer> RawListener::accept(const RawPeer::Options& options) {
  pollfd wait{socket_, POLLIN, 0};
  if (::poll(&wait, 1, kPatienceSeconds * 1000) != 1) return nullptr;
  const int accepted = ::accept(socket_, nullptr, nullptr);
  if (accepted < 0) return nullptr;
  return std::make_unique<RawPeer>(accepted, options, AsServer{});
}

}  // namespace entente::test
