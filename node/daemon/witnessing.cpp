#include "node/daemon/witnessing.h"

#include "node/store/audit_log.h"
#include "node/store/checkpoint_shelf.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using federation::WitnessReply;
using security::WitnessJudgement;
using security::WitnessVerdict;

// The answer goes out before the link is cut.
constexpr Duration kFreezeAfter = seconds(1);

struct Witnessed {
  WitnessReply reply;
  std::string reason;  // of a conflict
};

struct Showing {
  security::LogName witness;  // this site
  security::LogName log;      // the partner's
  std::vector<PublicKey> keys;
  security::WitnessOffer offer;
  Instant now;
};

bool is_conflict(WitnessVerdict verdict) {
  return verdict == WitnessVerdict::went_back || verdict == WitnessVerdict::forked;
}

void record_conflict(Database& database, const Showing& showing, const WitnessJudgement& judged,
                     const std::string& kept) {
  const bool fresh = keep_conflict(
      database, {showing.log, showing.now, judged.verdict, judged.reason, kept, judged.note});
  if (!fresh) return;
  security::AuditRecord record;
  record.time = showing.now;
  record.actor = "organisation:" + showing.log.organisation.hex();
  record.action = "witness.conflict";
  record.object = showing.log.text();
  record.outcome = security::AuditOutcome::refused;
  record.detail = {{"reason", judged.reason},
                   {"verdict", std::string(security::to_text(judged.verdict))}};
  append_audit(database, std::move(record));
}

Result<Witnessed> judge_and_keep(Database& database, const Showing& showing,
                                 const security::SigningKey& audit_key) {
  const std::string kept = seen_note(database, showing.log);
  auto judged = security::judge(showing.log, showing.keys, kept, showing.offer);
  if (!judged) return std::move(judged).error();
  if (judged->verdict == WitnessVerdict::cosigned) {
    if (!keep_seen(database, {showing.log, showing.now, judged->note})) {
      return make_error(ErrorCode::overloaded, "too many sites of this organisation are witnessed");
    }
    return Witnessed{{security::cosign(judged->note, showing.witness, audit_key, showing.now), ""},
                     ""};
  }
  Witnessed witnessed{{"", kept}, ""};
  if (is_conflict(judged->verdict)) {
    record_conflict(database, showing, *judged, kept);
    witnessed.reason = std::move(judged->reason);
  }
  return witnessed;
}

void freeze_soon(Core& core, OrgId organisation, std::string reason) {
  log::error("audit", "a partner's audit log contradicts itself: the link freezes",
             {{"partner", organisation.short_hex()}, {"reason", reason}});
  core.loop.keep(core.loop.after(kFreezeAfter).then([&core, organisation] {
    freeze_link(core, organisation);
  }));
}

}  // namespace

void freeze_link(Core& core, const OrgId& organisation) {
  core.store->post<std::string>(
      [organisation](Database& database) -> Result<std::string> {
        return open_conflict(database, organisation);
      },
      [&core, organisation](Result<std::string> reason) {
        if (!reason || reason->empty()) return;
        core.links->freeze(organisation, *reason, [](Result<LinkEntry> frozen) {
          if (!frozen) log::info("audit", "not frozen now", {{"reason", frozen.error().what}});
        });
      });
}

kj::Promise<Result<WitnessReply>> witness_partner(Core& core, const federation::Caller& caller,
                                                  security::WitnessOffer offer) {
  const OrgId organisation = caller.peer.organisation;
  const auto partner = core.site->partners.find(organisation);
  if (partner == core.site->partners.end()) {
    return Result<WitnessReply>(make_error(ErrorCode::denied, "there is no active link"));
  }
  auto showing = std::make_shared<const Showing>(Showing{{core.organisation(), core.settings.site},
                                                         {organisation, caller.peer.site},
                                                         partner->second.audit_keys,
                                                         std::move(offer),
                                                         core.clock.now()});
  auto pair = kj::newPromiseAndFulfiller<Result<WitnessReply>>();
  auto fulfiller =
      std::make_shared<kj::Own<kj::PromiseFulfiller<Result<WitnessReply>>>>(kj::mv(pair.fulfiller));
  // A copy: a rotation may replace the key while the store's thread signs.
  auto copy = security::SigningKey::from_seed(core.keyring.keys.audit.seed().view());
  if (!copy) return Result<WitnessReply>(std::move(copy).error());
  const auto key = std::make_shared<const security::SigningKey>(std::move(*copy));
  core.store->post<Witnessed>(
      [showing, key](Database& database) { return judge_and_keep(database, *showing, *key); },
      [&core, showing, fulfiller](Result<Witnessed> done) {
        if (done && !done->reason.empty()) {
          freeze_soon(core, showing->log.organisation, done->reason);
        }
        if (!(*fulfiller)->isWaiting()) return;
        (*fulfiller)
            ->fulfill(done ? Result<WitnessReply>(std::move(done->reply))
                           : Result<WitnessReply>(std::move(done).error()));
      });
  return kj::mv(pair.promise);
}

}  // namespace entente::node
