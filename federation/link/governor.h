// The choke point: every call of a peer passes `Governed<Interface>::dispatchCall`.
//
// Order: life of connection and session, row of the method table, rate, decide, audit intent, then
// the method under its deadline. A refusal is the method's own outcome union (the schema's rule:
// field `outcome`, whose default member is `refusal`); a fault becomes a fixed text.
#pragma once

#include <capnp/capability.h>
#include <capnp/schema.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "federation/limits.h"
#include "federation/link/caller.h"
#include "federation/link/link_hooks.h"
#include "federation/link/loop.h"
#include "federation/link/token_bucket.h"
#include "schemas/base/clock.h"

namespace entente::federation {

using AnyCall = capnp::CallContext<capnp::AnyPointer, capnp::AnyPointer>;

// State that all objects of one connection share. Threads: loop.
class Governor {
 public:
  Governor(Loop& loop, const Clock& clock, const MethodTable& methods, const LinkLimits& limits,
           std::shared_ptr<const LinkHooks> hooks, std::function<void(std::string)> violate);

  struct Refused {
    ErrorCode code;
    Duration retry_after{};
  };
  // The checks before a call, or why it is refused. `row` may be null.
  std::optional<Refused> admit(const Caller& caller, const MethodRow* row);
  const MethodRow* row(std::uint64_t interface_id, std::uint16_t method_id) const {
    return methods_.find(interface_id, method_id);
  }
  bool alive() const { return alive_; }
  // The connection is gone: everything refuses from now on.
  void end() { alive_ = false; }

  void object_made();
  void object_gone() { --objects_; }
  std::size_t objects() const { return objects_; }

  Loop& loop() { return loop_; }
  const Clock& clock() const { return clock_; }
  const LinkLimits& limits() const { return limits_; }
  const LinkHooks& hooks() const { return *hooks_; }
  Duration time_limit(MethodClass klass) const;

 private:
  Loop& loop_;
  const Clock& clock_;
  const MethodTable& methods_;
  const LinkLimits limits_;
  std::shared_ptr<const LinkHooks> hooks_;
  std::function<void(std::string)> violate_;
  TokenBucket ask_, admin_, bulk_;
  bool alive_ = true;
  std::size_t objects_ = 0;
};

namespace detail {

// The text a peer sees for each kind of fault; the true one goes to the log.
kj::Exception fixed_fault(const kj::Exception& fault, const MethodRow* row);
// Fills `outcome.refusal` of the method's results.
void refuse(AnyCall& context, capnp::InterfaceSchema schema, std::uint16_t method_id,
            Governor::Refused refusal);
// Intent first, then `run`, under the time limit of the row's class.
kj::Promise<void> run_recorded(const Caller& caller, const MethodRow& row,
                               capnp::InterfaceSchema schema, AnyCall context,
                               std::function<kj::Promise<void>()> run);

}  // namespace detail

// Base of every object a peer can call:  class Desk final : public Governed<wire::Questions>.
template <class Interface>
class Governed : public Interface::Server {
 public:
  explicit Governed(Caller caller) : caller_(std::move(caller)) {
    caller_.governor->object_made();
  }
  ~Governed() { caller_.governor->object_gone(); }
  Governed(const Governed&) = delete;
  Governed& operator=(const Governed&) = delete;

  const Caller& caller() const { return caller_; }

  capnp::Capability::Server::DispatchCallResult dispatchCall(std::uint64_t interface_id,
                                                             std::uint16_t method_id,
                                                             AnyCall context) final {
    return {govern(interface_id, method_id, context), false};
  }

 private:
  kj::Promise<void> govern(std::uint64_t interface_id, std::uint16_t method_id, AnyCall context) {
    Governor& governor = *caller_.governor;
    // Without this, work goes on after the caller has gone.
    context.allowCancellation();
    const bool ours = interface_id == capnp::typeId<Interface>();
    const MethodRow* row = ours ? governor.row(interface_id, method_id) : nullptr;
    if (row == nullptr) {
      return detail::fixed_fault(
          kj::Exception(kj::Exception::Type::UNIMPLEMENTED, "link", 0, nullptr), nullptr);
    }
    if (auto refused = governor.admit(caller_, row)) {
      detail::refuse(context, capnp::Schema::from<Interface>(), method_id, *refused);
      return kj::READY_NOW;
    }
    if (row->klass == MethodClass::bulk) return run(*row, context);
    return detail::run_recorded(caller_, *row, capnp::Schema::from<Interface>(), context,
                                [this, row, context]() mutable { return run(*row, context); });
  }

  kj::Promise<void> run(const MethodRow& row, AnyCall context) {
    try {
      return Interface::Server::dispatchCall(row.interface_id, row.method_id, context)
          .promise.catch_([&row](kj::Exception&& fault) -> kj::Promise<void> {
            return detail::fixed_fault(fault, &row);
          });
    } catch (const kj::Exception& fault) {
      return detail::fixed_fault(fault, &row);
    } catch (const std::exception& fault) {
      return detail::fixed_fault(kj::Exception(kj::Exception::Type::FAILED, "link", 0,
                                               kj::heapString(fault.what())),
                                 &row);
    }
  }

  const Caller caller_;
};

}  // namespace entente::federation
