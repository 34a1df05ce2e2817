// A definition tried on history: what a fresh model would have said, and how that turned out.
//
// The model is told one observation after the other; once its warm-up is over it forecasts from
// origins spread over the rest, none of which it had seen. The seasonal naive is scored on the same
// points. Inputs are those that turned out. Computes long: for workers.
#pragma once

#include "node/model/forecast_score.h"
#include "node/modelling/model_feed.h"

namespace entente::node {

struct Trial {
  std::size_t observations = 0;
  TimeWindow of;  // the values that it was scored on
  ForecastScore score;
  double naive_error = kMissing;  // mean absolute error of the better naive, the same points
  double scale = kMissing;        // what MASE divides by (forecast_score.h)
  std::size_t alarms = 0;         // of a detector, after it had learned
  // Of the first signal: truth minus mean over a whole horizon, one row an origin. Held where the
  // truth is missing; left out where it is for more than half.
  std::vector<std::vector<double>> errors;

  bool scored() const { return score.points > 0; }
  bool beats_naive() const { return scored() && score.mae() < naive_error; }
  double mase() const { return scored() ? score.mae() / scale : kMissing; }
};

struct TrialOptions {
  std::size_t horizon = 24;  // steps
  std::size_t every = 12;    // steps between origins
  Instant scored_from = {};  // origins before are not scored
};

// Refuses: as ModelKinds::make.
[[nodiscard]] Result<Trial> try_definition(const ModelKinds& kinds,
                                           const ModelDefinition& definition,
                                           const std::vector<Seen>& seen,
                                           const TrialOptions& options);
// The observations that a trial of this definition sees, the oldest first.
std::vector<Seen> trial_observations(const History& history, const ModelDefinition& definition,
                                     Instant now);

// What the naive repeats, in steps: the shortest period of the definition and the longest, else a
// day. The better of the two is what a model has to beat.
std::vector<std::size_t> naive_periods(const ModelSpec& spec);

// Values of the first signal on a grid that begins with the first observation.
std::vector<double> gridded(const std::vector<Seen>& seen, Duration step);

}  // namespace entente::node
