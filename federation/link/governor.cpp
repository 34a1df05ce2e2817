#include "federation/link/governor.h"

#include <capnp/dynamic.h>
#include <kj/debug.h>

#include "schemas/base/log.h"

namespace entente::federation {

bool Caller::live() const {
  return governor->alive() && governor->clock().now() < session_expires;
}

Governor::Governor(Loop& loop, const Clock& clock, const MethodTable& methods,
                   const LinkLimits& limits, std::shared_ptr<const LinkHooks> hooks,
                   std::function<void(std::string)> violate)
    : loop_(loop),
      clock_(clock),
      methods_(methods),
      limits_(limits),
      hooks_(std::move(hooks)),
      violate_(std::move(violate)),
      ask_(limits.ask_rate, limits.ask_burst),
      admin_(limits.ask_rate, limits.ask_burst),
      bulk_(limits.bulk_rate, limits.bulk_burst) {}

void Governor::object_made() {
  if (++objects_ > limits_.live_objects && alive_) {
    alive_ = false;
    violate_("too many live objects");
  }
}

std::optional<Governor::Refused> Governor::admit(const Caller& caller, const MethodRow* row) {
  if (!caller.live()) return Refused{ErrorCode::link_not_active};
  TokenBucket& bucket = row->klass == MethodClass::ask     ? ask_
                        : row->klass == MethodClass::admin ? admin_
                                                           : bulk_;
  const Duration now = clock_.steady();
  if (!bucket.take(now)) return Refused{ErrorCode::overloaded, bucket.wait(now)};
  if (!hooks_->decide) return Refused{ErrorCode::denied};
  const Outcome allowed = hooks_->decide(caller, *row);
  if (!allowed) return Refused{allowed.error().code};
  return std::nullopt;
}

Duration Governor::time_limit(MethodClass klass) const {
  return klass == MethodClass::ask ? limits_.ask_time : limits_.admin_time;
}

namespace detail {

kj::Exception fixed_fault(const kj::Exception& fault, const MethodRow* row) {
  const auto type = fault.getType();
  const char* text = "ENT-1009 internal fault";
  switch (type) {
    case kj::Exception::Type::FAILED: break;
    case kj::Exception::Type::OVERLOADED: text = "ENT-1007 overloaded"; break;
    case kj::Exception::Type::DISCONNECTED: text = "ENT-6001 a part is unreachable"; break;
    case kj::Exception::Type::UNIMPLEMENTED: text = "ENT-1008 not offered by this version"; break;
  }
  if (row != nullptr) {
    log::warn("link", "a call failed",
              {{"method", row->name}, {"what", fault.getDescription().cStr()}});
  }
  return kj::Exception(type, "link", 0, kj::heapString(text));
}

void refuse(AnyCall& context, capnp::InterfaceSchema schema, std::uint16_t method_id,
            Governor::Refused refusal) {
  const auto method = schema.getMethods()[method_id];
  auto results = context.getResults().initAs<capnp::DynamicStruct>(method.getResultType());
  auto outcome = results.init("outcome").as<capnp::DynamicStruct>();
  auto body = outcome.init("refusal").as<capnp::DynamicStruct>();
  body.set("code", static_cast<std::uint16_t>(refusal.code));
  body.set("retryAfterNs", refusal.retry_after.ns);
}

kj::Promise<void> run_recorded(const Caller& caller, const MethodRow& row,
                               capnp::InterfaceSchema schema, AnyCall context,
                               std::function<kj::Promise<void>()> run) {
  Governor& governor = *caller.governor;
  if (!governor.hooks().audit_intent) {
    refuse(context, schema, row.method_id, {ErrorCode::store_failed});
    return kj::READY_NOW;
  }
  enum class Recorded { yes, no };
  auto intent = kj::evalNow([&] { return governor.hooks().audit_intent(caller, row); });
  auto work = intent
                  .then([] { return Recorded::yes; },
                        [&row](kj::Exception&& fault) {
                          log::error("link", "no audit intent, so the call is refused",
                                     {{"method", row.name},
                                      {"what", fault.getDescription().cStr()}});
                          return Recorded::no;
                        })
                  .then([run = std::move(run), context, schema,
                         &row](Recorded recorded) mutable -> kj::Promise<void> {
                    if (recorded == Recorded::yes) return run();
                    refuse(context, schema, row.method_id, {ErrorCode::store_failed});
                    return kj::READY_NOW;
                  });
  auto late = governor.loop()
                  .after(governor.time_limit(row.klass))
                  .then([context, schema, &row]() mutable {
                    refuse(context, schema, row.method_id, {ErrorCode::deadline_exceeded});
                  });
  return work.exclusiveJoin(kj::mv(late));
}

}  // namespace detail
}  // namespace entente::federation
