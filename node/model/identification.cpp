#include "node/model/identification.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>

#include "node/model/model_archive.h"

namespace entente::node {

using Eigen::MatrixXd;
using Eigen::VectorXd;

Whiteness ljung_box(std::span<const double> residuals, std::size_t lags, std::size_t fitted) {
  std::vector<double> known;
  for (const double value : residuals) {
    if (std::isfinite(value)) known.push_back(value);
  }
  const double n = static_cast<double>(known.size());
  Whiteness result;
  result.lags = lags;
  if (known.size() <= lags + 1 || lags <= fitted) return result;
  double mean = 0, power = 0;
  for (const double value : known) mean += value / n;
  for (const double value : known) power += (value - mean) * (value - mean);
  if (power <= 0) return result;
  for (std::size_t lag = 1; lag <= lags; ++lag) {
    double product = 0;
    for (std::size_t t = lag; t < known.size(); ++t) {
      product += (known[t] - mean) * (known[t - lag] - mean);
    }
    const double correlation = product / power;
    result.statistic += n * (n + 2) * correlation * correlation / (n - static_cast<double>(lag));
  }
  result.p_value =
      boost::math::gamma_q(static_cast<double>(lags - fitted) / 2, result.statistic / 2);
  return result;
}

RecursiveLeastSquares::RecursiveLeastSquares(std::size_t width, double forgetting,
                                             double initial_covariance)
    : forgetting_(forgetting), coefficients_(width, 0.0), covariance_(width * width, 0.0) {
  for (std::size_t i = 0; i < width; ++i) covariance_[i * width + i] = initial_covariance;
}

double RecursiveLeastSquares::update(std::span<const double> regressors, double value) {
  const auto width = static_cast<Eigen::Index>(coefficients_.size());
  const Eigen::Map<const VectorXd> x(regressors.data(), width);
  if (!x.allFinite() || !std::isfinite(value)) return kMissing;
  Eigen::Map<VectorXd> c(coefficients_.data(), width);
  Eigen::Map<MatrixXd> p(covariance_.data(), width, width);
  const double error = value - x.dot(c);
  const VectorXd along = p * x;
  const double power = forgetting_ + x.dot(along);
  c += along * (error / power);
  p = (p - along * along.transpose() / power) / forgetting_;
  p = (0.5 * (p + p.transpose())).eval();
  // With forgetting, directions that are never excited grow without end: hold them.
  constexpr double kTraceMost = 1e12;
  if (const double trace = p.trace(); trace > kTraceMost) p *= kTraceMost / trace;
  return error;
}

void RecursiveLeastSquares::archive(ModelArchive& archive) {
  const std::size_t width = coefficients_.size();
  archive.numbers(coefficients_);
  archive.numbers(covariance_);
  if (coefficients_.size() == width && covariance_.size() == width * width) return;
  archive.fail();
  coefficients_.assign(width, 0.0);
  covariance_.assign(width * width, 0.0);
}

namespace {

std::size_t width_of(const ArxOrder& order, std::size_t inputs) {
  return order.own_terms + order.input_terms * inputs + order.noise_terms + 1;
}
std::size_t reach_of(const ArxOrder& order) {
  return std::max({order.own_terms, order.delay + order.input_terms, order.noise_terms});
}

void regressors_at(std::span<const double> values, const InputColumns& inputs,
                   const ArxOrder& order, std::span<const double> errors, std::size_t t,
                   std::vector<double>& x) {
  x.clear();
  for (std::size_t i = 1; i <= order.own_terms; ++i) x.push_back(values[t - i]);
  for (const auto& column : inputs) {
    for (std::size_t k = 0; k < order.input_terms; ++k) x.push_back(column[t - order.delay - k]);
  }
  for (std::size_t i = 1; i <= order.noise_terms; ++i) x.push_back(errors[t - i]);
  x.push_back(1);
}

// Errors one step ahead by fixed coefficients; missing ones count as 0 for the next.
std::vector<double> errors_of(std::span<const double> values, const InputColumns& inputs,
                              const ArxOrder& order, std::span<const double> coefficients) {
  std::vector<double> errors(values.size(), 0.0), told(values.size(), kMissing), x;
  for (std::size_t t = reach_of(order); t < values.size(); ++t) {
    regressors_at(values, inputs, order, errors, t, x);
    double said = 0;
    for (std::size_t i = 0; i < x.size(); ++i) said += x[i] * coefficients[i];
    told[t] = values[t] - said;
    errors[t] = std::isfinite(told[t]) ? told[t] : 0;
  }
  return told;
}

double root_mean_square(std::span<const double> values) {
  double sum = 0;
  std::size_t count = 0;
  for (const double value : values) {
    if (std::isfinite(value)) sum += value * value, ++count;
  }
  return count == 0 ? kMissing : std::sqrt(sum / static_cast<double>(count));
}

void score_held_back(std::span<const double> values, std::span<const double> errors,
                     std::size_t from, IdentifiedArx& found) {
  found.held_back_error = root_mean_square(errors.subspan(from));
  std::vector<double> changes, centred;
  double sum = 0, count = 0;
  for (std::size_t t = from; t < values.size(); ++t) {
    if (std::isfinite(values[t])) sum += values[t], count += 1;
    if (t > 0) changes.push_back(values[t] - values[t - 1]);
  }
  for (std::size_t t = from; t < values.size(); ++t) centred.push_back(values[t] - sum / count);
  found.naive_error = root_mean_square(changes);
  found.fit_percent = 100 * (1 - found.held_back_error / root_mean_square(centred));
}

}  // namespace

Result<IdentifiedArx> identify_arx(std::span<const double> values, const InputColumns& inputs,
                                   const ArxOrder& order, double held_back, double forgetting) {
  for (const auto& column : inputs) {
    if (column.size() == values.size()) continue;
    return make_error(ErrorCode::invalid_argument, "an input is not as long as the signal");
  }
  const std::size_t width = width_of(order, inputs.size());
  if (width < 2) return make_error(ErrorCode::invalid_argument, "an order without any term");
  const auto fitted = static_cast<std::size_t>(static_cast<double>(values.size()) *
                                               (1 - std::clamp(held_back, 0.0, 0.9)));
  if (fitted < reach_of(order) + 4 * width) {
    return make_error(ErrorCode::not_found,
                      std::to_string(values.size()) + " values are too few for " +
                          std::to_string(width) + " parameters",
                      "take more history or a smaller order");
  }
  std::vector<double> errors(values.size(), 0.0), x;
  RecursiveLeastSquares least(width, forgetting);
  for (int pass = 0; pass < (order.noise_terms > 0 ? 3 : 1); ++pass) {
    RecursiveLeastSquares anew(width, forgetting);
    if (pass > 0) {
      const auto known = errors_of(values, inputs, order, least.coefficients());
      for (std::size_t t = 0; t < known.size(); ++t) {
        errors[t] = std::isfinite(known[t]) ? known[t] : 0;
      }
    }
    for (std::size_t t = reach_of(order); t < fitted; ++t) {
      regressors_at(values, inputs, order, errors, t, x);
      const double error = anew.update(x, values[t]);
      if (pass == 0) errors[t] = std::isfinite(error) && t > reach_of(order) + width ? error : 0;
    }
    least = anew;
  }
  const std::vector<double>& c = least.coefficients();
  IdentifiedArx found;
  found.order = order;
  const auto at = [&](std::size_t i) { return c.begin() + static_cast<std::ptrdiff_t>(i); };
  found.own.assign(at(0), at(order.own_terms));
  for (std::size_t j = 0; j < inputs.size(); ++j) {
    const std::size_t begin = order.own_terms + j * order.input_terms;
    found.inputs.emplace_back(at(begin), at(begin + order.input_terms));
  }
  found.noise.assign(at(width - 1 - order.noise_terms), at(width - 1));
  found.constant = c.back();
  const std::vector<double> told = errors_of(values, inputs, order, c);
  const std::span<const double> seen = std::span(told).first(fitted);
  found.noise_variance = std::pow(root_mean_square(seen), 2);
  for (std::size_t i = 0; i < width; ++i) {
    const double deviation = std::sqrt(found.noise_variance * least.covariance()[i * width + i]);
    found.ranges.push_back({c[i] - 1.959964 * deviation, c[i] + 1.959964 * deviation});
  }
  const std::size_t terms = order.own_terms + order.noise_terms;
  found.whiteness = ljung_box(seen, terms + 20, terms);
  score_held_back(values, told, fitted, found);
  return found;
}

Result<IdentifiedArx> choose_arx(std::span<const double> values, const InputColumns& inputs,
                                 const ArxOrder& most, double held_back) {
  std::vector<IdentifiedArx> all;
  const std::size_t input_most = inputs.empty() ? 1 : std::max<std::size_t>(most.input_terms, 1);
  const std::size_t delay_most = inputs.empty() ? 1 : std::max<std::size_t>(most.delay, 1);
  for (std::size_t own = 1; own <= std::max<std::size_t>(most.own_terms, 1); ++own) {
    for (std::size_t terms = 1; terms <= input_most; ++terms) {
      for (std::size_t delay = 1; delay <= delay_most; ++delay) {
        for (std::size_t noise = 0; noise <= most.noise_terms; ++noise) {
          Result<IdentifiedArx> one =
              identify_arx(values, inputs, {own, terms, delay, noise}, held_back);
          if (!one && one.error().code == ErrorCode::invalid_argument) return one;
          if (one && std::isfinite(one->held_back_error)) all.push_back(std::move(*one));
        }
      }
    }
  }
  if (all.empty()) {
    return make_error(ErrorCode::not_found, "the history is too short for any order",
                      "take more history");
  }
  double least = all.front().held_back_error;
  for (const IdentifiedArx& one : all) least = std::min(least, one.held_back_error);
  const auto size = [&](const IdentifiedArx& one) { return width_of(one.order, inputs.size()); };
  const IdentifiedArx* chosen = nullptr;
  for (const IdentifiedArx& one : all) {
    if (one.held_back_error > 1.01 * least) continue;
    if (chosen == nullptr || size(one) < size(*chosen)) chosen = &one;
  }
  return *chosen;
}

}  // namespace entente::node
