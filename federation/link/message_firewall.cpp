#include "federation/link/message_firewall.h"

#include <kj/debug.h>

#include <cstring>
#include <utility>

#include <capnp/rpc.capnp.h>

#include "schemas/base/log.h"

namespace entente::federation {
namespace {

// At most this much is handed to the stream at once, so that progress on a slow line is seen.
constexpr std::size_t kWriteBytes = 131'072;
// Looks of the watchdog that must agree before silence of our own RPC system counts against the
// peer: after a pause of this process the first look may come before the RPC system had its turn.
constexpr int kLooksThatAgree = 3;

// The largest segment table.
constexpr std::size_t kFramingMost = 4 + 4 * limits::kSegments + 4;

// Answers a caller whose answer would be larger than it may accept.
struct Replacement {
  capnp::MallocMessageBuilder message;
  explicit Replacement(std::uint32_t answer_id) {
    auto answer = message.initRoot<capnp::rpc::Message>().initReturn();
    answer.setAnswerId(answer_id);
    answer.setReleaseParamCaps(false);
    auto exception = answer.initException();
    exception.setReason("ENT-1011 the answer is too large");
    exception.setType(capnp::rpc::Exception::Type::FAILED);
  }
};

}  // namespace

MessageFirewall::MessageFirewall(Loop& loop, const Clock& clock, ByteStream& stream, Side side,
                                 const MethodTable& methods, const LinkLimits& limits,
                                 std::function<void(const End&)> on_end)
    : loop_(loop),
      clock_(clock),
      stream_(stream),
      limits_(limits),
      side_(side),
      rules_(side, methods, limits),
      frames_(side == Side::callee ? limits.message_bytes : limits.answer_bytes),
      on_end_(std::move(on_end)),
      delivered_(clock.steady()),
      heard_(clock.steady()),
      spoke_(clock.steady()) {
  stream_.set_reader(this);
}

MessageFirewall::~MessageFirewall() noexcept(false) {
  on_end_ = nullptr;
  close("destroyed", false);
}

void MessageFirewall::close(std::string reason, bool violation) {
  if (closed_) return;
  closed_ = true;
  end_ = {std::move(reason), violation};
  if (gathering_) loop_.forget(*this);
  gathering_ = false;
  input_ = {};
  out_ = {};
  backlog_ = {};
  stream_.set_reader(nullptr);
  stream_.close();
  KJ_IF_MAYBE(reading, reading_) {
    if (orderly_) {
      (*reading)->fulfill(nullptr);
    } else {
      (*reading)->reject(gone());
    }
    reading_ = nullptr;
  }
  if (on_end_) on_end_(end_);
}

kj::Exception MessageFirewall::gone() const {
  return KJ_EXCEPTION(DISCONNECTED, "the link is closed");
}

void MessageFirewall::watch() {
  if (closed_) return;
  const Duration now = clock_.steady();
  if (frames_.inside_message() && rpc_reads_ && now - frame_began_ > limits_.body) {
    return close("a message that does not end", true);
  }
  if (now - heard_ > limits_.idle) return close("silence", true);
  if (writing_ > 0 && now - wrote_ > limits_.outgoing_stall) {
    return close("does not read its answers", true);
  }
  ticks_unread_ = rpc_reads_ ? 0 : ticks_unread_ + 1;
  if (ticks_unread_ >= kLooksThatAgree && now - delivered_ > limits_.no_read) {
    return close("more parameters in flight than allowed", true);
  }
}

Duration MessageFirewall::silent_for() const {
  return clock_.steady() - std::max(heard_, spoke_);
}

LinkCounters MessageFirewall::counters() const {
  LinkCounters counters = counters_;
  counters.calls = rules_.calls();
  counters.open_answers = rules_.open_answers();
  counters.open_answers_most = rules_.open_answers_most();
  counters.outgoing_bytes = out_.size() + writing_;
  return counters;
}

// Reading.

kj::Own<FramedMessage> MessageFirewall::next_message() {
  if (input_.empty()) return {};
  const bool fresh = !frames_.inside_message();
  auto step = frames_.feed(input_);
  if (fresh) frame_began_ = heard_;
  if (step.violation == nullptr && step.message.get() != nullptr) {
    ++counters_.messages_in;
    step.violation = rules_.inbound(*step.message, heard_);
  }
  if (step.violation != nullptr) {
    close(step.violation, step.violation != TrafficRules::kAborted);
    return {};
  }
  return kj::mv(step.message);
}

kj::Own<FramedMessage> MessageFirewall::take() {
  if (closed_) return {};
  auto message = next_message();
  if (message.get() == nullptr) return {};
  delivered_ = heard_;
  ticks_unread_ = 0;
  rpc_reads_ = false;
  return message;
}

kj::Promise<MessageFirewall::Incoming> MessageFirewall::tryReadMessage(
    kj::ArrayPtr<kj::AutoCloseFd>, capnp::ReaderOptions, kj::ArrayPtr<capnp::word>) {
  if (closed_) {
    if (orderly_) return Incoming(nullptr);
    return gone();
  }
  auto message = next_message();
  if (closed_) return gone();
  delivered_ = heard_;
  ticks_unread_ = 0;
  if (message.get() != nullptr) {
    rpc_reads_ = false;
    return Incoming(capnp::MessageReaderAndFds{kj::mv(message), nullptr});
  }
  rpc_reads_ = true;
  auto pair = kj::newPromiseAndFulfiller<Incoming>();
  reading_ = kj::mv(pair.fulfiller);
  stream_.want_read();
  return kj::mv(pair.promise);
}

void MessageFirewall::on_bytes(ByteView bytes) {
  counters_.bytes_in += bytes.size();
  heard_ = clock_.steady();
  input_ = bytes;
  auto message = next_message();
  if (closed_) return;
  if (message.get() == nullptr) return stream_.want_read();
  rpc_reads_ = false;
  delivered_ = heard_;
  KJ_IF_MAYBE(reading, reading_) {
    auto fulfiller = kj::mv(*reading);
    reading_ = nullptr;
    fulfiller->fulfill(capnp::MessageReaderAndFds{kj::mv(message), nullptr});
  }
}

void MessageFirewall::on_closed(const std::string& why) {
  orderly_ = why.empty();
  close(orderly_ ? "the peer closed the connection" : why, false);
}

// Writing.

kj::Promise<void> MessageFirewall::writeMessage(
    kj::ArrayPtr<const int>, kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  send(segments);
  return kj::READY_NOW;
}

void MessageFirewall::send(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  if (closed_) return;
  capnp::SegmentArrayMessageReader reader(segments);
  if (const char* fault = rules_.outbound(reader)) {
    return close(fault, true);
  }
  std::size_t words = 0;
  for (const auto& segment : segments) words += segment.size();
  const bool answer = side_ == Side::callee;
  if (answer && words * sizeof(capnp::word) + kFramingMost > limits_.answer_bytes) {
    // The caller would close the link over it, so this one call fails instead.
    const auto root = reader.getRoot<capnp::rpc::Message>();
    Replacement instead(root.isReturn() ? root.getReturn().getAnswerId() : 0);
    log::error("link", "an answer of ours was too large and was withheld");
    return append(instead.message.getSegmentsForOutput());
  }
  append(segments);
}

kj::Promise<void> MessageFirewall::writeMessages(
    kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  for (auto& segments : messages) {
    send(segments);
  }
  return kj::READY_NOW;
}

void MessageFirewall::append(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  std::size_t total = (4 + 4 * segments.size() + 7) / 8 * 8;
  const std::size_t table = total;
  for (const auto& segment : segments) total += segment.asBytes().size();
  const std::size_t at = out_.size();
  out_.resize(at + total);
  auto put = [&](std::size_t offset, std::uint32_t value) {
    std::memcpy(out_.data() + at + offset, &value, sizeof value);
  };
  put(0, static_cast<std::uint32_t>(segments.size() - 1));
  std::uint8_t* body = out_.data() + at + table;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto bytes = segments[i].asBytes();
    put(4 + 4 * i, static_cast<std::uint32_t>(segments[i].size()));
    std::memcpy(body, bytes.begin(), bytes.size());
    body += bytes.size();
  }
  ++counters_.messages_out;
  if (out_.size() + writing_ > limits_.outgoing_bytes) {
    return close("does not read its answers", true);
  }
  if (writing_ > 0) return;
  if (out_.size() >= limits::kRecordBytes) return flush();
  if (!gathering_) {
    gathering_ = true;
    loop_.at_turn_end(*this);
  }
}

void MessageFirewall::on_turn_end() {
  gathering_ = false;
  flush();
}

void MessageFirewall::flush() {
  if (closed_ || writing_ > 0 || out_.empty()) return;
  spoke_ = wrote_ = clock_.steady();
  if (out_.size() <= kWriteBytes) {
    out_.swap(backlog_);
    out_.clear();
  } else {
    const auto cut = out_.begin() + kWriteBytes;
    backlog_.assign(out_.begin(), cut);
    out_.erase(out_.begin(), cut);
  }
  writing_ = backlog_.size();
  ++counters_.writes;
  stream_.write(backlog_);
}

void MessageFirewall::on_written() {
  counters_.bytes_out += std::exchange(writing_, 0);
  flush();
}

}  // namespace entente::federation
