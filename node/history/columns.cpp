#include "node/history/columns.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "node/history/varint.h"
#include "node/history/wrapping.h"

namespace entente::node {
namespace {

// --- times -----------------------------------------------------------------------------------
// Bytes: count; nothing more when it is 0; a byte (bits 0-1 the unit of the distances, bits 2-3 of
// the first time, bit 4: not straight); first and period in those units; the distances.

constexpr std::int64_t kUnits[] = {1, 1'000, 1'000'000, 1'000'000'000};
constexpr std::uint8_t kBent = 16;
constexpr std::size_t kSampledSteps = 15;

// The coarsest unit that divides `value`, at most `unit`.
std::size_t unit_of(std::int64_t value, std::size_t unit) {
  while (unit > 0 && value % kUnits[unit] != 0) --unit;
  return unit;
}

template <std::int64_t kDivisor>
bool divide_all(std::span<const std::int64_t> times, std::int64_t* out) {
  for (std::size_t i = 0; i < times.size(); ++i) {
    const std::int64_t distance = wrapping_difference(times[i], times[0]);
    out[i] = distance / kDivisor;
    if (out[i] * kDivisor != distance) return false;
  }
  return true;
}

// The distances from the first time in the coarsest unit that divides them all; says which.
std::size_t divide(std::span<const std::int64_t> times, std::vector<std::int64_t>& out) {
  out.resize(times.size());
  std::size_t unit = unit_of(wrapping_difference(times[1], times[0]), 3);
  unit = unit_of(wrapping_difference(times.back(), times[0]), unit);
  if (unit == 3 && !divide_all<kUnits[3]>(times, out.data())) --unit;
  if (unit == 2 && !divide_all<kUnits[2]>(times, out.data())) --unit;
  if (unit == 1 && !divide_all<kUnits[1]>(times, out.data())) --unit;
  if (unit == 0) divide_all<1>(times, out.data());
  return unit;
}

// The median of a few steps: the period of a regular series, in spite of gaps.
std::int64_t usual_step(std::span<const std::int64_t> values) {
  std::array<std::int64_t, kSampledSteps> steps{};
  const std::size_t count = std::min(kSampledSteps, values.size() - 1);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = i * (values.size() - 1) / count;
    steps[i] = wrapping_difference(values[at + 1], values[at]);
  }
  std::nth_element(steps.begin(), steps.begin() + count / 2, steps.begin() + count);
  return steps[count / 2];
}

std::vector<std::int64_t> from_line(std::span<const std::int64_t> values, std::int64_t period) {
  std::vector<std::int64_t> out(values.size());
  std::int64_t line = values[0];
  for (std::size_t i = 0; i < values.size(); ++i, line = wrapping_sum(line, period)) {
    out[i] = wrapping_difference(values[i], line);
  }
  return out;
}

bool is_straight(std::span<const std::int64_t> times, std::int64_t period) {
  std::int64_t line = times[0];
  for (std::size_t i = 0; i < times.size(); ++i, line = wrapping_sum(line, period)) {
    if (times[i] != line) return false;
  }
  return true;
}

// --- runs ------------------------------------------------------------------------------------
// Bytes: count; nothing more when it is 0; a kind; the one value, or runs (value, length) until
// the count is reached, or every value.

constexpr std::uint8_t kOneValue = 0, kRuns = 1, kEach = 2;
constexpr std::size_t kRunBytes = 3;  // about

// How many values a column says that it has.
Result<std::uint64_t> take_count(ByteView& rest, std::size_t values_max) {
  std::uint64_t count = 0;
  if (!take_varint(rest, count)) return cut_short();
  if (count > values_max) return damaged("too many values");
  return count;
}

}  // namespace

void encode_integers(std::span<const std::int64_t> values, Bytes& out) {
  encode_packed(values, Packing::integers, out);
}

Result<IntegerColumn> IntegerColumn::take(ByteView& bytes, std::size_t values_max) {
  auto packed = PackedColumn::take(bytes, values_max, Packing::integers);
  if (!packed) return std::move(packed).error();
  IntegerColumn column;
  column.packed_ = *packed;
  return column;
}

void encode_times(std::span<const std::int64_t> times, Bytes& out) {
  append_varint(times.size(), out);
  if (times.empty()) return;
  const std::size_t first_unit = unit_of(times[0], 3);
  const auto head = [&](std::size_t unit, std::uint8_t flags, std::int64_t period) {
    out.push_back(static_cast<std::uint8_t>(unit | first_unit << 2 | flags));
    append_signed_varint(times[0] / kUnits[first_unit], out);
    append_signed_varint(period, out);
  };
  const std::int64_t step = times.size() == 1 ? 0 : wrapping_difference(times[1], times[0]);
  if (is_straight(times, step)) {
    const std::size_t unit = unit_of(step, 3);
    return head(unit, 0, step / kUnits[unit]);
  }
  std::vector<std::int64_t> divided;
  const std::size_t unit = divide(times, divided);
  std::int64_t period = usual_step(divided);
  auto distances = from_line(divided, period);
  const std::int64_t mean = divided.back() / static_cast<std::int64_t>(divided.size() - 1);
  if (mean != period) {
    auto others = from_line(divided, mean);
    if (packed_bytes(others) < packed_bytes(distances)) {
      distances = std::move(others);
      period = mean;
    }
  }
  head(unit, kBent, period);
  encode_packed(distances, Packing::integers, out);
}

Result<TimeColumn> TimeColumn::take(ByteView& bytes, std::size_t values_max) {
  ByteView rest = bytes;
  TimeColumn column;
  auto taken = take_count(rest, values_max);
  if (!taken) return std::move(taken).error();
  const auto count = *taken;
  column.size_ = count;
  if (count == 0) {
    bytes = rest;
    return column;
  }
  std::uint8_t head = 0;
  if (!take_byte(rest, head) || !take_signed_varint(rest, column.first_) ||
      !take_signed_varint(rest, column.period_)) {
    return cut_short();
  }
  if (head >= 2 * kBent) return damaged("times of no kind");
  column.unit_ = kUnits[head & 3];
  column.first_ = wrapping_product(column.first_, kUnits[head >> 2 & 3]);
  column.straight_ = (head & kBent) == 0;
  if (!column.straight_) {
    auto distances = PackedColumn::take(rest, count, Packing::integers);
    if (!distances) return std::move(distances).error();
    if (distances->size() != count) return damaged("times and distances differ in number");
    column.distances_ = *distances;
  }
  bytes = rest;
  return column;
}

std::int64_t TimeColumn::time_of(std::size_t index, std::int64_t distance) const {
  const std::int64_t line = wrapping_product(static_cast<std::int64_t>(index), period_);
  return wrapping_sum(first_, wrapping_product(wrapping_sum(line, distance), unit_));
}

void TimeColumn::read(std::size_t from, std::span<std::int64_t> out) const {
  const std::int64_t step = wrapping_product(period_, unit_);
  std::int64_t line = time_of(from, 0);
  if (straight_) {
    for (auto& time : out) time = line, line = wrapping_sum(line, step);
    return;
  }
  distances_.read(from, out);
  for (auto& time : out) {
    time = wrapping_sum(line, wrapping_product(time, unit_));
    line = wrapping_sum(line, step);
  }
}

std::optional<std::int64_t> TimeColumn::step() const {
  if (size_ < 2) return 0;
  if (!straight_) return std::nullopt;
  return wrapping_product(period_, unit_);
}

std::size_t TimeColumn::lower_bound(std::int64_t time) const {
  std::size_t low = 0, high = size_;
  if (straight_) {
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (time_of(middle, 0) < time) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  // The first block that begins at `time` or later: the answer is in the one before, or its begin.
  low = 0, high = distances_.blocks();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (time_of(middle * kBlock, distances_.first_of(middle)) < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return 0;
  const std::size_t begin = (low - 1) * kBlock;
  std::int64_t times[kBlock];
  const std::size_t count = std::min(kBlock, size_ - begin);
  read(begin, {times, count});
  return begin + static_cast<std::size_t>(std::lower_bound(times, times + count, time) - times);
}

void encode_runs(std::span<const std::uint8_t> values, Bytes& out) {
  append_varint(values.size(), out);
  if (values.empty()) return;
  const auto end_of_run = [&](std::size_t from) {
    const auto differs = [&](std::uint8_t value) { return value != values[from]; };
    return static_cast<std::size_t>(
        std::find_if(values.begin() + static_cast<std::ptrdiff_t>(from), values.end(), differs) -
        values.begin());
  };
  // One comparison of the whole with itself, shifted by one, tells whether all are equal.
  if (std::memcmp(values.data(), values.data() + 1, values.size() - 1) == 0) {
    out.push_back(kOneValue);
    out.push_back(values[0]);
    return;
  }
  std::size_t runs = 1;
  for (std::size_t i = 1; i < values.size(); ++i) runs += values[i] != values[i - 1] ? 1 : 0;
  if (runs * kRunBytes > values.size()) {
    out.push_back(kEach);
    out.insert(out.end(), values.begin(), values.end());
    return;
  }
  out.push_back(kRuns);
  for (std::size_t at = 0; at < values.size();) {
    const std::size_t end = end_of_run(at);
    out.push_back(values[at]);
    append_varint(end - at, out);
    at = end;
  }
}

Result<RunColumn> RunColumn::take(ByteView& bytes, std::size_t values_max) {
  ByteView rest = bytes;
  RunColumn column;
  auto taken = take_count(rest, values_max);
  if (!taken) return std::move(taken).error();
  const auto count = *taken;
  column.size_ = count;
  if (count == 0) {
    bytes = rest;
    return column;
  }
  if (!take_byte(rest, column.kind_)) return cut_short();
  if (column.kind_ > kEach) return damaged("runs of no kind");
  column.bytes_ = rest;
  if (column.kind_ == kOneValue) {
    if (!take_byte(rest, column.largest_)) return cut_short();
  } else if (column.kind_ == kEach) {
    if (rest.size() < count) return cut_short();
    const auto values = rest.first(count);
    column.largest_ = *std::max_element(values.begin(), values.end());
    rest = rest.subspan(count);
  } else {
    for (std::uint64_t there = 0; there < count;) {
      std::uint8_t value = 0;
      std::uint64_t length = 0;
      if (!take_byte(rest, value) || !take_varint(rest, length)) return cut_short();
      if (length == 0 || length > count - there) return damaged("runs that do not add up");
      column.largest_ = std::max(column.largest_, value);
      there += length;
    }
  }
  column.bytes_ = column.bytes_.first(column.bytes_.size() - rest.size());
  bytes = rest;
  return column;
}

bool RunColumn::all(std::uint8_t value) const {
  if (size_ == 0) return true;
  if (kind_ == kOneValue) return bytes_[0] == value;
  if (value != largest_) return false;
  if (kind_ == kEach)
    return std::all_of(bytes_.begin(), bytes_.end(),
                       [&](std::uint8_t each) { return each == value; });
  ByteView rest = bytes_;
  std::uint8_t each = 0;
  std::uint64_t length = 0;
  while (take_byte(rest, each) && take_varint(rest, length)) {
    if (each != value) return false;
  }
  return true;
}

void RunColumn::read(std::size_t from, std::span<std::uint8_t> out) const {
  if (out.empty()) return;
  if (kind_ == kOneValue) return std::fill(out.begin(), out.end(), bytes_[0]), void();
  if (kind_ == kEach) {
    std::memcpy(out.data(), bytes_.data() + from, out.size());
    return;
  }
  ByteView rest = bytes_;
  const std::size_t to = from + out.size();
  std::uint8_t value = 0;
  std::uint64_t length = 0;
  for (std::size_t at = 0; at < to && take_byte(rest, value) && take_varint(rest, length);) {
    const std::size_t begin = std::max(at, from), end = std::min(at + length, to);
    if (begin < end) std::fill(out.begin() + (begin - from), out.begin() + (end - from), value);
    at += length;
  }
}

}  // namespace entente::node
