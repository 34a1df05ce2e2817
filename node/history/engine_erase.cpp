// Erasing: readings out of segments, buckets and corrections, for all series of a group at once;
// and names that nothing refers to any more.
#include <map>

#include "node/history/engine.h"
#include "node/limits.h"
#include "schemas/base/crash_point.h"

namespace entente::node {
namespace {

bool is_empty(TimeWindow window) {
  return window.to <= window.from;
}

// From the first of them to the last.
TimeWindow around(const std::vector<TimeWindow>& windows) {
  TimeWindow all{kAllTime.to, kAllTime.from};
  for (const auto& window : windows) {
    if (is_empty(window)) continue;
    all = {std::min(all.from, window.from), std::max(all.to, window.to)};
  }
  return all;
}

Error gone() {
  return make_error(ErrorCode::store_failed, "a segment is listed and not there");
}

}  // namespace

Result<Erased> HistoryEngine::erase(const Erasure& erasure) {
  if (auto sealed = seal(); !sealed) return std::move(sealed).error();
  std::map<std::size_t, std::vector<TimeWindow>> groups;
  for (const auto series : erasure.series) {
    auto& windows = groups[group_of(series)];
    windows.resize(kGroupSeries);
    windows[place_of(series)] = erasure.window;
  }
  Erased erased;
  std::map<std::size_t, std::vector<std::uint64_t>> counts;
  const auto begun = clock_.steady();
  for (const auto& [number, windows] : groups) {
    if (erasure.patience && !counts.empty() && clock_.steady() - begun > *erasure.patience) {
      erased.complete = false;
      break;
    }
    auto one = erase_group(number, windows);
    if (!one) return std::move(one).error();
    counts.emplace(number, std::move(*one));
  }
  for (const auto series : erasure.series) {
    const auto found = counts.find(group_of(series));
    erased.readings.push_back(found == counts.end() ? 0 : found->second[place_of(series)]);
  }
  return erased;
}

Result<std::vector<std::uint64_t>> HistoryEngine::erase_group(
    std::size_t number, const std::vector<TimeWindow>& windows) {
  std::vector<std::uint64_t> erased(kGroupSeries);
  auto* group = groups_.find(number);
  if (group == nullptr) return erased;
  try {
    std::shared_ptr<const SealedPlaces> sealed;
    auto publication = begin_publication(number, sealed);
    crash_point("history.erasing");
    publication.change = erase_from(blobs_, *sealed, windows);
    erased = publication.change.erased;
    auto stale = publication.stale;
    const auto all = around(windows);
    for (std::size_t index = 0; index < kLevels; ++index) {
      const auto level = static_cast<Level>(index);
      for (const auto& bucket : sealed->buckets[index]) {
        const auto end = bucket.start + length_ns(level);
        if (bucket.start >= all.to.ns || end <= all.from.ns) continue;
        publication.stale[index].insert(bucket.start);
        if (bucket.start >= sealed->from.readings) {
          stale[index].insert(bucket.start);
          continue;
        }
        auto left = bucket_without(blobs_, *sealed, level, bucket, windows);
        if (!left.empty()) publication.buckets.push_back({level, bucket.start, std::move(left)});
      }
    }
    bool any = false;
    for (std::size_t index = 0; index < kGroupSeries; ++index) {
      const auto& window = windows[index];
      if (is_empty(window)) continue;
      const auto place = static_cast<Place>(index);
      // What was rolled up counts by its summaries.
      if (sealed->from.readings > window.from.ns) {
        Summary rolled_up;
        Summary* const out[] = {&rolled_up};
        const Place places[] = {place};
        SealedReader reader(blobs_, *sealed);
        if (!reader.aggregate(places, window, Figures::moments, out)) return gone();
        erased[index] = std::max(erased[index], rolled_up.partial.readings);
      }
      if (erased[index] == 0) continue;
      any = true;
      keep_latest(*sealed, place, window, publication.sealed_last[index]);
    }
    std::vector<bool> asked;
    for (const auto& window : windows) asked.push_back(!is_empty(window));
    // Corrections that came meanwhile go too, and what is newest is found anew: also when an
    // earlier erasure removed the readings and then failed at this.
    const auto finish = [&] {
      return forget_corrections(number, windows, [&] { find_latest(number, asked); });
    };
    if (!any) {
      if (auto done = finish(); !done) return std::move(done).error();
      return erased;
    }
    // Before the readings go: whoever finds none left has nothing left to finish.
    if (auto done = forget_corrections(number, windows, {}); !done) return done.error();
    if (auto done = publish(std::move(publication)); !done) return std::move(done).error();
    crash_point("history.erased");
    auto forgotten = finish();
    crash_point("history.forgotten");
    if (!forgotten) return std::move(forgotten).error();
    if (auto made = make_buckets(number, stale); !made) return std::move(made).error();
    return erased;
  } catch (const StoreFault& fault) {
    return fault.error();
  }
}

// The latest sealed reading outside of the window.
void HistoryEngine::keep_latest(const SealedPlaces& sealed, Place place, TimeWindow window,
                                std::optional<Entry>& last) {
  if (last && !window.contains({last->time})) return;
  last.reset();
  SealedReader reader(blobs_, sealed);
  const auto keep = [&](const Readings& readings) {
    last = Entry{readings.times.back(), readings.values.back(), readings.qualities.back()};
  };
  for (const TimeWindow part :
       {TimeWindow{kAllTime.from, window.from}, TimeWindow{window.to, kAllTime.to}}) {
    if (part.from < part.to && !reader.visit(place, part, keep)) {
      throw StoreFault("history.db: a segment is listed and not there", 0);
    }
  }
  if (last || sealed.from.readings == kEveryTime) return;
  // All that is left of it is rolled up.
  Summary rolled_up;
  Summary* const out[] = {&rolled_up};
  const Place places[] = {place};
  for (const TimeWindow part :
       {TimeWindow{kAllTime.from, window.from}, TimeWindow{window.to, kAllTime.to}}) {
    if (!(part.from < part.to)) continue;
    rolled_up = {};
    if (!reader.aggregate(places, part, Figures::moments, out)) {
      throw StoreFault("history.db: a segment is listed and not there", 0);
    }
    const Partial& left = rolled_up.partial;
    if (left.count > 0) last = Entry{left.last_time, left.last, Quality::good};
  }
}

Outcome HistoryEngine::forget_corrections(std::size_t number,
                                          const std::vector<TimeWindow>& windows,
                                          const std::function<void()>& also) {
  auto done = store_.run<int>([&](Database& database) -> Result<int> {
    auto& remove =
        database.cached("DELETE FROM correction WHERE series = ? AND time >= ? AND time < ?");
    for (std::size_t index = 0; index < kGroupSeries; ++index) {
      if (is_empty(windows[index])) continue;
      const auto series = series_at(number, static_cast<Place>(index));
      remove.bind(1, static_cast<std::int64_t>(series))
          .bind(2, windows[index].from.ns)
          .bind(3, windows[index].to.ns)
          .run();
    }
    if (also) also();
    return 0;
  });
  if (!done) return std::move(done).error();
  return {};
}

// On the store's thread. A reading that came since the seal is newer than the erasure and stays,
// committed or not.
void HistoryEngine::find_latest(std::size_t number, const std::vector<bool>& asked) {
  auto& group = groups_.at(number);
  std::shared_lock guard(group.mutex);
  for (std::size_t index = 0; index < kGroupSeries; ++index) {
    if (!asked[index]) continue;
    const auto place = static_cast<Place>(index);
    const auto series = static_cast<std::size_t>(series_at(number, place));
    if (series >= newest_.size()) continue;  // asked for the group's sake, and not there
    const auto latest = group.latest(place);
    newest_[series] = latest ? latest->time : kEveryTime;
  }
  for (const auto& batch : uncommitted_) {
    for (std::size_t i = 0; i < batch->size(); ++i) {
      if (group_of(batch->series[i]) != number) continue;
      auto& newest = newest_[static_cast<std::size_t>(batch->series[i])];
      newest = std::max(newest, batch->times[i]);
    }
  }
}

Result<std::vector<SeriesId>> HistoryEngine::forget(Database& database,
                                                    const std::vector<SeriesId>& series) {
  // Only whole: what this job names is undone with it, and then written by the next that names.
  naming_ = named_;
  name_series(database);
  naming_ = named_;
  if (newest_.size() < table_.size()) newest_.resize(table_.size(), kEveryTime);
  std::vector<SeriesId> forgotten;
  for (const auto id : series) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= newest_.size() || newest_[index] != kEveryTime) continue;
    if (taken_from(id) == kForgotten) continue;
    auto& twin = database.cached("SELECT 1 FROM twin WHERE id = ?");
    const bool declared = twin.bind(1, table_.key_of(id).twin).step();
    twin.reset();
    if (declared) continue;
    const auto number = static_cast<std::int64_t>(id);
    database.cached("UPDATE name SET twin = '', signal = '' WHERE id = ?").bind(1, number).run();
    database.cached("DELETE FROM series_horizon WHERE series = ?").bind(1, number).run();
    forgetting_[id] = taken_from(id);
    taken_from_of(id) = kForgotten;
    forgotten.push_back(id);
  }
  return forgotten;
}

void HistoryEngine::forgot(const std::vector<SeriesId>& series,
                           const std::vector<SeriesId>* forgotten) {
  if (forgotten == nullptr) {
    for (const auto id : series) {
      const auto before = forgetting_.extract(id);
      if (!before.empty()) taken_from_of(id) = before.mapped();
    }
    return;
  }
  for (const auto id : *forgotten) {
    forgetting_.erase(id);
    table_.forget(id);
  }
}

}  // namespace entente::node
