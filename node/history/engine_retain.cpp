// Retention: readings older than their horizon into minutes, hours and days, and then away.
#include <algorithm>

#include "node/history/engine.h"
#include "node/limits.h"
#include "schemas/base/crash_point.h"

namespace entente::node {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();

bool any_before(const std::vector<Entry>& entries, std::int64_t time) {
  return !entries.empty() && entries.front().time < time;
}

std::int64_t horizon(Instant now, const std::optional<Duration>& length) {
  return length ? bucket_start(Level::day, now.ns - length->ns) : kNever;
}

}  // namespace

struct HistoryEngine::RetentionRun {
  RetentionOf policy;
  Instant now;
  std::function<void(Result<RetentionReport>)> done;
  RetentionReport report;
  std::size_t group = 0;
};

void HistoryEngine::retain(RetentionOf policy, Instant now,
                           std::function<void(Result<RetentionReport>)> done) {
  auto run =
      std::make_shared<RetentionRun>(RetentionRun{std::move(policy), now, std::move(done), {}, 0});
  on_sealer([this, run](const Error* refused) {
    bool under_way = false;
    {
      std::lock_guard guard(work_mutex_);
      under_way = later_.has_value();
    }
    const auto conflict = make_error(ErrorCode::conflict, "a run of the retention is under way");
    retain_turn(run, under_way ? &conflict : refused);
  });
}

// Takes one group and then makes room for others in proportion.
void HistoryEngine::retain_turn(const std::shared_ptr<RetentionRun>& run, const Error* refused) {
  if (refused != nullptr) return run->done(*refused);
  if (run->group >= groups_.size()) return run->done(run->report);
  const auto begun = std::chrono::steady_clock::now();
  auto one = retain_group(run->group++, run->policy, run->now);
  if (!one) return run->done(std::move(one).error());
  run->report.readings += one->readings;
  run->report.buckets += one->buckets;
  const auto took = std::chrono::steady_clock::now() - begun;
  std::lock_guard guard(work_mutex_);
  later_ = Later{begun + took * limits::kRetentionShare,
                 [this, run](const Error* stopped) { retain_turn(run, stopped); }};
}

// From now on nothing late comes to what is about to be rolled up, and what came before is sealed.
// `taken` is what it was until now.
Outcome HistoryEngine::refuse_late(std::size_t number, const Horizons& until, Horizons& taken) {
  bool unsealed = false;
  auto done = store_.run<int>(
      [&](Database&) -> Result<int> {
        for (std::size_t place = 0; place < kGroupSeries; ++place) {
          if (until[place] == kEveryTime) continue;
          auto& from = taken_from_of(series_at(number, static_cast<Place>(place)));
          taken[place] = from;
          from = std::max(from, until[place]);
        }
        return 0;
      },
      [&](const int*) {
        const auto& group = groups_.at(number);
        std::shared_lock guard(group.mutex);
        for (std::size_t place = 0; place < kGroupSeries; ++place) {
          if (until[place] == kEveryTime) continue;
          std::vector<Entry> late;
          if (!group.tails.empty()) {
            group.tails[place].copy({{kEveryTime}, {until[place]}}, late);
          }
          unsealed |=
              !late.empty() || (group.frozen && any_before((*group.frozen)[place], until[place]));
        }
      });
  if (!done) return std::move(done).error();
  return unsealed ? seal() : Outcome();
}

// Series that no segment has readings of from before their horizon lose nothing: they take late
// readings all the while.
void HistoryEngine::leave_out_young(const SealedPlaces& sealed, Horizons& until) {
  std::array<bool, kGroupSeries> old{};
  const auto latest = *std::max_element(until.begin(), until.end());
  for (const auto& segment : sealed.segments) {
    if (segment.first_time >= latest) break;
    const auto directory = blobs_.directory(segment.id);
    if (directory == nullptr) throw StoreFault("history.db: a segment is listed and not there", 0);
    for (const auto& series : directory->series()) {
      old[series.place] = old[series.place] || series.first_time < until[series.place];
    }
  }
  for (std::size_t place = 0; place < kGroupSeries; ++place) {
    if (!old[place]) until[place] = kNever;
  }
}

Result<RetentionReport> HistoryEngine::retain_group(std::size_t number, const RetentionOf& policy,
                                                    Instant now) {
  // By place, where readings are to begin; of the group, where minutes and hours do.
  Horizons until;
  until.fill(kNever);
  auto readings_from = kNever;
  auto minutes_from = std::numeric_limits<std::int64_t>::max(), hours_from = minutes_from;
  const auto size = table_.size();
  for (std::size_t place = 0; place < kGroupSeries; ++place) {
    const auto id = series_at(number, static_cast<Place>(place));
    if (static_cast<std::size_t>(id) >= size) break;
    const auto key = table_.key_of(id);
    if (key.twin.empty()) continue;  // forgotten
    const auto kept = policy(key);
    until[place] = horizon(now, kept.readings);
    readings_from = std::max(readings_from, until[place]);
    minutes_from = std::min(minutes_from, horizon(now, kept.minutes));
    hours_from = std::min(hours_from, horizon(now, kept.hours));
  }
  {
    std::shared_ptr<const SealedPlaces> sealed;
    begin_publication(number, sealed);
    const auto& segments = sealed->segments;
    if (segments.empty() || segments.front().first_time >= readings_from) until.fill(kNever);
    try {
      leave_out_young(*sealed, until);
    } catch (const StoreFault& fault) {
      return fault.error();
    }
  }
  Horizons taken;
  taken.fill(kForgotten);  // not asked yet
  const bool any =
      std::any_of(until.begin(), until.end(), [](auto time) { return time != kNever; });
  if (!any) return roll_up_group(number, until, {readings_from, minutes_from, hours_from}, taken);
  auto refused = refuse_late(number, until, taken);
  auto report = refused
                    ? roll_up_group(number, until, {readings_from, minutes_from, hours_from}, taken)
                    : Result<RetentionReport>(std::move(refused).error());
  // Where nothing was rolled up, late readings are as welcome as before.
  auto restored = store_.run<int>([&](Database&) -> Result<int> {
    for (std::size_t place = 0; place < kGroupSeries; ++place) {
      if (until[place] == kNever || taken[place] == kForgotten) continue;
      auto& from = taken_from_of(series_at(number, static_cast<Place>(place)));
      if (from != kForgotten) from = taken[place];
    }
    return 0;
  });
  if (!restored) return std::move(restored).error();
  return report;
}

// Changes `taken` where something was rolled up.
Result<RetentionReport> HistoryEngine::roll_up_group(std::size_t number, const Horizons& until,
                                                     RetainedFrom wanted, Horizons& taken) try {
  std::shared_ptr<const SealedPlaces> sealed;
  auto publication = begin_publication(number, sealed);
  RetentionReport report;
  std::vector<TimeWindow> windows(kGroupSeries);
  for (std::size_t place = 0; place < kGroupSeries; ++place) {
    windows[place] = {kAllTime.from, {until[place]}};
  }
  publication.change = erase_from(blobs_, *sealed, windows);
  for (std::size_t place = 0; place < kGroupSeries; ++place) {
    if (publication.change.erased[place] == 0) continue;
    report.readings += publication.change.erased[place];
    publication.dropped.emplace_back(static_cast<Place>(place), until[place]);
  }
  auto from = sealed->from;
  if (report.readings > 0) from.readings = std::max(from.readings, wanted.readings);
  from.minutes = std::max(from.minutes, std::min(wanted.minutes, from.readings));
  from.hours = std::max(from.hours, std::min(wanted.hours, from.minutes));
  if (report.readings > 0) roll_up(*sealed, from, publication);
  const auto expire = [&](Level level, std::int64_t before) {
    const auto index = static_cast<std::size_t>(level);
    for (const auto& bucket : sealed->buckets[index]) {
      if (bucket.start >= before) break;
      report.buckets += publication.stale[index].insert(bucket.start).second;
    }
    std::erase_if(publication.buckets, [&](const Publication::Bucket& bucket) {
      return bucket.level == level && bucket.start < before;
    });
  };
  expire(Level::minute, from.minutes);
  expire(Level::hour, from.hours);
  expire(Level::quarter_day, from.hours);
  if (report.readings == 0 && report.buckets == 0) return report;
  publication.from = from;
  const auto dropped = publication.dropped;
  crash_point("history.rolled_up");
  if (auto done = publish(std::move(publication)); !done) return std::move(done).error();
  for (const auto& [place, begins] : dropped) {
    taken[place] = std::max(taken[place], begins);
  }
  crash_point("history.retained");
  return report;
} catch (const StoreFault& fault) {
  return fault.error();
}

// Every minute, hour and day of what goes and has no bucket yet, however sparse.
void HistoryEngine::roll_up(const SealedPlaces& sealed, const RetainedFrom& from,
                            Publication& publication) {
  std::array<std::set<std::int64_t>, kLevels> starts;
  for (const auto& segment : sealed.segments) {
    if (segment.first_time >= from.readings) break;
    const auto directory = blobs_.directory(segment.id);
    const auto data = directory ? blobs_.data(segment.id) : nullptr;
    if (data == nullptr) throw StoreFault("history.db: a segment is listed and not there", 0);
    Readings readings;
    for (const auto& series : directory->series()) {
      readings.clear();
      if (auto read = data->read(series, {kAllTime.from, {from.readings}}, readings); !read) {
        throw StoreFault(
            "history.db, segment " + std::to_string(segment.id) + ": " + read.error().what, 0);
      }
      auto end = kNever;
      for (const auto time : readings.times) {
        if (time < end) continue;
        const auto start = bucket_start(Level::minute, time);
        end = start + length_ns(Level::minute);
        for (auto level : {Level::minute, Level::hour, Level::day}) {
          starts[static_cast<std::size_t>(level)].insert(bucket_start(level, time));
        }
      }
    }
  }
  for (auto level : {Level::minute, Level::hour, Level::day}) {
    const auto index = static_cast<std::size_t>(level);
    for (const auto& bucket : sealed.buckets[index]) starts[index].erase(bucket.start);
    for (const auto start : starts[index]) {
      auto bytes = encode_bucket(blobs_, sealed, level, start, 0);
      if (!bytes.empty()) publication.buckets.push_back({level, start, std::move(bytes)});
    }
  }
}

KeptSeries HistoryEngine::kept(SeriesId series) {
  KeptSeries kept;
  auto* group = groups_.find(group_of(series));
  if (group == nullptr) return kept;
  const auto place = place_of(series);
  std::vector<Entry> fresh;
  std::shared_ptr<const SealedPlaces> sealed;
  {
    std::shared_lock guard(group->mutex);
    fresh = view_of(*group, place, kAllTime).fresh;
    sealed = group->sealed;
  }
  const auto widen = [&](std::int64_t first, std::int64_t last) {
    if (!kept.readings_from || first < kept.readings_from->ns) kept.readings_from = Instant{first};
    if (!kept.readings_to || last > kept.readings_to->ns) kept.readings_to = Instant{last};
  };
  for (const auto& segment : sealed->segments) {
    const auto directory = blobs_.directory(segment.id);
    const auto* of = directory ? directory->find(place) : nullptr;
    if (of == nullptr) continue;
    kept.readings += of->partial.readings;
    widen(of->first_time, of->last.time);
  }
  for (const auto& entry : fresh) widen(entry.time, entry.time);
  Summary all;
  aggregate({&series, 1}, kAllTime, Figures::moments, {&all, 1});
  kept.summarised = all.partial.readings;
  // Late readings may stand for sealed ones: then the sum of both is an upper bound.
  kept.readings = std::min(kept.readings + fresh.size(), kept.summarised);
  const auto first_bucket = [&](Level level) -> std::optional<Instant> {
    for (const auto& bucket : sealed->buckets[static_cast<std::size_t>(level)]) {
      const auto directory = blobs_.bucket(bucket.id);
      if (directory && directory->find(place)) return Instant{bucket.start};
    }
    return std::nullopt;
  };
  kept.minutes_from = first_bucket(Level::minute);
  kept.hours_from = first_bucket(Level::hour);
  kept.days_from = first_bucket(Level::day);
  return kept;
}

}  // namespace entente::node
