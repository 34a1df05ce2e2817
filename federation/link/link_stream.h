// One TCP connection under mutual TLS 1.3, verified, with its direction agreed.
#pragma once

#include <kj/async.h>

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "federation/limits.h"
#include "federation/link/byte_stream.h"
#include "federation/link/loop.h"
#include "federation/link/tls_context.h"

namespace entente::federation {

// What the handshake proved. Both sides hold one only after verifying the other; that the *server*
// accepted us a dialler learns from the first Gate call (in TLS 1.3 the client finishes first).
struct Handshake {
  security::PeerIdentity peer;
  Direction direction;
  std::shared_ptr<const security::LeafCredential> shown;
  bool charters = false;  // the dialler wants charters (kAlpnCharters)
  std::string address;  // of the other end, "127.0.0.1:4711"
};

class LinkStream final : public ByteStream {
 public:
  // Settles within `limits.handshake` for TCP and again for TLS. Breaks with the reason: FAILED
  // when the peer was refused (the text says why), DISCONNECTED otherwise.
  static kj::Promise<std::shared_ptr<LinkStream>> dial(Loop& loop, TlsContext& tls,
                                                       const std::string& host,
                                                       std::uint16_t port, Direction direction,
                                                       OrgId partner, const LinkLimits& limits);
  static kj::Promise<std::shared_ptr<LinkStream>> accept(Loop& loop, TlsContext& tls,
                                                         boost::asio::ip::tcp::socket socket,
                                                         const LinkLimits& limits);
  ~LinkStream() override;

  const Handshake& handshake() const;

  void set_reader(Reader* reader) override;
  void want_read() override;
  void write(std::vector<std::uint8_t>& bytes) override;
  void close() override;

  struct Impl;
  explicit LinkStream(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;  // handlers under way hold it too
};

}  // namespace entente::federation
