// Partners' charters and ours at partners: the exchange, what a stale partner may do, and what
// doctor says of it.
#include <algorithm>

#include "federation/limits.h"
#include "federation/link/charter_exchange.h"
#include "node/daemon/charter_keeper.h"
#include "node/daemon/core.h"
#include "node/daemon/limits.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using federation::CharterOffer;

}  // namespace

std::string joined_words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

void CharterKeeper::show_to_all() {
  refreshed_ = core_.clock.steady();
  if (!core_.link_manager) return;
  for (const auto& [org, link] : core_.links->entries()) {
    if (link.state == LinkState::active) core_.link_manager->greet(org);
  }
}

void CharterKeeper::announce(const OrgId& partner) {
  const PartnerStatus status = status_of(partner);
  const auto before = announced_.find(partner);
  const bool first = before == announced_.end();
  if (!first && before->second == status) return;
  announced_[partner] = status;
  if (first && status == PartnerStatus::fresh) return;
  const std::string_view text = to_text(status);
  if (status == PartnerStatus::fresh) {
    log::info("link", "a partner's charter was heard of again", {{"partner", partner.short_hex()}});
  } else {
    log::warn("link", "a partner's charter was not heard of for long: it may do less",
              {{"partner", partner.short_hex()}, {"status", text}});
  }
}

PartnerStatus CharterKeeper::status_of(const OrgId& partner) const {
  const auto link = core_.links->entries().find(partner);
  if (link == core_.links->entries().end()) return PartnerStatus::status_only;
  return partner_status(link->second.heard, core_.clock.now());
}

Outcome CharterKeeper::allows(const OrgId& partner, std::string_view verb) const {
  return status_allows(status_of(partner), verb);
}

void CharterKeeper::learn_told(const OrgId& partner, std::uint32_t version) {
  const std::uint32_t own = core_.keyring.self.current().version;
  if (version <= own) {
    ahead_.erase(partner);
    return core_.links->told(partner, version);
  }
  if (ahead_.emplace(partner, version).second) {
    log::error("identity", "a partner knows a newer charter of this organisation than is here",
               {{"partner", partner.short_hex()}, {"theirs", version}, {"here", own}});
  }
}

kj::Promise<Result<CharterOffer>> CharterKeeper::shown(const federation::Caller& caller,
                                                       CharterOffer offer) {
  const OrgId partner = caller.peer.organisation;
  auto pair = kj::newPromiseAndFulfiller<Result<CharterOffer>>();
  auto answer =
      std::make_shared<kj::Own<kj::PromiseFulfiller<Result<CharterOffer>>>>(kj::mv(pair.fulfiller));
  if (offer.pinned > 0) learn_told(partner, offer.pinned);
  core_.links->take_charters(
      partner, std::move(offer.mine),
      [this, answer, partner, theirs = offer.pinned](Result<std::uint32_t> pinned) {
        if (!pinned) {
          log::warn("identity", "a partner's charters were not taken",
                    {{"partner", partner.short_hex()}, {"reason", pinned.error().what}});
        }
        if (!(*answer)->isWaiting()) return;
        if (!pinned) return (*answer)->fulfill(Result<CharterOffer>(pinned.error()));
        (*answer)->fulfill(Result<CharterOffer>(CharterOffer{
            *pinned, federation::charters_to_show(core_.keyring.self.chain(), theirs)}));
      });
  return kj::mv(pair.promise);
}

kj::Promise<void> CharterKeeper::greet(const OrgId& partner, wire::Session::Client session) {
  const auto link = core_.links->entries().find(partner);
  if (link == core_.links->entries().end() || link->second.state != LinkState::active) {
    return kj::READY_NOW;
  }
  const auto pinned = static_cast<std::uint32_t>(link->second.chain.size());
  auto late = core_.loop.after(federation::limits::kCharterExchange).then([] {
    return Result<CharterOffer>(make_error(ErrorCode::deadline_exceeded, "no charters in time"));
  });
  CharterOffer offer{pinned,
                     federation::charters_to_show(core_.keyring.self.chain(), link->second.told)};
  return federation::exchange_charters(kj::mv(session), offer)
      .exclusiveJoin(kj::mv(late))
      .then([this, partner](Result<CharterOffer>&& reply) {
        if (!reply) {
          const bool old = reply.error().code == ErrorCode::unsupported;
          if (!old || unable_.insert(partner).second) {
            log::warn("identity", "no charters were exchanged",
                      {{"partner", partner.short_hex()}, {"reason", reply.error().what}});
          }
          return;
        }
        unable_.erase(partner);
        learn_told(partner, reply->pinned);
        core_.links->take_charters(
            partner, std::move(reply->mine), [partner](Result<std::uint32_t> taken) {
              if (taken || taken.error().code == ErrorCode::overloaded) return;
              log::warn("identity", "a partner's charters were not taken",
                        {{"partner", partner.short_hex()}, {"reason", taken.error().what}});
            });
      })
      .catch_([](kj::Exception&&) {});  // the link ends by itself
}

CheckResult CharterKeeper::check_charter() const {
  const Charter& charter = core_.keyring.self.current();
  const Duration left = charter.expires - core_.clock.now();
  const std::string text = "version " + std::to_string(charter.version) + ", in force until " +
                           to_text(charter.expires).substr(0, 10) + " (" +
                           std::to_string(std::max<std::int64_t>(left.ns, 0) / days(1).ns) +
                           " days)";
  if (!ahead_.empty()) {
    return {CheckState::fail,
            "partners know version " + std::to_string(ahead_.begin()->second) +
                " of this organisation's charter, here is only " + std::to_string(charter.version),
            "this node was restored from an older backup: bring charter.bin and keys/ up to date; "
            "do not rotate before"};
  }
  const char* const remedy = "any rotation renews it: entente key rotate ca";
  if (left.ns <= 0) return {CheckState::fail, "it expired: " + text, remedy};
  if (left < limits::kCharterWarning) return {CheckState::warn, text, remedy};
  return {CheckState::ok, text, ""};
}

CheckResult CharterKeeper::check_rotations() const {
  for (const KeyPurpose purpose : kRotatedPurposes) {
    const auto waits = waiting(purpose);
    const std::string name(security::to_text(purpose));
    if (waits && waits->version == 0) {
      return {CheckState::warn, "a draft with a new " + name + " key was made and not applied",
              "sign it and run 'entente charter apply FILE', or rotate again"};
    }
    if (waits) {
      return {CheckState::warn,
              "the new " + name + " key waits for " + joined_words(waits->partners),
              "wait for them, or 'entente key switch " + name + "'"};
    }
  }
  for (const CharterConflict& conflict : core_.links->charter_conflicts()) {
    const auto link = core_.links->entries().find(conflict.organisation);
    if (link == core_.links->entries().end() || link->second.state == LinkState::revoked) continue;
    return {
        CheckState::warn,
        link->second.name + " signed two charters with number " + std::to_string(conflict.version),
        "ask its administrator by another channel; entente link show " + link->second.name};
  }
  return {CheckState::ok, "every key in use is the newest", ""};
}

CheckResult CharterKeeper::check_stale() const {
  std::vector<std::string> stale;
  for (const auto& [org, link] : core_.links->entries()) {
    if (link.state != LinkState::active) continue;
    const PartnerStatus status = status_of(org);
    if (status == PartnerStatus::fresh) continue;
    stale.push_back(link.name + " (" + std::string(to_text(status)) + ")");
  }
  if (stale.empty()) return {CheckState::ok, "every partner's charter is fresh", ""};
  return {CheckState::warn, "not heard of for long: " + joined_words(stale),
          "entente link show NAME"};
}

}  // namespace entente::node
