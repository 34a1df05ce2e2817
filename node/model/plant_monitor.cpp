#include "node/model/plant_monitor.h"

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "schemas/base/check.h"

namespace entente::node {

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

// What Q of good rows stays below with that probability, from the variances left out.
double q_limit(const VectorXd& left_out, double normal_quantile) {
  const double first = left_out.sum();
  const double second = left_out.squaredNorm();
  const double third = left_out.array().cube().sum();
  if (first <= 1e-12) return 1e-12;
  const double h = 1 - 2 * first * third / (3 * second * second);
  const double inner = normal_quantile * std::sqrt(2 * second * h * h) / first + 1 +
                       second * h * (h - 1) / (first * first);
  return h > 0 && inner > 0 ? first * std::pow(inner, 1 / h) : 3 * first;
}

}  // namespace

Result<PlantMonitor> PlantMonitor::learn(const std::vector<std::vector<double>>& good,
                                         const PlantOptions& options) {
  const std::size_t width = good.empty() ? 0 : good[0].size();
  if (width == 0 || good.size() < 10 + 3 * width) {
    return make_error(ErrorCode::not_found,
                      std::to_string(good.size()) + " rows are too few to learn " +
                          std::to_string(width) + " signals from",
                      "give at least " + std::to_string(10 + 3 * width) + " good rows");
  }
  const auto n = static_cast<Eigen::Index>(good.size()), d = static_cast<Eigen::Index>(width);
  MatrixXd rows(n, d);
  for (Eigen::Index i = 0; i < n; ++i) {
    if (good[static_cast<std::size_t>(i)].size() != width) {
      return make_error(ErrorCode::invalid_argument, "rows have different widths");
    }
    for (Eigen::Index j = 0; j < d; ++j) {
      rows(i, j) = good[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    }
  }
  PlantMonitor monitor;
  monitor.width_ = width;
  for (Eigen::Index j = 0; j < d; ++j) {
    double sum = 0, squares = 0, count = 0;
    for (Eigen::Index i = 0; i < n; ++i) {
      if (std::isfinite(rows(i, j))) sum += rows(i, j), count += 1;
    }
    const double mean = count > 0 ? sum / count : 0;
    for (Eigen::Index i = 0; i < n; ++i) {
      rows(i, j) = std::isfinite(rows(i, j)) ? rows(i, j) - mean : 0;
      squares += rows(i, j) * rows(i, j);
    }
    // A constant signal gets a thousandth of its size as deviation.
    const double least = 1e-3 * std::abs(mean) + 1e-12;
    const double deviation = std::max(std::sqrt(squares / static_cast<double>(n - 1)), least);
    monitor.mean_.push_back(mean);
    monitor.inverse_deviation_.push_back(1 / deviation);
    rows.col(j) /= deviation;
  }
  const Eigen::SelfAdjointEigenSolver<MatrixXd> solved(rows.transpose() * rows /
                                                       static_cast<double>(n - 1));
  const VectorXd variances = solved.eigenvalues().reverse().cwiseMax(0.0);
  const double total = variances.sum();
  if (total <= 1e-6) return make_error(ErrorCode::invalid_argument, "no signal varies");
  Eigen::Index kept = 0;
  for (double sum = 0; kept < d && sum < options.explained * total; ++kept) sum += variances(kept);
  kept = std::clamp<Eigen::Index>(kept, 1, std::max<Eigen::Index>(d - 1, 1));
  monitor.components_ = static_cast<std::size_t>(kept);
  for (Eigen::Index k = 0; k < kept; ++k) {
    const VectorXd direction = solved.eigenvectors().col(d - 1 - k);
    monitor.directions_.insert(monitor.directions_.end(), direction.begin(), direction.end());
    monitor.variances_.push_back(std::max(variances(k), 1e-12));
  }
  const double count = static_cast<double>(n), k = static_cast<double>(kept);
  const double probability = 1 - options.false_alarms;
  const boost::math::fisher_f ratio(k, count - k);
  monitor.t2_limit_ = k * (count - 1) * (count + 1) / (count * (count - k)) *
                      boost::math::quantile(ratio, probability);
  monitor.q_limit_ = kept == d ? 1
                               : q_limit(variances.tail(d - kept),
                                         boost::math::quantile(boost::math::normal(), probability));
  return monitor;
}

PlantVerdict PlantMonitor::judge(std::span<const double> row) {
  ENTENTE_CHECK(row.size() == width_);
  std::vector<double> rest(width_);
  for (std::size_t j = 0; j < width_; ++j) {
    rest[j] = std::isfinite(row[j]) ? (row[j] - mean_[j]) * inverse_deviation_[j] : 0;
  }
  const std::vector<double> standard = rest;
  PlantVerdict verdict;
  for (std::size_t k = 0; k < components_; ++k) {
    const double* direction = directions_.data() + k * width_;
    double score = 0;
    for (std::size_t j = 0; j < width_; ++j) score += standard[j] * direction[j];
    for (std::size_t j = 0; j < width_; ++j) rest[j] -= score * direction[j];
    verdict.t2 += score * score / variances_[k];
  }
  double most = -1;
  for (std::size_t j = 0; j < width_; ++j) {
    verdict.q += rest[j] * rest[j];
    // What Q would lose if this signal alone were put right (Alcala and Qin, Automatica 45, 2009).
    double left_out = 1;
    for (std::size_t k = 0; k < components_; ++k) {
      left_out -= directions_[k * width_ + j] * directions_[k * width_ + j];
    }
    const double gain = rest[j] * rest[j] / std::max(left_out, 1e-3);
    if (gain > most) most = gain, suspect_ = j;
  }
  verdict.t2 /= t2_limit_;
  verdict.q /= q_limit_;
  const bool now = verdict.anomaly() > 1;
  verdict.alarm = (now ? 1 : 0) + (beyond_[0] ? 1 : 0) + (beyond_[1] ? 1 : 0) >= 2;
  beyond_[1] = beyond_[0];
  beyond_[0] = now;
  return verdict;
}

}  // namespace entente::node
