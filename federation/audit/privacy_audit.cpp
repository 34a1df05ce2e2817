#include "federation/audit/privacy_audit.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "federation/audit/distinguisher.h"
#include "federation/audit/synthetic_site.h"
#include "security/privacy/ledger.h"
#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

using Asked = SyntheticSite::Asked;
using Draw = std::function<std::vector<ReleasedCell>(const Asked&, const ExactVectors&)>;

constexpr double kDeltas[] = {1e-6, 1e-4, 1e-3, 1e-2, 5e-2};
constexpr std::size_t kRunsLeast = 10'000, kDrawsLeast = kRunsLeast;
// A release of more integers is asked for less often: so many draws in all.
constexpr std::size_t kDrawsEach = 8;

// What the observer sees of one question, and what it is in each world before noise.
struct Seen {
  Asked asked;
  ExactVectors with;
  ExactVectors without;
};

struct Experiment {
  std::string name;
  std::vector<Seen> seen;
  RhoUnits charged;  // to the block in which the worlds differ
};

// Draws a quarter of the variance that was asked for.
class HalvedNoise final : public security::NoiseSource {
 public:
  explicit HalvedNoise(security::NoiseSource& noise) : noise_(noise) {}
  std::int64_t gaussian(std::uint64_t variance) override {
    return noise_.gaussian(std::max<std::uint64_t>(variance / 4, 1));
  }
  std::int64_t laplace(std::uint64_t scale) override { return noise_.laplace(scale); }

 private:
  security::NoiseSource& noise_;
};

// The exponent of the likelihood ratio, to which everything that tells the worlds apart adds.
double score(const Seen& seen, const std::vector<ReleasedCell>& cells) {
  double sum = 0;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    std::size_t at = 0;
    for (const StatisticLayout& layout : seen.asked.price.layout) {
      for (const std::size_t end = at + layout.width; at < end; ++at) {
        const double without = static_cast<double>(seen.without.cells[c][at]);
        const double shift = static_cast<double>(seen.with.cells[c][at]) - without;
        if (shift == 0) continue;
        sum += shift * (static_cast<double>(cells[c].mantissas[at]) - without) /
               static_cast<double>(layout.variance);
      }
    }
  }
  return sum;
}

std::size_t integers_of(const Experiment& experiment) {
  std::size_t count = 0;
  for (const Seen& seen : experiment.seen) {
    for (const auto& cell : seen.with.cells) count += cell.size();
  }
  return std::max<std::size_t>(count, 1);
}

// Where the observer came closest to the charge, relative to it, or furthest beyond it.
AuditFinding judge(std::string name, std::string questions, RhoUnits charged,
                   const std::vector<double>& reached) {
  AuditFinding finding{std::move(name), std::move(questions), 0, 0, 0, false};
  double worst = -1;
  for (std::size_t d = 0; d < std::size(kDeltas); ++d) {
    const double allowed = security::epsilon_of(charged, *security::delta_of(kDeltas[d]));
    finding.refuted = finding.refuted || reached[d] > allowed;
    const double ratio = allowed > 0 ? reached[d] / allowed : reached[d];
    if (ratio <= worst) continue;
    worst = ratio;
    finding.charged = allowed, finding.reached = reached[d], finding.delta = kDeltas[d];
  }
  return finding;
}

class Auditor {
 public:
  Auditor(Random& random, const AuditOptions& options)
      : random_(random), options_(options), noise_(random), site_(random) {}

  Result<PrivacyAudit> run();

 private:
  Result<Seen> ask(const std::string& items, const std::string& where, TimeWindow window,
                   const SyntheticMeters& with, const SyntheticMeters& without,
                   const std::string& epsilon = "4") const;
  Result<Experiment> experiment(std::string name, std::vector<Result<Seen>> seen) const;
  Result<Experiment> many_askers() const;
  std::vector<Result<Experiment>> experiments() const;
  AuditFinding observe(const Experiment& experiment, const Draw& draw) const;
  AuditFinding observe_fraction(std::string name, const Draw& draw_zero,
                                const Draw& draw_one) const;
  Draw honest();
  void check_mechanisms(PrivacyAudit& audit);
  Outcome controls(PrivacyAudit& audit);
  AuditFinding half_the_noise(const Experiment& one);
  AuditFinding no_clamping(Experiment outlier, const SyntheticMeters& with);
  AuditFinding raw_minimum(const Experiment& mean);
  AuditFinding floating_point();
  void step() {
    ++done_;
    if (options_.progress) options_.progress(done_, all_);
  }

  Random& random_;
  const AuditOptions& options_;
  mutable security::ExactNoise noise_;
  SyntheticSite site_;
  double risk_ = 0;  // of one experiment
  std::size_t done_ = 0, all_ = 1;
};

Draw Auditor::honest() {
  return [this](const Asked& asked, const ExactVectors& exact) {
    return add_noise(asked.question, asked.price, exact, noise_);
  };
}

Result<Seen> Auditor::ask(const std::string& items, const std::string& where, TimeWindow window,
                          const SyntheticMeters& with, const SyntheticMeters& without,
                          const std::string& epsilon) const {
  auto asked = site_.ask(items, where, window, epsilon);
  if (!asked) return std::move(asked).error();
  Seen seen{std::move(*asked), {}, {}};
  seen.with = site_.sums(seen.asked, with);
  seen.without = site_.sums(seen.asked, without);
  return seen;
}

Result<Experiment> Auditor::experiment(std::string name, std::vector<Result<Seen>> seen) const {
  Experiment experiment{std::move(name), {}, {}};
  for (auto& one : seen) {
    if (!one) return std::move(one).error();
    for (const BlockAmount& charge : one->asked.price.charges) {
      if (charge.start != SyntheticSite::first_day().from) continue;
      auto sum = security::add(experiment.charged, charge.rho);
      if (!sum) return std::move(sum).error();
      experiment.charged = *sum;
    }
    experiment.seen.push_back(std::move(*one));
  }
  return experiment;
}

// As many askers as the block's cap admits, each sold an answer of its own; the last are refused.
Result<Experiment> Auditor::many_askers() const {
  const TimeWindow day = SyntheticSite::first_day();
  std::vector<Result<Seen>> seen;
  security::Account account{site_.view().rho_cap, {{day.from, {0}}}};
  for (int partner = 0; partner < 1'000; ++partner) {
    // Every asker takes another part of what is left, as if guided by the answers so far.
    static constexpr const char* kParts[] = {"2", "1", "0.5", "0.25"};
    auto one = ask("sum(load)", "", day, site_.meters_outlying(), site_.without_first(),
                   kParts[partner % 4]);
    if (!one) return std::move(one).error();
    const std::vector<BlockAmount>& charges = one->asked.price.charges;
    if (!security::admit(account, charges)) break;
    account.spent[0].rho.units += charges.at(0).rho.units;
    seen.push_back(std::move(one));
  }
  return experiment("many askers until the cap is spent", std::move(seen));
}

std::vector<Result<Experiment>> Auditor::experiments() const {
  const TimeWindow day = SyntheticSite::first_day();
  const TimeWindow later{day.from + hours(1), day.to + hours(1)};
  const SyntheticMeters& all = site_.meters();
  const SyntheticMeters without = site_.without_first(), silent = site_.without_first_day();
  const SyntheticMeters outlier = site_.meters_outlying();
  SyntheticMeters doubled = all;
  doubled.push_back(all.front());
  std::vector<Result<Experiment>> list;
  const auto add = [&](const char* name, std::vector<Result<Seen>> seen) {
    list.push_back(experiment(name, std::move(seen)));
  };
  for (const char* item :
       {"count(*)", "count(load < 50)", "share(load < 50)", "mean(load)",
        "count(load < 50), mean(load), sum(load)", "variance(load)", "stddev(load)",
        "histogram(load, 10)", "median(load)", "min(load), max(load)"}) {
    add("one meter dropped", {ask(item, "", day, all, without)});
  }
  add("one meter doubled", {ask("mean(load)", "", day, doubled, all)});
  add("one dominating value", {ask("sum(load)", "", day, outlier, without)});
  add("a group made smaller", {ask("sum(load)", "", day, outlier, without),
                               ask("sum(load)", "district = 'north'", day, outlier, without)});
  add("a window moved by a tick",
      {ask("mean(load)", "", day, all, silent), ask("mean(load)", "", later, all, silent)});
  add("an hour and its day", {ask("mean(load)", "", {day.from, day.from + hours(1)}, all, without),
                              ask("mean(load)", "", day, all, without)});
  list.push_back(many_askers());
  return list;
}

AuditFinding Auditor::observe(const Experiment& experiment, const Draw& draw) const {
  const std::size_t draws = options_.runs * kDrawsEach;
  const std::size_t runs =
      std::clamp(draws / integers_of(experiment), std::size_t{1'000}, options_.runs);
  std::vector<double> with(runs, 0), without(runs, 0);
  std::string questions;
  for (const Seen& seen : experiment.seen) {
    for (std::size_t run = 0; run < runs; ++run) {
      with[run] += score(seen, draw(seen.asked, seen.with));
      without[run] += score(seen, draw(seen.asked, seen.without));
    }
  }
  const Asked& first = experiment.seen.front().asked;
  questions = first.sentence.substr(7, first.sentence.find(" FROM") - 7);
  if (experiment.seen.size() > 1) {
    questions += ", " + std::to_string(experiment.seen.size()) + " questions";
  }
  return judge(experiment.name, std::move(questions), experiment.charged,
               epsilon_at_least(with, without, kDeltas, risk_));
}

// The event of Haney and others (2022): an answer below 1 that no sum of 1 and noise can give.
AuditFinding Auditor::observe_fraction(std::string name, const Draw& zero, const Draw& one) const {
  auto asked = site_.ask("count(load < 50)", "", SyntheticSite::first_day(), "4");
  const auto hits = [&](const Draw& draw) {
    std::size_t count = 0;
    for (std::size_t run = 0; run < options_.runs; ++run) {
      const auto cells = draw(*asked, {});
      const double y = std::ldexp(static_cast<double>(cells[0].mantissas[0]),
                                  static_cast<int>(cells[0].mantissas[1]));
      const double scaled = std::ldexp(y, 53);
      count += std::fabs(y) < 1 && scaled != std::floor(scaled) ? 1 : 0;
    }
    return count;
  };
  const std::size_t at_zero = hits(zero), at_one = hits(one);
  std::vector<double> reached;
  for (const double delta : kDeltas) {
    reached.push_back(epsilon_of_event(at_zero, at_one, options_.runs, delta, risk_));
  }
  return judge(std::move(name), "bits of a count", asked->price.charges.back().rho, reached);
}

AuditFinding Auditor::half_the_noise(const Experiment& one) {
  HalvedNoise halved(noise_);
  AuditFinding finding = observe(one, [&](const Asked& asked, const ExactVectors& exact) {
    return add_noise(asked.question, asked.price, exact, halved);
  });
  finding.experiment = "half the noise";
  return finding;
}

// Sums without the clamp, on the lattice that was priced with it.
AuditFinding Auditor::no_clamping(Experiment outlier, const SyntheticMeters& with) {
  Seen& seen = outlier.seen.front();
  const security::Lattice& lattice = seen.asked.price.layout.front().lattice;
  const FoldedTable folded = SyntheticSite::fold(seen.asked.question, with);
  std::int64_t sum = 0;
  for (const FoldedUnit& unit : folded.units) {
    sum += std::llround(std::ldexp(std::min(unit.values[0], 1e6), -lattice.exponent()));
  }
  seen.with.cells[0][0] = sum;
  AuditFinding finding = observe(outlier, honest());
  finding.experiment = "a sum without clamping";
  return finding;
}

// The least value itself, with the noise of one unit's step in the mean.
AuditFinding Auditor::raw_minimum(const Experiment& mean) {
  Experiment raw = mean;
  Seen& seen = raw.seen.front();
  const security::Lattice& lattice = seen.asked.price.layout.front().lattice;
  const auto least = [&](const SyntheticMeters& meters) {
    std::int64_t value = lattice.bound();
    for (const FoldedUnit& unit : SyntheticSite::fold(seen.asked.question, meters).units) {
      value = std::min(value, lattice.quantise(unit.values[0]));
    }
    return value;
  };
  for (auto* cells : {&seen.with.cells, &seen.without.cells}) {
    for (auto& cell : *cells) std::fill(cell.begin(), cell.end(), 0);
  }
  seen.with.cells[0][0] = least(site_.meters());
  seen.without.cells[0][0] = least(site_.without_first());
  // The naive account: one of n units moves an answer by a n-th of its width.
  const auto units = static_cast<std::uint64_t>(site_.meters().size());
  auto& variance = seen.asked.price.layout.front().variance;
  variance = std::max<std::uint64_t>(variance / (units * units), 1);
  AuditFinding finding = observe(raw, honest());
  finding.experiment = "a raw minimum";
  return finding;
}

// Laplace noise of scale 1 from a floating-point uniform: the low bits tell what was added to.
AuditFinding Auditor::floating_point() {
  const auto laplace = [this](double value) -> Draw {
    return [this, value](const Asked&, const ExactVectors&) {
      const std::uint64_t bits = random_.u64();
      const double uniform = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
      const double y = value + ((bits & 1) != 0 ? 1 : -1) * std::log(uniform);
      int exponent = 0;
      const double mantissa = std::frexp(y, &exponent);
      return std::vector<ReleasedCell>{
          {0, 0, {static_cast<std::int64_t>(std::ldexp(mantissa, 53)), exponent - 53}}};
    };
  };
  return observe_fraction("noise from floating point", laplace(0), laplace(1));
}

Outcome Auditor::controls(PrivacyAudit& audit) {
  const TimeWindow day = SyntheticSite::first_day();
  const SyntheticMeters& all = site_.meters();
  const SyntheticMeters outlier = site_.meters_outlying();
  auto count = experiment("", {ask("count(*)", "", day, all, site_.without_first())});
  auto sum = experiment("", {ask("sum(load)", "", day, outlier, site_.without_first())});
  auto mean = experiment("", {ask("mean(load)", "", day, all, site_.without_first())});
  auto unpaid = many_askers();
  for (const auto* one : {&count, &sum, &mean, &unpaid}) {
    if (!*one) return one->error();
  }
  const auto keep = [&](AuditFinding finding) {
    audit.controls.push_back(std::move(finding));
    step();
  };
  keep(half_the_noise(*count));
  keep(floating_point());
  keep(raw_minimum(*mean));
  keep(no_clamping(*sum, outlier));
  unpaid->charged = unpaid->seen.front().asked.price.charges.at(0).rho;
  unpaid->name = "answers without their charge";
  keep(observe(*unpaid, honest()));
  return {};
}

void Auditor::check_mechanisms(PrivacyAudit& audit) {
  const std::size_t draws = std::max(options_.runs, kDrawsLeast);
  for (const std::uint64_t variance : {1, 4, 100}) {
    audit.mechanisms.push_back(check_gaussian(noise_, variance, draws, risk_));
  }
  for (const std::uint64_t scale : {2, 10}) {
    audit.mechanisms.push_back(check_laplace(noise_, scale, draws, risk_));
  }
  for (auto& known : check_known_answers()) audit.mechanisms.push_back(std::move(known));
  HalvedNoise halved(noise_);
  for (const std::uint64_t variance : {4, 100}) {
    audit.faulty.push_back(check_gaussian(halved, variance, draws, risk_));
  }
  step();
}

Result<PrivacyAudit> Auditor::run() {
  PrivacyAudit audit;
  auto list = experiments();
  constexpr std::size_t kOthers = 7;  // mechanisms, the fraction, and the controls
  all_ = list.size() + kOthers;
  risk_ = options_.risk / static_cast<double>(all_);
  check_mechanisms(audit);
  for (auto& experiment : list) {
    if (!experiment) return std::move(experiment).error();
    audit.findings.push_back(observe(*experiment, honest()));
    step();
  }
  const auto counted = [this](std::int64_t units) -> Draw {
    return [this, units](const Asked& asked, const ExactVectors&) {
      const StatisticLayout& layout = asked.price.layout.front();
      auto cells = add_noise(asked.question, asked.price, {{{units * layout.bound()}}}, noise_);
      cells.front().mantissas.push_back(layout.exponent());
      return cells;
    };
  };
  audit.findings.push_back(observe_fraction("low bits of an answer", counted(0), counted(1)));
  step();
  if (auto made = controls(audit); !made) return std::move(made).error();
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

Result<PrivacyAudit> audit_privacy(Random& random, const AuditOptions& options) {
  if (options.runs < kRunsLeast) {
    return make_error(
        ErrorCode::invalid_argument,
        "an audit of fewer than " + std::to_string(kRunsLeast) + " runs shows nothing",
        "leave --runs out, or raise it");
  }
  return Auditor(random, options).run();
}

}  // namespace entente::federation
