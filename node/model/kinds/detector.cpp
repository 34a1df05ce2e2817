#include "node/model/detector.h"

#include "node/model/model_archive.h"
#include "node/model/model_kinds.h"

namespace entente::node {

ModelKind kind_detector();

namespace {

class DetectorModel final : public Model {
 public:
  DetectorModel(ModelSpec spec, const DetectorOptions& options)
      : spec_(std::move(spec)), detector_(options) {}
  const ModelSpec& spec() const override { return spec_; }
  Outcome update(const Observation& observation) override {
    if (Outcome fine = check_observation(spec_, observation); !fine) return fine;
    if (begun_ && observation.time <= newest_) {
      return make_error(ErrorCode::stale, "an observation is not later than the newest one",
                        "feed a model in order of time");
    }
    begun_ = true;
    newest_ = observation.time;
    const double before = detector_.expected();
    scale_ = detector_.deviation();
    difference_ = observation.values[0] - before;
    detector_.update(observation.time, observation.values[0]);
    return {};
  }
  Outcome step(Duration, std::span<const double>) override { return {}; }
  Result<Prediction> predict(Duration, const InputPlan&) const override {
    return make_error(ErrorCode::unsupported, "a detector judges values and predicts none",
                      "take a forecasting kind beside it");
  }
  // `distance` is the combined evidence.
  Residual residual() const override {
    return {{difference_}, {scale_}, detector_.latest().combined};
  }
  std::vector<NamedNumber> state() const override {
    const Evidence& latest = detector_.latest();
    return {{"evidence", latest.combined},
            {"tail", latest.tail},
            {"change", latest.change},
            {"pattern", latest.pattern},
            {"context", latest.context},
            {"alarm", latest.alarm ? 1.0 : 0.0},
            {"alarms", static_cast<double>(detector_.alarms())}};
  }
  void archive(ModelArchive& archive) override {
    archive.flag(begun_);
    archive.time(newest_);
    archive.number(difference_);
    archive.number(scale_);
    detector_.archive(archive);
  }

 private:
  ModelSpec spec_;
  Detector detector_;
  bool begun_ = false;
  Instant newest_;
  double difference_ = kMissing, scale_ = 0;
};

Result<std::unique_ptr<Model>> make(const ModelSpec& spec) {
  ParameterReader parameters(spec);
  DetectorOptions options;
  options.learning = parameters.count("learning", options.learning, {40, 100'000});
  options.hold = parameters.number("hold", options.hold, {0, 100});
  options.alarm_evidence = parameters.number("alarm_evidence", options.alarm_evidence, {1.5, 15});
  if (Outcome fine = parameters.finish(); !fine) return std::move(fine).error();
  if (spec.signals.size() != 1) {
    return make_error(ErrorCode::config_invalid, "model 'detector': it has one signal");
  }
  return std::unique_ptr<Model>(std::make_unique<DetectorModel>(spec, options));
}

}  // namespace

ModelKind kind_detector() {
  return {"detector", "Mostly normal values at a steady rate; tells the unusual, assumes no shape.",
          make};
}

}  // namespace entente::node
