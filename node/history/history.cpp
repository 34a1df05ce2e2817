#include "node/history/history.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <numeric>

#include "federation/query/fold.h"
#include "node/history/engine.h"
#include "node/history/history_tables.h"

namespace entente::node {
namespace {

// The interface over the engine. Reports of the store and of the sealer hold the engine, so that
// this may go before they come.
class SegmentHistory final : public History {
 public:
  SegmentHistory(Store& store, const Clock& clock)
      : store_(store), engine_(std::make_shared<HistoryEngine>(store, clock)) {}
  ~SegmentHistory() override { engine_->stop(); }
  Outcome open() { return engine_->open(); }

  Result<SeriesId> open_series(std::string_view twin, std::string_view signal) override {
    return engine_->table().open(twin, signal);
  }
  std::optional<SeriesId> find(std::string_view twin, std::string_view signal) const override {
    return engine_->table().find(twin, signal);
  }
  SeriesKey key_of(SeriesId id) const override { return engine_->table().key_of(id); }
  std::vector<SeriesKey> series(std::string_view twin) const override {
    const auto& table = engine_->table();
    std::vector<SeriesKey> all;
    for (const auto id : twin.empty() ? table.all() : table.of_twin(twin)) {
      if (engine_->latest(id)) all.push_back(table.key_of(id));
    }
    return all;
  }
  std::vector<SeriesId> named(std::string_view twin) const override {
    return engine_->table().of_twin(twin);
  }

  void append(Batch batch, Appended done) override {
    auto ticket = engine_->admit(batch);
    if (!ticket) return done(std::move(ticket).error());
    auto shared = std::make_shared<const Batch>(std::move(batch));
    store_.post<Written>([engine = engine_, shared, ticket = std::move(*ticket)](
                             Database& database) { return engine->write(database, shared); },
                         [done = std::move(done)](Result<Written> written) {
                           if (!written) return done(std::move(written).error());
                           done(written->report);
                         },
                         [engine = engine_](const Written* written) { engine->settled(written); });
  }

  Result<AppendReport> append_now(Batch batch) override {
    const auto ticket = engine_->admit(batch);
    if (!ticket) return ticket.error();
    auto shared = std::make_shared<const Batch>(std::move(batch));
    auto written =
        store_.run<Written>([&](Database& database) { return engine_->write(database, shared); },
                            [&](const Written* settled) { engine_->settled(settled); });
    if (!written) return std::move(written).error();
    return written->report;
  }

  void erase(Erasure erasure, std::function<void(Result<Erased>)> done) override {
    engine_->on_sealer([this, engine = engine_, erasure = std::move(erasure),
                        done = std::move(done)](const Error* refused) {
      auto erased = refused ? Result<Erased>(*refused) : engine->erase(erasure);
      store_.deliver([done, erased = std::move(erased)] { done(erased); });
    });
  }

  void forget(std::vector<SeriesId> series,
              std::function<void(Result<std::uint64_t>)> done) override {
    using Forgotten = std::vector<SeriesId>;
    store_.post<Forgotten>(
        [engine = engine_, series](Database& database) { return engine->forget(database, series); },
        [done = std::move(done)](Result<Forgotten> forgotten) {
          if (!forgotten) return done(std::move(forgotten).error());
          done(forgotten->size());
        },
        [engine = engine_, series](const Forgotten* forgotten) {
          engine->forgot(series, forgotten);
        });
  }

  void retain(RetentionOf policy, Instant now,
              std::function<void(Result<RetentionReport>)> done) override {
    engine_->retain(std::move(policy), now,
                    [this, engine = engine_, done = std::move(done)](Result<RetentionReport> all) {
                      store_.deliver([done, all = std::move(all)] { done(all); });
                    });
  }
  KeptSeries kept(SeriesId series) const override { return engine_->kept(series); }

  Outcome seal() override {
    std::promise<Outcome> sealed;
    auto result = sealed.get_future();
    engine_->on_sealer([&](const Error* refused) {
      sealed.set_value(refused ? Outcome(*refused) : engine_->seal());
    });
    return result.get();
  }

  void scan(SeriesId series, TimeWindow window, const Visit& visit) const override {
    engine_->scan(series, window, visit);
  }
  void aggregate(std::span<const SeriesId> series, TimeWindow window, Figures figures,
                 std::span<Summary> out) const override {
    engine_->aggregate(series, window, figures, out);
  }
  std::optional<Reading> latest(SeriesId series) const override {
    const auto entry = engine_->latest(series);
    if (!entry) return std::nullopt;
    return Reading{{entry->time}, entry->value, entry->quality};
  }
  std::vector<Correction> corrections(SeriesId series, TimeWindow window) const override {
    return engine_->corrections(series, window);
  }

 private:
  using Written = HistoryEngine::Written;
  Store& store_;
  const std::shared_ptr<HistoryEngine> engine_;
};

// What a reducer makes of one series' summary; series of a unit are then put together.
bool summary_answers(Reducer reducer) {
  return reducer != Reducer::median && reducer != Reducer::duration;
}

Figures figures_for(Reducer reducer) {
  return reducer == Reducer::mean || reducer == Reducer::sum ? Figures::sums : Figures::moments;
}

// `series` are indices of summaries.
double folded(std::span<const Summary> summaries, std::span<const std::uint32_t> series,
              Reducer reducer) {
  Partial all;
  bool begun = false;
  for (const auto index : series) {
    const auto& one = summaries[index].partial;
    if (one.count == 0) continue;
    if (!begun) {
      all = one;
      begun = true;
      continue;
    }
    all.count += one.count;
    all.sum += one.sum;
    all.rise += one.rise;
    all.minimum = std::min(all.minimum, one.minimum);
    all.maximum = std::max(all.maximum, one.maximum);
    if (one.last_time >= all.last_time) {
      all.last = one.last;
      all.last_time = one.last_time;
    }
  }
  if (!begun) return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  switch (reducer) {
    case Reducer::mean:
      value = all.mean();
      break;
    case Reducer::sum:
      value = all.sum;
      break;
    case Reducer::min:
      value = all.minimum;
      break;
    case Reducer::max:
      value = all.maximum;
      break;
    case Reducer::last:
      value = all.last;
      break;
    case Reducer::delta:
      value = all.rise;
      break;
    case Reducer::median:
    case Reducer::duration:
      ENTENTE_CHECK(false);
  }
  return std::isfinite(value) ? value : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

void AppendReport::operator+=(const AppendReport& other) {
  added += other.added;
  repeated += other.repeated;
  corrected += other.corrected;
  bad += other.bad;
  expired += other.expired;
  forgotten += other.forgotten;
}

void History::fold(std::span<const SeriesId> unit, const Column& column,
                   std::span<const TimeWindow> ticks, std::span<double> out) const {
  ENTENTE_CHECK(out.size() == ticks.size());
  if (ticks.empty()) return;
  if (summary_answers(column.reducer)) {
    const std::size_t ends[] = {unit.size()};
    return fold_units(unit, ends, column, ticks, out);
  }
  federation::Fold fold(column, ticks.front());
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    if (i > 0) fold.restart(ticks[i]);
    for (const auto& series : unit) {
      scan(series, ticks[i], [&](const Block& block) {
        for (std::size_t r = 0; r < block.times.size(); ++r) {
          if (block.qualities[r] == Quality::good) fold.add({block.times[r]}, block.values[r]);
        }
      });
      fold.next_series();
    }
    out[i] = fold.value();
  }
}

void History::fold_units(std::span<const SeriesId> series, std::span<const std::size_t> ends,
                         const Column& column, std::span<const TimeWindow> ticks,
                         std::span<double> out) const {
  ENTENTE_CHECK(out.size() == ticks.size() * ends.size());
  if (!summary_answers(column.reducer)) {
    for (std::size_t u = 0, from = 0; u < ends.size(); from = ends[u++]) {
      fold(series.subspan(from, ends[u] - from), column, ticks,
           out.subspan(u * ticks.size(), ticks.size()));
    }
    return;
  }
  // Ascending, so that a group of series is read once.
  std::vector<std::uint32_t> order(series.size()), place(series.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return series[a] < series[b]; });
  std::vector<SeriesId> sorted(series.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    sorted[i] = series[order[i]];
    place[order[i]] = i;
  }
  std::vector<Summary> summaries(series.size());
  for (std::size_t t = 0; t < ticks.size(); ++t) {
    aggregate(sorted, ticks[t], figures_for(column.reducer), summaries);
    for (std::size_t u = 0, from = 0; u < ends.size(); from = ends[u++]) {
      const auto own = std::span(place).subspan(from, ends[u] - from);
      out[u * ticks.size() + t] = folded(summaries, own, column.reducer);
    }
  }
}

const std::vector<const char*>& history_migrations() {
  static const std::vector<const char*> all = {kFirstTables, kTables, kSeriesHorizons,
                                               kLongBuckets};
  return all;
}

Result<std::unique_ptr<History>> open_history(Store& store, const Clock& clock) {
  auto history = std::make_unique<SegmentHistory>(store, clock);
  if (auto opened = history->open(); !opened) return std::move(opened).error();
  return std::unique_ptr<History>(std::move(history));
}

}  // namespace entente::node
