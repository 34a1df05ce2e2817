#include "node/model/conformal.h"

#include <algorithm>
#include <cmath>

#include "node/model/model_archive.h"

namespace entente::node {

namespace {

constexpr double kMissed[2] = {0.5, 0.1};
constexpr double kAdaptation = 0.02;

}  // namespace

double conformal_quantile(std::span<const double> sorted, double share) {
  const double n = static_cast<double>(sorted.size());
  // Shares below a half count from the other end, so that both ends are on the safe side.
  const double rank = share >= 0.5 ? std::ceil((n + 1) * share) : std::floor((n + 1) * share);
  const double place = std::clamp(rank, 1.0, n);
  return sorted[static_cast<std::size_t>(place) - 1];
}

ConformalBands::ConformalBands(std::size_t horizon)
    : calibrations_(std::max<std::size_t>(horizon, 1)) {}

Band ConformalBands::band(std::size_t ahead, double mean, int level) const {
  const Calibration& c = calibrations_[std::min(ahead, calibrations_.size() - 1)];
  if (c.sorted.size() < kErrorsLeast) return {kMissing, kMissing};
  const double outside = std::clamp(c.missing[level], 0.002, 0.95);
  return {mean + conformal_quantile(c.sorted, outside / 2),
          mean + conformal_quantile(c.sorted, 1 - outside / 2)};
}

void ConformalBands::learn(std::size_t ahead, double error) {
  if (!std::isfinite(error)) return;
  ahead = std::min(ahead, calibrations_.size() - 1);
  Calibration& c = calibrations_[ahead];
  if (c.sorted.size() >= kErrorsLeast) {
    for (int level = 0; level < 2; ++level) {
      const double missed = band(ahead, 0, level).contains(error) ? 0 : 1;
      c.missing[level] = std::clamp(
          c.missing[level] + kAdaptation * kMissed[level] * 2 * (kMissed[level] - missed), 0.0,
          0.98);
    }
  }
  c.errors.push_back(error);
  c.sorted.insert(std::upper_bound(c.sorted.begin(), c.sorted.end(), error), error);
  if (c.errors.size() <= kErrorsKept) return;
  c.sorted.erase(std::lower_bound(c.sorted.begin(), c.sorted.end(), c.errors.front()));
  c.errors.pop_front();
}

void ConformalBands::archive(ModelArchive& archive) {
  for (Calibration& c : calibrations_) {
    archive.numbers(c.errors);
    for (double& missing : c.missing) archive.number(missing);
    if (!archive.reading()) continue;
    if (std::any_of(c.errors.begin(), c.errors.end(), [](double e) { return !std::isfinite(e); })) {
      archive.fail();
      c.errors.clear();
    }
    c.sorted.assign(c.errors.begin(), c.errors.end());
    std::sort(c.sorted.begin(), c.sorted.end());
  }
}

}  // namespace entente::node
