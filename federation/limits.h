// Limits of links. Every queue, message, retry and timeout of federation/ has its name here.
//
// LinkLimits carries those that a deployment or a test may lower; its defaults are the constants
// that security.md states. Nothing here may be raised by a peer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schemas/base/limits.h"
#include "schemas/base/time.h"

namespace entente::federation::limits {

// Framing and content of one message.
inline constexpr std::size_t kMessageBytes = 1'048'576;    // a request
inline constexpr std::size_t kAnswerBytes = 262'144;       // a reply, as the caller accepts it
inline constexpr std::size_t kSegments = 16;               // segments of one message
inline constexpr std::size_t kReturnedCapabilities = 4;    // capabilities of one reply
inline constexpr std::uint64_t kInspectionWords = 1'024;   // what the firewall itself may read
inline constexpr std::uint32_t kQuestionIdMax = 4'095;     // ids are reused, so they stay small
inline constexpr std::size_t kReadBytes = 65'536;          // one read from the TLS stream
inline constexpr std::size_t kRecordBytes = 16'384;        // written out before the turn ends

// One connection.
inline constexpr std::size_t kOpenAnswers = 128;           // answers the peer has not finished
inline constexpr std::size_t kLiveObjects = 64;            // objects one connection may hold
inline constexpr std::size_t kFlowWords = 65'536;          // parameters of calls being answered
inline constexpr std::size_t kOutgoingBytes = 4'194'304;   // written but not taken by the peer
inline constexpr Duration kOutgoingStall = seconds(10);    // nothing taken although some waits
inline constexpr Duration kBodyTime = seconds(10);  // from a message's first byte to its last
inline constexpr Duration kIdle = seconds(60);             // nothing received at all
inline constexpr Duration kPing = seconds(20);             // the caller's sign of life
inline constexpr Duration kNoRead = seconds(3);            // the RPC system wants no message
inline constexpr Duration kSessionLife = hours(1);
inline constexpr Duration kHandshake = seconds(5);
inline constexpr Duration kWatch = milliseconds(500);      // how often the watchdogs look

// Starts a second, by method class. A call above the rate is refused; a peer that goes on at
// kCutFactor times the rate is cut off.
inline constexpr double kAskRate = 50, kAskBurst = 100;
inline constexpr double kBulkRate = 200'000, kBulkBurst = 200'000;
inline constexpr double kCutFactor = 4;

// Time one call may take at the callee.
inline constexpr Duration kAskTime = seconds(120);
inline constexpr Duration kAdminTime = seconds(30);

// The caller's own guard.
inline constexpr std::size_t kCallsInFlight = 96;
inline constexpr std::size_t kParameterBytesInFlight = 458'752;  // 448 KiB
inline constexpr std::size_t kCallsQueued = 1'024;               // behind the guard, per partner

// Listening and dialling.
inline constexpr std::size_t kHandshakes = 64;             // not yet authenticated, all addresses
inline constexpr std::size_t kHandshakesPerAddress = 16;
inline constexpr Duration kAcceptPause = milliseconds(100);  // after EMFILE and its relatives
inline constexpr Duration kBackoffLeast = milliseconds(200);
inline constexpr Duration kBackoffMost = seconds(30);
inline constexpr Duration kRenewMargin = minutes(5);       // before a session or certificate ends
inline constexpr Duration kDrain = seconds(120);           // a replaced connection's last calls
inline constexpr std::size_t kChainCertificates = 4;
inline constexpr std::size_t kCertificateListBytes = 16'384;
inline constexpr std::size_t kPeerTextBytes = 200;         // of a peer's words kept for the log

// Enrolment.
inline constexpr std::size_t kEnrolmentConnections = 4;
inline constexpr Duration kEnrolmentTime = seconds(10);

// Charters, in one exchange; what is left goes with the next.
inline constexpr std::size_t kCharterOffer = 16;
inline constexpr std::size_t kCharterOfferBytes = 131'072;
inline constexpr Duration kCharterExchange = seconds(4);    // before a session is used

// Signs of life while calls flow: how often the round trip is measured anew.
inline constexpr Duration kMeasure = seconds(60);
inline constexpr Duration kMeasureFirst = seconds(5);       // after a session opened

// Workers.
inline constexpr std::size_t kWorkerQueue = 1'024;

}  // namespace entente::federation::limits

namespace entente::federation {

struct LinkLimits {
  std::size_t message_bytes = limits::kMessageBytes;
  std::size_t answer_bytes = limits::kAnswerBytes;
  std::size_t open_answers = limits::kOpenAnswers;
  std::size_t live_objects = limits::kLiveObjects;
  std::size_t outgoing_bytes = limits::kOutgoingBytes;
  Duration outgoing_stall = limits::kOutgoingStall;
  Duration body = limits::kBodyTime;
  Duration idle = limits::kIdle;
  Duration ping = limits::kPing;
  Duration no_read = limits::kNoRead;
  Duration session_life = limits::kSessionLife;
  Duration handshake = limits::kHandshake;
  Duration watch = limits::kWatch;
  double ask_rate = limits::kAskRate, ask_burst = limits::kAskBurst;
  double bulk_rate = limits::kBulkRate, bulk_burst = limits::kBulkBurst;
  Duration ask_time = limits::kAskTime;
  Duration admin_time = limits::kAdminTime;
  std::size_t calls_in_flight = limits::kCallsInFlight;
  std::size_t parameter_bytes_in_flight = limits::kParameterBytesInFlight;
  std::size_t calls_queued = limits::kCallsQueued;
  std::size_t handshakes = limits::kHandshakes;
  std::size_t handshakes_per_address = limits::kHandshakesPerAddress;
  Duration backoff_least = limits::kBackoffLeast;
  Duration backoff_most = limits::kBackoffMost;
  Duration renew_margin = limits::kRenewMargin;
  Duration drain = limits::kDrain;
};

}  // namespace entente::federation
