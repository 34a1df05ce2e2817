// One live connection in one direction: stream, firewall, RPC system, and our end of the Gate.
#pragma once

#include <kj/async.h>

#include <functional>
#include <memory>

#include "federation/link/gate.h"
#include "federation/link/link_stream.h"
#include "federation/link/message_firewall.h"

namespace entente::federation {

struct ConnectionOptions {
  Loop& loop;
  const Clock& clock;
  const MethodTable& methods;
  LinkLimits limits;
  std::shared_ptr<const LinkHooks> hooks;
};

// What an opening gave a caller.
struct OpenSession {
  wire::Session::Client session;
  Instant expires;
  PeerHello peer;
};

// Threads: loop. After its end the objects remain until destroyed; calls fail with DISCONNECTED.
class Connection {
 public:
  // `on_end` comes once, on a later turn, unless the connection was destroyed before; destroying
  // it from there is allowed. `opened` (serving only): the peer opened a session.
  Connection(ConnectionOptions options, std::shared_ptr<LinkStream> stream,
             std::function<void(const MessageFirewall::End&)> on_end,
             std::function<void(const PeerHello&)> opened);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Calling only. A refusal is an exception whose text begins with its code.
  kj::Promise<OpenSession> open();

  const Handshake& handshake() const;
  void watch();
  void close(const std::string& reason);
  bool closed() const;
  const MessageFirewall& firewall() const;
  // Calls under way, in either role.
  std::size_t unanswered() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace entente::federation
