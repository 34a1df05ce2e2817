// Readings of one series, in order of time, as bytes: three columns (columns.h).
#pragma once

#include <optional>

#include "node/history/columns.h"
#include "node/history/reading.h"

namespace entente::node {

// Self-delimiting. Times ascend, each once; the spans have one length.
void encode_chunk(std::span<const std::int64_t> times, std::span<const double> values,
                  std::span<const Quality> qualities, Bytes& out);

// A view; the bytes outlive it. Threads: any, const.
class Chunk {
 public:
  // Takes a chunk off the front. Refuses (store_failed): what the columns refuse, columns of
  // different lengths, a quality that is none.
  static Result<Chunk> take(ByteView& bytes, std::size_t readings_max);
  std::size_t size() const { return times_.size(); }
  std::size_t lower_bound(std::int64_t time) const { return times_.lower_bound(time); }
  bool all_good() const { return qualities_.all(static_cast<std::uint8_t>(Quality::good)); }
  // The distance between any two neighbours, when it is always the same (0 of fewer than two).
  std::optional<std::int64_t> step() const { return times_.step(); }
  // Readings [from, from + size of the spans).
  void read(std::size_t from, std::span<std::int64_t> times, std::span<double> values,
            std::span<Quality> qualities) const;

 private:
  TimeColumn times_;
  DoubleColumn values_;
  RunColumn qualities_;
};

}  // namespace entente::node
