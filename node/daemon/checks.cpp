// What will bite, said before it does: the checks of status, readiness and doctor.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "node/daemon/answer_json.h"
#include "node/daemon/core.h"
#include "node/daemon/disk_room.h"
#include "node/daemon/limits.h"

namespace entente::node {
namespace {

CheckResult certificate_check(const Core& core) {
  const Instant end = core.certificates->current()->not_after;
  const Duration left = end - core.clock.now();
  const std::string text = "valid until " + shown_time(end);
  const char* const remedy = "see the log for why it was not renewed; entente key rotate leaf";
  if (left.ns <= 0) return {CheckState::fail, "the certificate has expired", remedy};
  if (left < limits::kCertificateWarning) return {CheckState::warn, text, remedy};
  return {CheckState::ok, text, ""};
}

// A root key at hand is convenient, and whoever takes the node has it.
CheckResult root_check(const Core& core) {
  const auto root = core.charters->shelf().current("root");
  if (!root) {
    return {CheckState::warn, root.error().what, "entente key list"};
  }
  const Charter& charter = core.keyring.self.current();
  const std::string threshold = std::to_string(charter.threshold) + " of " +
                                std::to_string(charter.root_keys.size()) + " root keys sign";
  if (!*root) {
    return {CheckState::ok,
            threshold + "; none is kept here: every rotation but that of leaves needs --offline",
            ""};
  }
  const auto& roots = charter.root_keys;
  if (std::find(roots.begin(), roots.end(), (*root)->public_key()) == roots.end()) {
    return {CheckState::warn, "the root key kept here is none of the charter's",
            "remove it: entente key export-root FILE --remove"};
  }
  return {CheckState::ok, threshold + "; one is kept here", ""};
}

CheckResult clock_check(const Core& core) {
  std::string apart;
  Duration most{};
  std::size_t heard = 0;
  for (const auto& [org, link] : core.links->entries()) {
    if (link.state != LinkState::active) continue;
    const auto health = core.link_manager->health(org);
    if (!health || !health->clock_ahead) continue;
    ++heard;
    const Duration off = *health->clock_ahead;
    const Duration size{std::abs(off.ns)};
    if (size < limits::kClockWarning) continue;
    most = std::max(most, size);
    apart += (apart.empty() ? "" : ", ") + link.name + " is " +
             std::to_string(size.ns / seconds(1).ns) + " s " + (off.ns > 0 ? "ahead" : "behind");
  }
  if (apart.empty()) {
    return {CheckState::ok,
            heard == 0 ? "no partner's clock was heard"
                       : "within 30 s of " + std::to_string(heard) +
                             (heard == 1 ? " partner" : " partners"),
            ""};
  }
  return {CheckState::warn, apart,
          most >= limits::kClockAlarm ? "set the clocks right now (NTP): certificates are believed "
                                        "only 5 minutes before they begin"
                                      : "set the clocks right (NTP)"};
}

CheckResult invitation_check(const Core& core) {
  std::string names;
  for (const auto& [id, open] : core.invited->open()) {
    names += (names.empty() ? "" : ", ") + open.name + " until " + shown_time(open.expires);
    if (open.wrong_proofs > 0) {
      names += " (" + std::to_string(open.wrong_proofs) + " wrong proofs)";
    }
  }
  if (names.empty()) return {CheckState::ok, "closed: no invitation is open", ""};
  if (!core.enrolment->is_open()) {
    return {CheckState::warn, "invitations are open, but the enrolment port is not: " + names,
            "entente link cancel NAME, and invite anew"};
  }
  return {CheckState::warn, "open at port " + std::to_string(core.enrolment_port) + " for " + names,
          "entente link cancel NAME when it is no longer wanted"};
}

CheckResult ending_check(const Core& core) {
  const Instant soon = core.clock.now() + limits::kExpiryWarning;
  std::vector<std::string> ending;
  for (const auto& [id, agreement] : core.site->agreements) {
    if (agreement.value.expires > soon) continue;
    ending.push_back("agreement " + agreement.value.name + " at " +
                     shown_time(agreement.value.expires));
  }
  for (const auto& [name, token] : core.access->tokens()) {
    if (token.expires > soon || token.expires <= core.clock.now()) continue;
    ending.push_back("token " + name + " at " + shown_time(token.expires));
  }
  for (const auto& [name, collector] : core.collectors->entries().entries()) {
    if (collector.revoked || collector.expires > soon) continue;
    ending.push_back("collector " + name + " at " + shown_time(collector.expires));
  }
  if (ending.empty()) return {CheckState::ok, "nothing ends within 14 days", ""};
  return {CheckState::warn, joined_words(ending), "renew what is still needed before it ends"};
}

CheckResult link_check(const Core& core) {
  std::string down, pending;
  std::size_t active = 0;
  for (const auto& [org, link] : core.links->entries()) {
    if (link.state == LinkState::pending) pending += (pending.empty() ? "" : ", ") + link.name;
    if (link.state != LinkState::active) continue;
    ++active;
    const auto health = core.link_manager->health(org);
    if (!health || !health->call.connected || !health->serve.connected) {
      down += (down.empty() ? "" : ", ") + link.name;
    }
  }
  if (!down.empty()) return {CheckState::warn, "not connected: " + down, "entente link list"};
  if (!pending.empty())
    return {CheckState::warn, "to be confirmed: " + pending, "entente link confirm NAME"};
  return {CheckState::ok, std::to_string(active) + " active", ""};
}

CheckResult agreement_check(const Core& core) {
  std::string ours;
  for (const auto& [id, entry] : core.agreements->entries()) {
    const auto state = entry.standing.state;
    const bool offered = state == federation::AgreementState::proposed ||
                         state == federation::AgreementState::countered;
    if (!offered || entry.standing.offered_here) continue;
    ours += (ours.empty() ? "" : ", ") + entry.value.name;
  }
  if (!ours.empty())
    return {CheckState::warn, "waiting for your signature: " + ours, "entente agreement list"};
  return {CheckState::ok, std::to_string(core.site->agreements.size()) + " active", ""};
}

CheckResult break_glass_check(const Core& core) {
  const auto& use = core.break_glass->unacknowledged();
  if (!use) return {CheckState::ok, "not used", ""};
  return {CheckState::warn,
          "used " + std::to_string(use->calls) + " times since " + shown_time(use->first) +
              ", last for " + use->what,
          "see 'entente audit list', then 'entente access acknowledge'"};
}

CheckResult ledger_check(const Core& core) {
  const auto restored = core.ledger->restored();
  if (!restored) return {CheckState::ok, "the ledger is whole", ""};
  return {CheckState::warn, "no partner is answered: " + restored->evidence,
          "entente budget reconcile --dry-run"};
}

}  // namespace

std::vector<HealthCheck> Core::checks() const {
  const auto of = [this](CheckResult (*check)(const Core&)) {
    return [this, check] { return check(*this); };
  };
  const auto listening = [this]() -> CheckResult {
    return {CheckState::ok, settings.federation_address + ":" + std::to_string(federation_port),
            ""};
  };
  return {{"certificate", of(certificate_check)},
          {"charter", [this] { return charters->check_charter(); }},
          {"root key", of(root_check)},
          {"rotations", [this] { return charters->check_rotations(); }},
          {"federation port", listening},
          {"enrolment", of(invitation_check)},
          {"links", of(link_check)},
          {"partners' charters", [this] { return charters->check_stale(); }},
          {"clock", of(clock_check)},
          {"agreements", of(agreement_check)},
          {"ends soon", of(ending_check)},
          {"ledger", of(ledger_check)},
          {"break-glass", of(break_glass_check)},
          {"disk", [this] { return disk_check(settings.home); }},
          {"audit log", [this] { return audit->check(); }}};
}

}  // namespace entente::node
