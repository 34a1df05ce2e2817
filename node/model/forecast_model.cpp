#include "node/model/forecast_model.h"

#include <algorithm>
#include <cmath>

#include "node/model/conformal.h"
#include "node/model/model_archive.h"

namespace entente::node {

namespace {

// A path that was issued and whose truth is arriving.
struct Issued {
  std::vector<double> path;
  std::size_t seen = 0;
};

class ForecastModel final : public Model {
 public:
  ForecastModel(ModelSpec spec, ForecastShape shape, std::unique_ptr<Forecaster> method)
      : spec_(std::move(spec)),
        shape_(std::move(shape)),
        method_(std::move(method)),
        bands_(shape_.horizon),
        waiting_inputs_(spec_.inputs.size()) {}

  const ModelSpec& spec() const override { return spec_; }

  Outcome update(const Observation& observation) override {
    if (Outcome fine = check_observation(spec_, observation); !fine) return fine;
    if (!begun_) {
      begun_ = true;
      origin_ = newest_ = observation.time;
      take(observation.values[0], observation.inputs);
      return {};
    }
    if (observation.time <= newest_) {
      return make_error(ErrorCode::stale, "an observation is not later than the newest one",
                        "feed a model in order of time");
    }
    const std::int64_t half = spec_.step.ns / 2;
    std::int64_t place = (observation.time.ns - origin_.ns + half) / spec_.step.ns;
    newest_ = observation.time;
    if (place < next_) return {};  // a second one of the same step
    if (place - next_ > kGapSteps) {
      begin_anew(observation.time);
      place = 0;
    }
    while (next_ < place) take(kMissing, {});
    take(observation.values[0], observation.inputs);
    return {};
  }

  Outcome step(Duration dt, std::span<const double> inputs) override {
    if (dt.ns < spec_.step.ns || (!inputs.empty() && inputs.size() != spec_.inputs.size())) {
      return make_error(ErrorCode::invalid_argument,
                        "a step is shorter than the model's, or has other inputs");
    }
    const std::int64_t steps = std::min(dt.ns / spec_.step.ns, kGapSteps);
    for (std::int64_t i = 0; i < steps && begun_; ++i) {
      take(kMissing, inputs);
      newest_ = origin_ + spec_.step * (next_ - 1);
    }
    return {};
  }

  Result<Prediction> predict(Duration horizon, const InputPlan& inputs) const override {
    const std::int64_t steps = horizon.ns / spec_.step.ns;
    if (steps < 1 || steps > static_cast<std::int64_t>(kPredictedPoints)) {
      return make_error(ErrorCode::invalid_argument,
                        "a horizon is between one step and 10000 steps of " + to_text(spec_.step));
    }
    if (!fitted_) {
      return make_error(ErrorCode::not_found,
                        "the model has seen " + std::to_string(waiting_.size()) + " of the " +
                            std::to_string(shape_.warm_up) + " steps it is fitted on",
                        "feed it more history");
    }
    std::vector<double> path(static_cast<std::size_t>(steps));
    method_->continue_path(path, inputs);
    Prediction prediction;
    prediction.issued = newest_;
    prediction.model_version = spec_.version;
    std::vector<PredictedPoint>& points = prediction.paths.emplace_back();
    for (std::size_t k = 0; k < path.size(); ++k) {
      const Instant time = origin_ + spec_.step * (next_ + static_cast<std::int64_t>(k));
      points.push_back({time, path[k], bands_.half(k, path[k]), bands_.ninety(k, path[k])});
    }
    return prediction;
  }

  Residual residual() const override {
    const double distance =
        std::isfinite(difference_) && scale_ > 0 ? std::abs(difference_) / scale_ : 0;
    return {{difference_}, {scale_}, distance};
  }

  std::vector<NamedNumber> state() const override {
    std::vector<NamedNumber> all = method_->numbers();
    all.push_back({"fitted", fitted_ ? 1.0 : 0.0});
    all.push_back({"steps", static_cast<double>(next_)});
    return all;
  }

  void archive(ModelArchive& archive) override {
    archive.flag(begun_);
    archive.flag(fitted_);
    archive.time(origin_);
    archive.time(newest_);
    Instant next{next_};
    archive.time(next);
    next_ = next.ns;
    archive.number(difference_);
    archive.number(scale_);
    archive.numbers(waiting_);
    for (auto& column : waiting_inputs_) archive.numbers(column);
    method_->archive(archive);
    bands_.archive(archive);
    archive_issued(archive);
  }

 private:
  void begin_anew(Instant time) {
    origin_ = time;
    next_ = 0;
    fitted_ = false;
    difference_ = kMissing;
    waiting_.clear();
    for (auto& column : waiting_inputs_) column.clear();
    issued_.clear();
    bands_ = ConformalBands(shape_.horizon);
  }

  void take(double value, std::span<const double> inputs) {
    ++next_;
    if (fitted_) {
      score(value);
      method_->update(value, inputs);
      if (next_ % static_cast<std::int64_t>(every()) == 0) issue();
      return;
    }
    waiting_.push_back(value);
    for (std::size_t j = 0; j < waiting_inputs_.size(); ++j) {
      waiting_inputs_[j].push_back(j < inputs.size() ? inputs[j] : kMissing);
    }
    if (waiting_.size() < shape_.warm_up) return;
    fit();
  }

  std::size_t every() const { return std::max<std::size_t>(shape_.horizon / 4, 1); }

  void issue() {
    Issued issued;
    issued.path.resize(shape_.horizon);
    method_->continue_path(issued.path, {});
    issued_.push_back(std::move(issued));
  }

  void score(double value) {
    double expected = kMissing;
    method_->continue_path({&expected, 1}, {});
    difference_ = value - expected;
    if (std::isfinite(difference_)) {
      // About a standard deviation, from absolute errors: one wild value moves it little.
      const double size = std::abs(difference_) * 1.2533;
      scale_ = scale_ > 0 ? scale_ + 0.01 * (std::min(size, 6 * scale_) - scale_) : size;
    }
    for (Issued& issued : issued_) {
      bands_.learn(issued.seen, value - issued.path[issued.seen]);
      ++issued.seen;
    }
    std::erase_if(issued_, [](const Issued& issued) { return issued.seen == issued.path.size(); });
  }

  void fit() {
    const std::size_t part = std::max(waiting_.size() * 2 / 3, method_->least());
    const std::vector<double> values = std::move(waiting_);
    const InputColumns inputs = std::move(waiting_inputs_);
    waiting_.clear();
    waiting_inputs_.assign(spec_.inputs.size(), {});
    InputColumns first = inputs;
    for (auto& column : first) column.resize(std::min(part, column.size()));
    std::vector<double> row(inputs.size());
    if (part < values.size() && method_->fit(std::span(values).first(part), first)) {
      for (std::size_t t = part; t < values.size(); ++t) {
        for (std::size_t j = 0; j < row.size(); ++j) row[j] = inputs[j][t];
        score(values[t]);
        method_->update(values[t], row);
        if (t % every() == 0) issue();
      }
    }
    issued_.clear();
    fitted_ = method_->fit(values, inputs);
    if (fitted_) return;
    // Nearly everything was missing: drop the older half and wait for more.
    const auto half = static_cast<std::ptrdiff_t>(values.size() / 2);
    waiting_.assign(values.begin() + half, values.end());
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      waiting_inputs_[j].assign(inputs[j].begin() + half, inputs[j].end());
    }
  }

  void archive_issued(ModelArchive& archive) {
    std::size_t count = issued_.size();
    archive.size(count);
    if (count > 8) return archive.fail();
    issued_.resize(count);
    for (Issued& issued : issued_) {
      archive.numbers(issued.path);
      archive.size(issued.seen);
      if (issued.path.size() != shape_.horizon || issued.seen >= shape_.horizon) archive.fail();
    }
    if (archive.failed()) issued_.clear();
  }

  ModelSpec spec_;
  ForecastShape shape_;
  std::unique_ptr<Forecaster> method_;
  ConformalBands bands_;
  bool begun_ = false, fitted_ = false;
  Instant origin_, newest_;
  std::int64_t next_ = 0;  // the step after the newest, counted from the origin
  double difference_ = kMissing, scale_ = 0;
  std::vector<double> waiting_;
  InputColumns waiting_inputs_;
  std::vector<Issued> issued_;
};

}  // namespace

ForecastShape read_shape(ParameterReader& parameters, const ModelSpec&) {
  ForecastShape shape;
  for (const double period : parameters.numbers("periods", {24}, {2, 20'000})) {
    shape.periods.push_back(static_cast<std::size_t>(period));
  }
  std::sort(shape.periods.begin(), shape.periods.end());
  shape.horizon = parameters.count("horizon", 24, {1, 1'000});
  const std::size_t longest = shape.periods.empty() ? 8 : shape.periods.back();
  shape.warm_up =
      parameters.count("warm_up", std::max<std::size_t>(12 * longest, 200), {8, kWarmUpStepsMost});
  shape.logarithms = parameters.count("logarithms", 0, {0, 1}) == 1;
  return shape;
}

Result<std::unique_ptr<Model>> forecast_model(const ModelSpec& spec, const ForecastShape& shape,
                                              std::unique_ptr<Forecaster> method) {
  const auto refuse = [&](const std::string& why) {
    return make_error(ErrorCode::config_invalid, "model '" + spec.kind + "': " + why);
  };
  if (spec.signals.size() != 1) return refuse("it has one signal");
  if (spec.step.ns <= 0) return refuse("it needs a step, the distance of the grid");
  if (shape.logarithms) method = on_logarithms(std::move(method));
  if (shape.warm_up < method->least()) {
    return refuse("with these periods warm_up is at least " + std::to_string(method->least()));
  }
  return std::unique_ptr<Model>(std::make_unique<ForecastModel>(spec, shape, std::move(method)));
}

}  // namespace entente::node
