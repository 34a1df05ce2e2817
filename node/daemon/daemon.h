// The daemon: builds the node in order, runs its loop until it is told to stop, takes it down.
//
// Stop order: edges (HTTP, enrolment), links, jobs, stores. Every reason not to start is an error
// with a remedy, before anything listens.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "node/config/settings.h"
#include "schemas/base/ids.h"
#include "schemas/base/result.h"

namespace entente::node {

struct DaemonOptions {
  std::string home;
  std::optional<std::uint16_t> http_port;
  std::optional<std::uint16_t> federation_port;
  std::optional<log::Level> log_level;
  std::optional<log::Format> log_format;
  std::optional<std::string> passphrase_file;  // of a vault that wants one
};

// Where the vault wants a pass phrase and none is given, it first waits for it (sealed_start.h).
// Writes "ready http=HOST:PORT federation=HOST:PORT" to `out` once everything listens, then serves
// until SIGINT or SIGTERM. Refuses: not_found (no node there), config_invalid, conflict (another
// process serves this home), port_in_use, version_too_new, store_failed, verification_failed.
// The value is the process's exit code: 0, or limits::kDiskFailedExit when the disk failed while
// the node ran. Then nothing was tried again, and the next start verifies every page.
[[nodiscard]] Result<int> run_daemon(const DaemonOptions& options, std::ostream& out);

struct InitRequest {
  Settings settings;  // home, names, ports
  bool dry_run = false;
};
struct InitOutcome {
  OrgId organisation;
  std::string config_path;
  std::string token_path;
};
// Makes a node in an empty or missing folder. Refuses: conflict (there is one), invalid_argument,
// store_failed; then nothing was left behind.
[[nodiscard]] Result<InitOutcome> init_node(const InitRequest& request);

}  // namespace entente::node
