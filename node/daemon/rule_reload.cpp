#include "node/daemon/rule_reload.h"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>

#include "node/daemon/core.h"
#include "node/daemon/on_worker.h"
#include "node/quality/rule_text.h"
#include "node/store/audit_log.h"
#include "schemas/base/limits.h"
#include "schemas/base/log.h"
#include "schemas/rules.h"

namespace entente::node {
namespace {

using boost::asio::awaitable;

constexpr int kPasses = 3;  // over all twins, when they change meanwhile

// What the files say, compared with what is in force.
struct Plan {
  RuleBook book;
  std::shared_ptr<const RetentionRules> retention;
  SystemTwins systems;
  Reloaded changes;
};

bool shorter(const std::optional<Duration>& now, const std::optional<Duration>& before) {
  return now && (!before || *now < *before);
}

bool loses(const RetentionChange& change) {
  return shorter(change.now.readings, change.before.readings) ||
         shorter(change.now.minutes, change.before.minutes) ||
         shorter(change.now.hours, change.before.hours);
}

bool same_exports(const Declarations& served, const Declarations& read) {
  const auto equal = [](const auto& one, const auto& other) {
    return one.first == other.first && *one.second == *other.second;
  };
  return std::equal(served.exports.begin(), served.exports.end(), read.exports.begin(),
                    read.exports.end(), equal);
}

// On a worker: reads files.
Result<Plan> plan_reload(const Core& core, const TypeRegistry& types,
                         const RetentionRules& retention) {
  auto read = read_declared(core.settings);
  if (!read) return std::move(read).error();
  const auto served = core.quality->book();
  Plan plan{served->with_rules_of(read->quality),
            std::make_shared<const RetentionRules>(std::move(read->retention)),
            std::move(read->systems),
            {}};
  Reloaded& changes = plan.changes;
  changes.rules = plan.book.changes_from(*served);
  changes.retention = plan.retention->changes_from(retention);
  changes.loses = std::any_of(changes.retention.begin(), changes.retention.end(), loses);
  changes.idle = idle_rules(plan.book, types);
  changes.needs_restart =
      !same_exports(core.declarations, *read) || !read->quality.same_exports(*served);
  return plan;
}

// Every series that is being judged, by the book that is in force.
std::uint64_t watch_again(Core& core, const TwinGraph& graph) {
  std::uint64_t series = 0;
  for (const Twin& twin : graph.twins()) {
    const ResolvedType& type = *graph.type_of(twin);
    for (const Signal& signal : type.signals) {
      if (!signal.numeric) continue;
      const auto id = core.history->find(twin.id, signal.name);
      if (!id || !core.quality->watches(*id)) continue;
      core.quality->watch(*id, type, signal, twin.id);
      ++series;
    }
  }
  return series;
}

// On a worker.
std::uint64_t put_in_force(Core& core, RuleBook book) {
  core.quality->replace(std::move(book));
  std::shared_ptr<const TwinState> state;
  std::uint64_t series = 0;
  // Once more when twins changed meanwhile: one may have another type.
  for (int pass = 0; pass < kPasses && state != core.twins->state(); ++pass) {
    state = core.twins->state();
    series = watch_again(core, state->graph);
  }
  core.quality->drop_unused_rules();
  return series;
}

std::string kept_text(const Retention& kept) {
  return length_text(kept.readings) + "/" + length_text(kept.minutes) + "/" +
         length_text(kept.hours);
}

// How many there are, and as many of them as a record has room for and may hold.
std::string listed(const std::vector<std::string>& all) {
  std::string text = std::to_string(all.size());
  const char* before = ": ";
  for (const std::string& one : all) {
    if (text.size() + one.size() + 2 > entente::limits::kTextBytes) break;
    if (!rules::is_clean_text(one, entente::limits::kTextBytes)) continue;
    text += before + one;
    before = ", ";
  }
  return text;
}

std::vector<security::AuditDetail> details_of(const Reloaded& changes) {
  std::vector<std::string> rules, kept;
  for (const RuleChange& one : changes.rules) {
    rules.push_back(std::string(to_text(one.kind)) + " " + one.owner + "." + one.signal);
  }
  for (const RetentionChange& one : changes.retention) {
    kept.push_back((one.type.empty() ? "all" : one.type) +
                   (one.signal.empty() ? "" : "." + one.signal) + " " + kept_text(one.before) +
                   " to " + kept_text(one.now));
  }
  return {{"rules", listed(rules)}, {"retention", listed(kept)}};
}

awaitable<Outcome> record(Core& core, const std::string& actor, security::AuditOutcome outcome,
                          const Reloaded& changes) {
  security::AuditRecord entry;
  entry.time = core.clock.now();
  entry.actor = actor;
  entry.action = "rules.reload";
  entry.object = "node";
  entry.outcome = outcome;
  entry.detail = details_of(changes);
  auto job = [entry = std::move(entry)](Database& database) -> Result<int> {
    append_audit(database, entry);
    return 0;
  };
  auto start = [&core, &job](std::function<void(Result<int>)> done) {
    core.store->post<int>(job, std::move(done));
  };
  auto done = co_await await_result<int>(core.loop, std::move(start));
  co_return done ? Outcome{} : Outcome(std::move(done).error());
}

awaitable<Result<Reloaded>> reload_once(Core& core, const std::string& actor, bool dry_run) {
  auto state = core.twins->state();
  auto look = [&core, state, retention = core.retention] {
    return plan_reload(core, state->graph.types(), *retention);
  };
  auto plan = co_await on_worker<Plan>(core, std::move(look));
  if (!plan) co_return std::move(plan).error();
  Reloaded changes = std::move(plan->changes);
  changes.systems = core.systems->changed_by(plan->systems);
  if (!dry_run && !changes.systems.empty()) {
    auto adopt = [&core, &systems = plan->systems](std::function<void(Result<int>)> done) {
      core.systems->adopt(systems, [done = std::move(done)](Outcome kept) {
        done(kept ? Result<int>(0) : Result<int>(std::move(kept).error()));
      });
    };
    auto adopted = co_await await_result<int>(core.loop, std::move(adopt));
    if (!adopted) co_return std::move(adopted).error();
    log::info("system", "definitions were reloaded", {{"systems", changes.systems.size()}});
  }
  if (dry_run || (changes.rules.empty() && changes.retention.empty())) co_return changes;
  using security::AuditOutcome;
  auto intended = co_await record(core, actor, AuditOutcome::intent, changes);
  if (!intended) co_return std::move(intended).error();
  auto apply = [&core, book = std::move(plan->book)]() mutable -> Result<std::uint64_t> {
    return put_in_force(core, std::move(book));
  };
  auto applied = co_await on_worker<std::uint64_t>(core, std::move(apply));
  if (!applied) {
    auto noted = co_await record(core, actor, AuditOutcome::failed, changes);
    if (!noted) log::error("audit", "a note was lost", {{"reason", noted.error().what}});
    co_return std::move(applied).error();
  }
  core.retention = plan->retention;
  changes.series = *applied;
  if (auto noted = co_await record(core, actor, AuditOutcome::done, changes); !noted) {
    log::error("audit", "a note was lost", {{"reason", noted.error().what}});
  }
  log::info("quality", "rules were reloaded",
            {{"rules", changes.rules.size()}, {"retention", changes.retention.size()}});
  co_return changes;
}

awaitable<void> reload_and_log(Core& core) {
  auto done = co_await reload_rules(core, "node", false);
  if (!done) {
    log::error("quality", "the old rules stay", {{"reason", done.error().what}});
  } else if (done->rules.empty() && done->retention.empty()) {
    log::info("quality", "the rules are as they were");
  }
  if (done && done->needs_restart) {
    log::warn("quality", "exports of the files wait for the next start");
  }
}

}  // namespace

Result<Declarations> read_declared(const Settings& settings) {
  auto all = load_declarations(settings.path("provision.d"), settings.site);
  if (!all) return all;
  auto rules = load_rule_file(settings.path("quality.toml"), all->quality);
  if (!rules) return std::move(rules).error();
  return all;
}

std::vector<std::pair<std::string, std::string>> idle_rules(const RuleBook& book,
                                                            const TypeRegistry& types) {
  auto all = book.for_types();
  std::erase_if(all, [&](const auto& of) {
    const ResolvedType* known = types.find(of.first);
    return known != nullptr && known->signal(of.second) != nullptr;
  });
  return all;
}

awaitable<Result<Reloaded>> reload_rules(Core& core, std::string actor, bool dry_run) {
  if (core.reloads_rules) {
    co_return make_error(ErrorCode::conflict, "the rules are being reloaded", "ask again");
  }
  core.reloads_rules = true;
  auto done = co_await reload_once(core, actor, dry_run);
  core.reloads_rules = false;
  co_return done;
}

void reload_on(boost::asio::signal_set& signals, Core& core) {
  signals.async_wait([&signals, &core](boost::system::error_code failed, int) {
    if (failed) return;
    boost::asio::co_spawn(core.loop.io(), reload_and_log(core), [](std::exception_ptr fault) {
      if (fault) log::error("quality", "a reload ended in a fault");
    });
    reload_on(signals, core);
  });
}

std::string length_text(const std::optional<Duration>& length) {
  return length ? to_text(*length) : "forever";
}

}  // namespace entente::node
