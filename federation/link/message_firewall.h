// What stands between a peer and Cap'n Proto: own framing, an allowlist, counters and watchdogs.
//
// It is a MessageStream, used through LinkNetwork. Inbound, a message is framed (FrameReader),
// judged (TrafficRules) and only then handed on, one at a time and only when the RPC system asks.
// Outbound, all messages of one loop turn are gathered into one write, so into one TLS record as
// long as they fit. A violation ends the connection at once with a reason; nothing of the peer's
// is answered after it. Figures and reasons: security.md section 1.
#pragma once

#include <capnp/serialize-async.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "federation/limits.h"
#include "federation/link/byte_stream.h"
#include "federation/link/frame_reader.h"
#include "federation/link/loop.h"
#include "federation/link/traffic_rules.h"
#include "schemas/base/clock.h"

namespace entente::federation {

struct LinkCounters {
  std::uint64_t messages_in = 0, messages_out = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::uint64_t writes = 0;  // gathered; messages_out / writes is the gain
  std::uint64_t calls = 0;
  std::size_t open_answers = 0, open_answers_most = 0;
  std::size_t outgoing_bytes = 0;  // written but not yet taken
};

// Threads: loop. The stream and the loop outlive it.
class MessageFirewall final : public capnp::MessageStream,
                              private ByteStream::Reader,
                              private TurnEnd {
 public:
  // `violation`: the peer broke a rule or a watchdog's limit; otherwise the connection just ended.
  struct End {
    std::string reason;
    bool violation = false;
  };
  // `on_end` comes once, from within the loop; it must not destroy the firewall then and there.
  MessageFirewall(Loop& loop, const Clock& clock, ByteStream& stream, Side side,
                  const MethodTable& methods, const LinkLimits& limits,
                  std::function<void(const End&)> on_end);
  ~MessageFirewall() noexcept(false);

  // Looks at the watchdogs; the owner calls it every `limits.watch`.
  void watch();
  // Ends the connection from this side.
  void close(std::string reason, bool violation);
  bool closed() const { return closed_; }
  LinkCounters counters() const;
  const TrafficRules& rules() const { return rules_; }
  // Steady time since anything came or went.
  Duration silent_for() const;

  // Puts one message of ours behind those gathered so far; after the end it goes nowhere.
  void send(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments);
  // The next message if it has come already; null otherwise, and after the end.
  kj::Own<FramedMessage> take();

  // capnp::MessageStream
  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
      kj::ArrayPtr<kj::AutoCloseFd> fds, capnp::ReaderOptions options,
      kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(
      kj::ArrayPtr<const int> fds,
      kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override { return nullptr; }
  kj::Promise<void> end() override { return kj::READY_NOW; }

 private:
  using Incoming = kj::Maybe<capnp::MessageReaderAndFds>;

  void on_bytes(ByteView bytes) override;
  void on_written() override;
  void on_closed(const std::string& why) override;
  void on_turn_end() override;

  kj::Own<FramedMessage> next_message();
  void append(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments);
  void flush();
  kj::Exception gone() const;

  Loop& loop_;
  const Clock& clock_;
  ByteStream& stream_;
  const LinkLimits limits_;
  const Side side_;
  TrafficRules rules_;
  FrameReader frames_;
  std::function<void(const End&)> on_end_;

  ByteView input_;  // into the stream's buffer, not yet parsed
  kj::Maybe<kj::Own<kj::PromiseFulfiller<Incoming>>> reading_;
  bool rpc_reads_ = false;      // the RPC system waits for a message
  int ticks_unread_ = 0;        // watchdog looks since it last did
  Duration delivered_{};        // when it took the last message
  Duration frame_began_{};
  Duration heard_{};
  Duration wrote_{};            // when the write under way began
  Duration spoke_{};

  std::vector<std::uint8_t> out_;      // gathered in this turn
  std::vector<std::uint8_t> backlog_;  // handed to the stream, or its spare buffer
  std::size_t writing_ = 0;            // bytes the stream has in hand
  bool gathering_ = false;             // registered for the turn's end
  bool closed_ = false;
  bool orderly_ = false;
  End end_;
  LinkCounters counters_;
};

}  // namespace entente::federation
