#include "node/model/detector.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "node/model/model_archive.h"

namespace entente::node {

namespace {

constexpr double kTailMemory = 6'400;
constexpr std::size_t kNearest = 10;
constexpr std::size_t kOrders = 4;
constexpr int kBins = 16;
constexpr double kRareShare = 0.02;      // beyond it the tail is continued
constexpr double kWorthCombining = 1.5;  // evidence below counts as none
// Steps and contexts are extreme more often than they matter.
constexpr double kOffsets[] = {0.3, -0.2, 0.2, -0.2};

using Five = std::array<double, kPatternLength>;
using Square = Eigen::Matrix<double, kPatternLength, kPatternLength>;
using Column = Eigen::Matrix<double, kPatternLength, 1>;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t more) {
  hash ^= more + 0x9E3779B97F4A7C15ULL + (hash << 6) + (hash >> 2);
  hash *= 0xBF58476D1CE4E5B9ULL;
  return hash ^ (hash >> 29);
}

}  // namespace

double TailCalibration::evidence(double score) const {
  const std::size_t n = sorted_.size();
  if (n < 30 || !std::isfinite(score)) return 0;
  const auto above = sorted_.end() - std::lower_bound(sorted_.begin(), sorted_.end(), score);
  double share = (static_cast<double>(above) + 1) / (static_cast<double>(n) + 1);
  const std::size_t begin = n * 98 / 100;
  const double threshold = sorted_[begin];
  if (score > threshold) {
    double excess = 0;
    for (std::size_t i = begin; i < n; ++i) excess += sorted_[i] - threshold;
    excess /= static_cast<double>(n - begin);
    // Never steeper than the bulk suggests: a run of equal values must not make a cliff.
    excess = std::max(excess, (threshold - sorted_[n / 2]) / 4 + 1e-12);
    share = std::min({share, kRareShare, kRareShare * std::exp(-(score - threshold) / excess)});
  }
  return std::min(-std::log10(std::max(share, 1e-15)), 15.0);
}

void TailCalibration::learn(double score) {
  if (!std::isfinite(score)) return;
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), score), score);
  past_.push_back(score);
  if (past_.size() <= kept_) return;
  sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), past_.front()));
  past_.pop_front();
}

void TailCalibration::archive(ModelArchive& archive) {
  archive.numbers(past_);
  if (!archive.reading()) return;
  const bool finite =
      std::all_of(past_.begin(), past_.end(), [](double score) { return std::isfinite(score); });
  if (!finite || past_.size() > kept_) archive.fail(), past_.clear();
  sorted_.assign(past_.begin(), past_.end());
  std::sort(sorted_.begin(), sorted_.end());
}

Detector::Detector(const DetectorOptions& options)
    : options_(options),
      pattern_kept_(std::max<std::size_t>(options.learning, 40)),
      calibrations_{TailCalibration(std::max<std::size_t>(2 * options.learning, 200)),
                    TailCalibration(std::max<std::size_t>(2 * options.learning, 200)),
                    TailCalibration(std::max<std::size_t>(2 * options.learning, 200)),
                    TailCalibration(std::max<std::size_t>(2 * options.learning, 200))} {}

double Detector::deviation() const {
  return std::sqrt(std::max(variance_, 0.0));
}

double Detector::tail_score(double value) {
  const double n = static_cast<double>(seen_);
  double score = kMissing;
  if (n >= 20) {
    score = std::abs(value - mean_) / (deviation() + 1e-9 * std::abs(mean_) + 1e-12);
  }
  const double weight = 1 / std::min(n + 1, kTailMemory);
  const double off = value - mean_;
  mean_ += weight * off;
  variance_ = (1 - weight) * (variance_ + weight * off * off);
  return score;
}

void Detector::whiten_again() {
  const auto at = [this](std::size_t i) {
    Column five;
    for (std::size_t j = 0; j < kPatternLength; ++j) {
      five(static_cast<Eigen::Index>(j)) = recent_[i + kPatternLength - 1 - j];
    }
    return five;
  };
  const std::size_t count = recent_.size() - kPatternLength + 1;
  Column mean = Column::Zero();
  for (std::size_t i = 0; i < count; ++i) mean += at(i) / static_cast<double>(count);
  Square spread = Square::Zero();
  for (std::size_t i = 0; i < count; ++i) {
    const Column off = at(i) - mean;
    spread += off * off.transpose() / static_cast<double>(count);
  }
  spread.diagonal().array() += 1e-3 * spread.diagonal().mean() + 1e-12;
  const Square root = spread.llt().matrixL();
  const Square inverse = root.triangularView<Eigen::Lower>().solve(Square::Identity());
  whitening_.assign(inverse.data(), inverse.data() + inverse.size());
  fives_.clear();
  for (std::size_t i = 0; i < count; ++i) {
    const Column made = inverse * at(i);
    Five five;
    std::copy(made.begin(), made.end(), five.begin());
    fives_.push_back(five);
  }
}

double Detector::pattern_score(double value) {
  // Refreshed before the value counts: what it is compared with does not know it.
  const std::size_t known =
      recent_.size() >= kPatternLength ? recent_.size() - kPatternLength + 1 : 0;
  if (known >= pattern_kept_ / 4 && (whitening_.empty() || since_whitening_ >= pattern_kept_ / 2)) {
    whiten_again();
    since_whitening_ = 0;
  }
  ++since_whitening_;
  recent_.push_back(value);
  if (recent_.size() > pattern_kept_ + kPatternLength - 1) recent_.pop_front();
  if (whitening_.empty()) return kMissing;
  Column five;
  for (std::size_t j = 0; j < kPatternLength; ++j) {
    five(static_cast<Eigen::Index>(j)) = recent_[recent_.size() - 1 - j];
  }
  const Column made = Eigen::Map<const Square>(whitening_.data()) * five;
  // The youngest ones share values with this one.
  std::vector<double> distances;
  distances.reserve(fives_.size());
  for (std::size_t i = 0; i + kPatternLength / 2 < fives_.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < kPatternLength; ++j) {
      const double off = fives_[i][j] - made(static_cast<Eigen::Index>(j));
      sum += off * off;
    }
    distances.push_back(sum);
  }
  Five kept;
  std::copy(made.begin(), made.end(), kept.begin());
  fives_.push_back(kept);
  if (fives_.size() > pattern_kept_) fives_.pop_front();
  const std::size_t nearest = std::min(kNearest, distances.size());
  std::nth_element(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(nearest) - 1,
                   distances.end());
  double sum = 0;
  for (std::size_t i = 0; i < nearest; ++i) sum += distances[i];
  return std::log(sum / static_cast<double>(nearest) + 1e-9);
}

void Detector::learn_bins() {
  std::vector<double> sorted = first_values_;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t cut = sorted.size() / 100;
  const double low = sorted[cut], high = sorted[sorted.size() - 1 - cut];
  const double width = high > low ? high - low : 1e-9;
  bins_low_ = low - 0.25 * width;
  bins_width_ = 1.5 * width / kBins;
  binned_ = true;
}

void Detector::halve_contexts() {
  for (auto& [key, count] : contexts_) count /= 2;
  std::erase_if(contexts_, [](const auto& one) { return one.second == 0; });
}

double Detector::context_score(double value) {
  const double place = std::floor((value - bins_low_) / bins_width_);
  const double bin = std::clamp(place, -1.0, static_cast<double>(kBins));
  double surprise = 0, orders = 0;
  std::uint64_t history = 1;
  for (std::size_t order = 0; order <= kOrders && order <= last_bins_.size(); ++order) {
    if (order > 0) {
      const double before = last_bins_[last_bins_.size() - order];
      history = mixed(history, static_cast<std::uint64_t>(before + 2));
    }
    std::uint32_t& all = contexts_[mixed(history, 1'000)];
    std::uint32_t& this_one =
        contexts_[mixed(history, 2'000 + static_cast<std::uint64_t>(bin + 2))];
    if (all > 0) {
      surprise -= std::log((static_cast<double>(this_one) + 0.5) / (static_cast<double>(all) + 1));
      orders += 1;
    }
    ++all, ++this_one;
  }
  if (contexts_.size() > kContexts) halve_contexts();
  last_bins_.push_back(bin);
  if (last_bins_.size() > kOrders) last_bins_.pop_front();
  return orders > 0 ? surprise / orders : 0;
}

Evidence Detector::update(Instant, double value) {
  latest_ = {};
  if (!std::isfinite(value)) return latest_;
  const double change = std::isfinite(last_) ? std::abs(value - last_) : kMissing;
  const double scores[] = {tail_score(value), change, pattern_score(value)};
  last_ = value;
  double* const told[] = {&latest_.tail, &latest_.change, &latest_.pattern, &latest_.context};
  const auto judge = [&](std::size_t view, double score, double* evidence) {
    if (evidence != nullptr) *evidence = calibrations_[view].evidence(score);
    calibrations_[view].learn(score);
  };
  for (std::size_t view = 0; view < 3; ++view) judge(view, scores[view], told[view]);
  ++seen_;
  if (binned_) {
    judge(3, context_score(value), told[3]);
  } else {
    first_values_.push_back(value);
    if (first_values_.size() >= options_.learning) {
      learn_bins();
      for (const double first : first_values_) judge(3, context_score(first), nullptr);
      first_values_.clear();
      first_values_.shrink_to_fit();
    }
  }
  for (std::size_t view = 0; view < 4; ++view) {
    const double evidence = *told[view];
    if (evidence <= kWorthCombining) continue;
    latest_.combined = std::max(latest_.combined, evidence + kOffsets[view]);
  }
  if (seen_ <= options_.learning) return latest_;
  if (quiet_ > 0) {
    --quiet_;
  } else if (latest_.combined >= options_.alarm_evidence) {
    latest_.alarm = true;
    ++alarms_;
    quiet_ = static_cast<std::uint64_t>(options_.hold * static_cast<double>(options_.learning));
  }
  return latest_;
}

void Detector::archive(ModelArchive& archive) {
  for (TailCalibration& calibration : calibrations_) calibration.archive(archive);
  for (std::uint64_t* count : {&seen_, &quiet_, &alarms_, &since_whitening_}) archive.count(*count);
  for (double* number : {&latest_.tail, &latest_.change, &latest_.pattern, &latest_.context,
                         &latest_.combined, &mean_, &variance_, &last_, &bins_low_, &bins_width_}) {
    archive.number(*number);
  }
  archive.flag(latest_.alarm);
  archive.flag(binned_);
  archive.numbers(recent_);
  archive.numbers(whitening_);
  archive.numbers(first_values_);
  archive.numbers(last_bins_);
  std::size_t count = fives_.size();
  archive.size(count);
  if (count > pattern_kept_ || whitening_.size() % (kPatternLength * kPatternLength) != 0 ||
      recent_.size() > pattern_kept_ + kPatternLength || last_bins_.size() > kOrders ||
      (count > 0 && recent_.size() < kPatternLength)) {
    archive.fail();
    return;
  }
  fives_.resize(count);
  for (Five& five : fives_) archive.numbers(five);
  std::vector<std::pair<std::uint64_t, std::uint32_t>> sorted(contexts_.begin(), contexts_.end());
  std::sort(sorted.begin(), sorted.end());
  count = sorted.size();
  archive.size(count);
  if (count > kContexts + 2 * (kOrders + 1)) return archive.fail();
  sorted.resize(count);
  for (auto& [key, times] : sorted) {
    std::uint64_t wide = times;
    archive.count(key);
    archive.count(wide);
    times = static_cast<std::uint32_t>(wide);
  }
  if (archive.reading()) contexts_ = {sorted.begin(), sorted.end()};
}

}  // namespace entente::node
