// Quantiles of many values in few bytes, mergeable, with a bounded relative error.
//
// A value falls into the bucket of its sign, exponent and top kMantissaBits of its mantissa, so a
// bucket is at most 2^-7 of its values wide and its middle within kRelativeError of each of them.
// No logarithm is taken. Merging adds counts: a merged sketch equals the sketch of all values.
// Values that are not finite are left out; zeros of both signs share a bucket; subnormal numbers
// count as zero.
// In the manner of: Masson, Rim, Lee, DDSketch (VLDB 2019), with the buckets of HdrHistogram.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "schemas/base/bytes.h"
#include "schemas/base/result.h"

namespace entente::node {

class QuantileSketch {
 public:
  static constexpr int kMantissaBits = 7;
  static constexpr double kRelativeError = 1.0 / 256;

  void add(double value) { add(value, 1); }
  void add(double value, std::uint64_t count);
  // All at once, many times faster: consecutive values mostly share few buckets.
  void add(std::span<const double> values);
  void merge(const QuantileSketch& other);
  std::uint64_t count() const { return count_; }
  // The value of rank ceil(q * count) (1 at least), q in [0, 1]; nothing when empty.
  std::optional<double> quantile(double q) const;
  void clear();
  bool operator==(const QuantileSketch& other) const;

  // Sparse and self-delimiting: bucket distances and counts as variable-length integers.
  void encode(Bytes& out) const;
  // Refuses (store_failed): cut short, buckets out of order or of no double, counts that overflow.
  static Result<QuantileSketch> take(ByteView& bytes);
  // The same into one that is there, whose memory is used again.
  static Outcome take(ByteView& bytes, QuantileSketch& into);

 private:
  struct Bucket {
    std::int32_t key = 0;  // ascending with the value; 0 is zero
    std::uint64_t count = 0;
    bool operator==(const Bucket&) const = default;
  };
  // Values of keys within [low, high], not far apart; and any.
  void add_dense(std::span<const std::int32_t> keys, std::int32_t low, std::int32_t high);
  void add_any(std::span<std::int32_t> keys);
  // Buckets ascending by key.
  void merge_buckets(std::span<const Bucket> others);

  std::vector<Bucket> buckets_;  // ascending by key
  std::uint64_t count_ = 0;
};

}  // namespace entente::node
