// The audit log: its records, what proves them, and who witnesses it.
#include <utility>

#include <boost/json.hpp>

#include <charconv>

#include "node/daemon/answer_json.h"
#include "node/audit/charter_json.h"
#include "node/daemon/api.h"
#include "node/daemon/on_worker.h"
#include "node/store/audit_log.h"
#include "node/store/checkpoint_shelf.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

// Runs `job(database)` on a worker with a query-only connection.
template <class Job>
awaitable<Result<Reply>> reply_of(Core& core, Job job) {
  auto work = [&core, job = std::move(job)]() mutable -> Result<json::value> {
    auto reader = core.store->reader();
    if (!reader) return std::move(reader).error();
    return job(*reader);
  };
  auto got = co_await on_worker<json::value>(core, std::move(work));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

awaitable<Result<Reply>> verify_log(Core& core, const Call&) {
  auto job = [](Database& database) -> Result<json::value> {
    const AuditVerdict verdict = verify_audit(database, {});
    json::object out{{"records", verdict.head.count},
                     {"head", verdict.head.link.hex()},
                     {"root", verdict.tree.root.hex()},
                     {"ok", !verdict.first_bad}};
    if (verdict.first_bad) {
      out["first_bad"] = *verdict.first_bad;
      out["reason"] = verdict.reason;
    }
    return json::value(std::move(out));
  };
  co_return co_await reply_of(core, std::move(job));
}

json::object record_json(const security::AuditRecord& record) {
  json::object detail;
  for (const auto& one : record.detail) detail[one.name] = one.value;
  return {{"sequence", record.sequence}, {"time", to_text(record.time)},
          {"actor", record.actor},       {"action", record.action},
          {"object", record.object},     {"outcome", security::to_text(record.outcome)},
          {"detail", std::move(detail)}};
}

// A page of records, as they read and, with ?raw=1, the bytes and links that a bundle holds.
Result<json::value> records_page(Database& database, std::uint64_t after, std::size_t limit,
                                 bool raw) {
  Statement rows =
      database.prepare("SELECT seq, record, link FROM audit WHERE seq > ? ORDER BY seq LIMIT ?");
  rows.bind(1, static_cast<std::int64_t>(after)).bind(2, static_cast<std::int64_t>(limit));
  json::array items;
  std::uint64_t last = after;
  while (rows.step()) {
    last = static_cast<std::uint64_t>(rows.integer(0));
    if (raw) {
      items.push_back({{"record", to_base64url(rows.blob(1))}, {"link", to_hex(rows.blob(2))}});
      continue;
    }
    const auto record = security::audit_record_from_bytes(rows.blob(1));
    if (!record) return record.error();
    items.push_back(record_json(*record));
  }
  const bool full = items.size() == limit;
  return json::value{{"items", std::move(items)},
                     {"next", full ? cursor_after(std::to_string(last)) : std::string()}};
}

awaitable<Result<Reply>> list_records(Core& core, const Call& call) {
  auto page = page_of(call);
  if (!page) co_return std::move(page).error();
  std::uint64_t after = 0;
  const std::string text = page->after.empty() ? std::string(call.parameter("after")) : page->after;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), after);
  if (!text.empty() && (read.ec != std::errc() || read.ptr != text.data() + text.size())) {
    co_return make_error(ErrorCode::invalid_argument, "after must be a record's number");
  }
  const bool raw = call.parameter("raw") == "1";
  auto job = [after, limit = page->limit, raw](Database& database) {
    return records_page(database, after, limit, raw);
  };
  co_return co_await reply_of(core, std::move(job));
}

// The newest checkpoint with what a stranger needs to verify it.
awaitable<Result<Reply>> show_checkpoint(Core& core, const Call&) {
  json::array witnesses;
  for (const auto& [organisation, link] : core.links->entries()) {
    witnesses.push_back({{"organisation", organisation.hex()},
                         {"name", link.name},
                         {"site", link.site},
                         {"charters", charters_json(link.chain)}});
  }
  json::object out{{"organisation", core.organisation().hex()},
                   {"site", core.settings.site},
                   {"charters", charters_json(core.keyring.self.chain())},
                   {"witnesses", std::move(witnesses)}};
  auto job = [out = std::move(out)](Database& database) mutable -> Result<json::value> {
    const auto newest = newest_checkpoint(database);
    if (!newest) {
      return make_error(ErrorCode::not_found, "no checkpoint was signed yet",
                        "the node signs one soon after its log has a first record");
    }
    out["size"] = newest->size;
    out["time"] = shown_time(newest->time);
    out["checkpoint"] = note_with_cosignatures(database, *newest);
    return json::value(std::move(out));
  };
  co_return co_await reply_of(core, std::move(job));
}

std::uint64_t size_of(const std::string& note) {
  const auto read = security::read_checkpoint(note);
  return read ? read->tree.size : 0;
}

// What each partner cosigned of this log, what this site saw of theirs, and who contradicts whom.
awaitable<Result<Reply>> list_witnesses(Core& core, const Call&) {
  struct Partner {
    OrgId organisation;
    std::string name, site, state, warning;
  };
  std::vector<Partner> partners;
  for (const auto& [organisation, link] : core.links->entries()) {
    const auto& warnings = core.audit->standing().warnings;
    const auto warning = warnings.find(organisation);
    partners.push_back({organisation, link.name, link.site, std::string(to_text(link.state)),
                        warning == warnings.end() ? "" : warning->second});
  }
  auto job = [partners = std::move(partners)](Database& database) -> Result<json::value> {
    json::array items, conflicts;
    for (const Partner& partner : partners) {
      json::object one{{"partner", partner.name},   {"state", partner.state}, {"cosigned", nullptr},
                       {"cosigned_at", nullptr},    {"seen", nullptr},        {"seen_at", nullptr},
                       {"warning", partner.warning}};
      if (const auto cosigned = newest_cosignature(database, partner.organisation)) {
        one["cosigned"] = cosigned->size;
        one["cosigned_at"] = shown_time(cosigned->time);
      }
      for (const SeenCheckpoint& seen : all_seen(database)) {
        if (seen.log != security::LogName{partner.organisation, partner.site}) continue;
        one["seen"] = size_of(seen.note);
        one["seen_at"] = shown_time(seen.time);
      }
      items.push_back(std::move(one));
    }
    for (const LogConflict& conflict : all_conflicts(database)) {
      conflicts.push_back({{"log", conflict.log.text()},
                           {"time", shown_time(conflict.time)},
                           {"verdict", security::to_text(conflict.verdict)},
                           {"reason", conflict.reason},
                           {"seen", conflict.seen},
                           {"shown", conflict.shown}});
    }
    return json::value{{"items", std::move(items)}, {"conflicts", std::move(conflicts)}};
  };
  co_return co_await reply_of(core, std::move(job));
}

}  // namespace

void add_audit_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  const std::vector<ParameterSpec> paging = {
      {"after", "the number of the record before the first"},
      {"limit", "records at most"},
      {"cursor", "from the page before"},
      {"raw", "1: signed bytes and links instead of fields"}};
  Route records{Method::get,        "/api/v1/audit/records",       Verb::read_audit,
                "listAuditRecords", "The audit log, page by page", BodyKind::none,
                with(list_records)};
  records.parameters = paging;
  table.add(std::move(records));
  table.add({Method::get, "/api/v1/audit/verify", Verb::read_audit, "verifyAudit",
             "Recomputes the audit log's chain and tree", BodyKind::none, with(verify_log)});
  table.add({Method::get, "/api/v1/audit/checkpoint", Verb::read_audit, "showAuditCheckpoint",
             "The newest signed checkpoint, with what verifies it", BodyKind::none,
             with(show_checkpoint)});
  table.add({Method::get, "/api/v1/audit/witnesses", Verb::read_audit, "listAuditWitnesses",
             "Who cosigned this log, and whose log this site saw", BodyKind::none,
             with(list_witnesses)});
}

}  // namespace entente::node
