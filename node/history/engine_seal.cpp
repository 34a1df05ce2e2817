// The sealer's thread: tails into segments, segments into buckets.
#include "node/history/engine.h"
#include "node/limits.h"
#include "schemas/base/crash_point.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using Stale = std::array<std::set<std::int64_t>, kLevels>;

void touch(Stale& stale, std::int64_t time) {
  stale[static_cast<std::size_t>(Level::hour)].insert(bucket_start(Level::hour, time));
}

// An hour that no longer holds spoils what it is a part of.
void spread(Stale& stale) {
  for (const auto level : kLevelsByLength) {
    if (length_ns(level) <= length_ns(Level::hour)) continue;
    auto& longer = stale[static_cast<std::size_t>(level)];
    for (const auto hour : stale[static_cast<std::size_t>(Level::hour)]) {
      longer.insert(bucket_start(level, hour));
    }
  }
}

Bytes encode_latest(const std::vector<std::optional<Entry>>& latest) {
  std::vector<Described> described;
  for (std::size_t place = 0; place < latest.size(); ++place) {
    if (!latest[place]) continue;
    Described one;
    one.series.place = static_cast<Place>(place);
    one.series.first_time = latest[place]->time;
    one.series.last = *latest[place];
    described.push_back(std::move(one));
  }
  return encode_directory(described);
}

}  // namespace

void HistoryEngine::on_sealer(std::function<void(const Error* refused)> work) {
  {
    std::lock_guard guard(work_mutex_);
    if (!stopping_ && work_.size() < limits::kSealerWork) {
      work_.push_back(std::move(work));
      wake_.notify_one();
      return;
    }
  }
  const auto refused = make_error(ErrorCode::overloaded, "the history has too much to do");
  work(&refused);
}

void HistoryEngine::stop() {
  {
    std::lock_guard guard(work_mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void HistoryEngine::serve() {
  const auto stopped = make_error(ErrorCode::overloaded, "the history is closing");
  while (true) {
    std::function<void(const Error*)> work;
    bool stopping = false;
    {
      std::unique_lock guard(work_mutex_);
      const auto ready = [this] { return stopping_ || !work_.empty() || full_; };
      if (later_) {
        const bool due = !wake_.wait_until(guard, later_->from, ready);
        if (due || stopping_) work_.push_back(std::move(later_->work)), later_.reset();
      } else {
        wake_.wait(guard, [&] { return ready() || later_; });
      }
      stopping = stopping_;
      if (!work_.empty()) {
        work = std::move(work_.front());
        work_.pop_front();
      }
      if (!work && stopping) return;
      if (!work && !full_) continue;
      if (!work) full_ = false;
    }
    if (work) {
      work(stopping ? &stopped : nullptr);
      continue;
    }
    if (auto sealed = seal(); !sealed) {
      log::warn("history", "sealing failed; the journal keeps what is not sealed",
                {{"reason", sealed.error().what}});
    }
  }
}

// Takes a group's tails out of the way of new readings; gives how many readings wait to be sealed.
std::uint64_t HistoryEngine::freeze_group(Group& group) {
  std::unique_lock guard(group.mutex);
  if (!group.tails.empty()) {
    auto made = std::make_shared<Frozen>(kGroupSeries);
    for (std::size_t place = 0; place < kGroupSeries; ++place) {
      (*made)[place] = group.tails[place].take();
      // A seal that failed has left its readings: these are newer.
      if (group.frozen) (*made)[place] = merged((*group.frozen)[place], (*made)[place]);
    }
    group.frozen = std::move(made);
    group.tails = std::vector<Tail>();
  }
  std::uint64_t waiting = 0;
  if (group.frozen) {
    for (const auto& entries : *group.frozen) waiting += entries.size();
  }
  return waiting;
}

// Everything that is committed by now; gives the journal row up to which that is.
Result<std::int64_t> HistoryEngine::freeze() {
  std::int64_t cut = 0;
  auto frozen = store_.run<int>([](Database&) -> Result<int> { return 0; },
                                [this, &cut](const int* committed) {
                                  if (committed == nullptr) return;
                                  cut = applied_seq_;
                                  std::uint64_t waiting = 0;
                                  for (std::size_t number = 0; number < groups_.size(); ++number) {
                                    waiting += freeze_group(groups_.at(number));
                                  }
                                  // Counted anew: a correction came as a reading and took the place
                                  // of another.
                                  unsealed_.store(waiting);
                                });
  if (!frozen) return std::move(frozen).error();
  return cut;
}

Outcome HistoryEngine::seal() {
  try {
    auto cut = freeze();
    if (!cut) return std::move(cut).error();
    crash_point("history.frozen");
    for (std::size_t number = 0; number < groups_.size(); ++number) {
      if (auto sealed = seal_group(number); !sealed) return sealed;
    }
    crash_point("history.sealed");
    auto trimmed = store_.run<int>([cut = *cut](Database& database) -> Result<int> {
      database.cached("DELETE FROM journal WHERE seq <= ?").bind(1, cut).run();
      crash_point("history.trimming");
      return 0;
    });
    crash_point("history.trimmed");
    return trimmed ? Outcome() : std::move(trimmed).error();
  } catch (const StoreFault& fault) {
    return fault.error();
  }
}

HistoryEngine::Publication HistoryEngine::begin_publication(
    std::size_t number, std::shared_ptr<const SealedPlaces>& sealed) {
  auto& group = groups_.at(number);
  Publication publication;
  publication.group = number;
  std::shared_lock guard(group.mutex);
  sealed = group.sealed;
  publication.sealed_last = group.sealed_last;
  publication.sealed_last.resize(kGroupSeries);
  return publication;
}

Outcome HistoryEngine::seal_group(std::size_t number) {
  std::shared_ptr<const SealedPlaces> sealed;
  auto publication = begin_publication(number, sealed);
  publication.thaw = true;
  std::shared_ptr<const Frozen> frozen;
  {
    auto& group = groups_.at(number);
    std::shared_lock guard(group.mutex);
    frozen = group.frozen;
  }
  if (frozen == nullptr) return {};
  // The hour and day that were open at the last seal may be over now.
  if (!sealed->segments.empty() && sealed->segments.back().last_time >= sealed->from.readings) {
    touch(publication.stale, sealed->segments.back().last_time);
  }
  for (std::size_t place = 0; place < frozen->size(); ++place) {
    const auto& entries = (*frozen)[place];
    if (entries.empty()) continue;
    auto hour_end = std::numeric_limits<std::int64_t>::min();
    for (const auto& entry : entries) {
      if (entry.time < hour_end || entry.time < sealed->from.readings) continue;
      touch(publication.stale, entry.time);
      hour_end = bucket_start(Level::hour, entry.time) + length_ns(Level::hour);
    }
    auto& last = publication.sealed_last[place];
    if (!last || entries.back().time >= last->time) last = entries.back();
  }
  spread(publication.stale);
  const auto stale = publication.stale;
  renew_rolled_up(*sealed, *frozen, publication);
  publication.change = seal_into(blobs_, *sealed, *frozen);
  crash_point("history.merged");
  if (auto done = publish(std::move(publication)); !done) return done;
  return make_buckets(number, stale);
}

// Buckets from before the horizon are all that is left of some series: they are not made again but
// changed, together with the segments, where readings of others come late.
void HistoryEngine::renew_rolled_up(const SealedPlaces& sealed, const Frozen& frozen,
                                    Publication& publication) {
  std::set<std::int64_t> minutes;
  for (const auto& entries : frozen) {
    for (const auto& entry : entries) {
      if (entry.time >= sealed.from.readings) break;
      minutes.insert(bucket_start(Level::minute, entry.time));
    }
  }
  for (std::size_t index = 0; index < kLevels; ++index) {
    const auto level = static_cast<Level>(index);
    const auto& buckets = sealed.buckets[index];
    for (const auto minute : minutes) {
      const auto start = bucket_start(level, minute);
      const auto bucket =
          std::lower_bound(buckets.begin(), buckets.end(), start,
                           [](const BucketPlace& b, std::int64_t t) { return b.start < t; });
      if (bucket == buckets.end() || bucket->start != start) continue;
      if (!publication.stale[index].insert(start).second) continue;
      // A longer one is made again of its days, where it may hold more than is sealed of a series.
      if (length_ns(level) > length_ns(Level::day)) continue;
      publication.buckets.push_back(
          {level, start, bucket_with(blobs_, sealed, level, *bucket, frozen)});
    }
  }
}

// One transaction: segments in and out, stale buckets out and new ones in, latest readings; then
// readers see it.
Outcome HistoryEngine::publish(Publication publication) {
  std::vector<std::int64_t> segment_ids, bucket_ids;
  for (std::size_t i = 0; i < publication.change.added.size(); ++i) {
    segment_ids.push_back(next_id_++);
  }
  for (std::size_t i = 0; i < publication.buckets.size(); ++i) bucket_ids.push_back(next_id_++);
  auto done = store_.run<int>(
      [&](Database& database) -> Result<int> {
        write_publication(database, publication, segment_ids, bucket_ids);
        return 0;
      },
      [&](const int* committed) {
        if (committed != nullptr) published(publication, segment_ids, bucket_ids);
      });
  crash_point("history.published");
  return done ? Outcome() : std::move(done).error();
}

void HistoryEngine::write_publication(Database& database, const Publication& publication,
                                      const std::vector<std::int64_t>& segment_ids,
                                      const std::vector<std::int64_t>& bucket_ids) {
  const auto number = static_cast<std::int64_t>(publication.group);
  for (std::size_t i = 0; i < segment_ids.size(); ++i) {
    const auto& segment = publication.change.added[i];
    database
        .cached(
            "INSERT INTO segment (id, series_group, first_time, last_time, readings, directory, "
            "data) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(1, segment_ids[i])
        .bind(2, number)
        .bind(3, segment.first_time)
        .bind(4, segment.last_time)
        .bind(5, static_cast<std::int64_t>(segment.readings))
        .bind(6, ByteView(segment.directory))
        .bind(7, ByteView(segment.data))
        .run();
  }
  crash_point("history.inserted");
  for (const auto id : publication.change.removed) {
    database.cached("DELETE FROM segment WHERE id = ?").bind(1, id).run();
  }
  const auto sealed = groups_.at(publication.group).sealed;
  for (std::size_t level = 0; level < kLevels; ++level) {
    for (const auto& bucket : sealed->buckets[level]) {
      if (!publication.stale[level].contains(bucket.start)) continue;
      database.cached("DELETE FROM bucket WHERE id = ?").bind(1, bucket.id).run();
    }
  }
  crash_point("history.removed");
  for (std::size_t i = 0; i < bucket_ids.size(); ++i) {
    const auto& bucket = publication.buckets[i];
    database
        .cached(
            "INSERT INTO bucket (id, series_group, level, start, directory) "
            "VALUES (?, ?, ?, ?, ?)")
        .bind(1, bucket_ids[i])
        .bind(2, number)
        .bind(3, static_cast<std::int64_t>(bucket.level))
        .bind(4, bucket.start)
        .bind(5, ByteView(bucket.directory))
        .run();
  }
  const auto latest = encode_latest(publication.sealed_last);
  database.cached("INSERT OR REPLACE INTO latest (series_group, directory) VALUES (?, ?)")
      .bind(1, number)
      .bind(2, ByteView(latest))
      .run();
  if (!publication.from) return;
  for (const auto& [place, from] : publication.dropped) {
    database.cached("INSERT OR REPLACE INTO series_horizon (series, readings_from) VALUES (?, ?)")
        .bind(1, static_cast<std::int64_t>(series_at(publication.group, place)))
        .bind(2, from)
        .run();
  }
  database
      .cached(
          "INSERT OR REPLACE INTO retained (series_group, readings_from, minutes_from, "
          "hours_from) VALUES (?, ?, ?, ?)")
      .bind(1, number)
      .bind(2, publication.from->readings)
      .bind(3, publication.from->minutes)
      .bind(4, publication.from->hours)
      .run();
}

void HistoryEngine::published(const Publication& publication,
                              const std::vector<std::int64_t>& segment_ids,
                              const std::vector<std::int64_t>& bucket_ids) {
  auto& group = groups_.at(publication.group);
  auto places = std::make_shared<SealedPlaces>(*group.sealed);
  auto& segments = places->segments;
  std::erase_if(segments, [&](const SegmentPlace& segment) {
    const auto& removed = publication.change.removed;
    return std::find(removed.begin(), removed.end(), segment.id) != removed.end();
  });
  for (std::size_t i = 0; i < segment_ids.size(); ++i) {
    const auto& added = publication.change.added[i];
    segments.push_back({segment_ids[i], added.first_time, added.last_time, added.readings});
  }
  std::sort(segments.begin(), segments.end(), [](const SegmentPlace& a, const SegmentPlace& b) {
    return a.first_time < b.first_time;
  });
  for (std::size_t level = 0; level < kLevels; ++level) {
    std::erase_if(places->buckets[level], [&](const BucketPlace& bucket) {
      return publication.stale[level].contains(bucket.start);
    });
  }
  for (std::size_t i = 0; i < bucket_ids.size(); ++i) {
    const auto& bucket = publication.buckets[i];
    places->buckets[static_cast<std::size_t>(bucket.level)].push_back(
        {bucket.start, bucket_ids[i]});
  }
  for (auto& buckets : places->buckets) {
    std::sort(buckets.begin(), buckets.end(),
              [](const BucketPlace& a, const BucketPlace& b) { return a.start < b.start; });
  }
  if (publication.from) {
    places->from = *publication.from;
  }
  std::unique_lock guard(group.mutex);
  group.sealed = std::move(places);
  group.sealed_last = publication.sealed_last;
  if (!publication.thaw) return;
  for (const auto& entries : *group.frozen) unsealed_.fetch_sub(entries.size());
  group.frozen.reset();
}

// Short ones first: the longer are made of them. A bucket is made when its time is over, so that it
// is made once unless something comes late.
Outcome HistoryEngine::make_buckets(std::size_t number, const Stale& stale) {
  for (const auto level : kLevelsByLength) {
    if (level == Level::minute) continue;
    std::shared_ptr<const SealedPlaces> sealed;
    auto publication = begin_publication(number, sealed);
    if (sealed->segments.empty()) return {};
    const auto newest = sealed->segments.back().last_time;
    const bool of_days = length_ns(level) > length_ns(Level::day);
    for (const auto start :
         of_days ? missing_of_days(*sealed, level) : stale[static_cast<std::size_t>(level)]) {
      if (newest - start < length_ns(level)) continue;
      const auto least = of_days ? 0 : limits::kBucketReadings;
      auto bytes = encode_bucket(blobs_, *sealed, level, start, least);
      if (!bytes.empty()) publication.buckets.push_back({level, start, std::move(bytes)});
    }
    if (publication.buckets.empty()) continue;
    crash_point("history.summarised");
    if (auto done = publish(std::move(publication)); !done) return done;
    crash_point("history.bucketed");
  }
  return {};
}

}  // namespace entente::node
