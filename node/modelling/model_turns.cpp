// The turns of ModelRegister: models fed, what they told kept, those out of date marked.
#include <algorithm>

#include "node/modelling/limits.h"
#include "node/modelling/model_register_parts.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

// A model is out of date when the bands of its kept forecasts cover less than this, or its error
// is this many times that of its validation, over this many horizons of truth.
constexpr double kCoverageLeast = 0.7;
constexpr double kErrorMost = 2;
constexpr std::size_t kHorizonsJudged = 10;

}  // namespace

void ModelRegister::take_turn(const std::shared_ptr<Entry>& entry, Look look, Turn& turn) {
  std::lock_guard lock(entry->mutex);
  if (entry->removed || !is_fed(entry->row.life)) return;
  Turn::One one{entry, entry->row.definition, {}, {}};
  const auto failed = [&](const Error& error) {
    if (entry->last_error != error.what) {
      log::warn(
          "models", "a model was not fed",
          {{"twin", one.definition.twin}, {"model", one.definition.name}, {"reason", error.what}});
    }
    entry->last_error = error.what;
    entry->live.reset();
  };
  if (!entry->live) {
    auto state =
        read([&](Database& database) { return stored_checkpoint(database, one.definition); });
    if (!state) return failed(state.error());
    auto made = LiveModel::make(parts_.history, kinds_, one.definition, *state);
    if (!made) return failed(made.error());
    entry->live = std::move(*made);
    entry->next_check = parts_.clock.steady() + limits::kModelCheck;
  }
  LiveModel& live = *entry->live;
  const Instant now = parts_.clock.now();
  turn.report.observations += live.feed(now, limits::kFeedReadings, one.told);
  const bool due = look == Look::everything || parts_.clock.steady() >= entry->next_check ||
                   live.unsettled() > 2 * limits::kReplayObservations;
  if (due) {
    entry->next_check = parts_.clock.steady() + limits::kModelCheck;
    auto state = live.check(one.told);
    if (!state) return failed(state.error());
    one.checkpoint = std::move(*state);
  }
  turn.report.behind += live.behind(now).value_or(Duration{}).ns > 0;
  turn.report.alarms += one.told.alarms.size();
  entry->last_error.clear();
  const Told& told = one.told;
  if (one.checkpoint || told.again_from || !told.forecasts.empty() || !told.alarms.empty() ||
      !told.out_of_date.empty()) {
    turn.all.push_back(std::move(one));
  }
}

bool ModelRegister::commit(Turn& turn) {
  if (turn.all.empty()) return true;
  auto kept = parts_.store.run<int>([&turn](Database& database) -> Result<int> {
    for (const Turn::One& one : turn.all) {
      store_told(database, one.definition, one.told);
      if (one.checkpoint) store_checkpoint(database, one.definition, *one.checkpoint);
    }
    return 0;
  });
  if (kept) return true;
  log::warn("models", "a turn was not kept, and is taken again", {{"reason", kept.error().what}});
  for (const Turn::One& one : turn.all) {
    std::lock_guard lock(one.entry->mutex);
    one.entry->live.reset();
  }
  return false;
}

// Marks a live model out of date, by its residuals or by how its forecasts turned out.
void ModelRegister::judge(const std::shared_ptr<Entry>& entry, const std::string& out_of_date) {
  ModelRow row;
  {
    std::lock_guard lock(entry->mutex);
    if (entry->removed || entry->row.life != ModelLife::live) return;
    row = entry->row;
  }
  std::string reason = out_of_date;
  auto kept = score(row.definition);
  const std::size_t least = kHorizonsJudged * horizon_of(row.definition.spec);
  if (reason.empty() && kept && kept->score.banded >= least) {
    const ForecastScore& score = kept->score;
    if (score.coverage_ninety() < kCoverageLeast) {
      reason = "its 90 % bands cover " + short_number(100 * score.coverage_ninety()) +
               " % of the last " + std::to_string(score.banded) + " values";
    } else if (score.mae() > kErrorMost * row.validation.mean_absolute_error) {
      reason = "its mean absolute error is " + short_number(score.mae()) + ", and was " +
               short_number(row.validation.mean_absolute_error) + " when it was validated";
    }
  }
  if (reason.empty()) return;
  row.life = ModelLife::stale;
  row.reason = "out of date: " + reason + "; refit it";
  auto changed = keep("node", std::move(row), "model.stale", Change::life);
  if (!changed) return;
  log::warn("models", "a model is out of date",
            {{"twin", changed->definition.twin},
             {"model", changed->definition.name},
             {"reason", reason}});
  {
    std::lock_guard lock(entry->mutex);
    if (!entry->removed && entry->row.life == ModelLife::live) entry->row = *changed;
  }
  refit_by_policy(changed->definition);
}

void ModelRegister::remove_orphans(const Entries& entries) {
  const auto state = parts_.twins();
  for (const auto& [key, entry] : entries) {
    if (state->graph.find(key.first) != nullptr) continue;
    {
      std::lock_guard lock(entry->mutex);
      entry->removed = true;
      entry->live.reset();
    }
    ModelDefinition gone;
    gone.twin = key.first;
    gone.name = key.second;
    auto removed = parts_.store.run<int>([&gone](Database& database) -> Result<int> {
      remove_model(database, gone);
      return 0;
    });
    if (!removed) continue;
    entries_.with([&, &key = key, &entry = entry](Entries& all) {
      const auto found = all.find(key);
      if (found != all.end() && found->second == entry) all.erase(found);
    });
  }
}

TurnReport ModelRegister::turn(Look look) {
  TurnReport report;
  std::vector<std::int64_t> accepted;
  {
    std::lock_guard turning(turning_);
    report = feed_all(look);
    accepted.swap(to_accept_);
  }
  for (const std::int64_t number : accepted) {
    if (auto done = settle("node", number, Decision::accept, false); !done) {
      log::warn("models", "a refit was not applied", {{"reason", done.error().what}});
    }
  }
  return report;
}

// Within a turn.
TurnReport ModelRegister::feed_all(Look look) {
  const Entries entries = entries_.with([](const Entries& all) { return all; });
  if (entries.empty()) return {};
  remove_orphans(entries);
  Turn turn;
  auto at = entries.upper_bound(last_turn_);
  for (std::size_t i = 0; i < entries.size(); ++i, ++at) {
    if (at == entries.end()) at = entries.begin();
    take_turn(at->second, look, turn);
    last_turn_ = at->first;
    if (turn.report.observations >= limits::kTurnObservations) break;
  }
  if (!commit(turn)) return turn.report;
  for (const Turn::One& one : turn.all) {
    if (one.told.forecasts.empty() && one.told.out_of_date.empty()) continue;
    judge(one.entry, one.told.out_of_date);
  }
  return turn.report;
}

// A model that was applied is of use at once.
void ModelRegister::catch_up(const std::shared_ptr<Entry>& entry) {
  std::lock_guard turning(turning_);
  std::size_t told = 0;
  while (told < limits::kTurnObservations) {
    Turn turn;
    take_turn(entry, Look::when_due, turn);
    if (!commit(turn) || turn.report.observations == 0) return;
    told += turn.report.observations;
  }
}

}  // namespace entente::node
