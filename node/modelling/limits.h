// Limits of the models of a node's twins.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::node::limits {

inline constexpr std::size_t kModels = 10'000;    // of one node
inline constexpr std::size_t kModelsOfTwin = 32;  // of one twin
inline constexpr std::size_t kModelText = 1 << 20;
// Feeding: one turn for all models, one model in a turn, and what a restart replays of one.
inline constexpr std::size_t kTurnObservations = 50'000;
inline constexpr std::size_t kFeedReadings = 5'000;
inline constexpr std::size_t kReplayObservations = 20'000;
inline constexpr Duration kModelTurn = seconds(1);
inline constexpr Duration kModelCheck = seconds(30);  // between looks for late readings
inline constexpr Duration kModelLateMost = days(31);
// Kept of each model.
inline constexpr std::size_t kForecastsKept = 60;
inline constexpr std::size_t kAlarmsKept = 1'000;
// Of one request.
inline constexpr std::size_t kIdentifySteps = 9'000;  // the newest are looked at
inline constexpr std::size_t kIdentifyLeast = 96;
inline constexpr std::size_t kIdentifyHorizon = 336;   // steps
inline constexpr std::size_t kRegressionHorizon = 96;  // beyond it ARX is not tried
inline constexpr std::size_t kTrialObservations = 100'000;
inline constexpr std::size_t kSimulatedRuns = 10'000;
inline constexpr std::size_t kOptimisedSteps = 2'016;
inline constexpr std::size_t kOptimisedNumbers = 48;        // free inputs times pieces
inline constexpr std::size_t kProposalsKept = 200;          // of one node
inline constexpr std::size_t kSimulatedPoints = 2'000'000;  // runs times steps

}  // namespace entente::node::limits
