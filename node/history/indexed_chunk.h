// A chunk unpacked for aggregates: its good readings as they lie in memory, and what every 16 of
// them come to, every 64, every 256 and so on. So what a window comes to costs at most 30 readings
// and 6 partials a level, however long it is, and nothing is decoded twice.
//
// Memory: 8 bytes a good reading, 16 when times are not evenly spaced, and 5.3 for the partials.
// Threads: any, const.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "node/history/chunk.h"
#include "node/history/partial.h"
#include "node/history/quantile_sketch.h"

namespace entente::node {

class IndexedChunk {
 public:
  // Refuses (store_failed): times that do not ascend.
  static Result<std::unique_ptr<const IndexedChunk>> make(const Chunk& chunk);

  // Merges what the readings of the window come to, which begin after `partial` ends; nothing goes
  // into a sketch that is null.
  void aggregate(TimeWindow window, Partial& partial, QuantileSketch* sketch) const {
    aggregate(range(window), partial, sketch);
  }
  // The same in two steps: the first asks the memory for what the second will read, so that many
  // chunks are waited for at once.
  struct Range {
    std::size_t from = 0, to = 0;  // of the good readings
    std::uint64_t others = 0;
  };
  Range range(TimeWindow window) const;
  void aggregate(const Range& range, Partial& partial, QuantileSketch* sketch) const;
  std::size_t memory() const;

 private:
  static constexpr std::size_t kPart = 16;
  static constexpr std::size_t kFan = 4;
  static constexpr std::size_t kLevelsMost = 12;
  // What consecutive readings come to; their times and number follow from their place.
  struct alignas(64) Part {
    double sum, squares, minimum, maximum, first, last, integral, rise;
  };

  IndexedChunk() = default;
  void make_parts();
  std::size_t lower_bound(std::int64_t time) const;
  std::int64_t time_at(std::size_t index) const {
    return times_.empty() ? first_time_ + static_cast<std::int64_t>(index) * step_ : times_[index];
  }
  // Of readings [from, to), at least one: from these alone; or with the parts as well.
  Partial whole_of(std::size_t from, std::size_t to) const;
  Partial partial_of(std::size_t from, std::size_t to) const;
  // The coarsest parts that make up [from, to) of the finest level: visit(level, index).
  template <class Visit>
  void for_each_part(std::size_t from, std::size_t to, Visit&& visit) const;
  // Whole parts of a range of readings, of the finest level; none: first == end.
  struct Parts {
    std::size_t first = 0, end = 0;
  };
  Parts parts_of(std::size_t from, std::size_t to) const;
  Partial partial_at(std::size_t level, std::size_t index) const;

  std::vector<double> values_;       // good and finite
  std::vector<std::int64_t> times_;  // of these; empty when they are evenly spaced
  std::int64_t first_time_ = 0;
  std::int64_t last_time_ = 0;
  std::int64_t step_ = 0;
  std::vector<std::int64_t> other_times_;  // of readings that do not count
  std::vector<Part> parts_;                // level by level
  std::array<std::uint32_t, kLevelsMost> level_begin_{};
  std::size_t levels_ = 0;
};

}  // namespace entente::node
