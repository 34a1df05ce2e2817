#include "federation/audit/privacy_audit.h"

#include <algorithm>
#include <utility>

#include "federation/audit/experiment_list.h"

namespace entente::federation {
namespace {

constexpr std::size_t kRunsLeast = 10'000;
// Unless every run is asked for: integers of each run, and questions in each world.
constexpr std::size_t kDrawsEach = 8, kQuestions = 200;
// In any case: as many as a million runs of a tree need.
constexpr std::size_t kQuestionsMost = 20'000;

Outcome check_runs(const AuditOptions& options) {
  if (options.runs >= kRunsLeast) return {};
  return make_error(ErrorCode::invalid_argument,
                    "an audit of fewer than " + std::to_string(kRunsLeast) + " runs shows nothing",
                    "leave --runs out, or raise it");
}

void check_mechanisms(Random& random, std::size_t draws, double risk, PrivacyAudit& audit) {
  security::ExactNoise noise(random);
  for (const std::uint64_t variance : {1, 4, 100}) {
    audit.mechanisms.push_back(check_gaussian(noise, variance, draws, risk));
  }
  for (const std::uint64_t scale : {2, 10}) {
    audit.mechanisms.push_back(check_laplace(noise, scale, draws, risk));
  }
  for (auto& known : check_known_answers()) audit.mechanisms.push_back(std::move(known));
  const Fault half = less_variance(4);
  FaultyNoise halved(noise, half);
  for (const std::uint64_t variance : {4, 100}) {
    audit.faulty.push_back(check_gaussian(halved, variance, draws, risk));
  }
}

Result<PrivacyAudit> run(Random& random, const MakeScratchLedger& ledger, const AuditedSite& site,
                         const std::vector<Experiment>& experiments,
                         const std::vector<Experiment>& controls, bool laws,
                         const AuditOptions& options) {
  if (auto enough = check_runs(options); !enough) return std::move(enough).error();
  auto scratch = ScratchSite::open(random, ledger);
  if (!scratch) return std::move(scratch).error();
  PrivacyAudit audit;
  const std::size_t all = experiments.size() + controls.size() + (laws ? 1 : 0);
  std::size_t done = 0;
  const auto step = [&] {
    ++done;
    if (options.progress) options.progress(done, all);
  };
  Observatory::Options each;
  each.runs = options.runs;
  each.risk = options.risk / static_cast<double>(all);
  each.questions = options.every_run ? kQuestionsMost : kQuestions;
  if (!options.every_run) each.draws = options.runs * kDrawsEach;
  if (laws) {
    check_mechanisms(random, options.runs, each.risk, audit);
    step();
  }
  Observatory observatory(**scratch, site, each);
  for (const auto& [list, findings] :
       {std::pair{&experiments, &audit.findings}, std::pair{&controls, &audit.controls}}) {
    for (const Experiment& experiment : *list) {
      auto finding = observatory.observe(experiment);
      if (!finding) return std::move(finding).error();
      findings->push_back(std::move(*finding));
      step();
    }
  }
  return audit;
}

}  // namespace

bool PrivacyAudit::holds() const {
  const auto refuted = [](const auto& one) { return one.refuted; };
  return std::none_of(mechanisms.begin(), mechanisms.end(), refuted) &&
         std::none_of(findings.begin(), findings.end(), refuted) &&
         std::all_of(controls.begin(), controls.end(), refuted) &&
         std::all_of(faulty.begin(), faulty.end(), refuted);
}

Result<PrivacyAudit> audit_privacy(Random& random, const MakeScratchLedger& ledger,
                                   const AuditOptions& options) {
  const AuditedSite site = made_up_site();
  return run(random, ledger, site, experiments_of(site), controls_of(site, random), true, options);
}

Result<PrivacyAudit> audit_export(Random& random, const MakeScratchLedger& ledger,
                                  const AuditedSite& site, const AuditOptions& options) {
  const auto experiments = experiments_of(site);
  if (experiments.empty()) {
    return make_error(ErrorCode::shape_refused,
                      "nothing can be asked of '" + site.view.name + "' under this agreement");
  }
  std::vector<Experiment> controls;
  for (Experiment& control : controls_of(site, random)) {
    const bool kept = control.name == kHalfTheNoise || control.name == kWithoutCharge;
    if (kept) controls.push_back(std::move(control));
  }
  auto audit = run(random, ledger, site, experiments, controls, false, options);
  if (audit) audit->subject = site.view.name;
  return audit;
}

}  // namespace entente::federation
