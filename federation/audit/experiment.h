// One experiment of the privacy audit: questions asked in two worlds that differ in one unit, and
// how well the best observer tells the worlds apart.
//
// The observer knows everything but the world and the noise: its score is the likelihood ratio of
// all released integers. Two bounds come of it. Free of any model: the least epsilon at a delta
// under which the counts of events are possible (distinguisher.h), held against what the ledger's
// charge means at that delta. And for noise that is Gaussian, as it is here: the least mu (Dong,
// Roth, Su 2022) under which they are, held against mu = sqrt(2 rho), which few runs come close to;
// it is told as the epsilon that Gaussian noise has at the domain's delta (accounting.h). A finding
// is refuted when either is beaten.
//
// The same bytes again say nothing new, and a sum of cells that the observer holds says no more
// than they do: so it scores nothing where it is that sum, and like any other answer where it is
// not.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "federation/audit/scratch_site.h"

namespace entente::federation {

struct AuditFinding {
  std::string experiment;  // "one unit dropped"; of a control, the fault
  std::string questions;   // what was asked
  std::size_t runs = 0;    // in each world
  double charged = 0;      // epsilon of what the ledger charged, at `delta`
  double gaussian = 0;     // what of that Gaussian noise uses, at most
  double reached = 0;      // epsilon that the observer proved at least, of Gaussian noise
  double any_noise = 0;    // the same without that assumption
  double delta = 0;        // the domain's
  bool refuted = false;
};

// A question of an experiment. `epsilon` of it; `keys` a condition on public keys.
struct AuditAsk {
  std::string items;
  AuditWindow window;
  double epsilon = 1;
  std::vector<std::string> group_by = {};
  std::string keys = {};
  std::size_t partner = 0;
  bool fresh = false;  // the partner wants noise of the question's own
  // The answer must be made of the cells of that question's, by its place in the experiment: each
  // of this one's is the sum of those inside it.
  std::optional<std::size_t> adds_up = {};
};

struct Experiment {
  std::string name;
  std::vector<AuditAsk> asks;
  MadeUpTwins::First with, without;
  Fault fault = {};
  // Each next question follows from the answer before: of two neighbours in `asks` the one that its
  // last bit says. What the ledger has no room for is left out.
  bool adaptive = false;
  // What is charged to the domain's lifetime covers the difference: it is one of membership.
  bool membership = false;
  // Observed by the event of Haney and others (2022), an answer below 1 that no sum of 1 and noise
  // can give, instead of by likelihood: the question counts nobody in one world, a unit in the
  // other.
  bool low_bits = false;
  // Partner of this number sees its own answers alone, and the claim is what its quota was charged;
  // otherwise everything is seen, and the claim is what the site's account was charged.
  std::optional<std::size_t> observer = {};
};

class Observatory {
 public:
  // `draws`: after so many integers of each world no more are asked for, runs or not, so that what
  // is long to answer is asked less often; 0 = no such end.
  struct Options {
    std::size_t runs = 100'000;
    std::size_t draws = 0;
    std::size_t questions = 200;  // in each world, whatever the runs by then
    double risk = 1e-9;           // that a sound experiment is refuted
  };
  Observatory(ScratchSite& site, const AuditedSite& audited, Options options)
      : site_(site), audited_(audited), options_(options) {}

  // Refuses what the gate refuses, which is a fault of the experiment; conflict (the ledger says
  // otherwise than the answers that it was charged for; an answer is a sum of earlier cells that
  // should not be, or is none that should).
  [[nodiscard]] Result<AuditFinding> observe(const Experiment& experiment);
  static std::string sentence_of(const ExportView& view, const AuditAsk& ask);

 private:
  struct World;
  struct Seen;
  struct Given;
  Result<std::shared_ptr<const Seen>> look(const Experiment& experiment, const AuditAsk& ask);
  Result<RhoUnits> run(const Experiment& experiment, World& with, World& without);
  Result<AuditFinding> observe_low_bits(const Experiment& count);
  Outcome run_world(const Experiment& experiment, bool with, World& world);
  Outcome answered(const Experiment& experiment, std::size_t number, bool with, World& world);
  Outcome keep(const Experiment& experiment, std::size_t number, std::shared_ptr<const Seen> seen,
               const ScratchAnswer& answer, World& world) const;
  void score(const Experiment& experiment, const Seen& seen, const ScratchAnswer& answer,
             World& world) const;
  void score_sum(const Experiment& experiment, const AuditAsk& ask, const Seen& seen,
                 const ScratchAnswer& answer, World& world) const;
  double& score_at(const Experiment& experiment, const Seen& seen, std::size_t cell,
                   World& world) const;
  Result<RhoUnits> charged(const Experiment& experiment, const World& world) const;
  AuditFinding describe(const Experiment& experiment, const World& world, RhoUnits rho) const;

  ScratchSite& site_;
  const AuditedSite& audited_;
  Options options_;
  // Of the experiment under way: what is seen of each sentence, the groups of the first question,
  // and the cells whose first unit may differ.
  std::map<std::string, std::shared_ptr<const Seen>> seen_;
  std::vector<Group> first_groups_;
  std::vector<bool> first_cells_;
};

}  // namespace entente::federation
