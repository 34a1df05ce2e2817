#include "node/model/forecaster.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "node/model/model_archive.h"

namespace entente::node {

namespace {

class SeasonalNaive final : public Forecaster {
 public:
  explicit SeasonalNaive(std::size_t period) : period_(period), season_(period, kMissing) {}
  std::string_view name() const override { return "seasonal_naive"; }
  std::size_t least() const override { return period_; }
  bool fit(std::span<const double> values, const InputColumns&) override {
    season_.assign(period_, kMissing);
    last_ = kMissing;
    next_ = 0;
    for (const double value : values) update(value, {});
    return values.size() >= least() && std::isfinite(last_);
  }
  void update(double value, std::span<const double>) override {
    if (std::isfinite(value)) season_[next_] = last_ = value;
    next_ = (next_ + 1) % period_;
  }
  void continue_path(std::span<double> out, const InputPlan&) const override {
    for (std::size_t k = 0; k < out.size(); ++k) {
      const double value = season_[(next_ + k) % period_];
      out[k] = std::isfinite(value) ? value : last_;
    }
  }
  std::unique_ptr<Forecaster> clone() const override {
    return std::make_unique<SeasonalNaive>(*this);
  }
  std::vector<NamedNumber> numbers() const override { return {{"last", last_}}; }
  void archive(ModelArchive& archive) override {
    archive.numbers(season_);
    archive.number(last_);
    archive.size(next_);
    if (season_.size() != period_ || next_ >= period_) archive.fail(), season_.resize(period_);
  }

 private:
  std::size_t period_;
  std::vector<double> season_;  // by place in the period; the youngest known
  double last_ = kMissing;
  std::size_t next_ = 0;
};

class Combination final : public Forecaster {
 public:
  explicit Combination(std::vector<std::unique_ptr<Forecaster>> parts) : parts_(std::move(parts)) {}
  std::string_view name() const override { return "combination"; }
  std::size_t least() const override {
    std::size_t most = 0;
    for (const auto& part : parts_) most = std::max(most, part->least());
    return most;
  }
  bool fit(std::span<const double> values, const InputColumns& inputs) override {
    return std::all_of(parts_.begin(), parts_.end(),
                       [&](const auto& part) { return part->fit(values, inputs); });
  }
  void update(double value, std::span<const double> inputs) override {
    for (const auto& part : parts_) part->update(value, inputs);
  }
  void continue_path(std::span<double> out, const InputPlan& plan) const override {
    std::fill(out.begin(), out.end(), 0.0);
    std::vector<double> path(out.size());
    for (const auto& part : parts_) {
      part->continue_path(path, plan);
      for (std::size_t k = 0; k < out.size(); ++k) {
        out[k] += path[k] / static_cast<double>(parts_.size());
      }
    }
  }
  std::unique_ptr<Forecaster> clone() const override {
    std::vector<std::unique_ptr<Forecaster>> copies;
    for (const auto& part : parts_) copies.push_back(part->clone());
    return std::make_unique<Combination>(std::move(copies));
  }
  void archive(ModelArchive& archive) override {
    for (const auto& part : parts_) part->archive(archive);
  }

 private:
  std::vector<std::unique_ptr<Forecaster>> parts_;
};

class OnLogarithms final : public Forecaster {
 public:
  explicit OnLogarithms(std::unique_ptr<Forecaster> inner)
      : inner_(std::move(inner)), name_("log " + std::string(inner_->name())) {}
  std::string_view name() const override { return name_; }
  std::size_t least() const override { return inner_->least(); }
  bool fit(std::span<const double> values, const InputColumns& inputs) override {
    double sum = 0;
    std::size_t count = 0;
    for (const double value : values) {
      if (!std::isfinite(value)) continue;
      if (value < 0) return false;
      sum += value, ++count;
    }
    if (count == 0 || sum <= 0) return false;
    offset_ = sum / static_cast<double>(count) / 20;
    std::vector<double> logarithms(values.size());
    std::transform(values.begin(), values.end(), logarithms.begin(),
                   [this](double value) { return forward(value); });
    ceiling_ = 0;
    for (const double value : logarithms) {
      if (std::isfinite(value)) ceiling_ = std::max(ceiling_, value + 1);
    }
    return inner_->fit(logarithms, inputs);
  }
  void update(double value, std::span<const double> inputs) override {
    inner_->update(forward(value), inputs);
    if (std::isfinite(value)) ceiling_ = std::max(ceiling_, forward(value) + 1);
  }
  void continue_path(std::span<double> out, const InputPlan& plan) const override {
    inner_->continue_path(out, plan);
    // A path that runs away must not overflow: e times what was ever seen is the end.
    for (double& value : out) {
      value = std::max(0.0, std::exp(std::min(value, ceiling_)) - offset_);
    }
  }
  std::unique_ptr<Forecaster> clone() const override {
    auto copy = std::make_unique<OnLogarithms>(inner_->clone());
    copy->offset_ = offset_;
    copy->ceiling_ = ceiling_;
    return copy;
  }
  std::vector<NamedNumber> numbers() const override { return inner_->numbers(); }
  void archive(ModelArchive& archive) override {
    archive.number(offset_);
    archive.number(ceiling_);
    inner_->archive(archive);
  }

 private:
  double forward(double value) const {
    return std::isfinite(value) ? std::log(std::max(value, 0.0) + offset_) : kMissing;
  }
  std::unique_ptr<Forecaster> inner_;
  std::string name_;
  double offset_ = 1;
  double ceiling_ = 700;
};

}  // namespace

std::unique_ptr<Forecaster> seasonal_naive(std::size_t period) {
  return std::make_unique<SeasonalNaive>(std::max<std::size_t>(period, 1));
}
std::unique_ptr<Forecaster> combination(std::vector<std::unique_ptr<Forecaster>> parts) {
  return std::make_unique<Combination>(std::move(parts));
}
std::unique_ptr<Forecaster> on_logarithms(std::unique_ptr<Forecaster> inner) {
  return std::make_unique<OnLogarithms>(std::move(inner));
}

}  // namespace entente::node
