// Columns of numbers as bytes: small, quick to decode, readable from the middle.
//
// A column is cut into blocks of kBlock values; a block has a base and a width and packs every
// value's distance from the base (frame of reference), or from its predecessor where that is
// narrower; a directory of fixed-size entries stands in front (bit_packing.h), so that any block
// decodes alone. Integers go in as they are. Doubles that are decimals of at most kDecimalsMax
// places go in as scaled integers; if they are so but for a few units in the last place, as sums of
// decimals are, with those units as a second column; what is no decimal among them (NaN, -0) stands
// in a table of exceptions. Other doubles go in as the XOR with their predecessor, packed without
// the zero bits that a block's XORs share at both ends. All of them give back every bit. Times are
// integers whose distance from a straight line (first + i * period) is packed in the coarsest of
// ns, us, ms and s that loses nothing: a regular series costs nothing a reading.
// Little endian. Decoding is total: foreign bytes give a refusal or values, never a fault.
// Sources: Lemire and Boytsov, Decoding billions of integers per second through vectorization
// (2015), section 2.5 (frame of reference); Pelkonen et al., Gorilla (VLDB 2015), section 4.1.3.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "node/history/bit_packing.h"
#include "schemas/base/bytes.h"
#include "schemas/base/result.h"

namespace entente::node {

inline constexpr int kDecimalsMax = 9;

// Each appends one self-delimiting column (it holds its own count) to `out`.
void encode_integers(std::span<const std::int64_t> values, Bytes& out);
void encode_times(std::span<const std::int64_t> times, Bytes& out);  // ascending; not required
void encode_doubles(std::span<const double> values, Bytes& out);     // NaN, infinities, -0 kept
// Small codes that come in runs (qualities).
void encode_runs(std::span<const std::uint8_t> values, Bytes& out);

// A view of one encoded column; the bytes outlive it. Threads: any, const.
class IntegerColumn {
 public:
  // Takes the column off the front of `bytes`. Refuses (store_failed): cut short, a width above 64,
  // offsets that do not fit, more than `values_max` values.
  static Result<IntegerColumn> take(ByteView& bytes, std::size_t values_max);
  std::size_t size() const { return packed_.size(); }
  // Values [from, from + out.size()); within size().
  void read(std::size_t from, std::span<std::int64_t> out) const { packed_.read(from, out); }

 private:
  PackedColumn packed_;
};

class TimeColumn {
 public:
  static Result<TimeColumn> take(ByteView& bytes, std::size_t values_max);
  std::size_t size() const { return size_; }
  void read(std::size_t from, std::span<std::int64_t> out) const;
  // The first index whose time is not before `time`, in ascending times: reads O(log) of them.
  std::size_t lower_bound(std::int64_t time) const;
  // The distance between neighbours, when it is always the same (0 of fewer than two times).
  std::optional<std::int64_t> step() const;

 private:
  std::int64_t time_of(std::size_t index, std::int64_t distance) const;

  std::size_t size_ = 0;
  std::int64_t first_ = 0;
  std::int64_t period_ = 0;
  std::int64_t unit_ = 1;   // ns of the period and the distances
  bool straight_ = true;    // no distances
  PackedColumn distances_;  // from the line
};

class DoubleColumn {
 public:
  static Result<DoubleColumn> take(ByteView& bytes, std::size_t values_max);
  std::size_t size() const { return main_.size(); }
  void read(std::size_t from, std::span<double> out) const;

 private:
  void put_exceptions(std::size_t from, std::span<double> out) const;

  PackedColumn main_;        // scaled integers, or bits
  PackedColumn units_;       // in the last place, added to the decimal; or empty
  PackedColumn places_;      // of the exceptions: ascending indices
  PackedColumn exceptions_;  // their bits
  double scale_ = 0;         // 0: main_ holds bits
};

class RunColumn {
 public:
  static Result<RunColumn> take(ByteView& bytes, std::size_t values_max);
  std::size_t size() const { return size_; }
  // True when every value is `value`: nothing needs reading then.
  bool all(std::uint8_t value) const;
  std::uint8_t largest() const { return largest_; }  // of the values; 0 when there is none
  void read(std::size_t from, std::span<std::uint8_t> out) const;

 private:
  std::size_t size_ = 0;
  std::uint8_t largest_ = 0;
  std::uint8_t kind_ = 0;
  ByteView bytes_;  // the value; or the runs; or the values
};

}  // namespace entente::node
