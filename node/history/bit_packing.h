// Columns of 64-bit integers in bit-packed blocks: what every column of columns.h is made of.
//
// Bytes of a column: the count (varint); nothing more when it is 0, the value (signed varint) when
// it is 1; otherwise a layout byte, the least base and the least slope of all blocks (signed
// varints), a directory of one entry of fixed size a block, and the blocks' packed values. An entry
// is the end of the block's values in units of 16 bytes, doubled, plus 1 if they are chained; then
// the base and the slope as their distances from the least ones, in as few bytes as the layout
// says. A full block of width w takes exactly 16 * w bytes, so the ends tell the widths as well. A
// plain value is base + packed; a chained one is its predecessor + slope + packed (the first is the
// base). A value of a XOR column is its predecessor XOR (packed << slope). Arithmetic is modulo
// 2^64, so no value and no difference is out of reach. Little endian.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "schemas/base/bytes.h"
#include "schemas/base/result.h"

namespace entente::node {

inline constexpr std::size_t kBlock = 128;

enum class Packing { integers, xors };

void encode_packed(std::span<const std::int64_t> values, Packing packing, Bytes& out);
// The bytes, about, that encode_packed would append for integers.
std::size_t packed_bytes(std::span<const std::int64_t> values);

// A view of one packed column; the bytes outlive it. Threads: any, const.
class PackedColumn {
 public:
  // Takes the column off the front of `bytes`. Refuses (store_failed): cut short, a width above 64,
  // ends that do not ascend, more than `values_max` values.
  static Result<PackedColumn> take(ByteView& bytes, std::size_t values_max, Packing packing);
  std::size_t size() const { return size_; }
  // Values [from, from + out.size()); within size().
  void read(std::size_t from, std::span<std::int64_t> out) const;
  // Calls sink(first index, values) for pieces of [from, to), each within one block, in order.
  template <class Sink>
  void for_each_piece(std::size_t from, std::size_t to, Sink&& sink) const {
    std::int64_t values[kBlock];
    for (std::size_t at = from; at < to;) {
      const std::size_t block = at / kBlock;
      const std::size_t end = std::min(to, (block + 1) * kBlock);
      decode(block, end - block * kBlock, values);
      sink(at, std::span<const std::int64_t>(values + at % kBlock, end - at));
      at = end;
    }
  }
  // The first value of a block, without decoding the others.
  std::int64_t first_of(std::size_t block) const;
  std::size_t blocks() const { return (size_ + kBlock - 1) / kBlock; }

 private:
  struct Entry {
    std::size_t begin = 0;  // of the packed values, bytes
    int width = 0;
    bool chained = false;
    std::int64_t base = 0;
    std::int64_t slope = 0;
  };
  Entry entry(std::size_t block) const;
  std::uint64_t ends(std::size_t block) const;
  std::size_t values_in(std::size_t block) const;
  // The first `count` values of a block.
  void decode(std::size_t block, std::size_t count, std::int64_t* out) const;

  std::size_t size_ = 0;
  ByteView directory_;  // with the packed values behind it
  std::size_t packed_at_ = 0;
  std::int64_t base_ = 0;
  std::int64_t slope_ = 0;
  std::uint8_t end_bytes_ = 0;
  std::uint8_t base_bytes_ = 0;
  std::uint8_t slope_bytes_ = 0;
  Packing packing_ = Packing::integers;
};

}  // namespace entente::node
