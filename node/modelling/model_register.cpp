#include "node/modelling/model_register.h"

#include <algorithm>
#include <cmath>

#include "node/modelling/limits.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

// A model is out of date when the bands of its kept forecasts cover less than this, or its error
// is this many times that of its validation, over this many horizons of truth.
constexpr double kCoverageLeast = 0.7;
constexpr double kErrorMost = 2;
constexpr std::size_t kHorizonsJudged = 10;

bool is_fed(ModelLife life) {
  return life == ModelLife::live || life == ModelLife::stale;
}

Error no_model(const std::string& twin, const std::string& name) {
  return make_error(ErrorCode::not_found, "'" + twin + "' has no model '" + name + "'",
                    "see 'entente model list'");
}

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

Validation validation_of(const Trial& trial) {
  Validation v;
  v.observations = trial.observations;
  v.alarms = trial.alarms;
  v.of = trial.of;
  v.points = trial.score.points;
  v.scale = trial.scale;
  if (!trial.scored()) return v;
  v.mean_absolute_error = trial.score.mae();
  v.naive_error = trial.naive_error;
  if (trial.score.banded == 0) return v;
  v.coverage_half = trial.score.coverage_half();
  v.coverage_ninety = trial.score.coverage_ninety();
  v.pinball = trial.score.mean_pinball();
  return v;
}

double least_observations(const ModelSpec& spec) {
  double least = 1;
  for (const char* name : {"warm_up", "learning"}) {
    const auto found = spec.parameters.find(name);
    if (found != spec.parameters.end() && !found->second.empty()) {
      least = std::max(least, found->second.front());
    }
  }
  return least;
}

// The life that a trial earns, and what is to be said of it.
void set_life(ModelRow& row, const Trial& trial, bool hold) {
  const double least = least_observations(row.definition.spec);
  const bool judged = row.definition.spec.kind == "detector" || row.definition.spec.step.ns == 0;
  if (judged ? static_cast<double>(trial.observations) <= least : !trial.scored()) {
    row.life = ModelLife::proposed;
    row.reason = "there are " + std::to_string(trial.observations) +
                 " observations, and it takes more than " + rounded(least) +
                 " to validate it: apply it again when there are";
    return;
  }
  row.life = hold ? ModelLife::validated : ModelLife::live;
  if (trial.scored() && !trial.beats_naive() && row.definition.spec.kind != "seasonal_naive") {
    row.reason = "it does not beat the seasonal naive: mean absolute error " +
                 rounded(trial.score.mae()) + " against " + rounded(trial.naive_error);
  }
}

}  // namespace

struct ModelRegister::Entry {
  explicit Entry(ModelRow given) : row(std::move(given)) {}
  mutable std::mutex mutex;  // guards all
  ModelRow row;
  std::unique_ptr<LiveModel> live;  // made at its first turn
  Duration next_check;              // steady
  bool removed = false;
  std::string last_error;
};

struct ModelRegister::Turn {
  struct One {
    std::shared_ptr<Entry> entry;
    ModelDefinition definition;
    Told told;
    std::optional<Bytes> checkpoint;
  };
  std::vector<One> all;
  TurnReport report;
};

template <class Use>
auto ModelRegister::read(Use&& use) const -> Result<decltype(use(std::declval<Database&>()))> {
  using Value = decltype(use(std::declval<Database&>()));
  return reader_.with([&](std::optional<Database>& database) -> Result<Value> {
    if (!database) {
      auto opened = parts_.store.reader();
      if (!opened) return std::move(opened).error();
      database.emplace(std::move(*opened));
    }
    return use(*database);
  });
}

Outcome ModelRegister::load() {
  auto rows = read([&](Database& database) { return stored_models(database, kinds_); });
  if (!rows) return std::move(rows).error();
  if (!*rows) return std::move(*rows).error();
  entries_.with([&](Entries& entries) {
    for (ModelRow& row : **rows) {
      const Key key{row.definition.twin, row.definition.name};
      entries.emplace(key, std::make_shared<Entry>(std::move(row)));
    }
  });
  return {};
}

Outcome ModelRegister::check_names(const std::string& twin,
                                   const std::vector<std::string>& signals) const {
  const auto state = parts_.twins();
  const Twin* found = state->graph.find(twin);
  if (found == nullptr) {
    return make_error(ErrorCode::not_found, "there is no twin '" + twin + "'",
                      "see 'entente twin list'");
  }
  const ResolvedType& type = *state->graph.type_of(*found);
  for (const std::string& name : signals) {
    const Signal* signal = type.signal(name);
    if (signal != nullptr && signal->numeric) continue;
    std::string known;
    for (const Signal& one : type.signals) {
      if (one.numeric) known += (known.empty() ? "" : ", ") + one.name;
    }
    return make_error(ErrorCode::not_found, type.id + " has no numeric signal '" + name + "'",
                      "its signals are: " + known);
  }
  return {};
}

std::shared_ptr<ModelRegister::Entry> ModelRegister::find(const std::string& twin,
                                                          const std::string& name) const {
  return entries_.with([&](const Entries& entries) {
    const auto found = entries.find({twin, name});
    return found == entries.end() ? nullptr : found->second;
  });
}

Result<ModelRow> ModelRegister::keep(const std::string& actor, ModelRow row, const char* action,
                                     Change change) {
  row.since = parts_.clock.now();
  row.actor = actor;
  return parts_.store.run<ModelRow>([&](Database& database) -> Result<ModelRow> {
    if (change == Change::definition) {
      store_model(database, row);
    } else {
      store_life(database, row);
    }
    security::AuditRecord record;
    record.time = row.since;
    record.actor = actor;
    record.action = action;
    record.object = "model:" + row.definition.twin + "/" + row.definition.name;
    record.outcome = security::AuditOutcome::done;
    record.detail = {{"kind", row.definition.spec.kind},
                     {"life", std::string(to_text(row.life))},
                     {"version", std::to_string(row.definition.spec.version)}};
    append_audit(database, std::move(record));
    return row;
  });
}

Result<Trial> ModelRegister::tried(const ModelDefinition& definition, std::size_t horizon) const {
  const auto seen = trial_observations(parts_.history, definition, parts_.clock.now());
  return try_definition(kinds_, definition, seen, {horizon, std::max<std::size_t>(horizon / 2, 1)});
}

Result<ModelRow> ModelRegister::apply(const std::string& actor, ModelDefinition definition,
                                      ApplyOptions options) {
  std::vector<std::string> names = definition.spec.signals;
  names.insert(names.end(), definition.spec.inputs.begin(), definition.spec.inputs.end());
  if (auto fine = check_names(definition.twin, names); !fine) return std::move(fine).error();
  const Key key{definition.twin, definition.name};
  const auto before = find(key.first, key.second);
  if (before != nullptr) {
    std::lock_guard lock(before->mutex);
    definition.spec.version = before->row.definition.spec.version;
    const bool same = before->row.definition == definition;
    if (same && is_fed(before->row.life) && !options.hold) return before->row;
    ++definition.spec.version;
  }
  const bool full = entries_.with([&](const Entries& entries) {
    const auto own = std::count_if(entries.begin(), entries.end(),
                                   [&](const auto& each) { return each.first.first == key.first; });
    return before == nullptr && (entries.size() >= limits::kModels ||
                                 static_cast<std::size_t>(own) >= limits::kModelsOfTwin);
  });
  if (full) {
    return make_error(ErrorCode::overloaded,
                      "there are as many models as a node or a twin may have",
                      "change one that exists: apply it under its name");
  }
  auto trial = tried(definition, horizon_of(definition.spec));
  if (!trial) return std::move(trial).error();
  ModelRow row;
  row.definition = std::move(definition);
  row.validation = validation_of(*trial);
  set_life(row, *trial, options.hold);
  if (options.dry_run) return row;
  auto kept = keep(actor, std::move(row), "model.apply", Change::definition);
  if (!kept) return kept;
  auto entry = std::make_shared<Entry>(*kept);
  if (before != nullptr) {
    std::lock_guard lock(before->mutex);
    before->removed = true;
  }
  entries_.with([&](Entries& entries) { entries[key] = entry; });
  catch_up(entry);
  return kept;
}

Result<ModelRow> ModelRegister::retire(const std::string& actor, const std::string& twin,
                                       const std::string& name, bool dry_run) {
  const auto entry = find(twin, name);
  if (entry == nullptr) return no_model(twin, name);
  std::lock_guard lock(entry->mutex);
  if (entry->row.life == ModelLife::retired) {
    return make_error(ErrorCode::conflict, "the model '" + name + "' is retired already");
  }
  ModelRow row = entry->row;
  row.life = ModelLife::retired;
  row.reason.clear();
  if (dry_run) return row;
  auto kept = keep(actor, std::move(row), "model.retire", Change::life);
  if (!kept) return kept;
  entry->row = *kept;
  entry->live.reset();
  return kept;
}

ModelView ModelRegister::view(const Entry& entry) const {
  std::lock_guard lock(entry.mutex);
  ModelView view;
  view.row = entry.row;
  view.last_error = entry.last_error;
  if (!entry.live) return view;
  const LiveModel& live = *entry.live;
  view.running = true;
  view.fed_to = live.fed_to();
  view.behind = live.behind(parts_.clock.now());
  view.replay = live.unsettled();
  view.durable_bytes = live.durable_bytes();
  view.residual = live.model().residual();
  view.state = live.model().state();
  view.drift = live.drift();
  return view;
}

std::vector<ModelView> ModelRegister::list(const std::string& twin) const {
  const Entries entries = entries_.with([](const Entries& all) { return all; });
  std::vector<ModelView> views;
  for (const auto& [key, entry] : entries) {
    if (twin.empty() || key.first == twin) views.push_back(view(*entry));
  }
  return views;
}

Result<ModelView> ModelRegister::show(const std::string& twin, const std::string& name) const {
  const auto entry = find(twin, name);
  if (entry == nullptr) return no_model(twin, name);
  return view(*entry);
}

Result<KeptScore> ModelRegister::score(const ModelDefinition& definition) const {
  auto forecasts = read([&](Database& database) { return stored_forecasts(database, definition); });
  if (!forecasts) return std::move(forecasts).error();
  KeptScore kept;
  kept.forecasts = forecasts->size();
  if (forecasts->empty()) return kept;
  kept.latest = forecasts->front();
  ModelDefinition since = definition;
  since.from = forecasts->back().issued;
  std::map<Instant, const Seen*> truth;
  const auto seen = trial_observations(parts_.history, since, parts_.clock.now());
  for (const Seen& one : seen) truth[one.time] = &one;
  for (const Forecast& forecast : *forecasts) {
    for (std::size_t i = 0; i < forecast.paths.size(); ++i) {
      for (const PredictedPoint& point : forecast.paths[i]) {
        const auto found = truth.find(point.time);
        if (found != truth.end()) kept.score.add(found->second->values[i], point);
      }
    }
  }
  return kept;
}

Result<std::shared_ptr<ModelRegister::Entry>> ModelRegister::running(
    const std::string& twin, const std::string& signal, const std::string& name) const {
  const Entries entries = entries_.with([](const Entries& all) { return all; });
  for (const auto& [key, entry] : entries) {
    if (key.first != twin || (!name.empty() && key.second != name)) continue;
    std::lock_guard lock(entry->mutex);
    const ModelSpec& spec = entry->row.definition.spec;
    const bool fits =
        spec.kind != "detector" &&
        (signal.empty() || std::count(spec.signals.begin(), spec.signals.end(), signal) > 0);
    if (!is_fed(entry->row.life) || !fits) continue;
    if (entry->live) return entry;
    return make_error(ErrorCode::overloaded, "the model '" + key.second + "' is being loaded",
                      "ask again in a few seconds");
  }
  return make_error(
      ErrorCode::not_found,
      "'" + twin + "' has no live model" + (name.empty() ? "" : " '" + name + "'") +
          (signal.empty() ? "" : " of '" + signal + "'") + " that forecasts",
      "entente model identify " + twin + " --out FILE, then entente model apply FILE");
}

Result<ModelForecast> ModelRegister::forecast(const std::string& twin, const std::string& signal,
                                              const std::string& name, Duration horizon) const {
  auto entry = running(twin, signal, name);
  if (!entry) return std::move(entry).error();
  std::lock_guard lock((*entry)->mutex);
  const LiveModel& live = *(*entry)->live;
  const ModelSpec& spec = live.definition().spec;
  if (horizon.ns == 0) horizon = spec.step * static_cast<std::int64_t>(horizon_of(spec));
  auto prediction = live.model().predict(horizon, {});
  if (!prediction) return std::move(prediction).error();
  return ModelForecast{live.definition(), std::move(*prediction)};
}

Result<std::pair<ModelDefinition, Simulated>> ModelRegister::simulate(const std::string& twin,
                                                                      const std::string& name,
                                                                      const SimulationPlan& plan,
                                                                      Duration horizon) const {
  auto entry = running(twin, "", name);
  if (!entry) return std::move(entry).error();
  const ModelDefinition definition = [&] {
    std::lock_guard lock((*entry)->mutex);
    return (*entry)->row.definition;
  }();
  SimulationPlan whole = plan;
  const Duration step = definition.spec.step;
  if (step.ns == 0) {
    return make_error(ErrorCode::unsupported, "a model without a step is not simulated",
                      "identify one with --step");
  }
  whole.steps =
      horizon.ns > 0 ? static_cast<std::size_t>(horizon.ns / step.ns) : horizon_of(definition.spec);
  auto trial = tried(definition, std::min(whole.steps, limits::kIdentifySteps));
  if (!trial) return std::move(trial).error();
  std::lock_guard lock((*entry)->mutex);
  if (!(*entry)->live) return no_model(twin, name);
  auto done = node::simulate((*entry)->live->model(), (*entry)->live->held(), *trial, whole);
  if (!done) return std::move(done).error();
  return std::pair(definition, std::move(*done));
}

Result<std::vector<StoredAlarm>> ModelRegister::alarms(const std::string& twin, Instant since,
                                                       std::size_t limit) const {
  return read([&](Database& database) { return stored_alarms(database, twin, since, limit); });
}

// Turns.

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
      reason = "its 90 % bands cover " + rounded(100 * score.coverage_ninety()) +
               " % of the last " + std::to_string(score.banded) + " values";
    } else if (score.mae() > kErrorMost * row.validation.mean_absolute_error) {
      reason = "its mean absolute error is " + rounded(score.mae()) + ", and was " +
               rounded(row.validation.mean_absolute_error) + " when it was validated";
    }
  }
  if (reason.empty()) return;
  row.life = ModelLife::stale;
  row.reason = "out of date: " + reason + "; identify it again";
  auto changed = keep("node", std::move(row), "model.stale", Change::life);
  if (!changed) return;
  log::warn("models", "a model is out of date",
            {{"twin", changed->definition.twin},
             {"model", changed->definition.name},
             {"reason", reason}});
  std::lock_guard lock(entry->mutex);
  if (!entry->removed && entry->row.life == ModelLife::live) entry->row = std::move(*changed);
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
  std::lock_guard turning(turning_);
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
