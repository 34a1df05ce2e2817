// `entente.toml`: how this node runs. Everything has a safe default; unknown keys refuse to load.
//
//   [node]        organisation = "washington"  title = "…"  site = "main"
//   [http]        address = "127.0.0.1"  port = 8470          # 0 = any free port
//   [federation]  address = "127.0.0.1"  port = 8471  public = "twin.example:8471"
//                 enrolment_port = 8472
//   [collectors]  address = "127.0.0.1"  port = 8473  public = ""
//   [ask]         grid = "50ms"  epsilon = 1  timeout = "10s"
//   [ledger]      head_file = "/other/disk/entente.head"      # empty = keys/ledger.head
//   [audit]       checkpoint = "1m"  capacity_mib = 8192      # of entente.db, for the alarms
//   [backup]      folder = "/other/disk/backups"              # empty = backups
//   [log]         level = "info"  format = "json" | "plain"
#pragma once

#include <cstdint>
#include <string>

#include "schemas/base/log.h"
#include "schemas/base/result.h"
#include "schemas/base/time.h"

namespace entente::node {

struct Settings {
  std::string home;

  std::string organisation;
  std::string title;
  std::string site = "main";

  std::string http_address = "127.0.0.1";
  std::uint16_t http_port = 8470;

  std::string federation_address = "127.0.0.1";
  std::uint16_t federation_port = 8471;
  std::uint16_t enrolment_port = 8472;
  std::string federation_public;  // host[:port] that partners dial; empty = address and port

  std::string collect_address = "127.0.0.1";
  std::uint16_t collect_port = 8473;
  std::string collect_public;  // host[:port] that collectors dial; empty = address and port

  Duration grid = milliseconds(50);
  double default_epsilon = 1.0;
  Duration ask_timeout = seconds(10);

  std::string head_file;  // where the audit log's head is kept; empty = keys/ledger.head

  Duration audit_checkpoint = minutes(1);  // read back, signed and shown to partners so often
  std::uint64_t audit_capacity = std::uint64_t{8192} << 20;  // bytes of entente.db, for the alarms

  std::string backup_folder;  // where backups are made; empty = HOME/backups

  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::json;

  std::string path(std::string_view name) const { return home + "/" + std::string(name); }
};

// Reads `home`/entente.toml. Refuses: not_found (run init), config_invalid (file:line, the word).
[[nodiscard]] Result<Settings> load_settings(const std::string& home);
// The text that init writes: commented and complete.
std::string settings_text(const Settings& settings);

}  // namespace entente::node
