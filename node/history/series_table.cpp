#include "node/history/series_table.h"

#include <algorithm>

#include "node/history/limits.h"

namespace entente::node {

std::optional<std::uint32_t> SeriesTable::Names::find(std::string_view name) const {
  return numbers.find(name, [this](std::uint32_t i) -> std::string_view { return list[i]; });
}

std::uint32_t SeriesTable::Names::open(std::string_view name) {
  if (const auto known = find(name)) return *known;
  const auto number = static_cast<std::uint32_t>(list.size());
  list.emplace_back(name);
  numbers.add(list.back(), number);
  uses.push_back(0);
  return number;
}

void SeriesTable::Names::release(std::uint32_t number) {
  // The index keeps the number, which no name finds any more.
  if (--uses[number] == 0) list[number] = {};
}

Result<SeriesId> SeriesTable::open(std::string_view twin, std::string_view signal) {
  if (const auto known = find(twin, signal)) return *known;
  std::unique_lock guard(mutex_);
  return open_guarded(twin, signal);
}

Result<SeriesId> SeriesTable::open_guarded(std::string_view twin, std::string_view signal) {
  const bool same_twin = opened_twin_ < twins_.list.size() && twins_.list[opened_twin_] == twin;
  auto twin_number = same_twin ? std::optional(opened_twin_) : twins_.find(twin);
  auto signal_number = signals_.find(signal);
  if (twin_number && signal_number) {
    if (const auto known = found(*twin_number, *signal_number)) return *known;
  }
  if (twin.empty() || signal.empty() || twin.size() > limits::kTwinNameBytes ||
      signal.size() > limits::kSignalNameBytes) {
    return make_error(ErrorCode::invalid_argument, "a series needs a twin and a signal");
  }
  if (series_.size() - forgotten_ >= limits::kSeries || series_.size() >= limits::kSeriesNumbers) {
    return make_error(ErrorCode::overloaded, "this node keeps no more than " +
                                                 std::to_string(limits::kSeries) + " series");
  }
  if (!twin_number) twin_number = twins_.open(twin);
  if (!signal_number) signal_number = signals_.open(signal);
  if (*twin_number == newest_.size()) newest_.push_back(kNone);
  const auto id = static_cast<std::uint32_t>(series_.size());
  series_.push_back({*twin_number, *signal_number, newest_[*twin_number]});
  newest_[*twin_number] = id;
  ++twins_.uses[*twin_number];
  ++signals_.uses[*signal_number];
  opened_twin_ = *twin_number;
  return static_cast<SeriesId>(id);
}

std::optional<SeriesId> SeriesTable::find(std::string_view twin, std::string_view signal) const {
  std::shared_lock guard(mutex_);
  return found(twin, signal);
}

std::optional<SeriesId> SeriesTable::found(std::string_view twin, std::string_view signal) const {
  const auto twin_number = twins_.find(twin);
  const auto signal_number = signals_.find(signal);
  if (!twin_number || !signal_number) return std::nullopt;
  return found(*twin_number, *signal_number);
}

std::optional<SeriesId> SeriesTable::found(std::uint32_t twin, std::uint32_t signal) const {
  for (auto id = newest_[twin]; id != kNone; id = series_[id].next) {
    if (series_[id].signal == signal) return static_cast<SeriesId>(id);
  }
  return std::nullopt;
}

SeriesKey SeriesTable::key_of(SeriesId id) const {
  std::shared_lock guard(mutex_);
  const auto& of = series_.at(static_cast<std::size_t>(id));
  if (of.twin == kNone) return {};
  return {twins_.list[of.twin], signals_.list[of.signal]};
}

void SeriesTable::forget(SeriesId id) {
  std::unique_lock guard(mutex_);
  const auto number = static_cast<std::uint32_t>(id);
  auto& of = series_.at(number);
  if (of.twin == kNone) return;
  auto* link = &newest_[of.twin];
  while (*link != number) link = &series_[*link].next;
  *link = of.next;
  twins_.release(of.twin);
  signals_.release(of.signal);
  of = {};
  ++forgotten_;
}

std::vector<SeriesId> SeriesTable::of_twin(std::string_view twin) const {
  std::shared_lock guard(mutex_);
  const auto number = twins_.find(twin);
  if (!number) return {};
  std::vector<SeriesId> ids;
  for (auto id = newest_[*number]; id != kNone; id = series_[id].next) {
    ids.push_back(static_cast<SeriesId>(id));
  }
  std::sort(ids.begin(), ids.end(), [&](SeriesId a, SeriesId b) {
    const auto signal = [&](SeriesId id) -> const std::string& {
      return signals_.list[series_[static_cast<std::size_t>(id)].signal];
    };
    return signal(a) < signal(b);
  });
  return ids;
}

std::vector<SeriesId> SeriesTable::all() const {
  std::shared_lock guard(mutex_);
  std::vector<SeriesId> ids;
  ids.reserve(series_.size());
  for (std::size_t i = 0; i < series_.size(); ++i) {
    if (series_[i].twin != kNone) ids.push_back(static_cast<SeriesId>(i));
  }
  const auto key = [&](SeriesId id) {
    const auto& of = series_[static_cast<std::size_t>(id)];
    return std::pair<std::string_view, std::string_view>(twins_.list[of.twin],
                                                         signals_.list[of.signal]);
  };
  std::sort(ids.begin(), ids.end(), [&](SeriesId a, SeriesId b) { return key(a) < key(b); });
  return ids;
}

std::size_t SeriesTable::size() const {
  std::shared_lock guard(mutex_);
  return series_.size();
}

}  // namespace entente::node
