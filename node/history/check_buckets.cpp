#include "node/history/check_buckets.h"

#include <algorithm>
#include <map>
#include <set>

#include "node/history/sealing.h"
#include "node/limits.h"

namespace entente::node {
namespace {

using Places = std::map<std::int64_t, SealedPlaces>;  // by group

// Segments, horizons and the buckets that are there; `id` becomes the first that is free.
Outcome list_places(Store& store, Places& groups, std::int64_t& id) {
  auto listed = store.run<int>([&](Database& database) -> Result<int> {
    auto& rows = database.cached(
        "SELECT series_group, id, first_time, last_time, readings FROM segment "
        "ORDER BY series_group, first_time");
    while (rows.step()) {
      groups[rows.integer(0)].segments.push_back({rows.integer(1), rows.integer(2), rows.integer(3),
                                                  static_cast<std::uint64_t>(rows.integer(4))});
    }
    auto& horizons = database.cached("SELECT series_group, readings_from FROM retained");
    while (horizons.step()) {
      const auto group = groups.find(horizons.integer(0));
      if (group != groups.end()) group->second.from.readings = horizons.integer(1);
    }
    auto& copied =
        database.cached("SELECT series_group, level, start, id FROM bucket ORDER BY start");
    while (copied.step()) {
      const auto group = groups.find(copied.integer(0));
      const auto level = static_cast<std::size_t>(copied.integer(1));
      if (group == groups.end() || level >= kLevels) continue;
      group->second.buckets[level].push_back({copied.integer(2), copied.integer(3)});
    }
    auto& kept = database.cached("SELECT max(id) FROM bucket");
    if (kept.step() && !kept.is_null(0)) id = kept.integer(0) + 1;
    return 0;
  });
  if (!listed) return std::move(listed).error();
  return {};
}

// The starts of buckets that ought to be there and are not.
std::set<std::int64_t> starts_of(const SealedPlaces& places, Level level) {
  const auto newest = places.segments.back().last_time;
  std::set<std::int64_t> starts;
  if (length_ns(level) > length_ns(Level::day)) {
    for (const auto start : missing_of_days(places, level)) {
      if (newest - start >= length_ns(level)) starts.insert(start);
    }
  } else {
    for (const auto& segment : places.segments) {
      for (auto start = bucket_start(level, segment.first_time); start <= segment.last_time;
           start += length_ns(level)) {
        if (newest - start >= length_ns(level) && start >= places.from.readings) {
          starts.insert(start);
        }
      }
    }
  }
  for (const auto& bucket : places.buckets[static_cast<std::size_t>(level)]) {
    starts.erase(bucket.start);
  }
  return starts;
}

Outcome put(Store& store, std::int64_t id, std::int64_t group, Level level, std::int64_t start,
            const Bytes& bytes) {
  auto done = store.run<int>([&](Database& database) -> Result<int> {
    database
        .cached(
            "INSERT INTO bucket (id, series_group, level, start, directory) "
            "VALUES (?, ?, ?, ?, ?)")
        .bind(1, id)
        .bind(2, group)
        .bind(3, static_cast<std::int64_t>(level))
        .bind(4, start)
        .bind(5, ByteView(bytes))
        .run();
    return 0;
  });
  if (!done) return std::move(done).error();
  return {};
}

}  // namespace

Outcome make_all_buckets(Store& store, CheckReport& report) {
  Blobs blobs(store);
  Places groups;
  std::int64_t id = 1;
  if (auto listed = list_places(store, groups, id); !listed) return listed;
  const auto first_made = id;
  for (auto& [group, places] : groups) {
    for (const auto level : kLevelsByLength) {
      if (level == Level::minute) continue;
      const bool of_days = length_ns(level) > length_ns(Level::day);
      std::vector<BucketPlace> made;
      for (const auto start : starts_of(places, level)) {
        const auto least = of_days ? 0 : limits::kBucketReadings;
        const auto bytes = encode_bucket(blobs, places, level, start, least);
        if (bytes.empty()) continue;
        if (auto done = put(store, id, group, level, start, bytes); !done) return done;
        made.push_back({start, id++});
      }
      auto& there = places.buckets[static_cast<std::size_t>(level)];
      there.insert(there.end(), made.begin(), made.end());
      std::sort(there.begin(), there.end(),
                [](const BucketPlace& a, const BucketPlace& b) { return a.start < b.start; });
    }
  }
  report.repairs.push_back(std::to_string(id - first_made) +
                           " buckets were made from the segments");
  return {};
}

}  // namespace entente::node
