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
  const bool fresh = keep_conflict(database, {showing.log, showing.now, judged.verdict,
                                              judged.reason, kept, showing.offer.note});
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
    keep_seen(database, {showing.log, showing.now, showing.offer.note});
    return Witnessed{
        {security::cosign(showing.offer.note, showing.witness, audit_key, showing.now), ""}, ""};
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
  core.loop.keep(core.loop.after(kFreezeAfter).then([&core, organisation, reason] {
    core.links->freeze(organisation, reason, [](Result<LinkEntry> frozen) {
      if (!frozen) log::warn("audit", "the link stays", {{"reason", frozen.error().what}});
    });
  }));
}

}  // namespace

kj::Promise<Result<WitnessReply>> witness_partner(Core& core, const federation::Caller& caller,
                                                  security::WitnessOffer offer) {
  const OrgId organisation = caller.peer.organisation;
  const auto link = core.links->entries().find(organisation);
  if (link == core.links->entries().end() || link->second.state != LinkState::active) {
    return Result<WitnessReply>(make_error(ErrorCode::denied, "there is no active link"));
  }
  auto pinned = security::PinnedOrganisation::from_chain(link->second.chain);
  if (!pinned) return Result<WitnessReply>(std::move(pinned).error());
  auto showing = std::make_shared<const Showing>(Showing{{core.organisation(), core.settings.site},
                                                         {organisation, caller.peer.site},
                                                         pinned->keys_ever(KeyPurpose::audit),
                                                         std::move(offer),
                                                         core.clock.now()});
  auto pair = kj::newPromiseAndFulfiller<Result<WitnessReply>>();
  auto fulfiller =
      std::make_shared<kj::Own<kj::PromiseFulfiller<Result<WitnessReply>>>>(kj::mv(pair.fulfiller));
  core.store->post<Witnessed>(
      [showing, &key = core.keyring.keys.audit](Database& database) {
        return judge_and_keep(database, *showing, key);
      },
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
