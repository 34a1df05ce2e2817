#include "node/history/chunk.h"

#include <utility>

#include "node/history/wrapping.h"

namespace entente::node {

static_assert(sizeof(Quality) == 1);

void encode_chunk(std::span<const std::int64_t> times, std::span<const double> values,
                  std::span<const Quality> qualities, Bytes& out) {
  encode_times(times, out);
  encode_doubles(values, out);
  encode_runs({reinterpret_cast<const std::uint8_t*>(qualities.data()), qualities.size()}, out);
}

Result<Chunk> Chunk::take(ByteView& bytes, std::size_t readings_max) {
  ByteView rest = bytes;
  auto times = TimeColumn::take(rest, readings_max);
  if (!times) return std::move(times).error();
  auto values = DoubleColumn::take(rest, times->size());
  if (!values) return std::move(values).error();
  auto qualities = RunColumn::take(rest, times->size());
  if (!qualities) return std::move(qualities).error();
  if (values->size() != times->size() || qualities->size() != times->size()) {
    return damaged("a chunk's columns differ in length");
  }
  if (qualities->largest() >= kQualities) return damaged("a quality that is none");
  Chunk chunk;
  chunk.times_ = *times;
  chunk.values_ = *values;
  chunk.qualities_ = *qualities;
  bytes = rest;
  return chunk;
}

void Chunk::read(std::size_t from, std::span<std::int64_t> times, std::span<double> values,
                 std::span<Quality> qualities) const {
  times_.read(from, times);
  values_.read(from, values);
  qualities_.read(from, {reinterpret_cast<std::uint8_t*>(qualities.data()), qualities.size()});
}

}  // namespace entente::node
