#include "federation/link/tls_context.h"

#include <utility>

#include <boost/asio/ssl/context.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstring>

#include "federation/limits.h"
#include "schemas/base/log.h"

namespace entente::federation {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const { Free(p); }
};
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

// A stale entry in OpenSSL's per-thread queue kills the next innocent connection.
struct ErrorHygiene {
  ErrorHygiene() { ERR_clear_error(); }
  ~ErrorHygiene() { ERR_clear_error(); }
};

int state_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}
HandshakeState* state_of(SSL* ssl) {
  return static_cast<HandshakeState*>(SSL_get_ex_data(ssl, state_index()));
}

CertificatePtr parse_certificate(const Bytes& der) {
  const unsigned char* p = der.data();
  return CertificatePtr(d2i_X509(nullptr, &p, static_cast<long>(der.size())));
}
KeyPtr parse_key(const Bytes& der) {
  const unsigned char* p = der.data();
  return KeyPtr(d2i_AutoPrivateKey(nullptr, &p, static_cast<long>(der.size())));
}

Bytes to_der(X509* certificate) {
  Bytes der(static_cast<std::size_t>(std::max(i2d_X509(certificate, nullptr), 0)));
  unsigned char* p = der.data();
  if (!der.empty()) i2d_X509(certificate, &p);
  return der;
}

}  // namespace

struct TlsContext::Impl {
  const security::CredentialSource& credentials;
  const security::PeerVerifier& verifier;
  const Clock& clock;
  Protocol protocol;
  bool alive = true;  // the three references above may be gone once the TlsContext is
  std::optional<boost::asio::ssl::context> context;
  // The parsed form of the leaf in force; OpenSSL counts references to both.
  std::shared_ptr<const security::LeafCredential> parsed_from;
  std::vector<CertificatePtr> chain;
  KeyPtr key;

  bool load(std::shared_ptr<const security::LeafCredential> leaf) {
    if (!leaf) return false;
    if (leaf == parsed_from) return true;
    std::vector<CertificatePtr> certificates;
    for (const Bytes& der : leaf->chain_der) {
      certificates.push_back(parse_certificate(der));
      if (!certificates.back()) return false;
    }
    KeyPtr private_key = parse_key(leaf->private_key_der);
    if (certificates.empty() || !private_key) return false;
    chain = std::move(certificates);
    key = std::move(private_key);
    parsed_from = std::move(leaf);
    return true;
  }

  int show_leaf(SSL* ssl) {
    const ErrorHygiene hygiene;
    if (!alive || !load(credentials.current())) {
      log::error("link", "no usable leaf certificate: the handshake is refused");
      return 0;
    }
    SSL_certs_clear(ssl);
    if (SSL_use_certificate(ssl, chain.front().get()) != 1) return 0;
    if (SSL_use_PrivateKey(ssl, key.get()) != 1) return 0;
    for (std::size_t i = 1; i < chain.size(); ++i) {
      if (SSL_add1_chain_cert(ssl, chain[i].get()) != 1) return 0;
    }
    if (auto* state = state_of(ssl)) state->credential = parsed_from;
    return 1;
  }

  int verify(X509_STORE_CTX* store) {
    const ErrorHygiene hygiene;
    auto* ssl = static_cast<SSL*>(
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    HandshakeState* state = ssl == nullptr ? nullptr : state_of(ssl);
    if (state == nullptr || !alive) return 0;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    const STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(store);
    const int count = presented == nullptr ? 0 : sk_X509_num(presented);
    if (count < 1 || count > static_cast<int>(limits::kChainCertificates)) {
      state->refusal = "a chain of " + std::to_string(count) + " certificates";
      return 0;
    }
    std::vector<Bytes> der;
    for (int i = 0; i < count; ++i) der.push_back(to_der(sk_X509_value(presented, i)));
    auto peer = verifier.verify(der, clock.now(), state->dialled ? &*state->dialled : nullptr);
    if (!peer) {
      state->refusal = peer.error().what;
      return 0;
    }
    if (state->dialled && peer->organisation != *state->dialled) {
      state->refusal = "another organisation than the dialled one answered";
      return 0;
    }
    state->peer = *std::move(peer);
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
};

namespace {

// Takes the one protocol offered, if it is one of ours.
int select_alpn(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in,
                unsigned int in_length, void* protocol) {
  if (in_length < 2 || in[0] != in_length - 1) return SSL_TLSEXT_ERR_ALERT_FATAL;
  const std::string_view offered(reinterpret_cast<const char*>(in + 1), in[0]);
  if (!speaks_alpn(*static_cast<const TlsContext::Protocol*>(protocol), offered)) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = in + 1;
  *length = in[0];
  return SSL_TLSEXT_ERR_OK;
}

void require(bool ok, const char* what) {
  if (ok) return;
  ERR_clear_error();
  throw std::runtime_error(std::string("OpenSSL refuses ") + what);
}

}  // namespace

TlsContext::TlsContext(Role role, const security::CredentialSource& credentials,
                       const security::PeerVerifier& verifier, const Clock& clock,
                       Protocol protocol)
    : impl_(new Impl{
          credentials, verifier, clock, protocol, true, std::nullopt, nullptr, {}, nullptr}) {
  const ErrorHygiene hygiene;
  SSL_CTX* ctx = SSL_CTX_new(role == Role::dialler ? TLS_client_method() : TLS_server_method());
  require(ctx != nullptr, "a context");
  impl_->context.emplace(ctx);  // owns ctx from here
  require(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1, "TLS 1.3 as the least");
  require(SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1, "TLS 1.3 as the most");
  require(SSL_CTX_set_ciphersuites(
              ctx, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384") ==
              1,
          "the ciphers");
  require(SSL_CTX_set1_groups_list(ctx, "X25519") == 1, "X25519");
  require(SSL_CTX_set1_sigalgs_list(ctx, "ed25519") == 1, "Ed25519");
  require(SSL_CTX_set1_client_sigalgs_list(ctx, "ed25519") == 1, "Ed25519 for the dialler");
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_max_early_data(ctx, 0);
  SSL_CTX_set_max_cert_list(ctx, limits::kCertificateListBytes);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(
      ctx,
      [](X509_STORE_CTX* store, void* self) { return static_cast<Impl*>(self)->verify(store); },
      impl_.get());
  SSL_CTX_set_cert_cb(
      ctx, [](SSL* ssl, void* self) { return static_cast<Impl*>(self)->show_leaf(ssl); },
      impl_.get());
  if (role == Role::acceptor) SSL_CTX_set_alpn_select_cb(ctx, select_alpn, &impl_->protocol);
}

TlsContext::~TlsContext() { impl_->alive = false; }

boost::asio::ssl::context& TlsContext::native() { return *impl_->context; }

bool speaks_alpn(TlsContext::Protocol protocol, std::string_view alpn) {
  if (protocol == TlsContext::Protocol::charters) return alpn == kAlpnCharters;
  if (protocol == TlsContext::Protocol::collect) {
    return alpn == kAlpnCollect || alpn == kAlpnCharters;
  }
  return alpn == kAlpnCall || alpn == kAlpnServe;
}

TlsContext::Protocol TlsContext::protocol() const { return impl_->protocol; }

std::string_view TlsContext::offer(Direction direction) const {
  if (impl_->protocol == Protocol::collect) return kAlpnCollect;
  if (impl_->protocol == Protocol::charters) return kAlpnCharters;
  return direction == Direction::we_call ? kAlpnCall : kAlpnServe;
}

std::shared_ptr<void> TlsContext::attach(ssl_st* ssl, HandshakeState& state) const {
  const ErrorHygiene hygiene;
  SSL_set_ex_data(ssl, state_index(), &state);
  return impl_;
}

}  // namespace entente::federation
