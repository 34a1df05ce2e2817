#include "node/history/tail.h"

#include <algorithm>
#include <cmath>

namespace entente::node {
namespace {

bool earlier(const Entry& a, const Entry& b) {
  return a.time < b.time;
}

}  // namespace

void Readings::add(const Entry& entry) {
  times.push_back(entry.time);
  values.push_back(entry.value);
  qualities.push_back(entry.quality);
}

void Readings::add(std::span<const Entry> entries) {
  const auto begin = size();
  times.resize(begin + entries.size());
  values.resize(begin + entries.size());
  qualities.resize(begin + entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) times[begin + i] = entries[i].time;
  for (std::size_t i = 0; i < entries.size(); ++i) values[begin + i] = entries[i].value;
  for (std::size_t i = 0; i < entries.size(); ++i) qualities[begin + i] = entries[i].quality;
}

void Readings::clear() {
  times.clear();
  values.clear();
  qualities.clear();
}

bool same_value(const Entry& a, const Entry& b) {
  return a.value == b.value || (std::isnan(a.value) && std::isnan(b.value));
}

bool same_reading(const Entry& a, const Entry& b) {
  return a.quality == b.quality && same_value(a, b);
}

void Tail::put_late(const Entry& entry) {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), entry, earlier);
  if (found->time == entry.time) {
    *found = entry;
    return;
  }
  if (late_ == nullptr) late_ = std::make_unique<Late>();
  (*late_)[entry.time] = entry;
}

const Entry* Tail::find(std::int64_t time) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), Entry{time}, earlier);
  if (found != entries_.end() && found->time == time) return &*found;
  if (late_ == nullptr) return nullptr;
  const auto late = late_->find(time);
  return late == late_->end() ? nullptr : &late->second;
}

void Tail::copy(TimeWindow window, std::vector<Entry>& out) const {
  const auto from =
      std::lower_bound(entries_.begin(), entries_.end(), Entry{window.from.ns}, earlier);
  const auto to = std::lower_bound(from, entries_.end(), Entry{window.to.ns}, earlier);
  const auto begin = out.size();
  out.insert(out.end(), from, to);
  if (late_ == nullptr) return;
  const auto middle = out.size();
  for (auto each = late_->lower_bound(window.from.ns);
       each != late_->end() && each->first < window.to.ns; ++each) {
    out.push_back(each->second);
  }
  std::inplace_merge(out.begin() + static_cast<std::ptrdiff_t>(begin),
                     out.begin() + static_cast<std::ptrdiff_t>(middle), out.end(), earlier);
}

std::vector<Entry> Tail::take() {
  std::vector<Entry> all;
  if (late_ == nullptr) {
    all = std::move(entries_);
  } else {
    all.reserve(entries_.size() + late_->size());
    auto late = late_->begin();
    for (const auto& entry : entries_) {
      for (; late != late_->end() && late->first < entry.time; ++late) all.push_back(late->second);
      all.push_back(entry);
    }
  }
  entries_ = {};
  late_.reset();
  return all;
}

std::vector<Entry> merged(std::vector<Entry> older, const std::vector<Entry>& newer) {
  if (newer.empty()) return older;
  if (older.empty() || older.back().time < newer.front().time) {
    older.insert(older.end(), newer.begin(), newer.end());
    return older;
  }
  std::vector<Entry> all;
  all.reserve(older.size() + newer.size());
  auto old = older.begin();
  for (const auto& entry : newer) {
    for (; old != older.end() && old->time < entry.time; ++old) all.push_back(*old);
    if (old != older.end() && old->time == entry.time) ++old;
    all.push_back(entry);
  }
  all.insert(all.end(), old, older.end());
  return all;
}

}  // namespace entente::node
