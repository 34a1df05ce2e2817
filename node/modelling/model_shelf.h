// Models in entente.db: definitions with their life, durable states, forecasts until they are
// scored, alarms. Statements only; model_register.h says when.
//
// Tables: twin_model, a row a model; model_forecast and model_alarm, bounded for each model.
// Threads: that of the database.
#pragma once

#include <optional>
#include <vector>

#include "node/modelling/live_model.h"
#include "node/store/sqlite.h"

namespace entente::node {

// proposed: too little history to validate it. validated: tried, held. live: fed. stale: fed, and
// out of date. retired: kept to be read.
enum class ModelLife { proposed, validated, live, stale, retired };
std::string_view to_text(ModelLife life);

// How a definition did on values that it had not seen, when it was applied.
struct Validation {
  std::size_t observations = 0, points = 0, alarms = 0;
  TimeWindow of;
  double mean_absolute_error = kMissing, naive_error = kMissing, scale = kMissing;
  double coverage_half = kMissing, coverage_ninety = kMissing, pinball = kMissing;
  bool beats_naive() const { return mean_absolute_error < naive_error; }
};

struct ModelRow {
  ModelDefinition definition;
  ModelLife life = ModelLife::proposed;
  std::string reason;  // of the life: why it is stale, why it is not live yet
  Instant since;
  std::string actor;
  Validation validation;
};

const char* model_migration();

// Refuses: store_failed (a definition that this program does not read).
Result<std::vector<ModelRow>> stored_models(Database& database, const ModelKinds& kinds);
// Empty: there is none yet.
Bytes stored_checkpoint(Database& database, const ModelDefinition& of);
// Inserts or replaces; a new definition begins without a state, forecasts and alarms.
void store_model(Database& database, const ModelRow& row);
void store_life(Database& database, const ModelRow& row);
void store_checkpoint(Database& database, const ModelDefinition& of, ByteView state);
// A forecast that was issued for a time stays as it was; the oldest beyond the limit go.
void store_told(Database& database, const ModelDefinition& of, const Told& told);
void remove_model(Database& database, const ModelDefinition& of);

// The newest first.
std::vector<Forecast> stored_forecasts(Database& database, const ModelDefinition& of);
struct StoredAlarm {
  std::string model;
  Alarm alarm;
};
std::vector<StoredAlarm> stored_alarms(Database& database, const std::string& twin, Instant since,
                                       std::size_t limit);

}  // namespace entente::node
