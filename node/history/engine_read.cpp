// Readers: sealed readings, overridden and followed by those that are not sealed yet.
#include "node/history/engine.h"
#include "node/limits.h"

namespace entente::node {
namespace {

bool earlier(const Entry& entry, std::int64_t time) {
  return entry.time < time;
}

void add(const Entry& entry, Figures figures, Summary& out) {
  out.partial.add(entry.time, entry.value, entry.quality);
  if (figures == Figures::moments_and_sketch && entry.quality == Quality::good) {
    out.sketch.add(entry.value);
  }
}

[[noreturn]] void restless() {
  throw StoreFault("the history changed faster than it could be read", 0);
}

constexpr int kAttempts = 100;

}  // namespace

// The caller holds the group's mutex.
HistoryEngine::View HistoryEngine::view_of(const Group& group, Place place,
                                           TimeWindow window) const {
  View view;
  if (group.frozen && place < group.frozen->size()) {
    const auto& frozen = (*group.frozen)[place];
    const auto from = std::lower_bound(frozen.begin(), frozen.end(), window.from.ns, earlier);
    const auto to = std::lower_bound(from, frozen.end(), window.to.ns, earlier);
    view.fresh.assign(from, to);
  }
  view.sealed_last = group.sealed_latest(place);
  if (!group.tails.empty() && !group.tails[place].empty()) {
    std::vector<Entry> tail;
    group.tails[place].copy(window, tail);
    view.fresh = merged(std::move(view.fresh), tail);
  }
  return view;
}

std::optional<Entry> HistoryEngine::latest(SeriesId series) const {
  const auto* group = groups_.find(group_of(series));
  if (group == nullptr) return std::nullopt;
  std::shared_lock guard(group->mutex);
  return group->latest(place_of(series));
}

void HistoryEngine::scan(SeriesId series, TimeWindow window, const History::Visit& visit) {
  auto from =
      window.from.ns;  // what was visited before a segment was replaced is not visited again
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (try_scan(series, {{from}, window.to}, visit, from)) return;
  }
  restless();
}

bool HistoryEngine::try_scan(SeriesId series, TimeWindow window, const History::Visit& visit,
                             std::int64_t& resume) {
  const auto* group = groups_.find(group_of(series));
  if (group == nullptr) return true;
  const auto place = place_of(series);
  View view;
  std::shared_ptr<const SealedPlaces> places;
  {
    std::shared_lock guard(group->mutex);
    places = group->sealed;
    view = view_of(*group, place, window);
  }
  auto fresh = view.fresh.begin();
  Readings mixed;
  const auto give = [&](const Readings& readings) {
    if (readings.empty()) return;
    visit({readings.times, readings.values, readings.qualities});
    if (readings.times.back() < kAllTime.to.ns) resume = readings.times.back() + 1;
  };
  SealedReader reader(blobs_, *places);
  const bool complete = reader.visit(place, window, [&](const Readings& sealed) {
    if (fresh == view.fresh.end() || fresh->time > sealed.times.back()) return give(sealed);
    mixed.clear();
    for (std::size_t i = 0; i < sealed.size(); ++i) {
      for (; fresh != view.fresh.end() && fresh->time < sealed.times[i]; ++fresh) mixed.add(*fresh);
      if (fresh != view.fresh.end() && fresh->time == sealed.times[i]) {
        mixed.add(*fresh++);
      } else {
        mixed.add({sealed.times[i], sealed.values[i], sealed.qualities[i]});
      }
    }
    give(mixed);
  });
  if (!complete) return false;
  mixed.clear();
  for (; fresh != view.fresh.end(); ++fresh) mixed.add(*fresh);
  give(mixed);
  return true;
}

void HistoryEngine::aggregate(std::span<const SeriesId> series, TimeWindow window, Figures figures,
                              std::span<Summary> out) {
  ENTENTE_CHECK(out.size() == series.size());
  for (std::size_t from = 0; from < series.size();) {
    const auto group = group_of(series[from]);
    auto to = from + 1;
    while (to < series.size() && group_of(series[to]) == group) ++to;
    bool done = false;
    for (int attempt = 0; attempt < kAttempts && !done; ++attempt) {
      for (auto& summary : out.subspan(from, to - from)) {
        summary.partial = {};
        summary.sketch.clear();
      }
      done = try_aggregate(group, series.subspan(from, to - from), window, figures,
                           out.subspan(from, to - from));
    }
    if (!done) restless();
    from = to;
  }
}

bool HistoryEngine::try_aggregate(std::size_t number, std::span<const SeriesId> series,
                                  TimeWindow window, Figures figures, std::span<Summary> out) {
  const auto* group = groups_.find(number);
  if (group == nullptr || window.to <= window.from) return true;
  std::vector<View> views;
  views.reserve(series.size());
  std::shared_ptr<const SealedPlaces> places;
  {
    std::shared_lock guard(group->mutex);
    places = group->sealed;
    for (const auto id : series) views.push_back(view_of(*group, place_of(id), window));
  }
  std::vector<Place> plain;
  std::vector<Summary*> plain_out;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const auto& view = views[i];
    const auto place = place_of(series[i]);
    const bool overridden = !view.fresh.empty() && view.sealed_last &&
                            view.fresh.front().time <= view.sealed_last->time;
    if (overridden) {
      SealedReader reader(blobs_, *places);
      if (!aggregate_overridden(reader, view, place, window, figures, out[i])) return false;
      continue;
    }
    if (!view.sealed_last) continue;
    plain.push_back(place);
    plain_out.push_back(&out[i]);
  }
  if (!plain.empty()) {
    SealedReader reader(blobs_, *places);
    if (!reader.aggregate(plain, window, figures, plain_out)) return false;
  }
  for (std::size_t i = 0; i < series.size(); ++i) {
    const auto& view = views[i];
    if (!view.fresh.empty() &&
        !(view.sealed_last && view.fresh.front().time <= view.sealed_last->time)) {
      for (const auto& entry : view.fresh) add(entry, figures, out[i]);
    }
  }
  return true;
}

// Late readings stand between or instead of sealed ones: few of them cut the window into stretches
// that summaries answer; where there are many, what lies between the first and the last of them is
// looked at one by one. A series takes nothing late from before it was rolled up, so that all that
// lies there is readings.
bool HistoryEngine::aggregate_overridden(SealedReader& reader, const View& view, Place place,
                                         TimeWindow window, Figures figures, Summary& out) {
  const auto late = static_cast<std::size_t>(
      std::lower_bound(view.fresh.begin(), view.fresh.end(), view.sealed_last->time + 1, earlier) -
      view.fresh.begin());
  const Place places[] = {place};
  Summary* const into[] = {&out};
  const auto add_sealed = [&](std::int64_t from, std::int64_t to) {
    return from >= to || reader.aggregate(places, {{from}, {to}}, figures, into);
  };
  const auto first = view.fresh.front().time;
  const auto end = view.fresh[late - 1].time + 1;  // no later than the window's end
  if (!add_sealed(window.from.ns, first)) return false;
  if (late > limits::kOverriddenReadings) {
    auto fresh = view.fresh.begin();
    const auto last = fresh + static_cast<std::ptrdiff_t>(late);
    const bool complete = reader.visit(place, {{first}, {end}}, [&](const Readings& sealed) {
      for (std::size_t i = 0; i < sealed.size(); ++i) {
        for (; fresh != last && fresh->time < sealed.times[i]; ++fresh) add(*fresh, figures, out);
        if (fresh != last && fresh->time == sealed.times[i]) {
          add(*fresh++, figures, out);
        } else {
          add({sealed.times[i], sealed.values[i], sealed.qualities[i]}, figures, out);
        }
      }
    });
    if (!complete) return false;
    for (; fresh != last; ++fresh) add(*fresh, figures, out);
  } else {
    auto from = first;
    for (std::size_t i = 0; i < late; ++i) {
      if (!add_sealed(from, view.fresh[i].time)) return false;
      add(view.fresh[i], figures, out);
      from = view.fresh[i].time + 1;
    }
  }
  if (!add_sealed(end, window.to.ns)) return false;
  for (std::size_t i = late; i < view.fresh.size(); ++i) add(view.fresh[i], figures, out);
  return true;
}

std::vector<Correction> HistoryEngine::corrections(SeriesId series, TimeWindow window) {
  return blobs_.with_reader([&](Database& reader) {
    std::vector<Correction> all;
    auto& rows = reader.cached(
        "SELECT time, value, quality, replaced_at FROM correction "
        "WHERE series = ? AND time >= ? AND time < ? ORDER BY replaced_at, rowid");
    rows.bind(1, static_cast<std::int64_t>(series)).bind(2, window.from.ns).bind(3, window.to.ns);
    while (rows.step()) {
      const double value =
          rows.is_null(1) ? std::numeric_limits<double>::quiet_NaN() : rows.real(1);
      all.push_back(
          {{{rows.integer(0)}, value, static_cast<Quality>(rows.integer(2))}, {rows.integer(3)}});
    }
    rows.reset();
    return all;
  });
}

}  // namespace entente::node
