// What a model is told of the history, in order of time, as a function of the history alone.
//
// With a step: for each step of the grid (from the epoch on) the mean of the good readings in
// [t, t + step), told as an observation of time t. A step is over when a later reading is there, or
// when the clock says so. Steps without a good reading are not told. Without a step: every good
// reading by itself. Inputs that have no reading are held at the last one.
// Threads: workers.
#pragma once

#include <vector>

#include "node/history/history.h"
#include "node/modelling/definition.h"

namespace entente::node {

// Where a feed has come to: everything before `next` was told.
struct FeedPlace {
  Instant next;
  std::vector<double> held;  // the last value of each input; NaN where there was none
  bool operator==(const FeedPlace&) const = default;
};

struct Seen {
  Instant time;
  std::vector<double> values;  // NaN where there was none
  std::vector<double> inputs;
};

class ModelFeed {
 public:
  // `history` outlives it.
  ModelFeed(const History& history, const ModelDefinition& definition);

  FeedPlace begin() const;
  // Up to where everything is known at `now`; nothing when there is no reading.
  std::optional<Instant> ready(Instant now) const;
  // The observations from the place on that are before `until`, of about `readings` readings a
  // signal, and moves the place behind them. Nothing: there are none.
  std::vector<Seen> read(FeedPlace& place, Instant until, std::size_t readings) const;
  // All of them up to `until`, at most `most` observations.
  std::vector<Seen> read_all(FeedPlace& place, Instant until, std::size_t most) const;

 private:
  std::vector<std::optional<SeriesId>> series() const;  // signals, then inputs
  std::vector<Seen> by_step(FeedPlace& place, Instant until,
                            const std::vector<std::vector<Reading>>& pages) const;
  std::vector<Seen> one_by_one(FeedPlace& place, Instant until,
                               const std::vector<std::vector<Reading>>& pages) const;

  const History& history_;
  const std::string twin_;
  const std::vector<std::string> signals_, inputs_;
  const Duration step_;
  const Instant from_;
};

}  // namespace entente::node
