#include "federation/link/traffic_rules.h"

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <kj/exception.h>

#include <algorithm>

namespace entente::federation {
namespace {

namespace rpc = capnp::rpc;

constexpr std::uint8_t kOpen = 1;      // the caller has not finished it
constexpr std::uint8_t kPending = 2;   // no Return yet
constexpr std::uint8_t kBootstrap = 4;
// Cancelled calls whose Return is under way do not count as open, but their number is bounded too.
constexpr std::size_t kUnansweredFactor = 4;

const char* return_violation(rpc::Return::Reader answer) {
  switch (answer.which()) {
    case rpc::Return::EXCEPTION:
    case rpc::Return::CANCELED: return nullptr;
    case rpc::Return::RESULTS: break;
    default: return "a return that is neither results, exception nor canceled";
  }
  const auto table = answer.getResults().getCapTable();
  if (table.size() > limits::kReturnedCapabilities) return "too many capabilities in one answer";
  for (const auto descriptor : table) {
    switch (descriptor.which()) {
      case rpc::CapDescriptor::NONE: break;
      case rpc::CapDescriptor::SENDER_HOSTED: break;
      case rpc::CapDescriptor::SENDER_PROMISE: return "a promise capability";
      default: return "a capability that the callee does not host";
    }
  }
  return nullptr;
}

}  // namespace

const char* const TrafficRules::kAborted = "the peer aborted the connection";

TrafficRules::TrafficRules(Side side, const MethodTable& methods, const LinkLimits& limits)
    : side_(side),
      methods_(methods),
      open_limit_(limits.open_answers),
      ask_(limits.ask_rate * limits::kCutFactor, limits.ask_burst * limits::kCutFactor),
      admin_(limits.ask_rate * limits::kCutFactor, limits.ask_burst * limits::kCutFactor),
      bulk_(limits.bulk_rate * limits::kCutFactor, limits.bulk_burst * limits::kCutFactor) {}

const char* TrafficRules::inbound(capnp::MessageReader& message, Duration steady_now) {
  try {
    return side_ == Side::callee ? callee_inbound(message, steady_now) : caller_inbound(message);
  } catch (const kj::Exception&) {
    return "malformed message";
  }
}

const char* TrafficRules::start(std::uint32_t id) {
  if (id > limits::kQuestionIdMax) return "question id too large";
  if (id >= state_.size()) state_.resize(id + 1);
  if (state_[id] != 0) return "question id in use";
  state_[id] = kOpen | kPending;
  ++unanswered_;
  open_most_ = std::max(open_most_, ++open_);
  if (side_ == Side::caller) return nullptr;
  if (open_ > open_limit_) return "too many open answers";
  if (unanswered_ > open_limit_ * kUnansweredFactor) return "too many unanswered calls";
  return nullptr;
}

const char* TrafficRules::finish(std::uint32_t id) {
  if (id >= state_.size() || (state_[id] & kOpen) == 0) return "finish of an unknown question";
  state_[id] &= static_cast<std::uint8_t>(~kOpen);
  --open_;
  if ((state_[id] & kPending) == 0) state_[id] = 0;
  return nullptr;
}

const char* TrafficRules::answered(std::uint32_t id) {
  if (id >= state_.size() || (state_[id] & kPending) == 0) return "a return that nobody asked for";
  state_[id] &= static_cast<std::uint8_t>(~kPending);
  --unanswered_;
  if ((state_[id] & kOpen) == 0) state_[id] = 0;
  return nullptr;
}

template <class CallReader>
const char* TrafficRules::check_call(CallReader call, Duration now) {
  if (!call.getSendResultsTo().isCaller()) return "results sent elsewhere";
  if (call.getAllowThirdPartyTailCall()) return "third-party tail call";
  if (call.getParams().getCapTable().size() != 0) return "a capability from the caller";
  const auto target = call.getTarget();
  if (target.isPromisedAnswer()) {
    const auto promised = target.getPromisedAnswer();
    const std::uint32_t on = promised.getQuestionId();
    const bool on_bootstrap = bootstrapped_ && on == bootstrap_id_ && on < state_.size() &&
                              (state_[on] & (kBootstrap | kOpen)) == (kBootstrap | kOpen);
    if (!on_bootstrap || promised.getTransform().size() != 0) return "a pipelined call";
    if (pipelined_) return "a second pipelined call";
    pipelined_ = true;
  } else if (!target.isImportedCap()) {
    return "a call to an unknown kind of target";
  }
  const MethodRow* row = methods_.find(call.getInterfaceId(), call.getMethodId());
  TokenBucket& bucket = row == nullptr                          ? ask_
                        : row->klass == MethodClass::bulk       ? bulk_
                        : row->klass == MethodClass::admin      ? admin_
                                                                : ask_;
  if (!bucket.take(now)) return "too many calls a second";
  ++calls_;
  return start(call.getQuestionId());
}

const char* TrafficRules::callee_inbound(capnp::MessageReader& message, Duration now) {
  const auto root = message.getRoot<rpc::Message>();
  switch (root.which()) {
    case rpc::Message::CALL: return check_call(root.getCall(), now);
    case rpc::Message::FINISH: return finish(root.getFinish().getQuestionId());
    case rpc::Message::RELEASE: return nullptr;
    case rpc::Message::ABORT: return kAborted;
    case rpc::Message::BOOTSTRAP: {
      if (bootstrapped_) return "a second bootstrap";
      bootstrapped_ = true;
      bootstrap_id_ = root.getBootstrap().getQuestionId();
      if (const char* violation = start(bootstrap_id_)) return violation;
      state_[bootstrap_id_] |= kBootstrap;
      return nullptr;
    }
    case rpc::Message::RETURN: return "a return that nobody asked for";
    case rpc::Message::RESOLVE: return "resolve";
    case rpc::Message::DISEMBARGO: return "disembargo";
    case rpc::Message::PROVIDE: return "provide";
    case rpc::Message::ACCEPT: return "accept";
    case rpc::Message::JOIN: return "join";
    case rpc::Message::UNIMPLEMENTED: return "unimplemented";
    default: return "an unknown message";
  }
}

const char* TrafficRules::caller_inbound(capnp::MessageReader& message) {
  const auto root = message.getRoot<rpc::Message>();
  switch (root.which()) {
    case rpc::Message::RETURN: {
      if (const char* violation = return_violation(root.getReturn())) return violation;
      return answered(root.getReturn().getAnswerId());
    }
    case rpc::Message::ABORT: return kAborted;
    case rpc::Message::RESOLVE: return "resolve";
    case rpc::Message::DISEMBARGO: return "disembargo";
    case rpc::Message::CALL:
    case rpc::Message::BOOTSTRAP: return "a call from the side that serves";
    case rpc::Message::UNIMPLEMENTED: return "unimplemented";
    default: return "a message that no server sends";
  }
}

const char* TrafficRules::outbound(capnp::MessageReader& message) {
  const auto root = message.getRoot<rpc::Message>();
  switch (root.which()) {
    case rpc::Message::RETURN: return answered(root.getReturn().getAnswerId());
    case rpc::Message::CALL: return ++calls_, start(root.getCall().getQuestionId());
    case rpc::Message::BOOTSTRAP: return start(root.getBootstrap().getQuestionId());
    case rpc::Message::FINISH: return finish(root.getFinish().getQuestionId());
    case rpc::Message::RELEASE: return nullptr;
    case rpc::Message::ABORT: return "broke the RPC protocol";
    case rpc::Message::UNIMPLEMENTED: return "sent what RPC does not implement";
    default: return "made us send what no correct node sends";
  }
}

}  // namespace entente::federation
