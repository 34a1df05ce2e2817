// A peer that says what it likes: blocking TLS by OpenSSL, hand-made Cap'n Proto messages.
//
// It runs on a thread of its own beside the node under test and shares no code with the link.
#pragma once

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "schemas/wire/gate.capnp.h"
#include "security/identity/peer.h"

namespace entente::test {

// A message received, with its memory.
struct RawMessage {
  kj::Array<capnp::word> words;
  std::unique_ptr<capnp::MessageReader> reader;
  capnp::rpc::Message::Reader root() const { return reader->getRoot<capnp::rpc::Message>(); }
};

// Marks the constructor for the server's side.
struct AsServer {};

class RawPeer {
 public:
  struct Options {
    const security::LeafCredential* leaf = nullptr;  // null: shows no certificate
    std::string alpn = "entente-call/1";             // empty: offers none
    int tls_version_most = 0;                        // 0 = the library's best
    int receive_buffer = 0;                          // 0 = the system's
  };
  // Connects and shakes hands; `connected` tells whether the handshake came to its end.
  RawPeer(std::uint16_t port, const Options& options);
  // The server's side of a socket that was accepted.
  RawPeer(int socket, const Options& options, AsServer);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool connected() const;
  // False once the other side has closed.
  bool send_bytes(const void* bytes, std::size_t size);
  bool send_words(std::initializer_list<std::uint32_t> words);
  bool send(capnp::MessageBuilder& message);
  // Builds one message and sends it.
  bool send(const std::function<void(capnp::rpc::Message::Builder)>& build);
  // Empty when the other side closed, or said nothing for 20 s.
  std::optional<RawMessage> receive();
  // Reads until the other side closes; false if it did not within 20 s.
  bool closed_by_peer();
  // Bytes on the TCP connection below TLS.
  bool send_below_tls(const void* bytes, std::size_t size);

  // What an honest caller does first: bootstrap (question 0), open, questions. The object's id.
  std::optional<std::uint32_t> open_gate();
  std::optional<std::uint32_t> open_session(std::uint32_t gate);
  std::optional<std::uint32_t> open_questions(std::uint32_t session);
  bool ask(std::uint32_t question, std::uint32_t desk, const std::string& envelope);
  bool finish(std::uint32_t question);
  // Receives one Return and gives the id of its first capability.
  std::optional<std::uint32_t> receive_capability();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A TCP connection that says nothing; the caller closes it.
int connect_silently(std::uint16_t port);
// Whether the other side closes it within that time.
bool closed_within(int socket, int milliseconds);

// A listening socket on loopback at a free port.
class RawListener {
 public:
  RawListener();
  ~RawListener();
  std::uint16_t port() const { return port_; }
  // Waits at most 20 s for one connection and serves TLS on it; null when none came.
  std::unique_ptr<RawPeer> accept(const RawPeer::Options& options);

 private:
  int socket_;
  std::uint16_t port_;
};

}  // namespace entente::test
