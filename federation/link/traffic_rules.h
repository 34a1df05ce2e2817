// What may pass between two honest nodes, message by message (security.md section 1, table).
//
// Pure: no I/O and no clock of its own, so that tests and the fuzzer reach all of it. It keeps the
// table of open questions; whatever Cap'n Proto 0.9.2 does not survive never reaches it.
//   callee receives   Bootstrap (once), Call, Finish, Release, Abort
//   caller receives   Return (at most 4 capabilities, all senderHosted), Abort
// A call carries no capability, wants its results itself, and targets an object the callee gave
// out; only the first call may target the bootstrap's pending answer.
#pragma once

#include <cstdint>
#include <vector>

#include "federation/limits.h"
#include "federation/link/method_table.h"
#include "federation/link/token_bucket.h"

namespace capnp {
class MessageReader;
}

namespace entente::federation {

enum class Side { caller, callee };

class TrafficRules {
 public:
  TrafficRules(Side side, const MethodTable& methods, const LinkLimits& limits);

  // A message from the peer: null when it may pass, else the rule it broke (a literal). A message
  // that cannot be read is a violation, never an exception.
  // An Abort is reported as kAborted: it ends the connection and breaks no rule.
  static const char* const kAborted;
  const char* inbound(capnp::MessageReader& message, Duration steady_now);
  // A message of our own RPC system, for the table. Not null means that our side found a fault in
  // the peer's protocol (or has one itself): the connection ends, the message stays here.
  const char* outbound(capnp::MessageReader& message);

  // Not yet finished by the caller.
  std::size_t open_answers() const { return open_; }
  std::size_t open_answers_most() const { return open_most_; }
  // Calls and bootstraps without a Return so far.
  std::size_t unanswered() const { return unanswered_; }
  std::uint64_t calls() const { return calls_; }

 private:
  const char* callee_inbound(capnp::MessageReader& message, Duration now);
  const char* caller_inbound(capnp::MessageReader& message);
  const char* start(std::uint32_t id);
  const char* finish(std::uint32_t id);
  const char* answered(std::uint32_t id);
  template <class CallReader>
  const char* check_call(CallReader call, Duration now);

  const Side side_;
  const MethodTable& methods_;
  const std::size_t open_limit_;
  TokenBucket ask_, admin_, bulk_;
  std::vector<std::uint8_t> state_;  // per question id, bits kOpen, kReturned, kFinished
  std::size_t open_ = 0, open_most_ = 0, unanswered_ = 0;
  std::uint64_t calls_ = 0;
  bool bootstrapped_ = false;
  bool pipelined_ = false;
  std::uint32_t bootstrap_id_ = 0;
};

}  // namespace entente::federation
