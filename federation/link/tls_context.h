// How this node does TLS: version 1.3 with Ed25519, both sides certified, nothing resumed.
//
// A context holds no identity of its own: each handshake asks the CredentialSource for the leaf in
// force (so renewal drops no call) and hands the presented chain to the PeerVerifier (so trust is
// per organisation; OpenSSL's flat trust store is never consulted). What was wrong with kj-tls:
// security.md section 1.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/base/clock.h"
#include "security/identity/peer.h"

struct ssl_st;
namespace boost::asio::ssl {
class context;
}

namespace entente::federation {

// Who calls on a connection. The dialler says it by ALPN, and that is all ALPN says.
enum class Direction { we_call, we_serve };
inline constexpr std::string_view kAlpnCall = "entente-call/1";    // the dialler calls
inline constexpr std::string_view kAlpnServe = "entente-serve/1";  // the dialler serves
// Of collectors, which call and never serve; a context speaks either these two or the two above.
inline constexpr std::string_view kAlpnCollect = "entente-collect/1";
// The dialler wants the organisation's chain of charters and nothing else.
inline constexpr std::string_view kAlpnCharters = "entente-charters/1";

// What one handshake produced. Written by the callbacks; lives as long as the SSL object.
struct HandshakeState {
  std::optional<OrgId> dialled;  // the only organisation that may answer; empty when accepting
  std::optional<security::PeerIdentity> peer;
  std::string refusal;           // why the verifier said no
  std::shared_ptr<const security::LeafCredential> credential;  // the leaf we showed
};

// Threads: loop. The three sources outlive it.
class TlsContext {
 public:
  enum class Role { dialler, acceptor };
  // `charters` is for diallers; who accepts collectors speaks it too.
  enum class Protocol { link, collect, charters };
  TlsContext(Role role, const security::CredentialSource& credentials,
             const security::PeerVerifier& verifier, const Clock& clock,
             Protocol protocol = Protocol::link);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  boost::asio::ssl::context& native();
  Protocol protocol() const;
  // What a dialler offers for a direction. Serving is for links.
  std::string_view offer(Direction direction) const;
  // Ties `state` to one handshake, which `state` must outlive. Whoever holds the returned token may
  // go on with the handshake after this context died; it is refused then.
  [[nodiscard]] std::shared_ptr<void> attach(ssl_st* ssl, HandshakeState& state) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Whether a protocol's name is one that a context of `protocol` agrees to.
bool speaks_alpn(TlsContext::Protocol protocol, std::string_view alpn);

}  // namespace entente::federation
