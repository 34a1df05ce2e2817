#include <algorithm>
#include <cmath>

#include "node/modelling/limits.h"
#include "node/modelling/model_register_parts.h"
#include "node/store/audit_log.h"

namespace entente::node {
namespace {

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
                 " observations, and it takes more than " + short_number(least) +
                 " to validate it: apply it again when there are";
    return;
  }
  row.life = hold ? ModelLife::validated : ModelLife::live;
  if (trial.scored() && !trial.beats_naive() && row.definition.spec.kind != "seasonal_naive") {
    row.reason = "it does not beat the seasonal naive: mean absolute error " +
                 short_number(trial.score.mae()) + " against " + short_number(trial.naive_error);
  }
}

}  // namespace

Error no_model(const std::string& twin, const std::string& name) {
  return make_error(ErrorCode::not_found, "'" + twin + "' has no model '" + name + "'",
                    "see 'entente model list'");
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
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
    // A derived one is no part of the type.
    if (signal == nullptr && parts_.history.find(twin, name)) continue;
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
                                              const std::string& name, Duration horizon,
                                              const std::vector<PlannedInput>& set) const {
  auto entry = running(twin, signal, name);
  if (!entry) return std::move(entry).error();
  std::lock_guard lock((*entry)->mutex);
  const LiveModel& live = *(*entry)->live;
  const ModelSpec& spec = live.definition().spec;
  if (horizon.ns == 0) horizon = spec.step * static_cast<std::int64_t>(horizon_of(spec));
  InputPlan plan;
  if (!set.empty()) {
    auto row = planned_row(spec, live.held(), set);
    if (!row) return std::move(row).error();
    plan.push_back(std::move(*row));
  }
  auto prediction = live.model().predict(horizon, plan);
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

}  // namespace entente::node
