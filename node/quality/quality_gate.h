// The gate through which every reading comes: judged in order of arrival, with a memory per series.
//
// Memory is bounded: 16 bytes for a series, while its rule asks for no memory and nothing was ever
// wrong with it; about 150 more once something was, or its rule looks back, or it is one of the
// first `detailed_max`; 40 more where a rule gives a period; and 8 bytes for each place of a spike
// window, where the rule wants spikes. Rules that are equal are kept once; there are as many as an
// administrator wrote and types say. Threads: any; one lock a batch. What is remembered is lost at
// the end of the process: `prime` gives a series its newest reading back.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "node/limits.h"
#include "node/quality/health.h"
#include "node/quality/rule.h"
#include "node/quality/series_judge.h"

namespace entente::node {

class QualityGate {
 public:
  struct Options {
    std::size_t detailed_max = limits::kDetailedSeries;
  };
  QualityGate() : QualityGate(RuleBook()) {}
  explicit QualityGate(RuleBook book) : QualityGate(std::move(book), Options()) {}
  QualityGate(RuleBook book, Options options);
  QualityGate(const QualityGate&) = delete;
  ~QualityGate();

  // From now on the series is judged by this rule; what is known of it stays. True when it was not
  // watched before. Ids from limits::kSeriesNumbers on are judged without memory.
  bool watch(SeriesId series, const Rule& rule);
  // The same by the book.
  bool watch(SeriesId series, const ResolvedType& type, const Signal& signal,
             std::string_view twin);
  bool watches(SeriesId series) const;
  // What the history has as the newest reading of a series that was just watched. Does nothing once
  // a reading has come.
  void prime(SeriesId series, const Reading& newest);

  // Fills batch.qualities; `now` is the time of arrival. A series that nobody watches is judged by
  // the rule that says nothing but finite and not ahead.
  void judge(Batch& batch, Instant now);

  // Nothing when the series is not watched.
  std::optional<SeriesHealth> health(SeriesId series) const;
  // A book never changes: whoever holds one goes on by it.
  std::shared_ptr<const RuleBook> book() const;
  // From now on whatever is watched is watched by this book. Series that are watched already keep
  // their rule until they are watched again; after that `drop_unused_rules` forgets the rules that
  // nobody has any more.
  void replace(RuleBook book);
  void drop_unused_rules();
  std::size_t bytes() const;  // of all series together

 private:
  struct Slot;
  struct Detail;
  struct Sampling;
  // Parts of the same size that never move, so that growing copies nothing.
  template <class T>
  struct Blocks;
  struct State;

  Slot* slot_of(SeriesId series);
  bool watch_guarded(SeriesId series, const Rule& rule);
  Quality judge_one(SeriesId series, Instant time, double value, Instant now);
  Quality judge_detailed(Slot& slot, Instant time, double value, Instant now);
  void count_interval(Detail& detail, const Judged& judged, std::int64_t before, Instant time);
  void give_detail(Slot& slot);

  const std::size_t detailed_max_;
  mutable std::mutex mutex_;  // guards the book and the state
  std::shared_ptr<const RuleBook> book_;
  std::unique_ptr<State> state_;
};

}  // namespace entente::node
