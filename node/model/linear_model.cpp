#include "node/model/linear_model.h"

#include <Eigen/LU>
#include <algorithm>
#include <optional>
#include <unsupported/Eigen/MatrixFunctions>

#include "node/model/kalman.h"
#include "node/model/model_archive.h"

namespace entente::node {

using Eigen::MatrixXd;
using Eigen::VectorXd;

struct LinearModels::Definition {
  ModelSpec spec;
  Eigen::Index states = 0, signals = 0;
  kalman::System<Eigen::Dynamic, Eigen::Dynamic> system;  // of one step, or of x'
  MatrixXd input;
  VectorXd initial_mean;
  MatrixXd initial_covariance;
  bool continuous = false, steady = false;
  MatrixXd gain, steady_covariance;  // covariance after a measurement
  std::unique_ptr<Model> (*make)(std::shared_ptr<const Definition>) = nullptr;
  virtual ~Definition() = default;
};

namespace {

constexpr double kMostStates = 64;

MatrixXd matrix(const std::vector<double>& numbers, Eigen::Index rows, Eigen::Index columns) {
  return Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
      numbers.data(), rows, columns);
}

bool positive(const MatrixXd& covariance, bool definite) {
  if (!covariance.isApprox(covariance.transpose(), 1e-9)) return false;
  const Eigen::LDLT<MatrixXd> factors(covariance);
  const double least = factors.vectorD().minCoeff();
  return definite ? least > 0 : least >= -1e-12 * std::max(1.0, covariance.norm());
}

// A over dt and the noise gathered meanwhile.
void discretise(const MatrixXd& rate, const MatrixXd& noise, double dt, MatrixXd& transition,
                MatrixXd& gathered) {
  const Eigen::Index n = rate.rows();
  MatrixXd block = MatrixXd::Zero(2 * n, 2 * n);
  block.topLeftCorner(n, n) = -rate * dt;
  block.topRightCorner(n, n) = noise * dt;
  block.bottomRightCorner(n, n) = rate.transpose() * dt;
  const MatrixXd power = block.exp();
  transition = power.bottomRightCorner(n, n).transpose();
  const MatrixXd covariance = transition * power.topRightCorner(n, n);
  gathered = 0.5 * (covariance + covariance.transpose());
}

template <int N, int M>
struct SizedDefinition final : LinearModels::Definition {
  explicit SizedDefinition(Definition definition) : Definition(std::move(definition)) {
    fixed = {system.transition, system.observation, system.process_noise, system.observation_noise};
    fixed_gain = gain;
  }
  kalman::System<N, M> fixed;
  Eigen::Matrix<double, N, M> fixed_gain;
};

enum class Spread { moves, stays };

template <int N, int M>
class LinearModel final : public Model {
  using Definition = SizedDefinition<N, M>;
  using Vector = Eigen::Matrix<double, N, 1>;
  using Measured = Eigen::Matrix<double, M, 1>;

 public:
  explicit LinearModel(std::shared_ptr<const Definition> definition)
      : definition_(std::move(definition)) {
    state_.mean = definition_->initial_mean;
    state_.covariance =
        definition_->steady ? definition_->steady_covariance : definition_->initial_covariance;
    innovation_.difference = Measured::Constant(definition_->signals, kMissing);
    innovation_.covariance =
        Eigen::Matrix<double, M, M>::Zero(definition_->signals, definition_->signals);
  }

  const ModelSpec& spec() const override { return definition_->spec; }

  Outcome update(const Observation& observation) override {
    if (Outcome fine = check_observation(spec(), observation); !fine) return fine;
    if (begun_ && observation.time <= time_) {
      return make_error(ErrorCode::stale, "an observation is not later than the newest one",
                        "feed a model in order of time");
    }
    hold(observation.inputs, last_);
    if (begun_) move(state_, observation.time - time_, last_, own());
    begun_ = true;
    time_ = observation.time;
    Measured measured(definition_->signals);
    for (Eigen::Index i = 0; i < definition_->signals; ++i) {
      const double value = observation.values[static_cast<std::size_t>(i)];
      measured(i) = std::isfinite(value) ? value : kMissing;
    }
    correct(measured);
    return {};
  }

  Outcome step(Duration dt, std::span<const double> inputs) override {
    if (dt.ns <= 0 || (!inputs.empty() && inputs.size() != spec().inputs.size())) {
      return make_error(ErrorCode::invalid_argument, "a step has no length, or other inputs");
    }
    hold(inputs, last_);
    move(state_, dt, last_, own());
    time_ = time_ + dt;
    innovation_.difference.setConstant(kMissing);
    innovation_.squared_distance = 0;
    return {};
  }

  Result<Prediction> predict(Duration horizon, const InputPlan& inputs) const override {
    const Duration each = spec().step;
    const std::int64_t steps = each.ns == 0 ? 0 : horizon.ns / each.ns;
    if (steps < 1 || steps > static_cast<std::int64_t>(kPredictedPoints)) {
      return make_error(ErrorCode::invalid_argument,
                        "a horizon is between one step and 10000 steps of " + to_text(each));
    }
    Prediction prediction{time_, spec().version, {}};
    prediction.paths.resize(spec().signals.size());
    kalman::State<N> state = state_;
    std::vector<double> row = last_;
    for (std::int64_t k = 0; k < steps; ++k) {
      if (!inputs.empty()) {
        const auto& planned = inputs[std::min<std::size_t>(k, inputs.size() - 1)];
        if (!planned.empty() && planned.size() != spec().inputs.size()) {
          return make_error(ErrorCode::invalid_argument, "a row of the plan has other inputs");
        }
        hold(planned, row);
      }
      move(state, each, row, Spread::moves);
      const auto& c = definition_->system.observation;
      const VectorXd mean = c * state.mean;
      const MatrixXd covariance =
          c * state.covariance * c.transpose() + definition_->system.observation_noise;
      for (Eigen::Index i = 0; i < mean.size(); ++i) {
        const double deviation = std::sqrt(covariance(i, i));
        const double half = 0.674490 * deviation, ninety = 1.644854 * deviation;
        prediction.paths[static_cast<std::size_t>(i)].push_back(
            {time_ + each * (k + 1),
             mean(i),
             {mean(i) - half, mean(i) + half},
             {mean(i) - ninety, mean(i) + ninety}});
      }
    }
    return prediction;
  }

  Residual residual() const override {
    Residual residual;
    for (Eigen::Index i = 0; i < definition_->signals; ++i) {
      residual.differences.push_back(innovation_.difference(i));
      residual.scales.push_back(std::sqrt(innovation_.covariance(i, i)));
    }
    residual.distance = std::sqrt(innovation_.squared_distance);
    return residual;
  }

  std::vector<NamedNumber> state() const override {
    std::vector<NamedNumber> all;
    for (Eigen::Index i = 0; i < definition_->states; ++i) {
      const std::string name = "x" + std::to_string(i + 1);
      all.push_back({name, state_.mean(i)});
      all.push_back({name + "_deviation", std::sqrt(state_.covariance(i, i))});
    }
    return all;
  }

  void archive(ModelArchive& archive) override {
    archive.flag(begun_);
    archive.time(time_);
    for (Eigen::Index i = 0; i < state_.mean.size(); ++i) archive.number(state_.mean(i));
    for (Eigen::Index i = 0; i < state_.covariance.size(); ++i) {
      archive.number(state_.covariance.data()[i]);
    }
    for (Eigen::Index i = 0; i < definition_->signals; ++i) {
      archive.number(innovation_.difference(i));
    }
    for (Eigen::Index i = 0; i < innovation_.covariance.size(); ++i) {
      archive.number(innovation_.covariance.data()[i]);
    }
    archive.number(innovation_.squared_distance);
    if (!spec().inputs.empty()) {
      last_.resize(spec().inputs.size(), kMissing);
      for (double& one : last_) archive.number(one);
    }
    if (!state_.mean.allFinite() || !state_.covariance.allFinite()) archive.fail();
  }

 private:
  // A constant gain goes with a constant covariance.
  Spread own() const { return definition_->steady ? Spread::stays : Spread::moves; }

  // An input that is not known stays at the last one that was.
  static void hold(std::span<const double> inputs, std::vector<double>& held) {
    held.resize(std::max(held.size(), inputs.size()), kMissing);
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      if (std::isfinite(inputs[j])) held[j] = inputs[j];
    }
  }

  void move(kalman::State<N>& state, Duration dt, std::span<const double> inputs,
            Spread spread) const {
    const Definition& d = *definition_;
    Vector drive = Vector::Zero(d.states);
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      if (std::isfinite(inputs[j])) drive += d.input.col(static_cast<Eigen::Index>(j)) * inputs[j];
    }
    if (d.continuous) return flow(state, dt.seconds(), drive);
    // Off the grid: the nearest whole number of steps, at least one.
    std::int64_t steps = d.spec.step.ns == 0 ? 1 : (dt.ns + d.spec.step.ns / 2) / d.spec.step.ns;
    steps = std::clamp<std::int64_t>(steps, 1, kMovesMost);
    for (std::int64_t i = 0; i < steps; ++i) {
      if (spread == Spread::stays)
        state.mean = d.fixed.transition * state.mean + drive;
      else
        kalman::predict<N, M>(d.fixed, drive, state);
    }
  }

  // x' = A x + drive over `seconds`, the drive held.
  void flow(kalman::State<N>& state, double seconds, const Vector& drive) const {
    const Eigen::Index n = definition_->states;
    MatrixXd transition, gathered;
    discretise(definition_->system.transition, definition_->system.process_noise, seconds,
               transition, gathered);
    MatrixXd block = MatrixXd::Zero(n + 1, n + 1);
    block.topLeftCorner(n, n) = definition_->system.transition * seconds;
    block.topRightCorner(n, 1) = drive * seconds;
    const MatrixXd power = block.exp();
    state.mean = transition * state.mean + power.topRightCorner(n, 1);
    state.covariance = transition * state.covariance * transition.transpose() + gathered;
  }

  void correct(const Measured& measured) {
    if (!definition_->steady) {
      innovation_ = kalman::correct<N, M>(definition_->fixed, measured, state_);
      for (Eigen::Index i = 0; i < measured.size(); ++i) {
        if (!std::isfinite(measured(i))) innovation_.difference(i) = kMissing;
      }
      return;
    }
    Measured difference = measured - definition_->fixed.observation * state_.mean;
    innovation_.difference = difference;
    for (Eigen::Index i = 0; i < difference.size(); ++i) {
      if (!std::isfinite(difference(i))) difference(i) = 0;
    }
    innovation_.covariance = steady_innovation();
    innovation_.squared_distance = difference.dot(innovation_.covariance.llt().solve(difference));
    state_.mean += definition_->fixed_gain * difference;
  }

  Eigen::Matrix<double, M, M> steady_innovation() const {
    const auto& s = definition_->system;
    return s.observation *
               (s.transition * definition_->steady_covariance * s.transition.transpose() +
                s.process_noise) *
               s.observation.transpose() +
           s.observation_noise;
  }

  static constexpr std::int64_t kMovesMost = 100'000;
  std::shared_ptr<const Definition> definition_;
  kalman::State<N> state_;
  kalman::Innovation<M> innovation_;
  Instant time_;
  std::vector<double> last_;  // inputs; empty where there are none
  bool begun_ = false;
};

template <int N, int M>
std::shared_ptr<const LinearModels::Definition> sized(LinearModels::Definition definition) {
  definition.make = [](std::shared_ptr<const LinearModels::Definition> base) {
    return std::unique_ptr<Model>(std::make_unique<LinearModel<N, M>>(
        std::static_pointer_cast<const SizedDefinition<N, M>>(std::move(base))));
  };
  return std::make_shared<const SizedDefinition<N, M>>(std::move(definition));
}

std::shared_ptr<const LinearModels::Definition> size_for(LinearModels::Definition definition) {
  const auto n = definition.states, m = definition.signals;
  if (m == 1 && n == 1) return sized<1, 1>(std::move(definition));
  if (m == 1 && n == 2) return sized<2, 1>(std::move(definition));
  if (m == 1 && n == 3) return sized<3, 1>(std::move(definition));
  if (m == 2 && n == 4) return sized<4, 2>(std::move(definition));
  return sized<Eigen::Dynamic, Eigen::Dynamic>(std::move(definition));
}

// A covariance given whole or by its diagonal; nothing when it is neither.
std::optional<MatrixXd> covariance_of(const std::vector<double>& numbers, Eigen::Index n) {
  if (static_cast<Eigen::Index>(numbers.size()) == n * n) return matrix(numbers, n, n);
  if (static_cast<Eigen::Index>(numbers.size()) != n) return std::nullopt;
  return MatrixXd(Eigen::Map<const VectorXd>(numbers.data(), n).asDiagonal());
}

}  // namespace

Result<LinearModels> LinearModels::of(const ModelSpec& spec) {
  const auto refuse = [&](const std::string& why) {
    return make_error(ErrorCode::config_invalid, "model '" + spec.kind + "': " + why);
  };
  ParameterReader parameters(spec);
  Definition d;
  d.spec = spec;
  d.signals = static_cast<Eigen::Index>(spec.signals.size());
  const auto n = static_cast<Eigen::Index>(parameters.count("states", 1, {1, kMostStates}));
  d.states = n;
  const auto transition = parameters.numbers("transition", {}, {});
  const auto observation = parameters.numbers("observation", {}, {});
  const auto input = parameters.numbers("input", {}, {});
  const auto process = covariance_of(parameters.numbers("process_noise", {}, {}), n);
  const auto measured = covariance_of(parameters.numbers("observation_noise", {}, {}), d.signals);
  const std::vector<double> unknown(static_cast<std::size_t>(n), 1e6);
  const auto initial = covariance_of(parameters.numbers("initial_covariance", unknown, {}), n);
  const std::vector<double> zeros(static_cast<std::size_t>(n), 0.0);
  const auto mean = parameters.numbers("initial_mean", zeros, {});
  d.continuous = parameters.count("continuous", 0, {0, 1}) == 1;
  d.steady = parameters.count("steady", 0, {0, 1}) == 1;
  if (Outcome fine = parameters.finish(); !fine) return std::move(fine).error();

  const auto inputs = static_cast<Eigen::Index>(spec.inputs.size());
  const auto has = [](const std::vector<double>& numbers, Eigen::Index rows, Eigen::Index columns) {
    return static_cast<Eigen::Index>(numbers.size()) == rows * columns;
  };
  if (!has(transition, n, n)) return refuse("transition has states x states numbers");
  if (!has(observation, d.signals, n)) return refuse("observation has signals x states numbers");
  if (!input.empty() && !has(input, n, inputs)) return refuse("input has states x inputs numbers");
  if (!has(mean, n, 1)) return refuse("initial_mean has a number for each state");
  if (!process || !positive(*process, false)) return refuse("process_noise is no covariance");
  if (!measured || !positive(*measured, true)) {
    return refuse("observation_noise is no covariance, or singular");
  }
  if (!initial || !positive(*initial, false)) return refuse("initial_covariance is none");
  d.system = {matrix(transition, n, n), matrix(observation, d.signals, n), *process, *measured};
  d.input = input.empty() ? MatrixXd::Zero(n, inputs).eval() : matrix(input, n, inputs);
  d.initial_mean = Eigen::Map<const VectorXd>(mean.data(), n);
  d.initial_covariance = *initial;
  if (d.steady) {
    MatrixXd predicted;
    if (d.continuous ||
        !kalman::steady_gain<Eigen::Dynamic, Eigen::Dynamic>(d.system, d.gain, predicted)) {
      return refuse("there is no steady gain: times are irregular, or a mode is never seen");
    }
    const MatrixXd rest = MatrixXd::Identity(n, n) - d.gain * d.system.observation;
    d.steady_covariance = rest * predicted * rest.transpose() +
                          d.gain * d.system.observation_noise * d.gain.transpose();
  } else {
    d.gain = MatrixXd::Zero(n, d.signals);
  }
  return LinearModels(size_for(std::move(d)));
}

std::unique_ptr<Model> LinearModels::make() const {
  return definition_->make(definition_);
}

}  // namespace entente::node
