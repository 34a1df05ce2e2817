#include "node/model/remaining_life.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>

namespace entente::node {

namespace {

using Eigen::MatrixXd;
using Eigen::RowVectorXd;
using Eigen::VectorXd;

constexpr double kSameSetting = 0.02;  // of the larger of 1 and the setting's mean size
constexpr std::size_t kRegimesMost = 32;
constexpr std::size_t kFolds = 8;
constexpr std::size_t kNeighbours = 60;       // moments
constexpr std::size_t kOfOneUnit = 4;         // of them
constexpr std::size_t kCalibrated = 250;      // nearest calibration moments for a distribution
constexpr std::size_t kCalibrationEvery = 4;  // cycles between calibration moments of a unit
constexpr Eigen::Index kIndices = 4;          // fused indices
constexpr Eigen::Index kLags[] = {0, 10, 20, 35};
constexpr double kFast = 1.0 / 5, kSlow = 1.0 / 15;

// Sensors of one regime to mean 0 and deviation 1.
struct Regime {
  RowVectorXd setting, mean, inverse_deviation;
};

struct Scaling {
  std::size_t settings = 0, width = 0;
  RowVectorXd setting_unit;
  std::vector<Regime> regimes;
  std::vector<Eigen::Index> kept;  // sensors that vary

  std::size_t regime_of(const RowVectorXd& setting) const {
    std::size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < regimes.size(); ++i) {
      const double away =
          ((regimes[i].setting - setting).cwiseQuotient(setting_unit)).squaredNorm();
      if (away < least) least = away, best = i;
    }
    return best;
  }

  // (cycles x kept sensors), smoothed fast and slow side by side.
  MatrixXd smoothed(const MatrixXd& raw) const {
    const auto s = static_cast<Eigen::Index>(settings);
    const auto n = static_cast<Eigen::Index>(kept.size());
    MatrixXd out(raw.rows(), 2 * n);
    for (Eigen::Index t = 0; t < raw.rows(); ++t) {
      const Regime& regime = regimes[regime_of(raw.row(t).head(s))];
      for (Eigen::Index j = 0; j < n; ++j) {
        const Eigen::Index k = kept[static_cast<std::size_t>(j)];
        const double z =
            std::clamp((raw(t, s + k) - regime.mean(k)) * regime.inverse_deviation(k), -8.0, 8.0);
        // Young means weigh all they have equally.
        const double fast = std::max(kFast, 1.0 / static_cast<double>(t + 1));
        const double slow = std::max(kSlow, 1.0 / static_cast<double>(t + 1));
        out(t, j) = t == 0 ? z : out(t - 1, j) + fast * (z - out(t - 1, j));
        out(t, n + j) = t == 0 ? z : out(t - 1, n + j) + slow * (z - out(t - 1, n + j));
      }
    }
    return out;
  }
};

MatrixXd raw_of(const UnitRun& run) {
  MatrixXd raw(static_cast<Eigen::Index>(run.size()), static_cast<Eigen::Index>(run[0].size()));
  for (Eigen::Index t = 0; t < raw.rows(); ++t) {
    for (Eigen::Index j = 0; j < raw.cols(); ++j) {
      const double value = run[static_cast<std::size_t>(t)][static_cast<std::size_t>(j)];
      raw(t, j) = std::isfinite(value) ? value : t == 0 ? 0 : raw(t - 1, j);
    }
  }
  return raw;
}

void find_regimes(std::span<const MatrixXd> runs, Scaling& scaling) {
  const auto s = static_cast<Eigen::Index>(scaling.settings);
  RowVectorXd sizes = RowVectorXd::Zero(s);
  double count = 0;
  for (const MatrixXd& run : runs) {
    sizes += run.leftCols(s).cwiseAbs().colwise().sum();
    count += static_cast<double>(run.rows());
  }
  scaling.setting_unit = (sizes / count).cwiseMax(1.0) * kSameSetting;
  for (const MatrixXd& run : runs) {
    for (Eigen::Index t = 0; t < run.rows(); ++t) {
      const RowVectorXd setting = run.row(t).head(s);
      const auto near = [&](const Regime& regime) {
        return ((regime.setting - setting).cwiseQuotient(scaling.setting_unit))
                   .cwiseAbs()
                   .maxCoeff() <= 2;
      };
      if (s > 0 && std::any_of(scaling.regimes.begin(), scaling.regimes.end(), near)) continue;
      if (!scaling.regimes.empty() && (s == 0 || scaling.regimes.size() == kRegimesMost)) continue;
      scaling.regimes.push_back({setting, {}, {}});
    }
  }
}

void find_scales(std::span<const MatrixXd> runs, Scaling& scaling) {
  const auto s = static_cast<Eigen::Index>(scaling.settings);
  const auto sensors = static_cast<Eigen::Index>(scaling.width) - s;
  const std::size_t regimes = scaling.regimes.size();
  MatrixXd sums = MatrixXd::Zero(static_cast<Eigen::Index>(regimes), sensors), squares = sums;
  VectorXd counts = VectorXd::Zero(static_cast<Eigen::Index>(regimes));
  for (const int pass : {0, 1}) {
    for (const MatrixXd& run : runs) {
      for (Eigen::Index t = 0; t < run.rows(); ++t) {
        const auto r = static_cast<Eigen::Index>(scaling.regime_of(run.row(t).head(s)));
        const RowVectorXd row = run.row(t).tail(sensors);
        if (pass == 0)
          counts(r) += 1, sums.row(r) += row;
        else
          squares.row(r) += (row - sums.row(r) / counts(r)).cwiseAbs2();
      }
    }
  }
  VectorXd varies = VectorXd::Zero(sensors);
  for (std::size_t i = 0; i < regimes; ++i) {
    const auto r = static_cast<Eigen::Index>(i);
    Regime& regime = scaling.regimes[i];
    regime.mean = sums.row(r) / std::max(counts(r), 1.0);
    regime.inverse_deviation = RowVectorXd::Zero(sensors);
    for (Eigen::Index j = 0; j < sensors; ++j) {
      const double deviation = std::sqrt(squares(r, j) / std::max(counts(r), 1.0));
      if (counts(r) < 10 || deviation <= 1e-9 * (1 + std::abs(regime.mean(j)))) continue;
      regime.inverse_deviation(j) = 1 / deviation;
      varies(j) += counts(r);
    }
  }
  for (Eigen::Index j = 0; j < sensors; ++j) {
    if (varies(j) > 0.5 * counts.sum()) scaling.kept.push_back(j);
  }
}

// What both estimates see of a run, one row a cycle.
struct Seen {
  MatrixXd regressors;  // linear part of the regression
  MatrixXd trajectory;  // for similarity
};

}  // namespace

struct RemainingLifeModel::Fitted {
  LifeOptions options;
  Scaling scaling;
  MatrixXd fusion;  // (2 sensors x kIndices)
  RowVectorXd regressor_mean, regressor_scale;
  VectorXd weights;  // of the quadratic regression
  MatrixXd moments;  // trajectories of all fleet cycles
  std::vector<double> lives;
  std::vector<std::size_t> units;
  RowVectorXd metric;
  std::vector<std::pair<double, double>> calibration;  // estimate, truth; ascending

  Seen see(const MatrixXd& raw) const;
  VectorXd expand(const RowVectorXd& regressors) const;
  void learn(std::span<const MatrixXd> runs, std::span<const std::size_t> which);
  double similar(const RowVectorXd& trajectory) const;
  // At those cycles of the run.
  std::vector<double> estimate(const MatrixXd& raw, std::span<const Eigen::Index> cycles) const;
};

Seen RemainingLifeModel::Fitted::see(const MatrixXd& raw) const {
  const MatrixXd smooth = scaling.smoothed(raw);
  const MatrixXd fused = smooth * fusion;
  constexpr Eigen::Index kLagged = std::size(kLags);
  const Eigen::Index k = fused.cols();
  Seen seen;
  seen.trajectory.resize(raw.rows(), kLagged * k + 1);
  seen.regressors.resize(raw.rows(), kLagged * k + 2);
  for (Eigen::Index t = 0; t < raw.rows(); ++t) {
    for (Eigen::Index l = 0; l < kLagged; ++l) {
      const Eigen::Index then = std::max<Eigen::Index>(t - kLags[l], 0);
      seen.trajectory.row(t).segment(l * k, k) = fused.row(then);
    }
    const double age = static_cast<double>(t + 1);
    seen.trajectory(t, kLagged * k) = age;
    seen.regressors.row(t).head(kLagged * k + 1) = seen.trajectory.row(t);
    seen.regressors(t, kLagged * k + 1) = std::min(age, 40.0);
  }
  return seen;
}

VectorXd RemainingLifeModel::Fitted::expand(const RowVectorXd& regressors) const {
  const RowVectorXd z =
      ((regressors - regressor_mean).cwiseProduct(regressor_scale)).cwiseMax(-6.0).cwiseMin(6.0);
  const Eigen::Index n = z.size();
  VectorXd x(1 + n + n * (n + 1) / 2);
  x(0) = 1;
  x.segment(1, n) = z.transpose();
  Eigen::Index at = 1 + n;
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = i; j < n; ++j) x(at++) = z(i) * z(j);
  }
  return x;
}

void RemainingLifeModel::Fitted::learn(std::span<const MatrixXd> runs,
                                       std::span<const std::size_t> which) {
  // Fused indices: what explains life, orthogonal to each other (partial least squares).
  std::vector<MatrixXd> smooth;
  Eigen::Index rows = 0;
  for (const std::size_t unit : which) {
    smooth.push_back(scaling.smoothed(runs[unit]));
    rows += smooth.back().rows();
  }
  MatrixXd x(rows, smooth[0].cols());
  VectorXd life(rows);
  lives.clear(), units.clear();
  Eigen::Index at = 0;
  for (std::size_t i = 0; i < which.size(); ++i) {
    const Eigen::Index cycles = smooth[i].rows();
    x.middleRows(at, cycles) = smooth[i];
    for (Eigen::Index t = 0; t < cycles; ++t) {
      life(at + t) = std::min(static_cast<double>(cycles - 1 - t), options.cap);
      lives.push_back(life(at + t));
      units.push_back(which[i]);
    }
    at += cycles;
  }
  const Eigen::Index sensors = x.cols();
  MatrixXd rest = x.rowwise() - x.colwise().mean();
  const VectorXd target = life.array() - life.mean();
  const Eigen::Index indices = std::min(kIndices, sensors);
  MatrixXd directions(sensors, indices), loadings(sensors, indices);
  for (Eigen::Index k = 0; k < indices; ++k) {
    const VectorXd direction = (rest.transpose() * target).normalized();
    const VectorXd score = rest * direction;
    const VectorXd loading = rest.transpose() * score / std::max(score.squaredNorm(), 1e-12);
    rest -= score * loading.transpose();
    directions.col(k) = direction;
    loadings.col(k) = loading;
  }
  const MatrixXd inner = loadings.transpose() * directions;
  fusion = directions * inner.fullPivLu().inverse();
  for (Eigen::Index k = 0; k < indices; ++k) {
    const VectorXd score = x * fusion.col(k);
    const double deviation = std::sqrt((score.array() - score.mean()).square().mean()) + 1e-12;
    fusion.col(k) /= deviation;
  }

  std::vector<Seen> seen;
  for (const std::size_t unit : which) seen.push_back(see(runs[unit]));
  const Eigen::Index width = seen[0].regressors.cols();
  MatrixXd all(rows, width);
  moments.resize(rows, seen[0].trajectory.cols());
  at = 0;
  for (const Seen& one : seen) {
    all.middleRows(at, one.regressors.rows()) = one.regressors;
    moments.middleRows(at, one.trajectory.rows()) = one.trajectory;
    at += one.regressors.rows();
  }
  regressor_mean = all.colwise().mean();
  regressor_scale =
      ((all.rowwise() - regressor_mean).cwiseAbs2().colwise().mean().cwiseSqrt().array() + 1e-9)
          .inverse();
  const Eigen::Index terms = 1 + width + width * (width + 1) / 2;
  MatrixXd squares = MatrixXd::Zero(terms, terms);
  VectorXd products = VectorXd::Zero(terms);
  for (Eigen::Index t = 0; t < rows; t += 2) {
    const VectorXd one = expand(all.row(t));
    squares.selfadjointView<Eigen::Lower>().rankUpdate(one);
    products += one * life(t);
  }
  squares.diagonal().tail(terms - 1).array() += 0.003 * static_cast<double>(rows);
  weights = squares.selfadjointView<Eigen::Lower>().ldlt().solve(products);

  // Recent values of the first index count most, age little.
  constexpr double kIndexWeights[] = {1, 0.35, 0.25, 0.2};
  constexpr double kLagWeights[] = {1, 0.6, 0.4, 0.3};
  metric = RowVectorXd::Zero(moments.cols());
  for (Eigen::Index l = 0; l < static_cast<Eigen::Index>(std::size(kLags)); ++l) {
    for (Eigen::Index k = 0; k < indices; ++k) {
      metric(l * indices + k) = kIndexWeights[k] * kLagWeights[l];
    }
  }
  metric(metric.size() - 1) = 0.004;
  moments = moments.array().rowwise() * metric.array();
}

double RemainingLifeModel::Fitted::similar(const RowVectorXd& trajectory) const {
  const RowVectorXd here = trajectory.cwiseProduct(metric);
  const VectorXd away = (moments.rowwise() - here).rowwise().squaredNorm();
  std::vector<Eigen::Index> order(static_cast<std::size_t>(away.size()));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Eigen::Index>(i);
  const std::size_t looked = std::min(order.size(), kNeighbours * 8);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(looked), order.end(),
                    [&](Eigen::Index a, Eigen::Index b) {
                      return away(a) < away(b) || (away(a) == away(b) && a < b);
                    });
  std::vector<std::pair<std::size_t, std::size_t>> taken;  // unit, how often
  double weight = 0, sum = 0, width = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < looked && count < kNeighbours; ++i) {
    const auto row = static_cast<std::size_t>(order[i]);
    auto of_unit = std::find_if(taken.begin(), taken.end(),
                                [&](const auto& one) { return one.first == units[row]; });
    if (of_unit == taken.end()) of_unit = taken.insert(taken.end(), {units[row], 0});
    if (of_unit->second++ >= kOfOneUnit) continue;
    ++count;
    if (count == 15) width = away(order[i]) + 1e-9;
    const double w = width == 0 ? 1 : std::exp(-(away(order[i]) / width - 1));
    weight += w, sum += w * lives[row];
  }
  return sum / weight;
}

std::vector<double> RemainingLifeModel::Fitted::estimate(
    const MatrixXd& raw, std::span<const Eigen::Index> cycles) const {
  const Seen seen = see(raw);
  std::vector<double> said;
  for (const Eigen::Index t : cycles) {
    const double linear = std::clamp(expand(seen.regressors.row(t)).dot(weights), 0.0, options.cap);
    said.push_back(0.5 * (linear + similar(seen.trajectory.row(t))));
  }
  return said;
}

Result<RemainingLifeModel> RemainingLifeModel::fit(std::span<const UnitRun> fleet,
                                                   const LifeOptions& options) {
  if (fleet.size() < 10) {
    return make_error(ErrorCode::not_found, "a fleet has fewer than 10 units run to failure",
                      "collect more, or use a drift to a limit (wiener_life)");
  }
  auto fitted = std::make_shared<Fitted>();
  fitted->options = options;
  std::vector<MatrixXd> runs;
  for (const UnitRun& run : fleet) {
    if (run.size() < 5) {
      return make_error(ErrorCode::not_found, "a unit of the fleet has fewer than 5 cycles");
    }
    for (const auto& row : run) {
      if (row.size() == fleet[0][0].size() && row.size() > options.settings) continue;
      return make_error(ErrorCode::invalid_argument, "a row has another width than the others");
    }
    runs.push_back(raw_of(run));
  }
  fitted->scaling.settings = options.settings;
  fitted->scaling.width = fleet[0][0].size();
  find_regimes(runs, fitted->scaling);
  find_scales(runs, fitted->scaling);
  if (fitted->scaling.kept.empty()) {
    return make_error(ErrorCode::invalid_argument, "no sensor of the fleet varies");
  }
  // What each fold's model says of the units it has not seen calibrates the whole.
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (i % kFolds != fold) others.push_back(i);
    }
    fitted->learn(runs, others);
    for (std::size_t i = fold; i < runs.size(); i += kFolds) {
      std::vector<Eigen::Index> cycles;
      for (Eigen::Index t = static_cast<Eigen::Index>(i % kCalibrationEvery); t < runs[i].rows();
           t += kCalibrationEvery) {
        cycles.push_back(t);
      }
      const std::vector<double> said = fitted->estimate(runs[i], cycles);
      for (std::size_t k = 0; k < cycles.size(); ++k) {
        const double truth = static_cast<double>(runs[i].rows() - 1 - cycles[k]);
        fitted->calibration.emplace_back(said[k], std::min(truth, options.cap));
      }
    }
  }
  std::sort(fitted->calibration.begin(), fitted->calibration.end());
  std::vector<std::size_t> everyone(runs.size());
  for (std::size_t i = 0; i < everyone.size(); ++i) everyone[i] = i;
  fitted->learn(runs, everyone);
  return RemainingLifeModel(std::move(fitted));
}

Result<RemainingLife> RemainingLifeModel::predict(const UnitRun& run) const {
  const Fitted& f = *fitted_;
  if (run.empty()) return make_error(ErrorCode::invalid_argument, "a run without a row");
  for (const auto& row : run) {
    if (row.size() == f.scaling.width) continue;
    return make_error(ErrorCode::invalid_argument, "a row has another width than the fleet's");
  }
  const Eigen::Index last = static_cast<Eigen::Index>(run.size()) - 1;
  const double said = f.estimate(raw_of(run), {&last, 1})[0];
  const auto& all = f.calibration;
  const auto place = std::lower_bound(all.begin(), all.end(), std::pair{said, -1.0});
  const std::size_t many = std::min(kCalibrated, all.size());
  auto begin = static_cast<std::size_t>(place - all.begin());
  begin = std::min(begin - std::min(begin, many / 2), all.size() - many);
  std::vector<double> truths;
  double sum = 0;
  for (std::size_t i = begin; i < begin + many; ++i) {
    // Where they lie, seen from this estimate.
    truths.push_back(std::clamp(all[i].second + said - all[i].first, 0.0, f.options.cap));
    sum += truths.back();
  }
  std::sort(truths.begin(), truths.end());
  const auto share = [&](double q) {
    return truths[static_cast<std::size_t>(q * static_cast<double>(truths.size() - 1))];
  };
  return RemainingLife{
      sum / static_cast<double>(many), {share(0.25), share(0.75)}, {share(0.045), share(0.955)}};
}

double life_score(double difference) {
  return difference < 0 ? std::expm1(-difference / 13) : std::expm1(difference / 10);
}

double WienerLife::probability_by(double t) const {
  if (t <= 0) return 0;
  const auto normal = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
  if (noise <= 0) return drift > 0 && t >= left / drift ? 1 : 0;
  const double deviation = noise * std::sqrt(t);
  const double direct = normal((drift * t - left) / deviation);
  // exp(2 d w / s^2) times a tiny tail: in logarithms where it would overflow.
  const double growth = 2 * drift * left / (noise * noise);
  const double z = -(left + drift * t) / deviation;
  const double tail = z > -30 ? std::log(normal(z))
                              : -z * z / 2 - std::log(-z * std::sqrt(2 * 3.14159265358979323846));
  return std::min(1.0, direct + std::exp(std::min(growth + tail, 0.0)));
}

double WienerLife::quantile(double share) const {
  double high = left / std::max(drift, 1e-300);
  high = std::min(high, left * left / std::max(noise * noise, 1e-300)) + 1e-9;
  for (int i = 0; i < 200 && probability_by(high) < share; ++i) high *= 2;
  if (!(probability_by(high) >= share)) return std::numeric_limits<double>::infinity();
  double low = 0;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (probability_by(middle) < share ? low : high) = middle;
  }
  return high;
}

Result<WienerLife> wiener_life(std::span<const double> times, std::span<const double> wear,
                               double limit) {
  if (times.size() != wear.size() || !std::isfinite(limit)) {
    return make_error(ErrorCode::invalid_argument, "times and wear are not as many");
  }
  if (times.size() < 3) {
    return make_error(ErrorCode::not_found, "a drift needs at least 3 observations");
  }
  const double span = times.back() - times.front();
  WienerLife life;
  life.drift = (wear.back() - wear.front()) / span;
  life.left = limit - wear.back();
  double sum = 0;
  for (std::size_t i = 1; i < times.size(); ++i) {
    const double dt = times[i] - times[i - 1];
    if (!(dt > 0) || !std::isfinite(wear[i])) {
      return make_error(ErrorCode::invalid_argument, "times do not ascend, or wear is missing");
    }
    const double off = wear[i] - wear[i - 1] - life.drift * dt;
    sum += off * off / dt;
  }
  if (!(life.left > 0)) {
    return make_error(ErrorCode::invalid_argument, "the wear has reached its limit");
  }
  const double variance = sum / static_cast<double>(times.size() - 2);
  // The drift is known to variance / span only; over the expected life that adds up.
  const double ahead = life.drift > 0 ? life.left / life.drift : span;
  life.noise = std::sqrt(variance * (1 + ahead / span));
  return life;
}

}  // namespace entente::node
