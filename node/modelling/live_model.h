// One model of one twin as it lives: fed in order of time, watched for drift, made durable.
//
// What is durable is a state from before the last `late` of readings, and nothing else: the present
// is that state told what the history holds since. So a restart at any moment comes to the same
// bytes, and a reading that came late or was corrected counts from the next `check` on, which
// compares what the model was told with what the history holds now and tells it anew. Readings
// that come later than `late` are left out.
// Memory: the model, and the durable state's bytes. Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/model/change_point.h"
#include "node/modelling/model_feed.h"

namespace entente::node {

// A prediction as it is kept until the truth has arrived.
struct Forecast {
  Instant issued;  // the grid's time of the newest observation
  std::uint32_t version = 0;
  std::vector<std::vector<PredictedPoint>> paths;  // one a signal
};

struct Alarm {
  Instant time;
  std::uint32_t version = 0;
  std::string signal;
  double value = 0;
  double expected = 0;
  double evidence = 0;  // -log10 of how rare
};

// What a feed brought to light; whoever feeds keeps it.
struct Told {
  std::vector<Forecast> forecasts;
  std::vector<Alarm> alarms;
  std::optional<Instant> again_from;  // from here on it was told anew: earlier alarms are void
  std::string out_of_date;            // why; empty: it is not
};

class LiveModel {
 public:
  // `checkpoint`: what `check` gave; empty: a fresh one. Refuses: as ModelKinds::make and load.
  [[nodiscard]] static Result<std::unique_ptr<LiveModel>> make(const History& history,
                                                               const ModelKinds& kinds,
                                                               const ModelDefinition& definition,
                                                               ByteView checkpoint);

  // Tells the model what has come, at most about `readings` a signal; how many observations.
  std::size_t feed(Instant now, std::size_t readings, Told& told);
  // Takes what came late, and moves the durable state on. The new state to keep, if it moved.
  [[nodiscard]] Result<std::optional<Bytes>> check(Told& told);

  const ModelDefinition& definition() const { return definition_; }
  const Model& model() const { return *live_.model; }
  Instant fed_to() const { return live_.place.next; }
  // What a restart would replay.
  std::size_t unsettled() const { return took_; }
  // How much lies before it, in time; nothing when there is no reading.
  std::optional<Duration> behind(Instant now) const;
  // The last value of each input.
  const std::vector<double>& held() const { return live_.place.held; }
  // Of the drift of its residuals, 0 to 1.
  double drift() const { return live_.drift.progress(); }
  // The whole present, for comparisons.
  Bytes bytes() const { return save(live_); }
  std::size_t durable_bytes() const { return base_.size(); }

 private:
  struct Track {
    std::unique_ptr<Model> model;
    FeedPlace place;
    Cusum drift{{1.0, 25}};
  };
  LiveModel(const History& history, const ModelKinds& kinds, const ModelDefinition& definition)
      : kinds_(kinds), definition_(definition), feed_(history, definition) {}
  Result<Track> load(ByteView bytes) const;
  static Bytes save(const Track& track);
  void tell(Track& track, const Seen& seen, Told* told) const;
  void note_alarm(const Model& model, const Seen& seen, double expected, Told& told) const;
  void issue(const Model& model, Instant time, Told& told) const;
  void took(const Seen& seen);
  // Observations of `all` that the durable state may take for good.
  std::size_t settled(const std::vector<Seen>& all, Instant base) const;

  const ModelKinds& kinds_;
  const ModelDefinition definition_;
  const ModelFeed feed_;
  Bytes base_;
  Track live_;
  std::uint64_t fingerprint_ = 0;  // of what `live_` was told since `base_`
  std::size_t took_ = 0;
};

// Steps that a kind's bands are made for, and the distance in steps between forecasts that are
// kept.
std::size_t horizon_of(const ModelSpec& spec);
std::size_t issue_every(const ModelSpec& spec);

}  // namespace entente::node
