#include "node/daemon/home_checks.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "node/config/settings.h"
#include "node/daemon/disk_room.h"
#include "node/daemon/keyring.h"
#include "node/daemon/limits.h"
#include "node/daemon/vault_lock.h"

namespace entente::node {
namespace {

CheckResult process_check(const std::string& home) {
  const int file = ::open((home + "/run/lock").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return {CheckState::warn, "no node ever ran here", "entente serve"};
  const bool held = ::flock(file, LOCK_EX | LOCK_NB) != 0;
  ::close(file);
  if (held) {
    return {CheckState::fail, "a process serves this home and does not answer",
            "see its log; it may still be starting"};
  }
  if (std::filesystem::exists(home + "/run/disk-failed")) {
    return {CheckState::fail, "the last node ended because its disk failed",
            "entente node check, then entente serve, which reads every page"};
  }
  return {CheckState::ok, "no process serves this home", ""};
}

CheckResult settings_check(const std::string& home) {
  auto settings = load_settings(home);
  if (!settings)
    return {CheckState::fail, settings.error().what, std::string(settings.error().advice())};
  return {CheckState::ok, "of " + settings->organisation + ", site " + settings->site, ""};
}

CheckResult charter_check(const std::string& home, Instant now) {
  auto self = load_charters(home);
  if (!self) return {CheckState::fail, self.error().what, std::string(self.error().advice())};
  const Charter& charter = self->current();
  const Duration left = charter.expires - now;
  const std::string text = "version " + std::to_string(charter.version) + ", until " +
                           to_text(charter.expires).substr(0, 10);
  const char* const remedy = "start the node; any rotation renews it";
  if (left.ns <= 0) return {CheckState::fail, "it expired: " + text, remedy};
  if (left < limits::kCharterWarning) return {CheckState::warn, text, remedy};
  return {CheckState::ok, text, ""};
}

CheckResult vault_check(const std::string& home) {
  auto way = vault_way(home);
  if (!way) return {CheckState::fail, way.error().what, std::string(way.error().advice())};
  if (*way == VaultWay::passphrase) {
    return {CheckState::ok, "a node starts sealed: entente vault unseal opens it", ""};
  }
  auto vault = open_vault(home);
  if (!vault) return {CheckState::fail, vault.error().what, std::string(vault.error().advice())};
  return {CheckState::ok, "opened by its " + std::string(to_text(*way)), ""};
}

CheckResult data_check(const std::string& home) {
  std::string missing;
  for (const char* name : {"entente.db", "history.db"}) {
    if (!std::filesystem::exists(home + "/" + name)) {
      missing += (missing.empty() ? "" : ", ") + std::string(name);
    }
  }
  if (missing.empty()) return {CheckState::ok, "both databases are there", ""};
  return {CheckState::warn, "not there: " + missing, "a first start makes them"};
}

}  // namespace

std::vector<HealthCheck> home_checks(const std::string& home, Instant now) {
  return {{"process", [home] { return process_check(home); }},
          {"configuration", [home] { return settings_check(home); }},
          {"charter", [home, now] { return charter_check(home, now); }},
          {"vault", [home] { return vault_check(home); }},
          {"databases", [home] { return data_check(home); }},
          {"disk", [home] { return disk_check(home); }}};
}

}  // namespace entente::node
