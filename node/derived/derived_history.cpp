#include "node/derived/derived_history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>

#include "node/derived/limits.h"

namespace entente::node {
namespace {

constexpr std::uint32_t kDerivedBit = std::uint32_t{1} << 31;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kPage = 4'096;

std::size_t place_of(SeriesId id) {
  return static_cast<std::uint32_t>(id) & ~kDerivedBit;
}

Instant before(Instant time, Duration length) {
  return time.ns < std::numeric_limits<std::int64_t>::min() + length.ns ? kAllTime.from
                                                                        : time - length;
}

// The readings of several series merged in order of time, a page of each in memory.
class Merge {
 public:
  Merge(const History& history, const BoundExpression& bound, TimeWindow window)
      : history_(history), bound_(bound), window_(window), sources_(bound.inputs.size()) {
    // About a fair share each; whoever has more is asked again.
    chunk_ =
        std::clamp<std::size_t>(limits::kDerivedPage / std::max<std::size_t>(1, size()), 16, 2'048);
    for (std::size_t i = 0; i < size(); ++i) {
      Source& source = sources_[i];
      source.series = history_.find(bound.inputs[i].key.twin, bound.inputs[i].key.signal);
      source.next = window.from;
      if (!source.series) continue;
      const TimeWindow past{before(window.from, bound.inputs[i].hold), window.from};
      if (past.from < past.to && window.from != kAllTime.from) {
        history_.scan(*source.series, past, [&](const History::Block& block) {
          for (std::size_t k = 0; k < block.times.size(); ++k) {
            if (block.qualities[k] == Quality::good) {
              source.held = {{block.times[k]}, block.values[k], Quality::good};
            }
          }
        });
      }
      fill(i);
    }
  }

  // The next time at which an input has a reading, and the value then, NaN for none. False: the
  // window is over.
  bool next(Reading& reading) {
    if (queue_.empty()) return false;
    const std::int64_t time = queue_.top().first;
    while (!queue_.empty() && queue_.top().first == time) {
      const std::size_t i = queue_.top().second;
      queue_.pop();
      Source& source = sources_[i];
      source.held = source.page[source.at++];
      if (source.at == source.page.size()) {
        fill(i);
      } else {
        queue_.push({source.page[source.at].time.ns, i});
      }
    }
    values_.resize(size());
    for (std::size_t i = 0; i < size(); ++i) {
      const auto& held = sources_[i].held;
      values_[i] =
          held && Instant{time} - held->time <= bound_.inputs[i].hold ? held->value : kNone;
    }
    const double value = bound_.value(values_);
    reading = {{time}, value, std::isfinite(value) ? Quality::good : Quality::not_finite};
    return true;
  }

 private:
  struct Source {
    std::optional<SeriesId> series;
    std::vector<Reading> page;
    std::size_t at = 0;
    Instant next;
    bool over = false;
    std::optional<Reading> held;
  };
  std::size_t size() const { return sources_.size(); }

  void fill(std::size_t i) {
    Source& source = sources_[i];
    if (source.over) return;
    source.page =
        read_page(history_, *source.series, {source.next, window_.to}, chunk_, Keep::good);
    source.at = 0;
    source.over = source.page.size() < chunk_;
    if (source.page.empty()) return;
    source.next = source.page.back().time + nanoseconds(1);
    queue_.push({source.page.front().time.ns, i});
  }

  const History& history_;
  const BoundExpression& bound_;
  const TimeWindow window_;
  std::size_t chunk_ = 0;
  std::vector<Source> sources_;
  std::vector<double> values_;
  std::priority_queue<std::pair<std::int64_t, std::size_t>,
                      std::vector<std::pair<std::int64_t, std::size_t>>, std::greater<>>
      queue_;
};

bool same(const std::vector<std::optional<Reading>>& a,
          const std::vector<std::optional<Reading>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.has_value() == y.has_value() && (!x || (x->time == y->time && x->value == y->value));
  });
}

// Why an input has nothing to give at `now`; empty: it has.
std::string lacking(const BoundExpression& bound,
                    const std::vector<std::optional<Reading>>& readings, Instant now) {
  std::string first;
  std::size_t count = 0;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const auto& input = bound.inputs[i];
    const bool stale = readings[i] && now - readings[i]->time > input.hold;
    if (readings[i] && !stale) continue;
    if (++count > 1) continue;
    first = "'" + input.key.signal + "' of '" + input.key.twin + "' has " +
            (stale ? "been silent since " + to_text(readings[i]->time) + ", longer than " +
                         to_text(input.hold)
                   : std::string("no good reading"));
  }
  if (count > 1) first += ", and " + std::to_string(count - 1) + " more";
  return first;
}

}  // namespace

bool DerivedHistory::is_derived(SeriesId id) {
  return (static_cast<std::uint32_t>(id) & kDerivedBit) != 0;
}

// The name as it is understood now.
DerivedHistory::Place DerivedHistory::rebound(const SeriesKey& key) const {
  Place place;
  place.key = key;
  place.book = signals_.book();
  place.state = signals_.twins();
  const TwinGraph& graph = place.state->graph;
  const Twin* twin = graph.find(key.twin);
  const auto* entry = twin == nullptr ? nullptr : place.book->find(graph, *twin, key.signal);
  if (entry == nullptr) {
    place.why = "there is no derived signal of that name";
    return place;
  }
  auto bound = bind_expression(*place.book, graph, *twin, *entry);
  if (bound) {
    place.bound = std::make_shared<const BoundExpression>(std::move(*bound));
  } else {
    place.why = bound.error().what;
  }
  return place;
}

// A copy: it is bound outside the lock, which is held for moments only.
DerivedHistory::Place DerivedHistory::place(SeriesId id) const {
  Place copy = places_.with([&](const Places& places) { return places.all.at(place_of(id)); });
  if (copy.book == signals_.book() && copy.state == signals_.twins()) return copy;
  Place fresh = rebound(copy.key);
  places_.with([&](Places& places) { places.all[place_of(id)] = fresh; });
  return fresh;
}

std::optional<SeriesId> DerivedHistory::find(std::string_view twin, std::string_view signal) const {
  if (auto measured = measured_.find(twin, signal)) return measured;
  const auto book = signals_.book();
  if (book->entries.empty()) return std::nullopt;
  const SeriesKey key{std::string(twin), std::string(signal)};
  const auto known = places_.with([&](const Places& places) -> std::optional<std::size_t> {
    const auto found = places.numbers.find(key);
    if (found == places.numbers.end()) return std::nullopt;
    return found->second;
  });
  const auto id_of = [](std::size_t number) {
    return static_cast<SeriesId>(static_cast<std::uint32_t>(number) | kDerivedBit);
  };
  if (known) {
    return place(id_of(*known)).bound ? std::optional(id_of(*known)) : std::nullopt;
  }
  Place made = rebound(key);
  if (!made.bound) return std::nullopt;
  return places_.with([&](Places& places) -> std::optional<SeriesId> {
    const auto [at, added] = places.numbers.try_emplace(key, places.all.size());
    if (added && places.all.size() >= limits::kDerivedNumbers) {
      places.numbers.erase(at);
      return std::nullopt;
    }
    if (added) places.all.push_back(std::move(made));
    return id_of(at->second);
  });
}

SeriesKey DerivedHistory::key_of(SeriesId id) const {
  if (!is_derived(id)) return measured_.key_of(id);
  return places_.with([&](const Places& places) { return places.all.at(place_of(id)).key; });
}

// The newest good reading, looked for as far back as it would stand for anything.
std::optional<Reading> DerivedHistory::newest_good(const SeriesKey& key, Duration hold) const {
  const auto series = measured_.find(key.twin, key.signal);
  auto latest = series ? measured_.latest(*series) : std::nullopt;
  if (!latest || latest->quality == Quality::good) return latest;
  std::optional<Reading> good;
  const TimeWindow past{before(latest->time, hold), latest->time};
  measured_.scan(*series, past, [&](const Block& block) {
    for (std::size_t i = 0; i < block.times.size(); ++i) {
      if (block.qualities[i] == Quality::good) {
        good = Reading{{block.times[i]}, block.values[i], Quality::good};
      }
    }
  });
  return good;
}

std::vector<std::optional<Reading>> DerivedHistory::newest_inputs(
    const BoundExpression& bound) const {
  std::vector<std::optional<Reading>> readings;
  readings.reserve(bound.inputs.size());
  for (const auto& input : bound.inputs) readings.push_back(newest_good(input.key, input.hold));
  return readings;
}

// Computes the newest value if an input has changed since.
void DerivedHistory::renew(Place& place) const {
  auto readings = newest_inputs(*place.bound);
  if (place.fresh && same(readings, place.seen)) return;
  std::optional<Instant> time;
  for (const auto& reading : readings) {
    if (reading) time = std::max(time.value_or(reading->time), reading->time);
  }
  place.newest.reset();
  if (time) {
    std::vector<double> values;
    for (std::size_t i = 0; i < readings.size(); ++i) {
      const bool held = readings[i] && *time - readings[i]->time <= place.bound->inputs[i].hold;
      values.push_back(held ? readings[i]->value : kNone);
    }
    const double value = place.bound->value(values);
    place.newest =
        Reading{*time, value, std::isfinite(value) ? Quality::good : Quality::not_finite};
  }
  ++computed_;
  place.seen = std::move(readings);
  place.fresh = true;
}

std::optional<Reading> DerivedHistory::latest(SeriesId series) const {
  if (!is_derived(series)) return measured_.latest(series);
  Place copy = place(series);
  if (!copy.bound) return std::nullopt;
  const bool fresh = copy.fresh;
  const auto seen = copy.seen;
  renew(copy);
  if (!fresh || !same(seen, copy.seen)) {
    places_.with([&](Places& places) {
      Place& kept = places.all[place_of(series)];
      if (kept.bound == copy.bound) kept = copy;
    });
  }
  return copy.newest;
}

std::vector<DerivedValue> DerivedHistory::values(const std::string& twin, Instant now) const {
  std::vector<DerivedValue> all;
  const auto book = signals_.book();
  const auto state = signals_.twins();
  const Twin* found = state->graph.find(twin);
  if (found == nullptr) return all;
  for (const std::string& name : book->names(state->graph, *found)) {
    const auto* entry = book->find(state->graph, *found, name);
    DerivedValue& one = all.emplace_back();
    one.name = name;
    one.value = entry->signal.value;
    one.unit = entry->signal.unit;
    one.owner = entry->signal.owner();
    const auto id = find(twin, name);
    if (!id || !is_derived(*id)) {
      one.reason = id ? "readings were written under this name" : rebound({twin, name}).why;
      continue;
    }
    const Bound expression = bound(*id);
    if (!expression) continue;
    one.own = expression->own;
    one.reason = expression->none;
    if (!one.reason.empty()) continue;
    const auto readings = newest_inputs(*expression);
    for (std::size_t i = 0; i < readings.size(); ++i) {
      one.inputs.push_back({expression->inputs[i].key, expression->inputs[i].hold, readings[i]});
    }
    one.reason = lacking(*expression, readings, now);
    one.newest = latest(*id);
    if (one.newest && one.newest->quality != Quality::good && one.reason.empty()) {
      one.reason = "what it is computed from gives no finite number";
    }
    if (!one.reason.empty()) one.newest.reset();
    if (!one.newest && one.reason.empty()) one.reason = "it reads no series";
  }
  return all;
}

std::vector<Reading> DerivedHistory::page(SeriesId series, TimeWindow window, std::size_t limit,
                                          Keep keep) const {
  if (!is_derived(series)) return read_page(measured_, series, window, limit, keep);
  std::vector<Reading> found;
  const Bound expression = bound(series);
  if (!expression || !expression->none.empty() || !(window.from < window.to)) return found;
  Merge merge(measured_, *expression, window);
  Reading reading;
  while (found.size() < limit && merge.next(reading)) {
    if (reading.quality == Quality::good) found.push_back(reading);
  }
  return found;
}

void DerivedHistory::scan(SeriesId series, TimeWindow window, const Visit& visit) const {
  if (!is_derived(series)) return measured_.scan(series, window, visit);
  const Bound expression = bound(series);
  if (!expression || !expression->none.empty() || !(window.from < window.to)) return;
  Merge merge(measured_, *expression, window);
  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<Quality> qualities;
  Reading reading;
  bool more = true;
  while (more) {
    more = merge.next(reading);
    if (more && reading.quality == Quality::good) {
      times.push_back(reading.time.ns);
      values.push_back(reading.value);
      qualities.push_back(Quality::good);
    }
    if (times.empty() || (more && times.size() < kPage)) continue;
    visit({times, values, qualities});
    times.clear();
    values.clear();
    qualities.clear();
  }
}

void DerivedHistory::aggregate(std::span<const SeriesId> series, TimeWindow window, Figures figures,
                               std::span<Summary> out) const {
  for (std::size_t i = 0; i < series.size(); ++i) {
    if (!is_derived(series[i])) {
      measured_.aggregate(series.subspan(i, 1), window, figures, out.subspan(i, 1));
      continue;
    }
    out[i] = Summary{};
    scan(series[i], window, [&](const Block& block) {
      out[i].partial.add(block.times, block.values, block.qualities);
      if (figures == Figures::moments_and_sketch) out[i].sketch.add(block.values);
    });
  }
}

void DerivedHistory::fold(std::span<const SeriesId> unit, const Column& column,
                          std::span<const TimeWindow> ticks, std::span<double> out) const {
  const bool any = std::any_of(unit.begin(), unit.end(), is_derived);
  if (any) return History::fold(unit, column, ticks, out);
  measured_.fold(unit, column, ticks, out);
}

// What follows is of measured series alone.

Result<SeriesId> DerivedHistory::open_series(std::string_view twin, std::string_view signal) {
  return measured_.open_series(twin, signal);
}

std::vector<SeriesKey> DerivedHistory::series(std::string_view twin) const {
  return measured_.series(twin);
}

std::vector<SeriesId> DerivedHistory::named(std::string_view twin) const {
  return measured_.named(twin);
}

void DerivedHistory::append(Batch batch, Appended done) {
  measured_.append(std::move(batch), std::move(done));
}

Result<AppendReport> DerivedHistory::append_now(Batch batch) {
  return measured_.append_now(std::move(batch));
}

void DerivedHistory::erase(Erasure erasure, std::function<void(Result<Erased>)> done) {
  measured_.erase(std::move(erasure), std::move(done));
}

void DerivedHistory::forget(std::vector<SeriesId> series,
                            std::function<void(Result<std::uint64_t>)> done) {
  measured_.forget(std::move(series), std::move(done));
}

void DerivedHistory::retain(RetentionOf policy, Instant now,
                            std::function<void(Result<RetentionReport>)> done) {
  measured_.retain(std::move(policy), now, std::move(done));
}

KeptSeries DerivedHistory::kept(SeriesId series) const {
  return is_derived(series) ? KeptSeries{} : measured_.kept(series);
}

Outcome DerivedHistory::seal() {
  return measured_.seal();
}

std::vector<Correction> DerivedHistory::corrections(SeriesId series, TimeWindow window) const {
  return is_derived(series) ? std::vector<Correction>{} : measured_.corrections(series, window);
}

}  // namespace entente::node
