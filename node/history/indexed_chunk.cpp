#include "node/history/indexed_chunk.h"

#include <algorithm>
#include <cmath>

#include "node/history/wrapping.h"

namespace entente::node {
namespace {

constexpr double kNsPerSecond = 1e9;

// How many of ascending times lie in the window.
std::size_t count_in(std::span<const std::int64_t> times, TimeWindow window) {
  const auto from = std::lower_bound(times.begin(), times.end(), window.from.ns);
  return static_cast<std::size_t>(std::lower_bound(from, times.end(), window.to.ns) - from);
}

}  // namespace

Result<std::unique_ptr<const IndexedChunk>> IndexedChunk::make(const Chunk& chunk) {
  std::unique_ptr<IndexedChunk> made(new IndexedChunk);
  const auto size = chunk.size();
  made->values_.reserve(size);
  made->times_.reserve(size);
  std::array<std::int64_t, kBlock> times;
  std::array<double, kBlock> values;
  std::array<Quality, kBlock> qualities;
  auto before = std::numeric_limits<std::int64_t>::min();
  for (std::size_t from = 0; from < size; from += kBlock) {
    const auto count = std::min(kBlock, size - from);
    chunk.read(from, {times.data(), count}, {values.data(), count}, {qualities.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
      if (times[i] <= before && from + i > 0) return damaged("times that do not ascend");
      before = times[i];
      if (qualities[i] == Quality::good && std::isfinite(values[i])) {
        made->times_.push_back(times[i]);
        made->values_.push_back(values[i]);
      } else {
        made->other_times_.push_back(times[i]);
      }
    }
  }
  if (!made->times_.empty()) {
    made->first_time_ = made->times_.front();
    made->last_time_ = made->times_.back();
  }
  if (const auto step = chunk.step(); step && made->other_times_.empty()) {
    made->step_ = *step;
    std::vector<std::int64_t>().swap(made->times_);  // the room as well
  }
  made->make_parts();
  return std::unique_ptr<const IndexedChunk>(std::move(made));
}

void IndexedChunk::make_parts() {
  const auto finest = (values_.size() + kPart - 1) / kPart;
  std::size_t all = 0;
  for (auto width = finest; width > 0 && levels_ < kLevelsMost; width /= kFan) {
    level_begin_[levels_++] = static_cast<std::uint32_t>(all);
    all += width;
  }
  parts_.reserve(all);
  const auto put = [&](const Partial& of) {
    parts_.push_back(
        {of.sum, of.squares, of.minimum, of.maximum, of.first, of.last, of.integral, of.rise});
  };
  for (std::size_t i = 0; i < finest; ++i) {
    put(partial_of(i * kPart, std::min(values_.size(), (i + 1) * kPart)));
  }
  auto width = finest / kFan;
  for (std::size_t level = 1; level < levels_; ++level, width /= kFan) {
    for (std::size_t i = 0; i < width; ++i) {
      Partial merged;
      for (std::size_t child = 0; child < kFan; ++child) {
        merged.merge(partial_at(level - 1, i * kFan + child));
      }
      put(merged);
    }
  }
}

std::size_t IndexedChunk::lower_bound(std::int64_t time) const {
  if (values_.empty() || time <= first_time_) return 0;
  if (time > last_time_) return values_.size();
  if (times_.empty()) {
    const auto distance = static_cast<std::uint64_t>(wrapping_difference(time, first_time_));
    return static_cast<std::size_t>((distance - 1) / static_cast<std::uint64_t>(step_) + 1);
  }
  return static_cast<std::size_t>(std::lower_bound(times_.begin(), times_.end(), time) -
                                  times_.begin());
}

Partial IndexedChunk::partial_of(std::size_t from, std::size_t to) const {
  const auto values = std::span(values_).subspan(from, to - from);
  if (times_.empty()) return Partial::evenly_spaced(time_at(from), step_, values);
  return Partial::of(std::span(times_).subspan(from, to - from), values);
}

Partial IndexedChunk::partial_at(std::size_t level, std::size_t index) const {
  const auto& part = parts_[level_begin_[level] + index];
  const auto width = kPart << (2 * level);
  const auto from = index * width;
  const auto to = std::min(values_.size(), from + width);
  Partial of;
  of.readings = of.count = to - from;
  of.sum = part.sum, of.squares = part.squares;
  of.minimum = part.minimum, of.maximum = part.maximum;
  of.first = part.first, of.last = part.last;
  of.first_time = time_at(from), of.last_time = time_at(to - 1);
  of.integral = part.integral, of.rise = part.rise;
  return of;
}

template <class Visit>
void IndexedChunk::for_each_part(std::size_t from, std::size_t to, Visit&& visit) const {
  while (from < to) {
    std::size_t level = 0, width = 1;
    while (level + 1 < levels_ && from % (width * kFan) == 0 && from + width * kFan <= to) {
      ++level;
      width *= kFan;
    }
    visit(level, from / width);
    from += width;
  }
}

IndexedChunk::Parts IndexedChunk::parts_of(std::size_t from, std::size_t to) const {
  const auto first = (from + kPart - 1) / kPart;
  const auto end = (to == values_.size() ? to + kPart - 1 : to) / kPart;
  return {first, std::max(first, end)};
}

IndexedChunk::Range IndexedChunk::range(TimeWindow window) const {
  Range range{lower_bound(window.from.ns), lower_bound(window.to.ns), 0};
  if (!other_times_.empty()) range.others = count_in(other_times_, window);
  if (range.from >= range.to) return range;
  const auto parts = parts_of(range.from, range.to);
  const auto* values = values_.data();
  __builtin_prefetch(values + range.from);
  __builtin_prefetch(values + std::min(range.to - 1, parts.first * kPart));
  __builtin_prefetch(values + range.to - 1);
  for_each_part(parts.first, parts.end, [&](std::size_t level, std::size_t index) {
    __builtin_prefetch(&parts_[level_begin_[level] + index]);
  });
  return range;
}

void IndexedChunk::aggregate(const Range& range, Partial& partial, QuantileSketch* sketch) const {
  partial.readings += range.others;
  if (range.from >= range.to) return;
  if (sketch != nullptr) {
    sketch->add(std::span(values_).subspan(range.from, range.to - range.from));
  }
  partial.merge(whole_of(range.from, range.to));
}

// In two passes over readings and parts, so that the mean is divided once and not for each of them.
Partial IndexedChunk::whole_of(std::size_t from, std::size_t to) const {
  const bool even = times_.empty();
  const auto parts = parts_of(from, to);
  const bool any = parts.first < parts.end;
  const auto head_end = any ? parts.first * kPart : to;
  const auto tail = any ? std::min(parts.end * kPart, to) : to;
  Partial whole;
  whole.readings = whole.count = to - from;
  whole.first = values_[from], whole.last = values_[to - 1];
  whole.first_time = time_at(from), whole.last_time = time_at(to - 1);
  double low = whole.first, high = whole.first, sum = 0, rise = 0, area = 0;
  double previous = whole.first;  // the value before the next; the first has none and adds nothing
  const auto join = [&](std::size_t at, double next) {
    rise += at == from ? 0 : risen(previous, next);
    if (at != from) area += even ? previous : held(previous, times_[at - 1], times_[at]);
  };
  const auto take_readings = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const double value = values_[i];
      join(i, value);
      sum += value;
      low = value < low ? value : low;
      high = value > high ? value : high;
      previous = value;
    }
  };
  take_readings(from, head_end);
  for_each_part(parts.first, parts.end, [&](std::size_t level, std::size_t index) {
    const auto& part = parts_[level_begin_[level] + index];
    join(index * (kPart << (2 * level)), part.first);
    sum += part.sum;
    low = part.minimum < low ? part.minimum : low;
    high = part.maximum > high ? part.maximum : high;
    rise += part.rise;
    whole.integral += part.integral;
    previous = part.last;
  });
  take_readings(tail, to);
  whole.sum = sum, whole.rise = rise;
  whole.minimum = low, whole.maximum = high;
  whole.integral += area * ((even ? static_cast<double>(step_) : 1.0) / kNsPerSecond);
  const double mean = whole.mean();
  const auto add_squares = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      whole.squares += (values_[i] - mean) * (values_[i] - mean);
    }
  };
  add_squares(from, head_end);
  for_each_part(parts.first, parts.end, [&](std::size_t level, std::size_t index) {
    const auto& part = parts_[level_begin_[level] + index];
    const auto width = kPart << (2 * level);
    const auto count = static_cast<double>(std::min(width, values_.size() - index * width));
    const double apart = part.sum / count - mean;
    whole.squares += part.squares + apart * apart * count;
  });
  add_squares(tail, to);
  return whole;
}

std::size_t IndexedChunk::memory() const {
  return sizeof *this + values_.capacity() * sizeof(double) +
         (times_.capacity() + other_times_.capacity()) * sizeof(std::int64_t) +
         parts_.capacity() * sizeof(Part);
}

}  // namespace entente::node
