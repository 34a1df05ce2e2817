// The choice of a model for one signal by its error on values that it has not seen.
//
// The newest limits::kIdentifySteps of the signal on a grid are split: methods are fitted on the
// first half, their bands calibrated after it, and scored on the last third (backtest.h). The least
// mean absolute error wins; the seasonal naive is always among them and wins where nothing beats
// it. Computes long: for workers.
#pragma once

#include "node/modelling/model_feed.h"
#include "node/modelling/trial.h"

namespace entente::node {

struct IdentifyRequest {
  std::string twin;
  std::string signal;  // for `subspace` several, with commas between them
  std::vector<std::string> inputs;
  std::string name;               // of the model; after the signal when empty
  bool detector = false;          // of anomalies, instead of a forecast
  std::string kind;               // identify_dynamics.h; empty: a forecast by its error
  std::vector<Duration> periods;  // empty: a day, and a week where there are six of them
  Duration step;                  // 0: as the readings come
  Duration horizon;               // 0: a day, at most kIdentifyHorizon steps
};

struct IdentifiedRow {
  std::string method;
  std::string kind;
  bool fitted = true;
  std::size_t points = 0;
  double mean_absolute_error = kMissing;
  double mase = kMissing;
  double coverage_half = kMissing, coverage_ninety = kMissing;
  // Of physical and subspace models: RMS one step ahead on what the fit has not seen (of several
  // signals in units of their deviations), the same of "as before", Ljung-Box of the fit.
  double step_error = kMissing, naive_step_error = kMissing, whiteness = kMissing;
};

struct IdentifiedParameter {
  std::string name;  // with its unit
  double value = 0;
  double low = kMissing, high = kMissing;  // 95 %; NaN: not estimated
};

struct Identified {
  ModelDefinition definition;
  std::vector<IdentifiedRow> rows;  // the naive first
  std::size_t chosen = 0;
  TimeWindow of;
  std::size_t values = 0, missing = 0;
  std::size_t alarms = 0;                       // a detector's, on this history
  std::vector<IdentifiedParameter> parameters;  // of the chosen
  bool beats_naive() const {
    const IdentifiedRow& row = rows[chosen];
    return row.kind == "linear_state_space" ? row.step_error < row.naive_step_error
                                            : row.kind != "seasonal_naive";
  }
};

// Refuses: not_found (no readings, or too few: says how many steps there are and how many it
// takes), invalid_argument (periods, step or horizon that do not fit each other).
[[nodiscard]] Result<Identified> identify(const History& history, const ModelKinds& kinds,
                                          const IdentifyRequest& request, Instant now);

// The usual distance of a signal's readings, as a round length of time; nothing below two readings.
std::optional<Duration> usual_step(const History& history, SeriesId series);

}  // namespace entente::node
