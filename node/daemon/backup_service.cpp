#include "node/daemon/backup_service.h"

#include <algorithm>
#include <filesystem>

#include "node/daemon/vault_lock.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;

// "washington-main-20261121T203000Z.backup"
std::string file_name(const Settings& settings, Instant now) {
  std::string moment = to_text(Instant{now.ns - now.ns % seconds(1).ns});
  std::erase_if(moment, [](char c) { return c == '-' || c == ':'; });
  return settings.organisation + "-" + settings.site + "-" + moment + ".backup";
}

}  // namespace

std::string_view to_text(BackupState state) {
  switch (state) {
    case BackupState::running:
      return "running";
    case BackupState::done:
      return "done";
    case BackupState::failed:
      return "failed";
  }
  return "failed";
}

std::string BackupService::folder() const {
  return parts_.settings.backup_folder.empty() ? parts_.settings.path("backups")
                                               : parts_.settings.backup_folder;
}

Outcome BackupService::make_folder() const {
  std::error_code failed;
  if (!fs::create_directories(folder(), failed) && !failed) return {};  // it was there: its owner's
  if (!failed) fs::permissions(folder(), fs::perms::owner_all, failed);
  if (!failed) return {};
  return make_error(ErrorCode::store_failed, "cannot make " + folder() + ": " + failed.message(),
                    "name another place: [backup] folder in entente.toml");
}

Result<BackupRun> BackupService::start(const std::string& actor) {
  if (ending_) return make_error(ErrorCode::overloaded, "the node is stopping");
  const auto running = latest();
  if (running && running->state == BackupState::running) {
    return make_error(ErrorCode::conflict, "the backup " + running->name + " is being made",
                      "wait for it: 'entente backup list'");
  }
  if (thread_.joinable()) thread_.join();
  BackupRun run;
  run.begun = parts_.clock.now();
  run.name = file_name(parts_.settings, run.begun);
  latest_.with([&](std::optional<BackupRun>& latest) { latest = run; });
  // The copying begins once it is recorded that it will.
  record(actor, run.name, security::AuditOutcome::intent, "",
         [this, actor, name = run.name](const Error* failed) {
           if (failed != nullptr) return end_with(*failed);
           if (ending_) return end_with(make_error(ErrorCode::overloaded, "the node is stopping"));
           thread_ = std::thread([this, actor, name] { this->run(actor, name); });
         });
  return run;
}

std::optional<BackupRun> BackupService::latest() const {
  return latest_.with([](const std::optional<BackupRun>& latest) { return latest; });
}

void BackupService::end_with(const Error& error) {
  log::error("backup", "it failed", {{"reason", error.what}});
  latest_.with([&](std::optional<BackupRun>& latest) {
    latest->state = BackupState::failed;
    latest->error = error.what;
    latest->remedy = error.remedy;
  });
}

void BackupService::run(const std::string& actor, const std::string& name) {
  auto made = make(name);
  record(actor, name, made ? security::AuditOutcome::done : security::AuditOutcome::failed,
         made ? std::to_string(made->bytes) : "", [](const Error*) {});
  if (!made) return end_with(made.error());
  latest_.with([&](std::optional<BackupRun>& latest) {
    latest->state = BackupState::done;
    latest->files = made->files;
    latest->bytes = latest->total = made->bytes;
  });
}

Result<BackupContents> BackupService::make(const std::string& name) {
  try {
    if (auto made = make_folder(); !made) return std::move(made).error();
    auto total = backup_bytes(parts_.settings.home, folder());
    if (!total) return std::move(total).error();
    latest_.with([&](std::optional<BackupRun>& latest) { latest->total = *total; });
    auto entente = parts_.store.reader();
    if (!entente) return std::move(entente).error();
    auto history = parts_.history.reader();
    if (!history) return std::move(history).error();
    auto wrapped = wrapped_key(parts_.settings.home);
    if (!wrapped) return std::move(wrapped).error();
    const BackupDescription description{
        parts_.organisation, parts_.settings.organisation, parts_.settings.site, ENTENTE_VERSION,
        parts_.clock.now(),  parts_.vault.fingerprint(),   std::move(*wrapped)};
    return create_backup({parts_.settings.home, *entente, *history, parts_.vault, description},
                         folder() + "/" + name, parts_.random, [this](std::uint64_t bytes) {
                           latest_.with([&](std::optional<BackupRun>& latest) {
                             latest->bytes = std::max(latest->bytes, bytes);
                           });
                           return !ending_;
                         });
  } catch (const StoreFault& fault) {
    return fault.error();
  } catch (const std::exception& fault) {  // a thread's end would be the node's
    return make_error(ErrorCode::store_failed, fault.what());
  }
}

void BackupService::record(const std::string& actor, const std::string& name,
                           security::AuditOutcome outcome, const std::string& bytes,
                           std::function<void(const Error*)> done) {
  security::AuditRecord record;
  record.time = parts_.clock.now();
  record.actor = actor;
  record.action = "backup.create";
  record.object = name;
  record.outcome = outcome;
  if (!bytes.empty()) record.detail.push_back({"bytes", bytes});
  parts_.store.post<int>(
      [record](Database& database) -> Result<int> {
        append_audit(database, record);
        return 0;
      },
      [done = std::move(done)](Result<int> kept) {
        if (!kept) log::error("backup", "it was not recorded", {{"reason", kept.error().what}});
        done(kept ? nullptr : &kept.error());
      });
}

std::vector<BackupFile> BackupService::files() const {
  std::vector<BackupFile> files;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder(), failed)) {
    if (entry.path().extension() != ".backup" || !entry.is_regular_file(failed)) continue;
    auto description = describe_backup(entry.path());
    if (!description) continue;
    files.push_back(
        {entry.path().filename().string(), entry.file_size(failed), std::move(*description)});
  }
  std::sort(files.begin(), files.end(), [](const BackupFile& one, const BackupFile& other) {
    return one.description.created > other.description.created;
  });
  return files;
}

void BackupService::stop() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
}

}  // namespace entente::node
