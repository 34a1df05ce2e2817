// Columns of whole series in memory, so that a fold touches no SQL.
//
// A column is the truth of its series once loaded: what is committed is patched in before anybody is
// told. Loading races with patching; a generation number per series settles it: a column read before a
// patch is used by its reader but not kept. Least recently used columns leave when the limit is passed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "node/history/history.h"

namespace entente::node {

// Threads: `mutex` guards the rest; shared for reading.
struct SeriesColumn {
  mutable std::shared_mutex mutex;
  std::vector<std::int64_t> times;  // ascending, each once
  std::vector<double> values;
  std::vector<Quality> qualities;

  // Adds or replaces; `readings` in any order, the later of two with one time counts.
  void merge(const std::vector<Reading>& readings);
  // Removes the window.
  void erase(TimeWindow window);
};

// Threads: any.
class ColumnCache {
 public:
  explicit ColumnCache(std::size_t readings_max) : readings_max_(readings_max) {}

  using Load = std::function<std::shared_ptr<SeriesColumn>()>;
  // The column of a series, loaded by `load` when it is not here.
  std::shared_ptr<SeriesColumn> get(std::int64_t series, const Load& load);
  // Changes the column of a series, if it is here; call after the commit, before telling anybody.
  void patch(std::int64_t series, const std::function<void(SeriesColumn&)>& change);

  std::size_t readings() const;

 private:
  struct Entry {
    std::shared_ptr<SeriesColumn> column;
    std::size_t size = 0;  // as counted in readings_
    std::list<std::int64_t>::iterator place;
  };
  void resize(Entry& entry, std::size_t size);
  void evict();

  const std::size_t readings_max_;
  mutable std::mutex mutex_;  // guards what follows; never held while a column's own is waited for
  std::unordered_map<std::int64_t, Entry> entries_;
  std::unordered_map<std::int64_t, std::uint64_t> generations_;
  std::list<std::int64_t> recent_;  // most recent first
  std::size_t readings_ = 0;
};

}  // namespace entente::node
