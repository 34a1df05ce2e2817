// ARX with exogenous signals, one ridge regression for each step ahead, kept as normal equations.
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "node/model/forecaster.h"
#include "node/model/model_archive.h"

namespace entente::node {

namespace {

constexpr double kFastMemory = 1.0 / 6, kSlowMemory = 1.0 / 24;
constexpr double kProfileRate = 0.15;  // of a cycle
constexpr std::size_t kInputSpan = 3;  // steps over which an input's change is a regressor

// Values by step, the youngest `size` of them.
class Track {
 public:
  explicit Track(std::size_t size) : kept_(size, 0.0) {}
  void put(std::size_t step, double value) { kept_[step % kept_.size()] = value; }
  double at(std::size_t step) const { return kept_[step % kept_.size()]; }
  void archive(ModelArchive& archive) {
    const std::size_t size = kept_.size();
    archive.numbers(kept_);
    if (kept_.size() != size) archive.fail(), kept_.resize(size);
  }

 private:
  std::vector<double> kept_;
};

class DirectRegression final : public Forecaster {
 public:
  explicit DirectRegression(RegressionShape shape)
      : shape_(std::move(shape)),
        kept_(2 * longest() + shape_.horizon + kInputSpan + 4),
        values_(kept_),
        fast_(kept_),
        slow_(kept_),
        inputs_(shape_.inputs, Track(kept_)) {
    for (const std::size_t period : shape_.periods) profiles_.emplace_back(period, kMissing);
    width_ = 6 + 4 * shape_.periods.size() + 3 * shape_.inputs +
             (shape_.planned_inputs ? shape_.inputs : 0);
    clear();
  }
  std::string_view name() const override { return "arx"; }
  std::size_t least() const override { return kept_ + 2 * shape_.horizon + 8 * width_; }

  bool fit(std::span<const double> values, const InputColumns& inputs) override {
    if (values.size() < least() || inputs.size() != shape_.inputs) return false;
    clear();
    std::vector<double> row(shape_.inputs);
    for (std::size_t t = 0; t < values.size(); ++t) {
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = inputs[j][t];
      update(values[t], row);
    }
    return started_;
  }

  void update(double value, std::span<const double> inputs) override {
    for (std::size_t j = 0; j < inputs_.size(); ++j) {
      const bool known = j < inputs.size() && std::isfinite(inputs[j]);
      inputs_[j].put(step_, known ? inputs[j] : step_ == 0 ? 0 : inputs_[j].at(step_ - 1));
    }
    const bool known = std::isfinite(value);
    if (!started_ && !known) return;  // steps before the first value do not count
    if (known && learns()) learn(value);
    move(value, known);
  }

  void continue_path(std::span<double> out, const InputPlan& plan) const override {
    Eigen::VectorXd regressors(width_);
    for (std::size_t k = 0; k < out.size(); ++k) {
      const std::size_t model = std::min(k, shape_.horizon - 1);
      if (!started_ || !learns()) {
        out[k] = started_ ? values_.at(step_ - 1) : kMissing;
        continue;
      }
      fill(regressors, step_ - 1, step_ + k);
      if (shape_.planned_inputs) put_plan(regressors, plan, k);
      out[k] = regressors.dot(solve(model));
      if (k > model) out[k] = 0.5 * (out[k] + out[model]);
    }
  }
  std::unique_ptr<Forecaster> clone() const override {
    return std::make_unique<DirectRegression>(*this);
  }
  std::vector<NamedNumber> numbers() const override {
    return {{"regressors", static_cast<double>(width_)},
            {"learned_steps", static_cast<double>(step_)}};
  }
  void archive(ModelArchive& archive) override {
    archive.size(step_);
    archive.flag(started_);
    for (Track* track : {&values_, &fast_, &slow_}) track->archive(archive);
    for (Track& track : inputs_) track.archive(archive);
    for (auto& profile : profiles_) {
      const std::size_t size = profile.size();
      archive.numbers(profile);
      if (profile.size() != size) archive.fail(), profile.resize(size);
    }
    for (Eigen::MatrixXd& squares : squares_) {
      for (Eigen::Index i = 0; i < squares.size(); ++i) archive.number(squares.data()[i]);
    }
    for (Eigen::VectorXd& products : products_) {
      for (Eigen::Index i = 0; i < products.size(); ++i) archive.number(products.data()[i]);
    }
  }

 private:
  std::size_t longest() const { return shape_.periods.empty() ? 2 : shape_.periods.back(); }
  // Enough steps that every regressor exists.
  bool learns() const { return step_ >= kept_; }

  void clear() {
    step_ = 0;
    started_ = false;
    for (auto& profile : profiles_) std::fill(profile.begin(), profile.end(), kMissing);
    const auto width = static_cast<Eigen::Index>(width_);
    squares_.assign(shape_.horizon, Eigen::MatrixXd::Zero(width, width));
    products_.assign(shape_.horizon, Eigen::VectorXd::Zero(width));
  }

  void learn(double value) {
    Eigen::VectorXd regressors(width_);
    for (std::size_t k = 0; k < shape_.horizon; ++k) {
      fill(regressors, step_ - 1 - k, step_);
      if (shape_.planned_inputs) {
        for (std::size_t j = 0; j < inputs_.size(); ++j) {
          regressors(static_cast<Eigen::Index>(width_ - inputs_.size() + j)) = inputs_[j].at(step_);
        }
      }
      squares_[k] *= shape_.forgetting;
      squares_[k].selfadjointView<Eigen::Lower>().rankUpdate(regressors);
      products_[k] = shape_.forgetting * products_[k] + value * regressors;
    }
  }

  void move(double value, bool known) {
    if (!started_) {
      // As if it had been so for ever; the first cycles correct it.
      for (std::size_t i = 0; i < kept_; ++i) {
        values_.put(i, value), fast_.put(i, value), slow_.put(i, value);
      }
      started_ = true;
    }
    const std::size_t before = step_ == 0 ? 0 : step_ - 1;
    const double filled = known ? value : guess();
    values_.put(step_, filled);
    fast_.put(step_, fast_.at(before) + kFastMemory * (filled - fast_.at(before)));
    slow_.put(step_, slow_.at(before) + kSlowMemory * (filled - slow_.at(before)));
    if (known) {
      for (auto& profile : profiles_) {
        double& place = profile[step_ % profile.size()];
        place = std::isfinite(place) ? place + kProfileRate * (value - place) : value;
      }
    }
    ++step_;
  }

  // In place of a missing value: what one step ahead was expected.
  double guess() const {
    double out = 0;
    continue_path({&out, 1}, {});
    return std::isfinite(out) ? out : values_.at(step_ - 1);
  }

  double profile_at(const std::vector<double>& profile, std::size_t step) const {
    const double place = profile[step % profile.size()];
    return std::isfinite(place) ? place : slow_.at(step_ - 1);
  }

  // What is known at `origin` (the last step observed) about `target`.
  void fill(Eigen::VectorXd& x, std::size_t origin, std::size_t target) const {
    Eigen::Index i = 0;
    x(i++) = 1;
    for (std::size_t back = 0; back < 3; ++back) x(i++) = values_.at(origin - back);
    x(i++) = fast_.at(origin);
    x(i++) = slow_.at(origin);
    for (const auto& profile : profiles_) {
      const std::size_t period = profile.size();
      const std::size_t cycles = (target - origin + period - 1) / period;
      x(i++) = values_.at(target - cycles * period);
      x(i++) = values_.at(target - cycles * period - std::min(period, kept_ / 2));
      x(i++) = profile_at(profile, target);
      x(i++) = profile_at(profile, origin);
    }
    for (const Track& input : inputs_) {
      x(i++) = input.at(origin);
      x(i++) = input.at(origin - 1);
      x(i++) = input.at(origin) - input.at(origin - kInputSpan);
    }
    if (shape_.planned_inputs) {
      for (std::size_t j = 0; j < inputs_.size(); ++j) x(i++) = inputs_[j].at(origin);
    }
  }

  void put_plan(Eigen::VectorXd& x, const InputPlan& plan, std::size_t ahead) const {
    if (plan.empty()) return;
    const std::vector<double>& row = plan[std::min(ahead, plan.size() - 1)];
    for (std::size_t j = 0; j < inputs_.size() && j < row.size(); ++j) {
      if (std::isfinite(row[j])) x(static_cast<Eigen::Index>(width_ - inputs_.size() + j)) = row[j];
    }
  }

  Eigen::VectorXd solve(std::size_t k) const {
    Eigen::MatrixXd damped = squares_[k];
    // The constant is hardly held back; the others as their squares are.
    damped.diagonal().tail(damped.rows() - 1) *= 1 + shape_.ridge;
    damped.diagonal().array() += 1e-9 * (1 + damped.diagonal().maxCoeff());
    return damped.selfadjointView<Eigen::Lower>().ldlt().solve(products_[k]);
  }

  RegressionShape shape_;
  std::size_t kept_;
  Track values_, fast_, slow_;
  std::vector<Track> inputs_;
  std::vector<std::vector<double>> profiles_;
  std::size_t width_ = 0;
  std::size_t step_ = 0;
  bool started_ = false;
  std::vector<Eigen::MatrixXd> squares_;  // one a step ahead; the lower triangle counts
  std::vector<Eigen::VectorXd> products_;
};

}  // namespace

std::unique_ptr<Forecaster> direct_regression(RegressionShape shape) {
  shape.horizon = std::max<std::size_t>(shape.horizon, 1);
  return std::make_unique<DirectRegression>(std::move(shape));
}

}  // namespace entente::node
