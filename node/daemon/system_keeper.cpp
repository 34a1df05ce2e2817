#include "node/daemon/system_keeper.h"

#include <boost/json.hpp>

#include <algorithm>

#include "federation/compose/limits.h"
#include "federation/compose/system_check.h"
#include "node/daemon/coverage_json.h"
#include "schemas/base/log.h"

namespace entente::node {

namespace json = boost::json;
using namespace federation;

// One window on its way: asked for the first time, or again.
struct SystemKeeper::Asked {
  Key key;
  TimeWindow window;
  std::uint32_t version = 1;
  std::string question;
  std::string purpose;
  std::optional<SystemRow> before;  // the newest row, when it is asked again
  std::set<std::pair<OrgId, std::string>> answered;
};

namespace {

constexpr std::size_t kAskedAtOnce = 8;       // windows
constexpr Duration kLook = minutes(1);        // at a property that is not due
constexpr Duration kRetryFirst = seconds(5);  // of a window that nobody answered
constexpr Duration kRetry = seconds(30);      // of one that could not be asked

Duration retries_last() {
  return *std::rbegin(federation::limits::kRetries);
}

// Members that were asked; one that a question says nothing to is none.
std::uint32_t members_of(const FederatedAnswer& answer) {
  return static_cast<std::uint32_t>(
      std::count_if(answer.coverage.begin(), answer.coverage.end(),
                    [](const auto& member) { return member.state != MemberState::skipped; }));
}

std::set<std::pair<OrgId, std::string>> answered_in(const SystemRow& row) {
  std::set<std::pair<OrgId, std::string>> answered;
  boost::system::error_code wrong;
  const json::value coverage = json::parse(row.coverage, wrong);
  if (wrong || !coverage.is_array()) return answered;
  for (const json::value& member : coverage.get_array()) {
    const json::object* one = member.if_object();
    if (one == nullptr) continue;
    const auto text = [&](const char* name) {
      const json::value* value = one->if_contains(name);
      return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
    };
    if (text("state") != "answered") continue;
    // What a partner's system twin handed on was asked of that partner.
    const json::value* via = one->if_contains("via");
    const bool behind = via != nullptr && via->is_array() && !via->get_array().empty() &&
                        via->get_array().front().is_string();
    const auto organisation = OrgId::from_hex_text(
        behind ? std::string(via->get_array().front().get_string()) : text("organisation_id"));
    if (organisation) answered.emplace(*organisation, behind ? "" : text("export"));
  }
  return answered;
}

double charged_in(const json::object& member) {
  const json::value* charged = member.if_contains("charged");
  const json::value* epsilon = charged != nullptr && charged->is_object()
                                   ? charged->get_object().if_contains("epsilon")
                                   : nullptr;
  return epsilon != nullptr && epsilon->is_number() ? epsilon->to_number<double>() : 0;
}

// What a window cost a member in all: an answer that was given before is free now.
void add_earlier_charges(json::array& coverage, const SystemRow& before) {
  boost::system::error_code wrong;
  const json::value earlier = json::parse(before.coverage, wrong);
  if (wrong || !earlier.is_array()) return;
  for (json::value& member : coverage) {
    json::object& now = member.as_object();
    for (const json::value& other : earlier.get_array()) {
      if (!other.is_object()) continue;
      const json::object& then = other.get_object();
      const auto same = [&](const char* name) {
        return then.if_contains(name) != nullptr && *then.if_contains(name) == now.at(name);
      };
      if (!same("organisation") || !same("export")) continue;
      const json::value* already = then.if_contains("charged_before");
      const double sum =
          charged_in(then) +
          (already != nullptr && already->is_number() ? already->to_number<double>() : 0);
      if (sum > 0) now["charged_before"] = sum;
    }
  }
}

// Whether asking a little later helps, without anything being kept about it.
bool passes(ErrorCode code) {
  return code == ErrorCode::window_open || code == ErrorCode::overloaded ||
         code == ErrorCode::internal;
}

}  // namespace

void SystemKeeper::load() {
  for (const SystemRow& row : parts_.shelf.latest()) {
    progress_[{row.system, row.property}].last = row.window.to;
  }
  const Instant now = parts_.clock.now();
  for (SystemRow& row : parts_.shelf.open_since(now - retries_last() - minutes(1))) {
    const Instant first = parts_.shelf.first_released(row).value_or(row.released);
    const Instant tried = row.released;
    const std::int64_t id = row.id;
    waiting_.emplace(id, Waiting{std::move(row), first, tried});
  }
}

SystemKeeper::Outlook SystemKeeper::outlook(const Key& key) const {
  const auto found = progress_.find(key);
  return found == progress_.end() ? Outlook{} : found->second.outlook;
}

void SystemKeeper::tend() {
  if (tasks_.get() == nullptr) return;
  const auto all = parts_.systems.all();
  for (const auto& [name, declared] : *all) {
    for (const SystemProperty& property : declared.twin.properties) {
      if (busy_.size() >= kAskedAtOnce) return;
      if (property.kept) tend_property(declared, property);
    }
  }
  forget_gone();
  for (auto& [id, waiting] : waiting_) {
    if (busy_.size() >= kAskedAtOnce) return;
    tend_waiting(waiting);
  }
}

void SystemKeeper::tend_property(const DeclaredSystem& declared, const SystemProperty& property) {
  const Key key{declared.twin.name, property.name};
  Progress& progress = progress_[key];
  const Instant now = parts_.clock.now();
  if (busy_.contains(key) || now < progress.next_try) return;
  const Instant soon = now + kLook;
  const auto members = known_members(declared.twin, parts_.site());
  if (members.empty()) {
    progress.next_try = soon;
    progress.outlook = {{}, "no member can be asked now: see 'entente system check'"};
    return;
  }
  const WindowGrid grid = grid_of(property, members);
  const auto window = next_window(property, progress.last, grid, now);
  if (!window) {
    progress.next_try = soon;
    progress.outlook = {};
    return;
  }
  const Instant due = due_at(*window, grid);
  progress.outlook.due = due;
  if (due > now) {
    progress.next_try = std::min(due, soon);
    return;
  }
  auto asked = std::make_shared<Asked>();
  asked->key = key;
  asked->window = *window;
  asked->version = declared.version.version;
  asked->question = question_of(declared.twin, property, *window);
  asked->purpose = property.purpose;
  send(std::move(asked));
}

void SystemKeeper::tend_waiting(Waiting& waiting) {
  const Key key{waiting.row.system, waiting.row.property};
  const Instant now = parts_.clock.now();
  const auto when = retry_at(waiting.first, waiting.tried);
  if (!when || now < *when || busy_.contains(key)) return;
  const auto all = parts_.systems.all();
  const DeclaredSystem& declared = all->at(key.first);
  const SystemProperty* property = declared.twin.property(key.second);
  waiting.tried = now;
  auto asked = std::make_shared<Asked>();
  asked->key = key;
  asked->window = waiting.row.window;
  asked->version = waiting.row.version;
  asked->question = question_of(declared.twin, *property, waiting.row.window);
  asked->purpose = property->purpose;
  asked->before = waiting.row;
  asked->answered = answered_in(waiting.row);
  send(std::move(asked));
}

// Windows whose retries are over, or whose definition is not in force any more, stay as they are.
void SystemKeeper::forget_gone() {
  const auto all = parts_.systems.all();
  std::erase_if(waiting_, [&](const auto& entry) {
    const Waiting& waiting = entry.second;
    const auto declared = all->find(waiting.row.system);
    return declared == all->end() || declared->second.version.version != waiting.row.version ||
           declared->second.twin.property(waiting.row.property) == nullptr ||
           !retry_at(waiting.first, waiting.tried);
  });
}

void SystemKeeper::send(std::shared_ptr<Asked> asked) {
  busy_.insert(asked->key);
  AskRequest request;
  request.question = asked->question;
  if (!asked->purpose.empty()) request.purpose = asked->purpose;
  request.free_of = asked->answered;
  auto answered = parts_.ask.ask_partners(std::move(request))
                      .then([this, asked](Result<AskService::Released> result) {
                        return accept(asked, kj::mv(result));
                      })
                      .catch_([this, asked](kj::Exception&& fault) {
                        postpone(*asked, kRetry, fault.getDescription().cStr());
                      })
                      .then([this, asked] { busy_.erase(asked->key); });
  tasks_->add(kj::mv(answered));
}

kj::Promise<void> SystemKeeper::accept(std::shared_ptr<Asked> asked,
                                       Result<AskService::Released> result) {
  const bool again = asked->before.has_value();
  if (!result) {
    const Error& error = result.error();
    const std::string words =
        code_text(error.code) + " " + error.what.substr(0, error.what.find('\n'));
    if (again && error.code == ErrorCode::conflict) waiting_.erase(asked->before->id);
    const bool first = progress_[asked->key].failures == 0;
    if (again || passes(error.code) || first) {
      if (!again && !passes(error.code)) ++progress_[asked->key].failures;
      postpone(*asked, passes(error.code) ? kRetry : kRetryFirst, words);
      return kj::READY_NOW;
    }
    SystemRow row;
    row.reason = words;
    row.coverage = "[]";
    const auto declared = parts_.systems.named(asked->key.first);
    if (!declared) return kj::READY_NOW;
    row.members = static_cast<std::uint32_t>(declared->twin.members.size());
    return keep(asked, std::move(row));
  }
  const ReleasedAnswer& released = **result;
  const auto answered = static_cast<std::uint32_t>(released.answer.answered());
  if (again && answered <= asked->before->answered) return kj::READY_NOW;
  if (!again && answered == 0 && progress_[asked->key].failures++ == 0) {
    // Links may just be opening: once more before it is written down that nobody answered.
    postpone(*asked, kRetryFirst, "nobody answered");
    return kj::READY_NOW;
  }
  SystemRow row;
  row.answered = answered;
  row.members = members_of(released.answer);
  row.unit = released.answer.plan.items.front().unit;
  if (released.enough() && answered > 0) {
    row.values = ReleasedValue::of(released.answer);
  } else {
    row.reason = "needs " + to_text(released.needs) + ", " + std::to_string(answered) + " of " +
                 std::to_string(row.members) + " answered";
  }
  json::array coverage = coverage_json(released.answer.coverage);
  if (again) add_earlier_charges(coverage, *asked->before);
  row.coverage = json::serialize(coverage);
  return keep(asked, std::move(row));
}

void SystemKeeper::postpone(const Asked& asked, Duration wait, std::string problem) {
  if (asked.before) return;  // its schedule says when
  Progress& progress = progress_[asked.key];
  progress.next_try = parts_.clock.now() + wait;
  progress.outlook.problem = std::move(problem);
}

kj::Promise<void> SystemKeeper::keep(std::shared_ptr<Asked> asked, SystemRow row) {
  row.system = asked->key.first;
  row.property = asked->key.second;
  row.window = asked->window;
  row.version = asked->version;
  row.revision = asked->before ? asked->before->revision + 1 : 0;
  row.released = parts_.clock.now();
  auto pair = kj::newPromiseAndFulfiller<void>();
  auto done = std::make_shared<kj::Own<kj::PromiseFulfiller<void>>>(kj::mv(pair.fulfiller));
  SystemRow stored = row;
  parts_.shelf.keep(std::move(stored),
                    [this, asked, row = std::move(row), done](Result<std::int64_t> id) mutable {
                      if (tasks_.get() == nullptr) return;
                      if (id) {
                        row.id = *id;
                        kept(*asked, std::move(row));
                      } else {
                        postpone(*asked, kRetry, id.error().what);
                      }
                      (*done)->fulfill();
                    });
  return kj::mv(pair.promise);
}

void SystemKeeper::kept(const Asked& asked, SystemRow row) {
  if (asked.before) {
    const auto found = waiting_.find(asked.before->id);
    if (found == waiting_.end()) return;
    Waiting waiting = std::move(found->second);
    waiting_.erase(found);
    waiting.row = std::move(row);
    const std::int64_t id = waiting.row.id;
    if (!waiting.row.whole()) waiting_.emplace(id, std::move(waiting));
    return;
  }
  Progress& progress = progress_[asked.key];
  progress.last = row.window.to;
  progress.next_try = {};
  progress.failures = 0;
  progress.outlook = {};
  if (row.whole()) return;
  const Instant released = row.released;
  const std::int64_t id = row.id;
  waiting_.emplace(id, Waiting{std::move(row), released, released});
}

void SystemKeeper::taskFailed(kj::Exception&& fault) {
  log::warn("system", "a window was not kept", {{"reason", fault.getDescription().cStr()}});
}

}  // namespace entente::node
