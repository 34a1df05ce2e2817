// Which series there are: names to dense numbers and back, for millions of them.
//
// A number is given at a series' first mention and never again to another; names of twins and of
// signals are kept once each: about 80 bytes a twin and 12 a series. Threads: any.
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "node/history/reading.h"
#include "schemas/base/name_index.h"
#include "schemas/base/result.h"

namespace entente::node {

class SeriesTable {
 public:
  // Refuses: invalid_argument (an empty name, one longer than its limit), overloaded
  // (limits::kSeries exist that are not forgotten, or limits::kSeriesNumbers were ever given).
  Result<SeriesId> open(std::string_view twin, std::string_view signal);
  std::optional<SeriesId> find(std::string_view twin, std::string_view signal) const;
  // Opens many, a twin's one after another, and has the table for itself as long as it lives.
  class Loader {
   public:
    explicit Loader(SeriesTable& table) : table_(table), guard_(table.mutex_) {}
    Result<SeriesId> open(std::string_view twin, std::string_view signal) {
      return table_.open_guarded(twin, signal);
    }
    // A number that is taken and has no names.
    SeriesId skip() {
      table_.series_.emplace_back();
      ++table_.forgotten_;
      return static_cast<SeriesId>(table_.series_.size() - 1);
    }

   private:
    SeriesTable& table_;
    const std::unique_lock<std::shared_mutex> guard_;
  };
  // `id` is one that open() gave. Empty names: it is forgotten.
  SeriesKey key_of(SeriesId id) const;
  // Its names are unknown from now on, unless other series have them; its number stays taken.
  void forget(SeriesId id);
  // In order of signal names.
  std::vector<SeriesId> of_twin(std::string_view twin) const;
  // In key order.
  std::vector<SeriesId> all() const;
  // Numbers given, to forgotten ones as well.
  std::size_t size() const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  // A name's number is its place in `list`; the list's strings do not move.
  struct Names {
    std::deque<std::string> list;
    NameIndex numbers;
    std::deque<std::uint32_t> uses;  // series that have it; a name without any is emptied
    std::optional<std::uint32_t> find(std::string_view name) const;
    std::uint32_t open(std::string_view name);
    void release(std::uint32_t number);
  };
  struct Series {
    std::uint32_t twin = kNone;  // kNone: forgotten
    std::uint32_t signal = kNone;
    std::uint32_t next = kNone;  // the twin's series opened before this one
  };
  Result<SeriesId> open_guarded(std::string_view twin, std::string_view signal);
  std::optional<SeriesId> found(std::string_view twin, std::string_view signal) const;
  std::optional<SeriesId> found(std::uint32_t twin, std::uint32_t signal) const;

  mutable std::shared_mutex mutex_;  // guards everything
  Names twins_;
  Names signals_;
  std::vector<std::uint32_t> newest_;  // by the twin's number: its series opened last
  std::vector<Series> series_;         // by id
  std::size_t forgotten_ = 0;          // of series_
  std::uint32_t opened_twin_ = 0;      // of the series opened last
};

}  // namespace entente::node
