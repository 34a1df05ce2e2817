#include "node/history/column_cache.h"

#include <algorithm>

namespace entente::node {
namespace {

// In order of time, the later of equal times only.
std::vector<Reading> ordered(const std::vector<Reading>& readings) {
  std::vector<Reading> sorted = readings;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Reading& a, const Reading& b) { return a.time < b.time; });
  std::vector<Reading> once;
  once.reserve(sorted.size());
  for (const auto& each : sorted) {
    if (!once.empty() && once.back().time == each.time) {
      once.back() = each;
    } else {
      once.push_back(each);
    }
  }
  return once;
}

}  // namespace

void SeriesColumn::merge(const std::vector<Reading>& readings) {
  const auto fresh = ordered(readings);
  if (fresh.empty()) return;
  std::unique_lock guard(mutex);
  if (times.empty() || fresh.front().time.ns > times.back()) {
    for (const auto& each : fresh) {
      times.push_back(each.time.ns);
      values.push_back(each.value);
      qualities.push_back(each.quality);
    }
    return;
  }
  std::vector<std::int64_t> merged_times;
  std::vector<double> merged_values;
  std::vector<Quality> merged_qualities;
  merged_times.reserve(times.size() + fresh.size());
  merged_values.reserve(times.size() + fresh.size());
  merged_qualities.reserve(times.size() + fresh.size());
  std::size_t old = 0;
  const auto take_old = [&] {
    merged_times.push_back(times[old]);
    merged_values.push_back(values[old]);
    merged_qualities.push_back(qualities[old++]);
  };
  for (const auto& each : fresh) {
    while (old < times.size() && times[old] < each.time.ns) take_old();
    if (old < times.size() && times[old] == each.time.ns) ++old;
    merged_times.push_back(each.time.ns);
    merged_values.push_back(each.value);
    merged_qualities.push_back(each.quality);
  }
  while (old < times.size()) take_old();
  times = std::move(merged_times);
  values = std::move(merged_values);
  qualities = std::move(merged_qualities);
}

void SeriesColumn::erase(TimeWindow window) {
  std::unique_lock guard(mutex);
  const auto first = std::lower_bound(times.begin(), times.end(), window.from.ns) - times.begin();
  const auto last = std::lower_bound(times.begin(), times.end(), window.to.ns) - times.begin();
  if (first >= last) return;
  times.erase(times.begin() + first, times.begin() + last);
  values.erase(values.begin() + first, values.begin() + last);
  qualities.erase(qualities.begin() + first, qualities.begin() + last);
}

std::shared_ptr<SeriesColumn> ColumnCache::get(std::int64_t series, const Load& load) {
  std::uint64_t generation = 0;
  {
    std::lock_guard guard(mutex_);
    const auto found = entries_.find(series);
    if (found != entries_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second.place);
      return found->second.column;
    }
    generation = generations_[series];
  }
  auto column = load();
  std::lock_guard guard(mutex_);
  if (generations_[series] != generation) return column;
  const auto [entry, fresh] = entries_.try_emplace(series);
  if (!fresh) return entry->second.column;  // somebody else loaded it meanwhile
  recent_.push_front(series);
  entry->second = {column, 0, recent_.begin()};
  resize(entry->second, column->times.size());
  evict();
  return column;
}

void ColumnCache::patch(std::int64_t series, const std::function<void(SeriesColumn&)>& change) {
  std::shared_ptr<SeriesColumn> column;
  {
    std::lock_guard guard(mutex_);
    ++generations_[series];
    const auto found = entries_.find(series);
    if (found == entries_.end()) return;
    column = found->second.column;
  }
  change(*column);
  std::size_t size = 0;
  {
    std::shared_lock reading(column->mutex);
    size = column->times.size();
  }
  std::lock_guard guard(mutex_);
  const auto found = entries_.find(series);
  if (found != entries_.end() && found->second.column == column) resize(found->second, size);
  evict();
}

std::size_t ColumnCache::readings() const {
  std::lock_guard guard(mutex_);
  return readings_;
}

void ColumnCache::resize(Entry& entry, std::size_t size) {
  readings_ = readings_ - entry.size + size;
  entry.size = size;
}

void ColumnCache::evict() {
  while (readings_ > readings_max_ && !recent_.empty()) {
    const auto found = entries_.find(recent_.back());
    readings_ -= found->second.size;
    entries_.erase(found);
    recent_.pop_back();
  }
}

}  // namespace entente::node
