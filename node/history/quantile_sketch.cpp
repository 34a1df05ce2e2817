#include "node/history/quantile_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "node/history/varint.h"
#include "node/history/wrapping.h"

namespace entente::node {
namespace {

constexpr int kShift = 52 - QuantileSketch::kMantissaBits;
// The key before that of the smallest normal number.
constexpr std::int32_t kBelowNormal = (1 << QuantileSketch::kMantissaBits) - 1;
constexpr std::int32_t kKeyMax = (0x7FF << QuantileSketch::kMantissaBits) - 1 - kBelowNormal;
constexpr std::uint64_t kMagnitude = ~std::uint64_t{0} >> 1;
constexpr std::size_t kPiece = 1'024;  // values added at once
// A piece is counted in an array if its keys span no more than this, and no more than that for
// each value; otherwise it is sorted.
constexpr std::int32_t kDenseKeys = 4'096;
constexpr std::int32_t kDenseKeysEach = 6;

// Beyond kKeyMax in magnitude for what is not finite.
std::int32_t key_of(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto high = static_cast<std::int32_t>((bits & kMagnitude) >> kShift) - kBelowNormal;
  const std::int32_t key = high > 0 ? high : 0;
  const auto sign = -static_cast<std::int32_t>(bits >> 63);  // 0 or -1
  return (key ^ sign) - sign;
}

double middle_of(std::int32_t key) {
  if (key == 0) return 0;
  const auto high = static_cast<std::uint64_t>(std::abs(key) + kBelowNormal);
  const auto magnitude = std::bit_cast<double>(high << kShift | std::uint64_t{1} << (kShift - 1));
  return key < 0 ? -magnitude : magnitude;
}

bool is_key(std::int64_t key) {
  return -kKeyMax <= key && key <= kKeyMax;
}

}  // namespace

void QuantileSketch::add(double value, std::uint64_t count) {
  if (count == 0 || !std::isfinite(value)) return;
  const std::int32_t key = key_of(value);
  count_ += count;
  const auto at = std::lower_bound(buckets_.begin(), buckets_.end(), key,
                                   [](const Bucket& each, std::int32_t k) { return each.key < k; });
  if (at != buckets_.end() && at->key == key) {
    at->count += count;
  } else {
    buckets_.insert(at, Bucket{key, count});
  }
}

void QuantileSketch::add(std::span<const double> values) {
  std::int32_t keys[kPiece];
  while (!values.empty()) {
    const std::size_t size = std::min(kPiece, values.size());
    std::int32_t low = std::numeric_limits<std::int32_t>::max();
    std::int32_t high = std::numeric_limits<std::int32_t>::min();
    for (std::size_t i = 0; i < size; ++i) {
      keys[i] = key_of(values[i]);
      low = std::min(low, keys[i]);
      high = std::max(high, keys[i]);
    }
    values = values.subspan(size);
    const std::int32_t span =
        std::min(kDenseKeys, kDenseKeysEach * static_cast<std::int32_t>(size));
    if (is_key(low) && is_key(high) && high - low < span) {
      add_dense({keys, size}, low, high);
    } else {
      add_any({keys, size});
    }
  }
}

void QuantileSketch::add_dense(std::span<const std::int32_t> keys, std::int32_t low,
                               std::int32_t high) {
  // Two counters for each key, so that equal neighbours do not wait for each other.
  std::uint32_t counts[kDenseKeys][2];
  std::fill_n(&counts[0][0], static_cast<std::size_t>(high - low + 1) * 2, 0U);
  for (std::size_t i = 0; i < keys.size(); ++i) ++counts[keys[i] - low][i & 1];
  Bucket fresh[kPiece + 1];  // the last one is only ever begun
  std::size_t size = 0;
  for (std::int32_t i = 0; i <= high - low; ++i) {
    const std::uint32_t count = counts[i][0] + counts[i][1];
    fresh[size] = {low + i, count};
    size += count != 0 ? 1 : 0;
  }
  count_ += keys.size();
  merge_buckets({fresh, size});
}

void QuantileSketch::add_any(std::span<std::int32_t> keys) {
  const auto end = std::remove_if(keys.begin(), keys.end(), [](auto key) { return !is_key(key); });
  std::sort(keys.begin(), end);
  Bucket fresh[kPiece];
  std::size_t size = 0;
  for (auto at = keys.begin(); at != end; ++at) {
    if (size == 0 || fresh[size - 1].key != *at) fresh[size++] = {*at, 0};
    ++fresh[size - 1].count;
  }
  count_ += static_cast<std::size_t>(end - keys.begin());
  merge_buckets({fresh, size});
}

void QuantileSketch::merge(const QuantileSketch& other) {
  if (&other == this) return merge(QuantileSketch(other));
  count_ += other.count_;
  merge_buckets(other.buckets_);
}

void QuantileSketch::merge_buckets(std::span<const Bucket> others) {
  if (others.empty()) return;
  if (buckets_.empty() || buckets_.back().key < others.front().key) {
    buckets_.insert(buckets_.end(), others.begin(), others.end());
    return;
  }
  // The buckets there already are counted up; the new ones are made room for and put in from
  // behind.
  std::size_t at = 0, fresh = 0;
  for (const Bucket& other : others) {
    while (at < buckets_.size() && buckets_[at].key < other.key) ++at;
    if (at < buckets_.size() && buckets_[at].key == other.key) {
      buckets_[at].count += other.count;
    } else {
      ++fresh;
    }
  }
  if (fresh == 0) return;
  std::size_t from = buckets_.size();
  buckets_.resize(from + fresh);
  std::size_t to = buckets_.size();
  for (std::size_t i = others.size(); i > 0 && to > from; --i) {
    const Bucket& other = others[i - 1];
    while (from > 0 && buckets_[from - 1].key > other.key) buckets_[--to] = buckets_[--from];
    if (from == 0 || buckets_[from - 1].key != other.key) buckets_[--to] = other;
  }
}

std::optional<double> QuantileSketch::quantile(double q) const {
  if (count_ == 0) return std::nullopt;
  const double exact = std::ceil(q * static_cast<double>(count_));
  std::uint64_t rank = 1;
  if (exact >= static_cast<double>(count_)) {
    rank = count_;
  } else if (exact > 1) {
    rank = static_cast<std::uint64_t>(exact);
  }
  std::uint64_t below = 0;
  for (const Bucket& bucket : buckets_) {
    below += bucket.count;
    if (below >= rank) return middle_of(bucket.key);
  }
  return middle_of(buckets_.back().key);
}

void QuantileSketch::clear() {
  buckets_.clear();
  count_ = 0;
}

bool QuantileSketch::operator==(const QuantileSketch& other) const {
  return buckets_ == other.buckets_;
}

void QuantileSketch::encode(Bytes& out) const {
  append_varint(buckets_.size(), out);
  std::int32_t before = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (i == 0) {
      append_signed_varint(buckets_[i].key, out);
    } else {
      append_varint(static_cast<std::uint64_t>(buckets_[i].key - before), out);
    }
    append_varint(buckets_[i].count, out);
    before = buckets_[i].key;
  }
}

Result<QuantileSketch> QuantileSketch::take(ByteView& bytes) {
  QuantileSketch sketch;
  if (auto taken = take(bytes, sketch); !taken) return std::move(taken).error();
  return sketch;
}

Outcome QuantileSketch::take(ByteView& bytes, QuantileSketch& sketch) {
  ByteView rest = bytes;
  std::uint64_t size = 0;
  if (!take_varint(rest, size) || size > rest.size() / 2) return cut_short();
  sketch.clear();
  sketch.buckets_.reserve(size);
  std::int64_t key = 0;
  for (std::uint64_t i = 0; i < size; ++i) {
    std::uint64_t distance = 0, count = 0;
    if (i == 0) {
      if (!take_signed_varint(rest, key)) return cut_short();
    } else {
      if (!take_varint(rest, distance)) return cut_short();
      if (distance == 0 || distance > 2 * std::uint64_t{kKeyMax}) {
        return damaged("a sketch's buckets are out of order");
      }
      key += static_cast<std::int64_t>(distance);
    }
    if (!take_varint(rest, count)) return cut_short();
    if (!is_key(key)) return damaged("a sketch has a bucket of no number");
    if (count == 0 || sketch.count_ + count < count) return damaged("a sketch's counts are wrong");
    sketch.count_ += count;
    sketch.buckets_.push_back({static_cast<std::int32_t>(key), count});
  }
  bytes = rest;
  return {};
}

}  // namespace entente::node
