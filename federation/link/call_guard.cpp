#include "federation/link/call_guard.h"

#include <capnp/any.h>
#include <kj/debug.h>

namespace entente::federation {
namespace {

// Of the partner's rate that we use; the rest absorbs differences between two clocks.
constexpr double kShare = 0.95;

class Forwarder final : public capnp::Capability::Server {
 public:
  Forwarder(std::shared_ptr<CallGuard> guard, const MethodTable& methods,
            std::function<capnp::Capability::Client()> current)
      : guard_(std::move(guard)), methods_(methods), current_(std::move(current)) {}

  DispatchCallResult dispatchCall(
      std::uint64_t interface_id, std::uint16_t method_id,
      capnp::CallContext<capnp::AnyPointer, capnp::AnyPointer> context) override {
    context.allowCancellation();
    const MethodRow* row = methods_.find(interface_id, method_id);
    const MethodClass klass = row == nullptr ? MethodClass::ask : row->klass;
    const auto size = context.getParams().targetSize();
    current_();  // without a link there is nothing to wait for
    auto sent = guard_->admit(klass, size.wordCount * sizeof(capnp::word))
                    .then([this, interface_id, method_id, context,
                           size](CallGuard::Permit&& permit) mutable -> kj::Promise<void> {
                      auto request = current_().typelessRequest(interface_id, method_id, size);
                      request.set(context.getParams());
                      context.releaseParams();
                      return context.tailCall(kj::mv(request)).attach(kj::mv(permit));
                    });
    return {kj::mv(sent), false};
  }

 private:
  std::shared_ptr<CallGuard> guard_;
  const MethodTable& methods_;
  std::function<capnp::Capability::Client()> current_;
};

}  // namespace

CallGuard::CallGuard(Loop& loop, const Clock& clock, const LinkLimits& limits)
    : loop_(loop),
      clock_(clock),
      limits_(limits),
      ask_(limits.ask_rate * kShare, limits.ask_burst * kShare),
      admin_(limits.ask_rate * kShare, limits.ask_burst * kShare),
      bulk_(limits.bulk_rate * kShare, limits.bulk_burst * kShare) {}

bool CallGuard::fits(std::size_t bytes) const {
  return calls_ < limits_.calls_in_flight && bytes_ + bytes <= limits_.parameter_bytes_in_flight;
}

TokenBucket& CallGuard::bucket(MethodClass klass) {
  return klass == MethodClass::ask ? ask_ : klass == MethodClass::admin ? admin_ : bulk_;
}

kj::Promise<CallGuard::Permit> CallGuard::admit(MethodClass klass, std::size_t bytes) {
  if (bytes > limits_.parameter_bytes_in_flight) {
    return KJ_EXCEPTION(OVERLOADED, "the parameters are larger than a link may carry");
  }
  if (waiting_.empty() && fits(bytes) && bucket(klass).take(clock_.steady())) {
    ++calls_, bytes_ += bytes;
    return Permit(shared_from_this(), bytes);
  }
  if (waiting_.size() >= limits_.calls_queued) {
    return KJ_EXCEPTION(OVERLOADED, "too many calls wait for this link");
  }
  auto pair = kj::newPromiseAndFulfiller<Permit>();
  waiting_.push_back({klass, bytes, kj::mv(pair.fulfiller)});
  serve();
  return kj::mv(pair.promise);
}

void CallGuard::give_back(std::size_t bytes) {
  --calls_, bytes_ -= bytes;
  serve();
}

void CallGuard::serve() {
  while (!waiting_.empty()) {
    Waiting& first = waiting_.front();
    if (!first.go->isWaiting()) {  // its caller gave up
      waiting_.pop_front();
      continue;
    }
    if (!fits(first.bytes)) return;
    const Duration now = clock_.steady();
    if (!bucket(first.klass).take(now)) {
      if (timer_armed_) return;
      timer_armed_ = true;
      loop_.keep(loop_.after(bucket(first.klass).wait(now))
                     .then([weak = weak_from_this()] {
                       if (auto self = weak.lock()) {
                         self->timer_armed_ = false;
                         self->serve();
                       }
                     }));
      return;
    }
    ++calls_, bytes_ += first.bytes;
    auto go = kj::mv(first.go);
    Permit permit(shared_from_this(), first.bytes);
    waiting_.pop_front();
    go->fulfill(kj::mv(permit));
  }
}

capnp::Capability::Client make_guarded(std::shared_ptr<CallGuard> guard,
                                       const MethodTable& methods,
                                       std::function<capnp::Capability::Client()> current) {
  return kj::heap<Forwarder>(std::move(guard), methods, std::move(current));
}

}  // namespace entente::federation
