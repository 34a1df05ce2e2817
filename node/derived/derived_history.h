// A history in which derived signals stand beside measured ones: readings, models and forecasts use
// them by name as any signal.
//
// Nothing of them is stored: a derived series is a function of the readings it is computed from, so
// corrections, late readings, deletion and retention of those need nothing more. It has a value at
// each time at which one of its inputs has a good reading and every other has one not older than
// its hold; else none. Computing goes forward through time with one value held for each input, so a
// new reading costs one evaluation, and the newest value is computed again only when an input of it
// has changed.
// Its numbers have the highest bit set, and are given at the first mention. Everything that writes,
// and `series` and `named`, speaks of the measured series alone. Exports fold the history beneath.
// Threads: as History.
#pragma once

#include <atomic>
#include <unordered_map>

#include "node/derived/derived_signals.h"
#include "node/history/reading_page.h"

namespace entente::node {

// The newest value of a derived signal, and what it was computed from.
struct DerivedValue {
  struct Input {
    SeriesKey key;
    Duration hold;
    std::optional<Reading> reading;  // the newest good one
  };
  std::string name;
  std::string value;  // the expression
  std::string unit;
  std::string owner;
  bool own = true;                // of the twin's own readings alone
  std::optional<Reading> newest;  // nothing when there is a reason
  std::string reason;             // why there is no value now
  std::vector<Input> inputs;
};

class DerivedHistory final : public PagedHistory {
 public:
  DerivedHistory(std::unique_ptr<History> measured, std::unique_ptr<DerivedSignals> signals)
      : own_signals_(std::move(signals)),
        own_measured_(std::move(measured)),
        measured_(*own_measured_),
        signals_(*own_signals_) {}

  // The definitions, and what stands beneath: for questions of partners, who see nothing derived.
  DerivedSignals& signals() { return *own_signals_; }
  const History& measured() const { return measured_; }

  // Of a twin, in order of name; `now` says what is too old. Workers.
  std::vector<DerivedValue> values(const std::string& twin, Instant now) const;
  // How often an expression was computed for a newest value; for tests and figures.
  std::uint64_t computed() const { return computed_; }

  Result<SeriesId> open_series(std::string_view twin, std::string_view signal) override;
  std::optional<SeriesId> find(std::string_view twin, std::string_view signal) const override;
  SeriesKey key_of(SeriesId id) const override;
  std::vector<SeriesKey> series(std::string_view twin) const override;
  std::vector<SeriesId> named(std::string_view twin) const override;
  void append(Batch batch, Appended done) override;
  Result<AppendReport> append_now(Batch batch) override;
  void erase(Erasure erasure, std::function<void(Result<Erased>)> done) override;
  void forget(std::vector<SeriesId> series,
              std::function<void(Result<std::uint64_t>)> done) override;
  void retain(RetentionOf policy, Instant now,
              std::function<void(Result<RetentionReport>)> done) override;
  KeptSeries kept(SeriesId series) const override;
  void scan(SeriesId series, TimeWindow window, const Visit& visit) const override;
  std::vector<Reading> page(SeriesId series, TimeWindow window, std::size_t limit,
                            Keep keep) const override;
  void aggregate(std::span<const SeriesId> series, TimeWindow window, Figures figures,
                 std::span<Summary> out) const override;
  void fold(std::span<const SeriesId> unit, const Column& column, std::span<const TimeWindow> ticks,
            std::span<double> out) const override;
  Outcome seal() override;
  // Of a derived signal: at the newest time of an input; not_finite when it has no value then.
  std::optional<Reading> latest(SeriesId series) const override;
  std::vector<Correction> corrections(SeriesId series, TimeWindow window) const override;

 private:
  using Bound = std::shared_ptr<const BoundExpression>;
  // One derived series: what it was bound to, and its newest value.
  struct Place {
    SeriesKey key;
    std::shared_ptr<const DerivedBook> book;
    std::shared_ptr<const TwinState> state;
    Bound bound;  // null: there is no such signal, or it does not fit any more
    std::string why;
    std::vector<std::optional<Reading>> seen;  // what `newest` was computed from
    std::optional<Reading> newest;
    bool fresh = false;
  };
  struct Places {
    std::map<SeriesKey, std::size_t> numbers;
    std::vector<Place> all;
  };

  static bool is_derived(SeriesId id);
  Place rebound(const SeriesKey& key) const;
  Place place(SeriesId id) const;
  Bound bound(SeriesId id) const { return place(id).bound; }
  std::optional<Reading> newest_good(const SeriesKey& key, Duration hold) const;
  std::vector<std::optional<Reading>> newest_inputs(const BoundExpression& bound) const;
  void renew(Place& place) const;

  const std::unique_ptr<DerivedSignals> own_signals_;
  const std::unique_ptr<History> own_measured_;
  History& measured_;
  const DerivedSignals& signals_;
  mutable Guarded<Places> places_;
  mutable std::atomic<std::uint64_t> computed_{0};
};

}  // namespace entente::node
