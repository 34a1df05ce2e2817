// Makes backups of the running node, one at a time, on a thread of its own: a long copy must not
// take a worker from those who ask.
//
// They lie in [backup] folder (HOME/backups unless configured), named by site and moment. Recorded
// in the audit log before and after. Threads: loop, but for the copying itself.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "node/backup/backup.h"
#include "node/config/settings.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "schemas/base/guarded.h"
#include "security/audit/audit.h"

namespace entente::node {

enum class BackupState { running, done, failed };
std::string_view to_text(BackupState state);

struct BackupRun {
  std::string name;  // of the file
  BackupState state = BackupState::running;
  Instant begun;
  std::uint64_t bytes = 0;  // of files, so far
  std::uint64_t total = 0;  // about so many in all
  std::uint64_t files = 0;  // when done
  std::string error;        // when failed
  std::string remedy;
};

struct BackupFile {
  std::string name;
  std::uint64_t bytes = 0;
  BackupDescription description;
};

class BackupService {
 public:
  struct Parts {
    const Settings& settings;
    const security::Vault& vault;
    Store& store;
    Store& history;
    const Clock& clock;
    Random& random;
    OrgId organisation;
  };
  explicit BackupService(Parts parts) : parts_(std::move(parts)) {
    sweep_backup_copies(parts_.settings.home);
  }
  ~BackupService() { stop(); }

  // Begins one, as soon as that is recorded. Refuses: conflict (one is running), overloaded (the
  // node is stopping). Whatever else goes wrong is told by latest().
  [[nodiscard]] Result<BackupRun> start(const std::string& actor);
  // The one that runs, or the last that ran since the node started.
  std::optional<BackupRun> latest() const;
  // What lies in the folder, newest first; what is no backup is left out. Blocks on the disk a
  // little: a few hundred bytes of each.
  std::vector<BackupFile> files() const;
  std::string folder() const;
  // Ends what runs, and waits for it.
  void stop();

 private:
  void run(const std::string& actor, const std::string& name);
  Result<BackupContents> make(const std::string& name);
  Outcome make_folder() const;
  void end_with(const Error& error);
  // `done` runs on the loop, with null once it is durable.
  void record(const std::string& actor, const std::string& name, security::AuditOutcome outcome,
              const std::string& bytes, std::function<void(const Error*)> done);

  Parts parts_;
  Guarded<std::optional<BackupRun>> latest_;
  std::atomic<bool> ending_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace entente::node
