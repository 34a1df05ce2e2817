// Which series there are: names to dense numbers and back, for millions of them.
//
// A number is given at a series' first mention and never again to another; names of twins and of
// signals are kept once each. Threads: any.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "node/history/reading.h"
#include "schemas/base/result.h"

namespace entente::node {

class SeriesTable {
 public:
  // Refuses: invalid_argument (an empty name, one longer than its limit), overloaded
  // (limits::kSeries exist).
  Result<SeriesId> open(std::string_view twin, std::string_view signal);
  std::optional<SeriesId> find(std::string_view twin, std::string_view signal) const;
  // `id` is one that open() gave. Empty names: it is forgotten.
  SeriesKey key_of(SeriesId id) const;
  // Its names are unknown from now on, unless other series have them; its number stays taken.
  void forget(SeriesId id);
  // A number that is taken and has no names.
  SeriesId skip();
  // In order of signal names.
  std::vector<SeriesId> of_twin(std::string_view twin) const;
  // In key order.
  std::vector<SeriesId> all() const;
  // Numbers given, to forgotten ones as well.
  std::size_t size() const;

 private:
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>()(name);
    }
  };
  // A name's number is its place in `list`; the list's strings do not move.
  struct Names {
    std::deque<std::string> list;
    std::deque<std::uint32_t> uses;  // series that have it
    std::unordered_map<std::string_view, std::uint32_t, NameHash, std::equal_to<>> numbers;
    std::optional<std::uint32_t> find(std::string_view name) const;
    std::uint32_t open(std::string_view name);
    void release(std::uint32_t number);
  };
  static constexpr std::uint32_t kNoName = 0xFFFFFFFF;
  struct OfTwin {
    std::uint32_t signal;
    SeriesId id;
  };
  std::optional<SeriesId> found(std::string_view twin, std::string_view signal) const;

  mutable std::shared_mutex mutex_;  // guards everything
  Names twins_;
  Names signals_;
  std::vector<std::vector<OfTwin>> by_twin_;                    // by the twin's number
  std::vector<std::pair<std::uint32_t, std::uint32_t>> by_id_;  // twin, signal; or kNoName
};

}  // namespace entente::node
