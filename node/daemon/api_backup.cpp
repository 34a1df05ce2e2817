// Backups of the running node: begun, listed, watched.
#include <boost/json.hpp>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/backup_service.h"
#include "node/daemon/on_worker.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

json::object run_json(const BackupService& backups, const BackupRun& run) {
  json::object out{{"name", run.name},
                   {"file", backups.folder() + "/" + run.name},
                   {"state", to_text(run.state)},
                   {"begun", shown_time(run.begun)},
                   {"bytes", run.bytes},
                   {"total", run.total},
                   {"files", run.files}};
  if (run.state == BackupState::failed) {
    out["error"] = run.error;
    out["remedy"] = run.remedy;
  }
  return out;
}

awaitable<Result<Reply>> begin_backup(Core& core, const Call& call) {
  if (call.dry_run) {
    auto job = [&core] { return backup_bytes(core.settings.home, core.backups->folder()); };
    auto total = co_await on_worker<std::uint64_t>(core, std::move(job));
    if (!total) co_return std::move(total).error();
    co_return Reply::json({{"folder", core.backups->folder()}, {"total", *total}});
  }
  auto run = core.backups->start(actor_of(call));
  if (!run) co_return std::move(run).error();
  co_return Reply::json(run_json(*core.backups, *run), 202);
}

awaitable<Result<Reply>> list_backups(Core& core, const Call&) {
  using Files = std::vector<BackupFile>;
  auto job = [&core]() -> Result<Files> { return core.backups->files(); };
  auto files = co_await on_worker<Files>(core, std::move(job));
  if (!files) co_return std::move(files).error();
  json::array items;
  for (const BackupFile& file : *files) {
    items.push_back({{"name", file.name},
                     {"bytes", file.bytes},
                     {"organisation", file.description.name},
                     {"site", file.description.site},
                     {"created", shown_time(file.description.created)},
                     {"version", file.description.version}});
  }
  json::object out{{"folder", core.backups->folder()}, {"items", std::move(items)}};
  const auto latest = core.backups->latest();
  out["latest"] = latest ? json::value(run_json(*core.backups, *latest)) : json::value(nullptr);
  co_return Reply::json(std::move(out));
}

}  // namespace

void add_backup_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::post, "/api/v1/backups", Verb::make_backups, "createBackup",
             "Begins a sealed backup of the running node", BodyKind::json, with(begin_backup)});
  table.add({Method::get, "/api/v1/backups", Verb::make_backups, "listBackups",
             "The backups that lie in the node's folder, and the one being made", BodyKind::none,
             with(list_backups)});
}

}  // namespace entente::node
