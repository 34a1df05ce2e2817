#include "node/history/series_table.h"

#include <algorithm>
#include <mutex>

#include "node/limits.h"

namespace entente::node {

std::optional<std::uint32_t> SeriesTable::Names::find(std::string_view name) const {
  const auto found = numbers.find(name);
  return found == numbers.end() ? std::nullopt : std::optional(found->second);
}

std::uint32_t SeriesTable::Names::open(std::string_view name) {
  if (const auto known = find(name)) return ++uses[*known], *known;
  const auto number = static_cast<std::uint32_t>(list.size());
  list.emplace_back(name);
  uses.push_back(1);
  numbers.emplace(list.back(), number);
  return number;
}

void SeriesTable::Names::release(std::uint32_t number) {
  if (--uses[number] > 0) return;
  numbers.erase(list[number]);
  list[number] = {};
}

Result<SeriesId> SeriesTable::open(std::string_view twin, std::string_view signal) {
  if (const auto known = find(twin, signal)) return *known;
  if (twin.empty() || signal.empty() || twin.size() > limits::kTwinNameBytes ||
      signal.size() > limits::kSignalNameBytes) {
    return make_error(ErrorCode::invalid_argument, "a series needs a twin and a signal");
  }
  std::unique_lock guard(mutex_);
  if (const auto known = found(twin, signal)) return *known;
  if (by_id_.size() >= limits::kSeries) {
    return make_error(ErrorCode::overloaded, "this node keeps no more than " +
                                                 std::to_string(limits::kSeries) + " series");
  }
  const auto id = static_cast<SeriesId>(by_id_.size());
  const auto twin_number = twins_.open(twin);
  const auto signal_number = signals_.open(signal);
  if (twin_number == by_twin_.size()) by_twin_.emplace_back();
  by_twin_[twin_number].push_back({signal_number, id});
  by_id_.emplace_back(twin_number, signal_number);
  return id;
}

std::optional<SeriesId> SeriesTable::find(std::string_view twin, std::string_view signal) const {
  std::shared_lock guard(mutex_);
  return found(twin, signal);
}

std::optional<SeriesId> SeriesTable::found(std::string_view twin, std::string_view signal) const {
  const auto twin_number = twins_.find(twin);
  const auto signal_number = signals_.find(signal);
  if (!twin_number || !signal_number) return std::nullopt;
  for (const auto& each : by_twin_[*twin_number]) {
    if (each.signal == *signal_number) return each.id;
  }
  return std::nullopt;
}

SeriesKey SeriesTable::key_of(SeriesId id) const {
  std::shared_lock guard(mutex_);
  const auto [twin, signal] = by_id_.at(static_cast<std::size_t>(id));
  if (twin == kNoName) return {};
  return {twins_.list[twin], signals_.list[signal]};
}

void SeriesTable::forget(SeriesId id) {
  std::unique_lock guard(mutex_);
  auto& [twin, signal] = by_id_.at(static_cast<std::size_t>(id));
  if (twin == kNoName) return;
  std::erase_if(by_twin_[twin], [&](const OfTwin& each) { return each.id == id; });
  if (by_twin_[twin].empty()) by_twin_[twin].shrink_to_fit();
  twins_.release(twin);
  signals_.release(signal);
  twin = signal = kNoName;
}

SeriesId SeriesTable::skip() {
  std::unique_lock guard(mutex_);
  by_id_.emplace_back(kNoName, kNoName);
  return static_cast<SeriesId>(by_id_.size() - 1);
}

std::vector<SeriesId> SeriesTable::of_twin(std::string_view twin) const {
  std::shared_lock guard(mutex_);
  const auto number = twins_.find(twin);
  if (!number) return {};
  auto signals = by_twin_[*number];
  std::sort(signals.begin(), signals.end(), [&](const OfTwin& a, const OfTwin& b) {
    return signals_.list[a.signal] < signals_.list[b.signal];
  });
  std::vector<SeriesId> ids;
  for (const auto& each : signals) ids.push_back(each.id);
  return ids;
}

std::vector<SeriesId> SeriesTable::all() const {
  std::shared_lock guard(mutex_);
  std::vector<SeriesId> ids;
  ids.reserve(by_id_.size());
  for (std::size_t i = 0; i < by_id_.size(); ++i) {
    if (by_id_[i].first != kNoName) ids.push_back(static_cast<SeriesId>(i));
  }
  const auto key = [&](SeriesId id) {
    const auto [twin, signal] = by_id_[static_cast<std::size_t>(id)];
    return std::pair<std::string_view, std::string_view>(twins_.list[twin], signals_.list[signal]);
  };
  std::sort(ids.begin(), ids.end(), [&](SeriesId a, SeriesId b) { return key(a) < key(b); });
  return ids;
}

std::size_t SeriesTable::size() const {
  std::shared_lock guard(mutex_);
  return by_id_.size();
}

}  // namespace entente::node
