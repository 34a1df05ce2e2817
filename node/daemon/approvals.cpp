#include "node/daemon/approvals.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

#include "node/daemon/await.h"
#include "node/daemon/limits.h"
#include "node/service/json_text.h"
#include "node/daemon/verb_list.h"
#include "node/store/audit_log.h"
#include "schemas/base/hash.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::array<std::string_view, 7> kStates = {"waiting",  "running", "done",       "failed",
                                                     "rejected", "expired", "interrupted"};

std::optional<ApprovalState> state_from_text(std::string_view text) {
  const auto found = std::find(kStates.begin(), kStates.end(), text);
  if (found == kStates.end()) return std::nullopt;
  return static_cast<ApprovalState>(found - kStates.begin());
}

std::string parameters_text(const Parameters& parameters) {
  json::object out;
  for (const auto& [name, value] : parameters) out[name] = value;
  return json_text(json::value(std::move(out)));
}

Result<Parameters> parameters_from(const std::string& text) {
  boost::system::error_code fault;
  const json::value read = json::parse(text, fault);
  Parameters out;
  if (fault || !read.is_object()) {
    return make_error(ErrorCode::store_failed, "a stored request does not read");
  }
  for (const auto& [name, value] : read.get_object()) {
    if (value.is_string()) out.emplace(name, value.get_string());
  }
  return out;
}

security::Step step_from(const std::string& text) {
  return security::step_from_text(text).value_or(security::Step::waive_step);
}

Result<Approval> read_row(const Statement& row) {
  Approval out;
  out.id = row.text(0);
  out.step = step_from(row.text(1));
  out.route = row.text(2);
  auto path = parameters_from(row.text(3));
  if (!path) return std::move(path).error();
  auto query = parameters_from(row.text(4));
  if (!query) return std::move(query).error();
  out.path = std::move(*path);
  out.query = std::move(*query);
  out.content_type = row.text(5);
  out.body = std::string(text_of(row.blob(6)));
  const auto hash = Hash256::from_bytes(row.blob(7));
  const auto state = state_from_text(row.text(12));
  if (!hash || !state) return make_error(ErrorCode::store_failed, "a stored request does not read");
  out.hash = *hash;
  out.requester = row.text(8);
  out.only = verbs_from(row.text(9));
  out.requested = {row.integer(10)};
  out.expires = {row.integer(11)};
  out.state = *state;
  out.decided_by = row.text(13);
  out.decided = {row.integer(14)};
  out.outcome = row.text(15);
  return out;
}

void write_row(Database& database, const Approval& one) {
  Statement& row = database.cached(
      "INSERT OR REPLACE INTO approval VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const std::string path = parameters_text(one.path), query = parameters_text(one.query);
  const std::string verbs = verbs_text(one.only);
  row.bind(1, std::string_view(one.id)).bind(2, to_text(one.step));
  row.bind(3, std::string_view(one.route)).bind(4, std::string_view(path));
  row.bind(5, std::string_view(query)).bind(6, std::string_view(one.content_type));
  row.bind(7, bytes_of(one.body)).bind(8, one.hash.view());
  row.bind(9, std::string_view(one.requester)).bind(10, std::string_view(verbs));
  row.bind(11, one.requested.ns).bind(12, one.expires.ns).bind(13, to_text(one.state));
  row.bind(14, std::string_view(one.decided_by)).bind(15, one.decided.ns);
  row.bind(16, std::string_view(one.outcome)).run();
}

security::AuditOutcome audited(ApprovalState state) {
  using enum ApprovalState;
  if (state == running) return security::AuditOutcome::intent;
  if (state == failed || state == interrupted) return security::AuditOutcome::failed;
  return state == rejected || state == expired ? security::AuditOutcome::refused
                                               : security::AuditOutcome::done;
}

void audit(Database& database, const Approval& one, const std::string& actor,
           const std::string& action, Instant now) {
  security::AuditRecord record;
  record.time = now;
  record.actor = actor;
  record.action = action;
  record.object = "approval:" + one.id;
  record.outcome = audited(one.state);
  record.detail = {{"hash", one.hash.hex()},
                   {"operation", one.route},
                   {"requester", one.requester},
                   {"step", std::string(to_text(one.step))}};
  append_audit(database, std::move(record));
}

// The request as its handler gets it.
Result<Call> call_of(const Approval& one, const Route& route, const Subject& subject,
                     const std::string& request_id) {
  Call call;
  call.request_id = request_id;
  call.subject = subject;
  call.path = one.path;
  call.query = one.query;
  call.content_type = one.content_type;
  call.body = one.body;
  const bool parse = route.body == BodyKind::json ||
                     (route.body == BodyKind::json_or_text && one.content_type.ends_with("json"));
  if (parse && !one.body.empty()) {
    boost::system::error_code fault;
    call.json = json::parse(one.body, fault);
    if (fault) return make_error(ErrorCode::store_failed, "a stored request does not read");
  }
  return call;
}

Error not_waiting(const Approval& one) {
  return make_error(one.state == ApprovalState::expired ? ErrorCode::stale : ErrorCode::conflict,
                    "the request " + one.id + " is " + std::string(to_text(one.state)),
                    "see 'entente approval list'");
}

}  // namespace

std::string_view to_text(ApprovalState state) {
  return kStates.at(static_cast<std::size_t>(state));
}

Hash256 hash_of(const Approval& one) {
  const json::array parts = {json::value(to_text(one.step)),
                             json::value(one.route),
                             json::value(parameters_text(one.path)),
                             json::value(parameters_text(one.query)),
                             json::value(one.content_type),
                             json::value(to_base64url(bytes_of(one.body))),
                             json::value(one.requester),
                             json::value(verbs_text(one.only))};
  return hash("entente approval v1", bytes_of(json_text(json::value(parts))));
}

Outcome Approvals::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare("SELECT * FROM approval");
  while (rows.step()) {
    auto one = read_row(rows);
    if (!one) return std::move(one).error();
    entries_[one->id] = std::move(*one);
  }
  const Instant now = parts_.clock.now();
  for (auto& [id, one] : entries_) {
    if (one.state != ApprovalState::running) continue;
    // Whether it took effect is not known; running it again might do it twice.
    one.state = ApprovalState::interrupted;
    one.outcome = "the node stopped while it ran: look whether it took effect";
    parts_.store.post<int>(
        [one, now](Database& database) -> Result<int> {
          write_row(database, one);
          audit(database, one, "node", "approval.interrupted", now);
          return 0;
        },
        [](Result<int>) {});
  }
  return {};
}

awaitable<Outcome> Approvals::save(Approval next, std::string actor, std::string action) {
  const Instant now = parts_.clock.now();
  auto kept = co_await await_result<int>(parts_.loop, [&](std::function<void(Result<int>)> done) {
    parts_.store.post<int>(
        [next, actor, action, now](Database& database) -> Result<int> {
          write_row(database, next);
          audit(database, next, actor, action, now);
          return 0;
        },
        std::move(done));
  });
  if (!kept) co_return std::move(kept).error();
  entries_[next.id] = std::move(next);
  co_return Outcome();
}

awaitable<Result<std::optional<Reply>>> Approvals::before(const Route& route, const Call& call) {
  if (call.subject.break_glass) {
    auto told = co_await await_result<int>(parts_.loop, [&](std::function<void(Result<int>)> done) {
      parts_.break_glass.record(route.name, [done = std::move(done)](Outcome kept) {
        done(kept ? Result<int>(0) : Result<int>(std::move(kept).error()));
      });
    });
    if (!told) co_return std::move(told).error();
    co_return std::optional<Reply>();
  }
  const bool reserved =
      route.two_person_step && !call.dry_run && parts_.policy.needs_two(*route.two_person_step);
  if (!reserved) co_return std::optional<Reply>();
  co_return co_await keep(route, call);
}

void Approvals::forget_old() {
  while (entries_.size() > limits::kApprovalsKept) {
    const std::string* oldest = nullptr;
    for (const auto& [id, one] : entries_) {
      if (one.state == ApprovalState::waiting || one.state == ApprovalState::running) continue;
      if (oldest == nullptr || one.decided < entries_.at(*oldest).decided) oldest = &id;
    }
    if (oldest == nullptr) return;
    parts_.store.post<int>(
        [id = *oldest](Database& database) -> Result<int> {
          database.cached("DELETE FROM approval WHERE id = ?").bind(1, std::string_view(id)).run();
          return 0;
        },
        [](Result<int>) {});
    entries_.erase(std::string(*oldest));
  }
}

awaitable<Result<std::optional<Reply>>> Approvals::keep(const Route& route, const Call& call) {
  sweep();
  forget_old();
  Approval one;
  one.step = *route.two_person_step;
  one.route = route.name;
  one.path = call.path;
  one.query = call.query;
  one.content_type = call.content_type;
  one.body = call.body;
  one.requester = call.subject.name;
  one.only = call.subject.only;
  one.hash = hash_of(one);
  one.requested = parts_.clock.now();
  one.expires = one.requested + parts_.policy.parts().two_persons.life;
  if (one.body.size() > limits::kApprovalBytes) {
    co_return make_error(ErrorCode::payload_too_large,
                         "a request that waits for a second person has at most 256 KiB");
  }
  std::size_t waiting = 0;
  const Approval* same = nullptr;
  for (const auto& [id, other] : entries_) {
    if (other.state != ApprovalState::waiting) continue;
    ++waiting;
    if (other.hash == one.hash) same = &other;
  }
  if (same == nullptr && waiting >= limits::kApprovalsWaiting) {
    co_return make_error(ErrorCode::overloaded, "100 requests wait for a second person already",
                         "decide some: 'entente approval list'");
  }
  if (same != nullptr) {
    one = *same;
  } else {
    Bytes random(6);
    parts_.random.fill(random);
    one.id = "ap-" + to_hex(random);
    auto saved = co_await save(one, "user:" + one.requester, "approval.request");
    if (!saved) co_return std::move(saved).error();
  }
  Reply reply = Reply::json({{"approval", one.id},
                             {"step", to_text(one.step)},
                             {"state", to_text(one.state)},
                             {"hash", one.hash.hex()},
                             {"expires", to_text(one.expires)},
                             {"next", "somebody else: entente approval approve " + one.id}},
                            202);
  co_return std::optional<Reply>(std::move(reply));
}

void Approvals::sweep() {
  const Instant now = parts_.clock.now();
  for (auto& [id, one] : entries_) {
    if (one.state != ApprovalState::waiting || now < one.expires) continue;
    one.state = ApprovalState::expired;
    one.decided = now;
    parts_.store.post<int>(
        [one, now](Database& database) -> Result<int> {
          write_row(database, one);
          audit(database, one, "node", "approval.expired", now);
          return 0;
        },
        [](Result<int>) {});
  }
}

Result<Approval> Approvals::waiting(const std::string& id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return make_error(ErrorCode::not_found, "there is no request '" + id + "'",
                      "see 'entente approval list'");
  }
  if (found->second.state != ApprovalState::waiting) return not_waiting(found->second);
  return found->second;
}

awaitable<Result<std::vector<Need>>> Approvals::needs_of(const Call& call) const {
  const auto found = entries_.find(call.path.at("id"));
  const Route* route = found == entries_.end() ? nullptr : routes_->named(found->second.route);
  if (route == nullptr) co_return std::vector<Need>(1, Need{Verb::manage_roles, {}});
  if (!route->needs) {
    co_return std::vector<Need>(1, Need{route->verb, resource_of(*route, found->second.path)});
  }
  auto frozen = call_of(found->second, *route, call.subject, call.request_id);
  if (!frozen) co_return std::move(frozen).error();
  co_return co_await route->needs(*frozen);
}

// Both persons, by the policy of this moment.
awaitable<Outcome> Approvals::judge(const Approval& approval, const Route& route,
                                    const Call& frozen, const Call& approver) const {
  Call second = frozen;
  second.subject = approver.subject;
  auto may = co_await authorised(*authenticator_, route, second);
  if (!may) co_return may;
  const auto requester = parts_.policy.user(approval.requester);
  if (!requester) {
    co_return make_error(ErrorCode::denied, "'" + approval.requester + "' is no user any more");
  }
  co_return co_await authorised(*authenticator_, route, frozen);
}

awaitable<Result<Reply>> Approvals::approve(const Call& call, const std::string& id,
                                            const std::string& hash) {
  sweep();
  auto found = waiting(id);
  if (!found) co_return std::move(found).error();
  Approval one = std::move(*found);
  if (one.requester == call.subject.name) {
    co_return make_error(ErrorCode::denied, "nobody approves their own request",
                         "have somebody else run 'entente approval approve " + id + "'");
  }
  if (hash != one.hash.hex()) {
    co_return make_error(ErrorCode::conflict, "this is not the hash of request " + id,
                         "look again: 'entente approval show " + id + "'");
  }
  if (hash_of(one) != one.hash) {
    co_return make_error(ErrorCode::verification_failed, "the stored request " + id + " changed");
  }
  const Route* route = routes_->named(one.route);
  if (route == nullptr) {
    co_return make_error(ErrorCode::conflict, "this version has no " + one.route, "reject it");
  }
  Subject requester{one.requester, {}};
  if (const auto known = parts_.policy.user(one.requester)) requester = *known;
  requester.only = one.only;
  auto frozen = call_of(one, *route, requester, call.request_id);
  if (!frozen) co_return std::move(frozen).error();
  auto may = co_await judge(one, *route, *frozen, call);
  if (!may) {
    Call second = *frozen;
    second.subject = call.subject;
    const Outcome approver_may = co_await authorised(*authenticator_, *route, second);
    const bool still = entries_.at(id).state == ApprovalState::waiting;
    if (approver_may && still && !call.dry_run) {
      one.state = entries_.at(id).state = ApprovalState::failed;
      one.decided_by = call.subject.name;
      one.decided = parts_.clock.now();
      one.outcome = may.error().text();
      auto failed = co_await save(one, "user:" + call.subject.name, "approval.end");
      if (!failed) co_return std::move(failed).error();
    }
    co_return std::move(may).error();
  }
  if (call.dry_run) co_return Reply::json({{"id", id}, {"state", "waiting"}, {"dry_run", true}});
  // Judging may have waited: whoever is first takes it, before anything is awaited again.
  if (auto still = waiting(id); !still) co_return std::move(still).error();
  entries_.at(id).state = ApprovalState::running;
  one.state = ApprovalState::running;
  one.decided_by = call.subject.name;
  one.decided = parts_.clock.now();
  auto begun = co_await save(one, "user:" + call.subject.name, "approval.approve");
  if (!begun) {
    entries_.at(id).state = ApprovalState::waiting;
    co_return std::move(begun).error();
  }
  Result<Reply> reply = make_error(ErrorCode::internal, "the step failed inside the node");
  try {
    reply = co_await route->handler(*frozen);
  } catch (const std::exception& fault) {
    log::error("access", "an approved step failed", {{"id", id}, {"what", fault.what()}});
  }
  one.state = reply ? ApprovalState::done : ApprovalState::failed;
  one.outcome = reply ? "status " + std::to_string(reply->status) : reply.error().text();
  auto ended = co_await save(one, "user:" + call.subject.name, "approval.end");
  if (!ended) co_return std::move(ended).error();
  co_return reply;
}

awaitable<Outcome> Approvals::reject(const Call& call, const std::string& id) {
  sweep();
  auto found = waiting(id);
  if (!found) co_return std::move(found).error();
  if (call.dry_run) co_return Outcome();
  Approval one = std::move(*found);
  one.state = ApprovalState::rejected;
  one.decided_by = call.subject.name;
  one.decided = parts_.clock.now();
  entries_.at(id).state = ApprovalState::rejected;
  auto saved = co_await save(one, "user:" + call.subject.name, "approval.reject");
  if (!saved) entries_.at(id).state = ApprovalState::waiting;
  co_return saved;
}

}  // namespace entente::node
