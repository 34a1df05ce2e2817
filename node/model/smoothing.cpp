// Holt-Winters and Theta: what they share is smoothing of a level.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "node/model/fitting.h"
#include "node/model/forecaster.h"
#include "node/model/model_archive.h"

namespace entente::node {

namespace {

double mean_of(std::span<const double> values) {
  double sum = 0;
  std::size_t count = 0;
  for (const double value : values) {
    if (std::isfinite(value)) sum += value, ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

// Mean of each place in the period of what is left, centred on 0.
std::vector<double> profile_of(std::span<const double> values, std::size_t period) {
  std::vector<double> sums(period, 0), counts(period, 0);
  for (std::size_t t = 0; t < values.size(); ++t) {
    if (std::isfinite(values[t])) sums[t % period] += values[t], counts[t % period] += 1;
  }
  const double overall = mean_of(values);
  for (std::size_t i = 0; i < period; ++i) {
    sums[i] = counts[i] > 0 ? sums[i] / counts[i] - overall : 0;
  }
  return sums;
}

struct SmoothingState {
  double level = 0, slope = 0, error = 0;
  std::vector<std::vector<double>> seasons;
  std::size_t at = 0;  // steps taken
};

// Parameters in one list, as the optimiser wants them: alpha, rho, beta, phi, gamma of each season.
class ExponentialSmoothing final : public Forecaster {
 public:
  explicit ExponentialSmoothing(SmoothingShape shape) : shape_(std::move(shape)) {
    parameters_ = starts();
    for (const std::size_t period : shape_.periods) state_.seasons.emplace_back(period, 0.0);
  }
  std::string_view name() const override { return "exponential_smoothing"; }
  std::size_t least() const override {
    return shape_.periods.empty() ? 8 : 2 * shape_.periods.back();
  }

  bool fit(std::span<const double> values, const InputColumns&) override {
    if (values.size() < least()) return false;
    initial_ = initial(values);
    FitProblem problem;
    problem.start = starts();
    problem.low.assign(problem.start.size(), 0.0);
    problem.high.assign(problem.start.size(), 0.5);
    problem.high[0] = 0.99;
    problem.high[1] = 0.98;
    problem.high[2] = shape_.trend ? 0.3 : 0;
    problem.low[3] = 0.5, problem.high[3] = 0.99;
    problem.cost = [&](std::span<const double> parameters) {
      return path_error(values, parameters);
    };
    problem.evaluations_max = 150 + 50 * static_cast<int>(shape_.periods.size());
    problem.tolerance = 1e-4;
    const Fitted fitted = minimise(problem);
    parameters_ = fitted.at;
    state_ = initial_;
    for (const double value : values) advance(state_, parameters_, value);
    return std::isfinite(state_.level) && fitted.cost < 1e299;
  }
  void update(double value, std::span<const double>) override {
    advance(state_, parameters_, value);
  }
  void continue_path(std::span<double> out, const InputPlan&) const override {
    path(state_, parameters_, out);
  }
  std::unique_ptr<Forecaster> clone() const override {
    return std::make_unique<ExponentialSmoothing>(*this);
  }
  std::vector<NamedNumber> numbers() const override {
    std::vector<NamedNumber> all{{"level", state_.level},   {"slope", state_.slope},
                                 {"alpha", parameters_[0]}, {"error_memory", parameters_[1]},
                                 {"beta", parameters_[2]},  {"damping", parameters_[3]}};
    for (std::size_t i = 0; i < shape_.periods.size(); ++i) {
      all.push_back({"gamma_" + std::to_string(shape_.periods[i]), parameters_[4 + i]});
    }
    return all;
  }
  void archive(ModelArchive& archive) override {
    const std::size_t size = parameters_.size();
    archive.numbers(parameters_);
    if (parameters_.size() != size) archive.fail(), parameters_.resize(size);
    archive.number(state_.level);
    archive.number(state_.slope);
    archive.number(state_.error);
    archive.size(state_.at);
    for (std::size_t i = 0; i < shape_.periods.size(); ++i) {
      archive.numbers(state_.seasons[i]);
      if (state_.seasons[i].size() == shape_.periods[i]) continue;
      archive.fail();
      state_.seasons[i].resize(shape_.periods[i]);
    }
  }

 private:
  std::vector<double> starts() const {
    std::vector<double> start{0.2, 0.5, shape_.trend ? 0.01 : 0, 0.9};
    start.resize(4 + shape_.periods.size(), 0.1);
    return start;
  }

  static void advance(SmoothingState& state, std::span<const double> p, double value) {
    double base = state.level + p[3] * state.slope;
    for (const auto& season : state.seasons) base += season[state.at % season.size()];
    state.level += p[3] * state.slope;
    state.slope *= p[3];
    if (std::isfinite(value)) {
      const double error = value - base;
      const double news = error - p[1] * state.error;
      state.level += p[0] * news;
      state.slope += p[2] * news;
      for (std::size_t i = 0; i < state.seasons.size(); ++i) {
        state.seasons[i][state.at % state.seasons[i].size()] += p[4 + i] * news;
      }
      state.error = error;
    } else {
      state.error *= p[1];
    }
    ++state.at;
  }

  static void path(const SmoothingState& state, std::span<const double> p, std::span<double> out) {
    double level = state.level, slope = state.slope, error = state.error;
    for (std::size_t k = 0; k < out.size(); ++k) {
      slope *= p[3];
      level += slope;
      error *= p[1];
      out[k] = level + error;
      for (const auto& season : state.seasons) out[k] += season[(state.at + k) % season.size()];
    }
  }

  SmoothingState initial(std::span<const double> values) const {
    SmoothingState state;
    const std::size_t first =
        std::min(values.size(), shape_.periods.empty() ? 8 : 4 * shape_.periods.back());
    std::vector<double> rest(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(first));
    state.level = mean_of(rest);
    for (double& value : rest) value -= state.level;
    for (const std::size_t period : shape_.periods) {
      state.seasons.push_back(profile_of(rest, period));
      for (std::size_t t = 0; t < rest.size(); ++t) {
        rest[t] -= state.seasons.back()[t % period];
      }
    }
    return state;
  }

  // Mean absolute error of whole paths from origins spread over the values, past the first cycles.
  double path_error(std::span<const double> values, std::span<const double> p) const {
    SmoothingState state = initial_;
    const std::size_t horizon = std::max<std::size_t>(shape_.horizon, 1);
    const std::size_t every = std::max<std::size_t>(horizon / 4, 1);
    std::vector<double> out(horizon);
    const std::size_t begin = std::min(values.size() / 4, std::max<std::size_t>(least(), 8));
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t t = 0; t < values.size(); ++t) {
      if (t >= begin && t % every == 0) {
        path(state, p, out);
        for (std::size_t k = 0; k < horizon && t + k < values.size(); ++k) {
          if (std::isfinite(values[t + k])) sum += std::abs(values[t + k] - out[k]), ++count;
        }
      }
      advance(state, p, values[t]);
    }
    return count == 0 ? kMissing : sum / static_cast<double>(count);
  }

  SmoothingShape shape_;
  std::vector<double> parameters_;
  SmoothingState initial_;  // only while fitting
  SmoothingState state_;
};

class Theta final : public Forecaster {
 public:
  explicit Theta(std::size_t period) : period_(std::max<std::size_t>(period, 1)) {
    profile_.assign(period_, 0.0);
  }
  std::string_view name() const override { return "theta"; }
  std::size_t least() const override { return std::max<std::size_t>(2 * period_, 8); }

  bool fit(std::span<const double> values, const InputColumns&) override {
    if (values.size() < least()) return false;
    profile_ = period_ > 1 ? profile_of(values, period_) : std::vector<double>(1, 0.0);
    std::vector<double> rest(values.begin(), values.end());
    double n = 0, st = 0, sy = 0, stt = 0, sty = 0;
    for (std::size_t t = 0; t < rest.size(); ++t) {
      rest[t] -= profile_[t % period_];
      if (!std::isfinite(rest[t])) continue;
      const double x = static_cast<double>(t);
      n += 1, st += x, sy += rest[t], stt += x * x, sty += x * rest[t];
    }
    if (n < 4) return false;
    const double spread = n * stt - st * st;
    drift_ = spread > 0 ? (n * sty - st * sy) / spread / 2 : 0;
    const double first =
        *std::find_if(rest.begin(), rest.end(), [](double value) { return std::isfinite(value); });
    FitProblem problem;
    problem.start = {0.3};
    problem.low = {0.01};
    problem.high = {0.999};
    problem.evaluations_max = 60;
    problem.cost = [&](std::span<const double> p) {
      double level = first, sum = 0;
      for (const double value : rest) {
        if (!std::isfinite(value)) continue;
        const double error = value - level;
        sum += error * error;
        level += p[0] * error;
      }
      return sum;
    };
    alpha_ = minimise(problem).at[0];
    level_ = first;
    at_ = 0;
    for (const double value : values) update(value, {});
    return true;
  }
  void update(double value, std::span<const double>) override {
    if (std::isfinite(value)) level_ += alpha_ * (value - profile_[at_ % period_] - level_);
    ++at_;
  }
  void continue_path(std::span<double> out, const InputPlan&) const override {
    const double remembered = 1 - std::pow(1 - alpha_, static_cast<double>(at_));
    for (std::size_t k = 0; k < out.size(); ++k) {
      out[k] = level_ + drift_ * (static_cast<double>(k) + remembered / alpha_) +
               profile_[(at_ + k) % period_];
    }
  }
  std::unique_ptr<Forecaster> clone() const override { return std::make_unique<Theta>(*this); }
  std::vector<NamedNumber> numbers() const override {
    return {{"level", level_}, {"drift", drift_}, {"alpha", alpha_}};
  }
  void archive(ModelArchive& archive) override {
    archive.numbers(profile_);
    archive.number(level_);
    archive.number(drift_);
    archive.number(alpha_);
    archive.size(at_);
    if (profile_.size() != period_) archive.fail(), profile_.resize(period_);
  }

 private:
  std::size_t period_;
  std::vector<double> profile_;
  double level_ = 0, drift_ = 0, alpha_ = 0.3;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Forecaster> exponential_smoothing(SmoothingShape shape) {
  return std::make_unique<ExponentialSmoothing>(std::move(shape));
}
std::unique_ptr<Forecaster> theta(std::size_t period) {
  return std::make_unique<Theta>(period);
}

}  // namespace entente::node
