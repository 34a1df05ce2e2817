// A self-audit of what is promised to the units: experiments that try to refute it.
//
// Each experiment asks one or more questions in two worlds that differ in one unit, many times with
// fresh noise, through the very functions that answer partners (plan, check_question, price_of,
// aggregate, add_noise), and lets the best observer there is (the likelihood ratio of all released
// integers) guess the world. How well that succeeds bounds epsilon from below; the bound must stay
// at or below what the ledger charges for it, at every delta tried. The attacks are those that
// subtract one answer from another: a twin dropped, doubled or dominating, a group made smaller, a
// window moved by a tick, many askers adding up what each was sold.
//
// A passed audit proves nothing unless it can fail, so the same experiments run over faults made on
// purpose: half the noise, noise from floating point, a raw minimum, a sum without clamping, an
// answer without its charge. Each must be caught. Works on a made-up site: reads nothing of a
// node's own and costs no budget. Threads: any, one at a time for each Random.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "federation/audit/mechanism_checks.h"
#include "schemas/base/random.h"
#include "schemas/base/result.h"

namespace entente::federation {

struct AuditFinding {
  std::string experiment;  // "one meter dropped"; of a control, the fault
  std::string questions;   // what was asked
  double charged = 0;      // epsilon by the ledger, at `delta`
  double reached = 0;      // epsilon that the observer reached at least
  double delta = 0;        // where the two were closest, or furthest apart
  bool refuted = false;    // at some delta
};

struct PrivacyAudit {
  std::vector<MechanismCheck> mechanisms;  // none may be refuted
  std::vector<AuditFinding> findings;      // nor any of these
  std::vector<AuditFinding> controls;      // all must be
  std::vector<MechanismCheck> faulty;      // of noise with half its deviation: likewise
  bool holds() const;
};

struct AuditOptions {
  std::size_t runs = 100'000;  // of each experiment in each world, 10,000 at least
  double risk = 1e-6;          // that a sound node is refuted by chance, over the whole audit
  // After each experiment: done, of all.
  std::function<void(std::size_t, std::size_t)> progress;
};

// Refuses: invalid_argument (too few runs); whatever the planner refuses, which would be a fault.
[[nodiscard]] Result<PrivacyAudit> audit_privacy(Random& random, const AuditOptions& options);

}  // namespace entente::federation
