#include "node/daemon/break_glass.h"

#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

void audit(Database& database, const std::string& actor, const std::string& action,
           const std::string& what, Instant now) {
  security::AuditRecord record;
  record.time = now;
  record.actor = actor;
  record.action = action;
  record.object = what;
  record.outcome = security::AuditOutcome::done;
  append_audit(database, std::move(record));
}

}  // namespace

Outcome BreakGlass::load() {
  auto reader = store_.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare(
      "SELECT time, what FROM break_glass_use WHERE acknowledged_by IS NULL ORDER BY number");
  while (rows.step()) {
    const Instant time{rows.integer(0)};
    if (!use_) use_ = BreakGlassUse{time, time, 0, ""};
    use_->last = time;
    use_->what = rows.text(1);
    ++use_->calls;
  }
  return {};
}

void BreakGlass::record(const std::string& what, Done done) {
  const Instant now = clock_.now();
  log::error("access", "break-glass is used", {{"what", what}});
  if (!use_) use_ = BreakGlassUse{now, now, 0, ""};
  use_->last = now;
  use_->what = what;
  ++use_->calls;
  store_.post<int>(
      [what, now](Database& database) -> Result<int> {
        Statement& row = database.cached("INSERT INTO break_glass_use (time, what) VALUES (?, ?)");
        row.bind(1, now.ns).bind(2, std::string_view(what)).run();
        audit(database, "break-glass", "break-glass.use", what, now);
        return 0;
      },
      [done = std::move(done)](Result<int> kept) {
        done(kept ? Outcome{} : Outcome(std::move(kept).error()));
      });
}

void BreakGlass::acknowledge(const std::string& actor, Done done) {
  if (!use_) {
    return done(make_error(ErrorCode::not_found, "there is no use of break-glass to acknowledge"));
  }
  const Instant now = clock_.now(), last = use_->last;
  store_.post<int>(
      [actor, now, last](Database& database) -> Result<int> {
        Statement& row = database.cached(
            "UPDATE break_glass_use SET acknowledged_by = ? "
            "WHERE acknowledged_by IS NULL AND time <= ?");
        row.bind(1, std::string_view(actor)).bind(2, last.ns).run();
        audit(database, actor, "break-glass.acknowledge", "", now);
        return 0;
      },
      [this, last, done = std::move(done)](Result<int> kept) {
        if (!kept) return done(std::move(kept).error());
        if (use_ && use_->last <= last) use_.reset();
        done({});
      });
}

}  // namespace entente::node
