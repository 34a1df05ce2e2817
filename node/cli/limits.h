// Limits of the command line.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::node::limits {

inline constexpr std::size_t kCliFileBytes = 16'777'216;     // a file sent as one body
inline constexpr std::size_t kCliPages = 10'000;             // pages of `--all`
inline constexpr std::size_t kIngestBatchRows = 5'000;       // readings of one request
inline constexpr std::size_t kIngestBatchBytes = 4'194'304;  // and their bytes
inline constexpr std::size_t kIngestRejectsShown = 10;       // in words; all of them in JSON
inline constexpr std::size_t kIngestRejectsKept = 10'000;
inline constexpr int kIngestRetries = 8;  // of a batch that was refused for load
inline constexpr Duration kIngestRetryFirst = milliseconds(250);
inline constexpr Duration kIngestRetryMost = seconds(10);
inline constexpr Duration kFollowPause = milliseconds(200);      // at the end of a growing file
inline constexpr std::size_t kExportPage = 10'000;               // readings asked for at once
inline constexpr std::size_t kDeletionRounds = 1'000;            // repetitions of one deletion
inline constexpr std::size_t kReplayReadings = 20'000'000;       // in memory; 32 bytes each
inline constexpr Duration kReplayPauseLeast = milliseconds(10);  // readings this near go together
inline constexpr Duration kReplayPauseMost = milliseconds(200);  // then Ctrl-C is heard
inline constexpr Duration kCliTimeout = seconds(30);
inline constexpr Duration kCliTimeoutSlack =
    seconds(5);  // the node answers late, we hear it say so

}  // namespace entente::node::limits
