// A segment: the sealed readings of one group of series over a stretch of time.
//
// kGroupSeries series with consecutive numbers make a group; segments of a group do not overlap in
// time. A segment is two blobs, each with a checksum: its directory says for each series where its
// chunk lies, what it comes to (Partial, QuantileSketch) and what its last reading is; its data is
// the chunks. A bucket (buckets of an hour, a day) is a directory without data. Blobs never change:
// what replaces a segment has another number.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "node/history/indexed_chunk.h"
#include "node/history/partial.h"
#include "node/history/quantile_sketch.h"
#include "node/history/tail.h"

namespace entente::node {

inline constexpr std::size_t kGroupSeries = 256;
using Place = std::uint8_t;  // of a series in its group

constexpr std::size_t group_of(SeriesId id) {
  return static_cast<std::size_t>(id) / kGroupSeries;
}
constexpr Place place_of(SeriesId id) {
  return static_cast<Place>(static_cast<std::size_t>(id) % kGroupSeries);
}
constexpr SeriesId series_at(std::size_t group, Place place) {
  return static_cast<SeriesId>(group * kGroupSeries + place);
}

struct SegmentSeries {
  Place place = 0;
  std::uint32_t offset = 0;  // of its chunk in the data
  std::int64_t first_time = 0;
  Entry last;
  Partial partial;
};

// Threads: any, const.
class Directory {
 public:
  // Refuses: store_failed (a wrong checksum, columns that do not fit), version_too_new.
  static Result<Directory> decode(ByteView bytes);
  std::span<const SegmentSeries> series() const { return series_; }
  const SegmentSeries* find(Place place) const {
    const auto index = index_[place];
    return index < 0 ? nullptr : &series_[static_cast<std::size_t>(index)];
  }
  // Of any series; 0 when it is not here or has no good reading.
  std::uint64_t count(Place place) const { return sums_[place].count; }
  double sum(Place place) const { return sums_[place].sum; }
  // Of a series that is here.
  QuantileSketch sketch(Place place) const;
  void merge_sketch(Place place, QuantileSketch& into) const;
  std::size_t memory() const;

 private:
  struct Sum {
    std::uint64_t count = 0;
    double sum = 0;
  };
  std::vector<SegmentSeries> series_;  // ascending by place
  std::vector<Sum> sums_;              // by place, of all kGroupSeries
  std::array<std::int16_t, kGroupSeries> index_{};
  std::vector<std::uint32_t> sketch_offsets_;
  Bytes sketches_;
};

// What goes into a directory for one series.
struct Described {
  SegmentSeries series;
  QuantileSketch sketch;
};
Bytes encode_directory(std::span<const Described> described);

struct EncodedSegment {
  std::int64_t first_time = 0;
  std::int64_t last_time = 0;
  std::uint64_t readings = 0;
  Bytes directory;
  Bytes data;
};
// `readings[i]` belongs to `places[i]`; places ascend, no series is empty.
EncodedSegment encode_segment(std::span<const Place> places,
                              std::span<const ReadingsView> readings);

// Threads: any; what is worked out for a chunk at its first use is kept.
class SegmentData {
 public:
  // Refuses (store_failed): a wrong checksum.
  static Result<std::unique_ptr<SegmentData>> open(Bytes bytes);

  // Appends the series' readings of the window. Refuses (store_failed): a damaged chunk.
  Outcome read(const SegmentSeries& series, TimeWindow window, Readings& out) const;
  // Merges what the readings of the window come to, which begin after `partial` ends. Refuses as
  // read() does, and times that do not ascend.
  Outcome aggregate(const SegmentSeries& series, TimeWindow window, Partial& partial,
                    QuantileSketch* sketch) const;
  // The same where the series is not unpacked yet and has few readings in the window: decodes those
  // alone and keeps nothing. False: nothing was done. Refuses as aggregate() does.
  Result<bool> aggregate_few(const SegmentSeries& series, TimeWindow window, Partial& partial,
                             QuantileSketch* sketch) const;
  // The series unpacked, as long as this lives. Refuses as aggregate() does.
  Result<const IndexedChunk*> indexed(const SegmentSeries& series) const;
  // Tells the processor that this series will be aggregated soon.
  void prefetch(Place place) const {
    const auto* chunk =
        reinterpret_cast<const char*>(indexed_[place].load(std::memory_order_relaxed));
    if (chunk == nullptr) return;
    __builtin_prefetch(chunk);
    __builtin_prefetch(chunk + 64);
    __builtin_prefetch(chunk + 128);
  }
  // Grows with the series that were aggregated.
  std::size_t memory() const { return memory_.load(std::memory_order_relaxed); }

 private:
  explicit SegmentData(Bytes bytes)
      : bytes_(std::move(bytes)), memory_(sizeof *this + bytes_.capacity()) {}
  Result<Chunk> chunk_of(const SegmentSeries& series) const;

  const Bytes bytes_;
  mutable std::mutex mutex_;
  mutable std::array<std::unique_ptr<const IndexedChunk>, kGroupSeries> made_;  // guarded by mutex_
  mutable std::array<std::atomic<const IndexedChunk*>, kGroupSeries> indexed_{};  // those of made_
  mutable std::atomic<std::size_t> memory_;
};

}  // namespace entente::node
