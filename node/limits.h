// Limits of a node's own parts. Every queue, file, batch and cache has one, named.
#pragma once

#include <cstddef>
#include <cstdint>

namespace entente::node::limits {

// Store.
inline constexpr std::size_t kCommitJobs = 1'024;           // jobs that share one transaction
inline constexpr std::int64_t kWalCheckpointPages = 1'024;  // 4 MiB of WAL: copied into the file
inline constexpr std::int64_t kWalKeptBytes = 64 << 20;     // a larger WAL file is cut at its reset
inline constexpr int kIdleCheckpointMs = 500;               // quiet for so long: copied as well
inline constexpr int kBusyTimeoutMs = 2'000;                // another connection recovers the WAL

}  // namespace entente::node::limits
