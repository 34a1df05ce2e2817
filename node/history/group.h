// What is in memory of one group of series: its readings that no segment holds yet, the latest
// reading of each, and where its segments and buckets are.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "node/history/segment.h"

namespace entente::node {

// Buckets: summaries of stretches of time. Stored: never renumber. Each longer one is made of whole
// shorter ones, so that any window is a few of each.
enum class Level : std::uint8_t {
  minute = 0,
  hour = 1,
  day = 2,
  quarter_day = 3,
  four_days = 4,
  sixteen_days = 5,
  sixty_four_days = 6
};
inline constexpr std::size_t kLevels = 7;
// Ascending in length. Minutes exist only where retention has rolled readings up.
inline constexpr std::array<Level, kLevels> kLevelsByLength = {
    Level::minute,    Level::hour,         Level::quarter_day,    Level::day,
    Level::four_days, Level::sixteen_days, Level::sixty_four_days};
constexpr std::int64_t length_ns(Level level) {
  constexpr std::array<std::int64_t, kLevels> kLengths = {
      minutes(1).ns, hours(1).ns, days(1).ns, hours(6).ns, days(4).ns, days(16).ns, days(64).ns};
  return kLengths[static_cast<std::size_t>(level)];
}
// The start of the bucket that holds `time`.
constexpr std::int64_t bucket_start(Level level, std::int64_t time) {
  const auto length = length_ns(level);
  const auto rest = time % length;
  return time - (rest < 0 ? rest + length : rest);
}

struct SegmentPlace {
  std::int64_t id = 0;
  std::int64_t first_time = 0;
  std::int64_t last_time = 0;
  std::uint64_t readings = 0;
};
struct BucketPlace {
  std::int64_t start = 0;
  std::int64_t id = 0;
};
using Frozen = std::vector<std::vector<Entry>>;  // by place

// Where a group's readings, minutes and hours begin at the latest; INT64_MIN: nothing was rolled
// up.
struct RetainedFrom {
  std::int64_t readings = std::numeric_limits<std::int64_t>::min();
  std::int64_t minutes = std::numeric_limits<std::int64_t>::min();
  std::int64_t hours = std::numeric_limits<std::int64_t>::min();
};

// Where the sealed readings of a group are; a value, so that a reader keeps what it began with.
struct SealedPlaces {
  std::vector<SegmentPlace> segments;                     // ascending, disjoint in time
  std::array<std::vector<BucketPlace>, kLevels> buckets;  // ascending
  RetainedFrom from;
};

// A series that rests costs 32 bytes here: of a million twins most do at any time.
struct Group {
  mutable std::shared_mutex mutex;  // guards everything
  // By place; empty, or of all kGroupSeries.
  std::vector<Tail> tails;                        // empty while all readings are sealed
  std::vector<std::optional<Entry>> sealed_last;  // the latest reading that a segment holds
  std::shared_ptr<const Frozen> frozen;           // being sealed: older than the tails
  std::shared_ptr<const SealedPlaces> sealed = std::make_shared<SealedPlaces>();

  Tail& tail(Place place) {
    if (tails.empty()) tails.resize(kGroupSeries);
    return tails[place];
  }
  std::optional<Entry> sealed_latest(Place place) const {
    return sealed_last.empty() ? std::nullopt : sealed_last[place];
  }
  // The reading with the latest time.
  std::optional<Entry> latest(Place place) const {
    auto found = sealed_latest(place);
    const auto prefer = [&](const Entry& newer) {
      if (!found || newer.time >= found->time) found = newer;
    };
    if (frozen && !(*frozen)[place].empty()) prefer((*frozen)[place].back());
    if (!tails.empty() && !tails[place].empty()) prefer(tails[place].last());
    return found;
  }
};

// Threads: any. Groups do not move.
class Groups {
 public:
  Group& of(SeriesId id) { return at(group_of(id)); }
  // Null when no reading of the group was ever here.
  Group* find(std::size_t number) const {
    std::shared_lock guard(mutex_);
    return number < groups_.size() ? const_cast<Group*>(&groups_[number]) : nullptr;
  }
  Group& at(std::size_t number) {
    if (auto* known = find(number)) return *known;
    std::unique_lock guard(mutex_);
    while (groups_.size() <= number) groups_.emplace_back();
    return groups_[number];
  }
  std::size_t size() const {
    std::shared_lock guard(mutex_);
    return groups_.size();
  }

 private:
  mutable std::shared_mutex mutex_;
  std::deque<Group> groups_;
};

}  // namespace entente::node
