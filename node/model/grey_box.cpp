#include "node/model/grey_box.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <unsupported/Eigen/MatrixFunctions>

#include "node/model/fitting.h"
#include "node/model/kalman.h"

namespace entente::node {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

struct Unknown {
  const char* name;
  double low, start, high;
};

constexpr Unknown kIndoor{"capacity_indoor_j_per_k", 1e4, 2e6, 1e10};
constexpr Unknown kEnvelope{"capacity_envelope_j_per_k", 1e4, 2e7, 1e11};
constexpr Unknown kMass{"capacity_mass_j_per_k", 1e4, 5e6, 1e10};
constexpr Unknown kIndoorAmbient{"resistance_indoor_ambient_k_per_w", 1e-6, 1e-2, 1e2};
constexpr Unknown kIndoorEnvelope{"resistance_indoor_envelope_k_per_w", 1e-6, 2e-3, 1e2};
constexpr Unknown kEnvelopeAmbient{"resistance_envelope_ambient_k_per_w", 1e-6, 1e-2, 1e2};
constexpr Unknown kIndoorMass{"resistance_indoor_mass_k_per_w", 1e-6, 2e-3, 1e2};
constexpr Unknown kArea{"area_m2", 1e-4, 1, 1e6};
constexpr Unknown kLeak{"leak_m2_per_s", 1e-12, 1e-5, 1e2};

std::vector<Unknown> unknowns(GreyBoxKind kind) {
  switch (kind) {
    case GreyBoxKind::thermal_1:
      return {kIndoor, kIndoorAmbient};
    case GreyBoxKind::thermal_2:
      return {kIndoor, kEnvelope, kIndoorEnvelope, kEnvelopeAmbient, kIndoorAmbient};
    case GreyBoxKind::thermal_3:
      return {kIndoor,        kEnvelope, kIndoorEnvelope, kEnvelopeAmbient,
              kIndoorAmbient, kMass,     kIndoorMass};
    case GreyBoxKind::tank:
      return {kArea, kLeak};
  }
  return {};
}

Index states_of(GreyBoxKind kind) {
  return kind == GreyBoxKind::thermal_2 ? 2 : kind == GreyBoxKind::thermal_3 ? 3 : 1;
}

// x' = A x + B u; the first state is what is measured.
void dynamics(GreyBoxKind kind, std::span<const double> p, MatrixXd& a, MatrixXd& b) {
  const Index n = states_of(kind);
  a = MatrixXd::Zero(n, n);
  b = MatrixXd::Zero(n, 2);
  const auto joined = [&](Index i, Index j, double ci, double cj, double resistance) {
    a(i, i) -= 1 / (ci * resistance), a(i, j) += 1 / (ci * resistance);
    a(j, j) -= 1 / (cj * resistance), a(j, i) += 1 / (cj * resistance);
  };
  const auto outdoors = [&](Index i, double c, double resistance) {
    a(i, i) -= 1 / (c * resistance), b(i, 0) += 1 / (c * resistance);
  };
  if (kind == GreyBoxKind::tank) {
    a(0, 0) = -p[1] / p[0];
    b(0, 0) = 1 / p[0], b(0, 1) = -1 / p[0];
    return;
  }
  b(0, 1) = 1 / p[0];
  if (kind == GreyBoxKind::thermal_1) return outdoors(0, p[0], p[1]);
  joined(0, 1, p[0], p[1], p[2]);
  outdoors(1, p[1], p[3]);
  outdoors(0, p[0], p[4]);
  if (kind == GreyBoxKind::thermal_3) joined(0, 2, p[0], p[5], p[6]);
}

struct Discrete {
  MatrixXd transition, input, process;
  VectorXd gain;
  double innovation = 1;  // its variance, in units of the measurement noise
};

// `ratio`: deviation of what disturbs each state in a step, in units of the measurement noise's.
bool discretise(GreyBoxKind kind, std::span<const double> p, double ratio, double seconds,
                Discrete& out) {
  MatrixXd a, b;
  dynamics(kind, p, a, b);
  const Index n = a.rows();
  MatrixXd block = MatrixXd::Zero(n + 2, n + 2);
  block.topLeftCorner(n, n) = a * seconds;
  block.topRightCorner(n, 2) = b * seconds;
  // Time constants far below a step say nothing, and would cost many squarings.
  if (!block.allFinite() || block.cwiseAbs().topLeftCorner(n, n).maxCoeff() > 1e4) return false;
  const MatrixXd power = block.exp();
  out.transition = power.topLeftCorner(n, n);
  out.input = power.topRightCorner(n, 2);
  out.process = ratio * ratio * MatrixXd::Identity(n, n);
  kalman::System<Eigen::Dynamic, Eigen::Dynamic> system;
  system.transition = out.transition;
  system.observation = MatrixXd::Zero(1, n);
  system.observation(0, 0) = 1;
  system.process_noise = out.process;
  system.observation_noise = MatrixXd::Identity(1, 1);
  MatrixXd gain, predicted;
  if (!kalman::steady_gain<Eigen::Dynamic, Eigen::Dynamic>(system, gain, predicted)) return false;
  out.gain = gain.col(0);
  out.innovation = predicted(0, 0) + 1;
  return true;
}

// One-step errors; `start` is the first state.
void run(const Discrete& d, std::span<const double> values, const InputColumns& inputs, VectorXd x,
         std::vector<double>& errors) {
  errors.resize(values.size());
  const Index n = x.size();
  double moved[3];
  for (std::size_t t = 0; t < values.size(); ++t) {
    if (t > 0) {
      for (Index i = 0; i < n; ++i) {
        double sum = d.input(i, 0) * inputs[0][t - 1] + d.input(i, 1) * inputs[1][t - 1];
        for (Index j = 0; j < n; ++j) sum += d.transition(i, j) * x(j);
        moved[i] = sum;
      }
      for (Index i = 0; i < n; ++i) x(i) = moved[i];
    }
    errors[t] = values[t] - x(0);
    if (!std::isfinite(errors[t])) continue;
    for (Index i = 0; i < n; ++i) x(i) += d.gain(i) * errors[t];
  }
}

// Parameters for the optimiser: logarithms of the unknowns, log ratio, and where hidden states
// begin relative to the first value.
class Problem {
 public:
  Problem(GreyBoxKind kind, std::span<const double> values, const InputColumns& inputs,
          double seconds)
      : kind_(kind),
        unknowns_(unknowns(kind)),
        values_(values),
        inputs_(inputs),
        seconds_(seconds) {}

  std::size_t size() const { return unknowns_.size() + 1 + static_cast<std::size_t>(states() - 1); }
  Index states() const { return states_of(kind_); }
  const std::vector<Unknown>& all() const { return unknowns_; }

  bool errors(std::span<const double> at, std::span<const double> values, std::vector<double>& out,
              Discrete& discrete) const {
    std::vector<double> p(unknowns_.size());
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = std::exp(at[i]);
    if (!discretise(kind_, p, std::exp(at[p.size()]), seconds_, discrete)) return false;
    VectorXd x = VectorXd::Constant(states(), first());
    for (Index i = 1; i < states(); ++i) x(i) += at[p.size() + static_cast<std::size_t>(i)];
    run(discrete, values, inputs_, x, out);
    return true;
  }

  // log of the mean square: its minimum is the likelihood's.
  double cost(std::span<const double> at) const {
    Discrete discrete;
    if (!errors(at, values_, errors_, discrete)) return kMissing;
    double sum = 0, count = 0;
    for (std::size_t t = 10; t < errors_.size(); ++t) {
      if (std::isfinite(errors_[t])) sum += errors_[t] * errors_[t], count += 1;
    }
    return std::log(sum / count + 1e-300);
  }

  Fitted solve(double scale) const {
    FitProblem fit;
    for (const Unknown& one : unknowns_) {
      fit.low.push_back(std::log(one.low));
      fit.high.push_back(std::log(one.high));
      const double scaled = one.name[0] == 'c' || one.name[0] == 'a' ? scale : 1 / scale;
      fit.start.push_back(
          std::clamp(std::log(one.start * scaled), fit.low.back(), fit.high.back()));
    }
    fit.low.push_back(-12), fit.start.push_back(-2), fit.high.push_back(6);
    for (Index i = 1; i < states(); ++i) {
      fit.low.push_back(-20), fit.start.push_back(0), fit.high.push_back(20);
    }
    fit.cost = [this](std::span<const double> at) { return cost(at); };
    fit.evaluations_max = 1'500;
    fit.tolerance = 1e-9;
    Fitted best = minimise(fit);
    fit.start = best.at;
    return minimise(fit);  // Subplex from its own end: out of where it stalled
  }

 private:
  double first() const {
    for (const double value : values_) {
      if (std::isfinite(value)) return value;
    }
    return 0;
  }
  GreyBoxKind kind_;
  std::vector<Unknown> unknowns_;
  std::span<const double> values_;
  const InputColumns& inputs_;
  double seconds_;
  mutable std::vector<double> errors_;
};

// 95 % in logarithms, from the errors' slopes (Gauss-Newton).
std::vector<double> half_widths(const Problem& problem, const std::vector<double>& at,
                                std::span<const double> values) {
  std::vector<double> base, moved;
  Discrete discrete;
  problem.errors(at, values, base, discrete);
  const auto n = static_cast<Index>(base.size()), k = static_cast<Index>(at.size());
  MatrixXd slopes(n, k);
  double power = 0;
  for (Index t = 0; t < n; ++t) {
    const double e = base[static_cast<std::size_t>(t)];
    power += std::isfinite(e) ? e * e : 0;
  }
  for (Index j = 0; j < k; ++j) {
    std::vector<double> there = at;
    constexpr double kStep = 1e-4;
    there[static_cast<std::size_t>(j)] += kStep;
    if (!problem.errors(there, values, moved, discrete)) moved = base;
    for (Index t = 0; t < n; ++t) {
      const auto i = static_cast<std::size_t>(t);
      const double slope = (moved[i] - base[i]) / kStep;
      slopes(t, j) = std::isfinite(slope) ? slope : 0;
    }
  }
  MatrixXd information = slopes.transpose() * slopes / (power / static_cast<double>(n));
  information.diagonal().array() += 1e-12;
  const MatrixXd covariance = information.inverse();
  std::vector<double> widths;
  for (Index j = 0; j < k; ++j) widths.push_back(1.96 * std::sqrt(std::abs(covariance(j, j))));
  return widths;
}

double root_mean_square(std::span<const double> values) {
  double sum = 0, count = 0;
  for (const double value : values) {
    if (std::isfinite(value)) sum += value * value, count += 1;
  }
  return std::sqrt(sum / count);
}

ModelSpec spec_of(GreyBoxKind kind, const Discrete& d, double variance, Duration step) {
  ModelSpec spec;
  spec.kind = "linear_state_space";
  const bool tank = kind == GreyBoxKind::tank;
  spec.signals = {tank ? "level" : "indoor_temperature"};
  spec.inputs = tank ? std::vector<std::string>{"inflow", "outflow"}
                     : std::vector<std::string>{"outdoor_temperature", "heat"};
  spec.step = step;
  const Index n = d.transition.rows();
  auto& p = spec.parameters;
  p["states"] = {static_cast<double>(n)};
  const double noise = variance / d.innovation;  // of the measurement
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) p["transition"].push_back(d.transition(i, j));
    for (Index j = 0; j < 2; ++j) p["input"].push_back(d.input(i, j));
    p["process_noise"].push_back(noise * d.process(i, i));
    p["observation"].push_back(i == 0 ? 1 : 0);
  }
  p["observation_noise"] = {noise};
  return spec;
}

}  // namespace

Result<GreyBox> fit_grey_box(GreyBoxKind kind, std::span<const double> values,
                             const InputColumns& inputs, Duration step, double held_back) {
  const auto refuse = [](const char* why) {
    return make_error(ErrorCode::invalid_argument, why, "give complete inputs on the grid");
  };
  if (step.ns <= 0) return refuse("the grid has no step");
  if (inputs.size() != 2) return refuse("this model has two inputs");
  for (const auto& column : inputs) {
    if (column.size() != values.size()) return refuse("an input is not as long as the signal");
    for (const double value : column) {
      if (!std::isfinite(value)) return refuse("an input has a missing value");
    }
  }
  if (values.size() < 200) {
    return make_error(ErrorCode::not_found, "fewer than 200 values to fit", "take more history");
  }
  const auto fitted = static_cast<std::size_t>(static_cast<double>(values.size()) *
                                               (1 - std::clamp(held_back, 0.0, 0.9)));
  const Problem problem(kind, values.first(fitted), inputs, step.seconds());
  Fitted best{{}, std::numeric_limits<double>::infinity()};
  for (const double scale : {1.0, 0.1, 10.0}) {
    Fitted one = problem.solve(scale);
    if (one.cost < best.cost) best = std::move(one);
  }
  GreyBox box;
  box.kind = kind;
  const std::vector<double> widths = half_widths(problem, best.at, values.first(fitted));
  for (std::size_t i = 0; i < problem.all().size(); ++i) {
    const double width = std::min(widths[i], 700.0);
    box.parameters.push_back({problem.all()[i].name,
                              std::exp(best.at[i]),
                              {std::exp(best.at[i] - width), std::exp(best.at[i] + width)}});
  }
  std::vector<double> errors;
  Discrete discrete;
  if (!problem.errors(best.at, values, errors, discrete)) {
    return make_error(ErrorCode::not_found, "no parameters within the bounds explain the history",
                      "check the units of the inputs");
  }
  const std::span<const double> seen = std::span(errors).first(fitted).subspan(10);
  box.one_step_error = root_mean_square(seen);
  box.whiteness = ljung_box(seen, 24, 1);
  box.held_back_error = root_mean_square(std::span(errors).subspan(fitted));
  std::vector<double> changes;
  for (std::size_t t = fitted; t < values.size(); ++t) changes.push_back(values[t] - values[t - 1]);
  box.naive_error = root_mean_square(changes);
  box.model = spec_of(kind, discrete, box.one_step_error * box.one_step_error, step);
  return box;
}

}  // namespace entente::node
