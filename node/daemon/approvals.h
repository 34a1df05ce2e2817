// Steps that need two persons: a request is frozen, kept, and run once when another one approves.
//
// Works on the HTTP table alone: a route with a `two_person_step` that the policy reserves is not
// run but kept (path, query and body as they came, under their hash) and answered 202. Whoever
// approves must be somebody else and may do the step themselves; then both are judged again by the
// policy of that moment, and the route's handler runs as the requester, once: the approval is
// durable before it runs, and a request that a crash found running is not run again. Requests end
// after the policy's `life`. Each turn is in the audit log. Break-glass waits for nobody.
//
//   waiting -> running -> done | failed      (a restart while running: interrupted)
//           -> rejected | expired
// Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "federation/link/loop.h"
#include "node/daemon/break_glass.h"
#include "node/service/route_table.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"

namespace entente::node {

enum class ApprovalState { waiting, running, done, failed, rejected, expired, interrupted };
std::string_view to_text(ApprovalState state);

struct Approval {
  std::string id;  // "ap-" and 12 digits
  security::Step step = security::Step::activate_link;
  std::string route;  // its operation id
  Parameters path;
  Parameters query;
  std::string content_type;
  std::string body;
  Hash256 hash;  // of step, route, path, query, content type, body and requester
  std::string requester;
  std::optional<std::set<Verb>> only;  // what the requester's token was for
  Instant requested;
  Instant expires;
  ApprovalState state = ApprovalState::waiting;
  std::string decided_by;
  Instant decided;
  std::string outcome;  // what the step answered, or why it failed
};
Hash256 hash_of(const Approval& approval);

class Approvals final : public CallGate {
 public:
  struct Parts {
    Store& store;
    const Clock& clock;
    Random& random;
    federation::Loop& loop;
    const security::Policy& policy;  // as it is now
    BreakGlass& break_glass;
  };
  explicit Approvals(Parts parts) : parts_(parts) {}
  // Before the loop runs. Refuses: store_failed.
  [[nodiscard]] Outcome load();
  // What approved requests run on. Before the first call.
  void serve(const RouteTable& routes, const Authenticator& authenticator) {
    routes_ = &routes;
    authenticator_ = &authenticator;
  }

  // Keeps the call when it is a reserved step, and answers 202 with the request's id; the same
  // request of the same user while one waits is that one. Refuses: overloaded (too many wait),
  // payload_too_large, store_failed. Records break-glass.
  boost::asio::awaitable<Result<std::optional<Reply>>> before(const Route& route,
                                                              const Call& call) override;

  // What approving or rejecting this request needs: what the request itself needs.
  boost::asio::awaitable<Result<std::vector<Need>>> needs_of(const Call& call) const;
  // Runs the request and returns its reply. `hash` is the one that the approver saw, in
  // hexadecimal. Refuses: not_found, conflict (decided already, or another hash), stale (expired),
  // denied (their own request; or the requester or approver may not any more: then it failed), and
  // what the step refuses.
  boost::asio::awaitable<Result<Reply>> approve(const Call& call, const std::string& id,
                                                const std::string& hash);
  // Also withdraws one's own. Refuses: not_found, conflict, store_failed.
  boost::asio::awaitable<Outcome> reject(const Call& call, const std::string& id);
  // Ends requests that waited too long.
  void sweep();

  const std::map<std::string, Approval>& entries() const { return entries_; }

 private:
  boost::asio::awaitable<Result<std::optional<Reply>>> keep(const Route& route, const Call& call);
  boost::asio::awaitable<Outcome> save(Approval next, std::string actor, std::string action);
  boost::asio::awaitable<Outcome> judge(const Approval& approval, const Route& route,
                                        const Call& frozen, const Call& approver) const;
  Result<Approval> waiting(const std::string& id) const;
  void forget_old();

  Parts parts_;
  const RouteTable* routes_ = nullptr;
  const Authenticator* authenticator_ = nullptr;
  std::map<std::string, Approval> entries_;
};

}  // namespace entente::node
