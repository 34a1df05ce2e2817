#include "node/model/change_point.h"

#include <algorithm>
#include <cmath>

#include "node/model/model_archive.h"

namespace entente::node {

std::optional<Change> Cusum::update(double standardised) {
  if (!std::isfinite(standardised)) return std::nullopt;
  up_ = std::max(0.0, up_ + standardised - options_.slack);
  down_ = std::max(0.0, down_ - standardised - options_.slack);
  if (std::max(up_, down_) < options_.limit) return std::nullopt;
  const Change change = up_ >= down_ ? Change::up : Change::down;
  up_ = down_ = 0;
  return change;
}

double Cusum::progress() const {
  return std::max(up_, down_) / options_.limit;
}

double Cusum::mean_run(Options options) {
  const double x = 2 * options.slack * (options.limit + 1.166);
  return (std::exp(x) - x - 1) / (2 * options.slack * options.slack);
}

void Cusum::archive(ModelArchive& archive) {
  archive.number(up_);
  archive.number(down_);
}

std::optional<Change> PageHinkley::update(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  const double deviation = count_ > 1 ? std::sqrt(squares_ / static_cast<double>(count_ - 1)) : 0;
  if (count_ >= options_.learning && deviation > 0) {
    // One wild value is no change.
    const double off = std::clamp((value - mean_) / deviation, -5.0, 5.0);
    up_ = std::max(0.0, up_ + off - options_.tolerance);
    down_ = std::max(0.0, down_ - off - options_.tolerance);
  }
  ++count_;
  const double off = value - mean_;
  mean_ += off / static_cast<double>(count_);
  squares_ += off * (value - mean_);
  if (std::max(up_, down_) < options_.limit) return std::nullopt;
  const Change change = up_ >= down_ ? Change::up : Change::down;
  *this = PageHinkley(options_);
  return change;
}

void PageHinkley::archive(ModelArchive& archive) {
  archive.count(count_);
  for (double* number : {&mean_, &squares_, &up_, &down_}) archive.number(*number);
}

}  // namespace entente::node
