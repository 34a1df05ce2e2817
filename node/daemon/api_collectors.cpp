// Collectors: enrolled, listed, revoked.
#include <filesystem>
#include <utility>

#include <boost/json.hpp>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "node/daemon/collectors.h"
#include "security/identity/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

json::object collector_json(const Core& core, const CollectorEntry& entry) {
  const bool expired = core.clock.now() >= entry.expires;
  const bool connected = !entry.revoked && core.collectors->port().connected(entry.name);
  return {{"name", entry.name},
          {"state", entry.revoked ? "revoked"
                    : expired     ? "expired"
                                  : "active"},
          {"connected", connected},
          {"since", shown_time(entry.since)},
          {"expires", shown_time(entry.expires)},
          {"batch_key", entry.batch_key.hex()}};
}

awaitable<Result<Reply>> list(Core& core, const Call&) {
  json::array items;
  for (const auto& [name, entry] : core.collectors->entries().entries()) {
    items.push_back(collector_json(core, entry));
  }
  co_return Reply::json({{"items", std::move(items)}});
}

// The file is there before its keys count: whoever loses power between keeps the old ones.
awaitable<Result<int>> write_bundle(Core& core, std::string path, Bytes bundle) {
  auto shared = std::make_shared<Bytes>(std::move(bundle));
  auto start = [&core, path, shared](std::function<void(Result<int>)> done) {
    const bool queued = core.workers->post([path, shared, done] {
      namespace fs = std::filesystem;
      const fs::path folder = fs::path(path).parent_path();
      std::error_code failure;
      fs::create_directories(folder, failure);
      fs::permissions(folder, fs::perms::owner_all, failure);
      const Outcome written = write_private(path, *shared);
      security::wipe(*shared);
      done(written ? Result<int>(0) : Result<int>(written.error()));
    });
    if (!queued) done(make_error(ErrorCode::overloaded, "too much is under way"));
  };
  co_return co_await await_result<int>(core.loop, std::move(start));
}

awaitable<Result<Reply>> add(Core& core, const Call& call) {
  auto text = call.text_field("name");
  if (!text) co_return std::move(text).error();
  auto name = checked_local_id(*text, "collector");
  if (!name) co_return std::move(name).error();
  Duration life = security::limits::kCollectorLife;
  auto expires = call.optional_text_field("expires");
  if (!expires) co_return std::move(expires).error();
  if (*expires) {
    auto parsed = parse_duration(**expires);
    if (!parsed) co_return std::move(parsed).error();
    life = *parsed;
  }
  const std::string path = core.collectors->bundle_path(*name);
  if (call.dry_run) co_return Reply::json({{"name", *name}, {"bundle", path}, {"dry_run", true}});
  auto made = core.collectors->make(*name, life);
  if (!made) co_return std::move(made).error();
  auto written = co_await write_bundle(core, path, std::move(made->bundle));
  if (!written) co_return std::move(written).error();
  auto enrol = [&core, actor = actor_of(call),
                entry = made->entry](CollectorRegister::Reply reply) {
    core.collectors->entries().enrol(actor, entry, std::move(reply));
  };
  auto saved = co_await await_result<CollectorEntry>(core.loop, std::move(enrol));
  if (!saved) co_return std::move(saved).error();
  json::object out = collector_json(core, *saved);
  out["bundle"] = path;
  co_return Reply::json(std::move(out));
}

awaitable<Result<Reply>> revoke(Core& core, const Call& call) {
  const std::string name = call.path.at("name");
  if (call.dry_run) {
    const auto& entries = core.collectors->entries().entries();
    const auto found = entries.find(name);
    if (found == entries.end()) {
      co_return make_error(ErrorCode::not_found, "no collector named '" + name + "'",
                           "see 'entente collector list'");
    }
    co_return Reply::json(collector_json(core, found->second));
  }
  auto step = [&core, actor = actor_of(call), name](CollectorRegister::Reply reply) {
    core.collectors->entries().revoke(actor, name, std::move(reply));
  };
  auto revoked = co_await await_result<CollectorEntry>(core.loop, std::move(step));
  if (!revoked) co_return std::move(revoked).error();
  co_return Reply::json(collector_json(core, *revoked));
}

}  // namespace

void add_collector_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::get, "/api/v1/collectors", Verb::read_links, "listCollectors",
             "All collectors with the end of their certificates", BodyKind::none, with(list)});
  table.add({Method::post, "/api/v1/collectors", Verb::manage_links, "addCollector",
             "Enrols a collector, or renews one, and writes its bundle", BodyKind::json,
             with(add)});
  table.add({Method::post, "/api/v1/collectors/{name}/revoke", Verb::manage_links,
             "revokeCollector", "Ends a collector's right to send", BodyKind::json, with(revoke)});
}

}  // namespace entente::node
