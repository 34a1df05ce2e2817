// Readings of one series that no segment holds yet, in order of time, in memory.
//
// Readings mostly come in order and are appended; one that comes late goes into a tree beside them.
// Threads: guarded by the group's mutex (group.h).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "node/history/reading.h"

namespace entente::node {

struct Entry {
  std::int64_t time = 0;
  double value = 0;
  Quality quality = Quality::good;
};

// Columns of one series, ascending in time.
struct Readings {
  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<Quality> qualities;

  std::size_t size() const { return times.size(); }
  bool empty() const { return times.empty(); }
  void add(const Entry& entry);
  void add(std::span<const Entry> entries);
  void clear();
};

// Columns of somebody else's.
struct ReadingsView {
  std::span<const std::int64_t> times;
  std::span<const double> values;
  std::span<const Quality> qualities;
  ReadingsView(const Readings& all) : ReadingsView(all, 0, all.size()) {}
  ReadingsView(const Readings& all, std::size_t from, std::size_t to)
      : times(std::span(all.times).subspan(from, to - from)),
        values(std::span(all.values).subspan(from, to - from)),
        qualities(std::span(all.qualities).subspan(from, to - from)) {}
  std::size_t size() const { return times.size(); }
  bool empty() const { return times.empty(); }
};

// Equal in value, where NaN equals NaN.
bool same_value(const Entry& a, const Entry& b);
// And in verdict.
bool same_reading(const Entry& a, const Entry& b);

class Tail {
 public:
  // Adds, or replaces the reading of the same time.
  void put(const Entry& entry) {
    if (entries_.empty() || entry.time > entries_.back().time) {
      entries_.push_back(entry);
    } else {
      put_late(entry);
    }
  }
  const Entry* find(std::int64_t time) const;
  bool empty() const { return entries_.empty(); }
  // Of one that is not empty: the latest.
  const Entry& last() const { return entries_.back(); }
  // Everything within [from, to), in order of time, appended.
  void copy(TimeWindow window, std::vector<Entry>& out) const;
  // All of it; leaves nothing behind.
  std::vector<Entry> take();

 private:
  using Late = std::map<std::int64_t, Entry>;
  void put_late(const Entry& entry);

  std::vector<Entry> entries_;  // ascending; holds the latest of all
  std::unique_ptr<Late> late_;  // times that entries_ has not
};

// Entries by time, `newer` winning where both have one.
std::vector<Entry> merged(std::vector<Entry> older, const std::vector<Entry>& newer);

}  // namespace entente::node
