// A self-audit of what is promised to the units: experiments that try to refute it.
//
// Each experiment asks a scratch site one or more questions in two worlds that differ in one unit
// and one block, many times with fresh noise, and lets the best observer there is guess the world.
// How well that succeeds bounds epsilon from below; the bound must stay at or below what the ledger
// charged. The way is the one of every answer: a partner's sentence, planner, signed envelope,
// disclosure gate, ledger on a disk, pool of noise, signed and sealed bytes (scratch_site.h).
//
// A passed audit proves nothing unless it can fail, so faults are made on purpose, behind the same
// interfaces, and each must be caught. What is audited is a made-up export, or one that a site
// declares, with its own bounds, groups, blocks and amounts; readings are made up in both. Reads
// nothing of a node's own and costs no budget. Threads: any on which no Loop lives, one at a time
// for each Random.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "federation/audit/experiment.h"
#include "federation/audit/mechanism_checks.h"

namespace entente::federation {

struct PrivacyAudit {
  std::string subject;                     // of the export that was audited; empty = made up
  std::vector<MechanismCheck> mechanisms;  // none may be refuted
  std::vector<AuditFinding> findings;      // nor any of these
  std::vector<AuditFinding> controls;      // all must be
  std::vector<MechanismCheck> faulty;      // of noise with half its deviation: likewise
  bool holds() const;
};

struct AuditOptions {
  std::size_t runs = 100'000;  // of each experiment in each world, 10,000 at least
  double risk = 1e-6;          // that a sound node is refuted by chance, over the whole audit
  // An experiment that releases more integers, or has to be asked oftener, has fewer runs.
  bool every_run = false;
  // After each experiment: done, of all.
  std::function<void(std::size_t, std::size_t)> progress;
};

// The laws of the noise, published answers, every experiment and every control, on a made-up site.
// Refuses: invalid_argument (too few runs); whatever the gate refuses, which would be a fault.
[[nodiscard]] Result<PrivacyAudit> audit_privacy(Random& random, const MakeScratchLedger& ledger,
                                                 const AuditOptions& options);

// Every experiment that a declared export allows, and the controls "half the noise" and "answers
// without their charge". Refuses likewise: shape_refused where the export's numbers allow no
// question at all.
[[nodiscard]] Result<PrivacyAudit> audit_export(Random& random, const MakeScratchLedger& ledger,
                                                const AuditedSite& site,
                                                const AuditOptions& options);

}  // namespace entente::federation
