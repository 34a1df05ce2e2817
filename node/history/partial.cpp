#include "node/history/partial.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "node/history/columns.h"
#include "node/history/varint.h"
#include "node/history/wrapping.h"

namespace entente::node {
namespace {

constexpr double kNsPerSecond = 1e9;
constexpr std::size_t kLanes = 4;  // independent sums, so that none waits for the last addition

double total(const double (&lanes)[kLanes]) {
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

bool all_good(const Quality* qualities, std::size_t size) {
  std::uint8_t seen = 0;
  for (std::size_t i = 0; i < size; ++i) seen |= static_cast<std::uint8_t>(qualities[i]);
  return seen == 0;
}

// The squares of the distances from the mean.
double squares_of(const double* values, std::size_t size, double mean) {
  if (size == 1) return 0;
  double squared[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double distance = values[i + lane] - mean;
      squared[lane] += distance * distance;
    }
  }
  for (; i < size; ++i) squared[0] += (values[i] - mean) * (values[i] - mean);
  return total(squared);
}

// Of good readings, at least one. Its sum is not finite if a value is not. `Area` says what a
// reading adds to the integral until the next one, and what the sum of that means.
template <class Area>
Partial partial_of(const double* values, std::size_t size, const Area& area) {
  Partial part;
  part.readings = part.count = size;
  part.first = values[0], part.last = values[size - 1];
  double sums[kLanes] = {}, areas[kLanes] = {}, rises[kLanes] = {};
  double low = values[0], high = values[0];
  const auto step = [&](std::size_t lane, std::size_t i) {
    const double value = values[i];
    sums[lane] += value;
    low = value < low ? value : low;
    high = value > high ? value : high;
    areas[lane] += area.before(i);
    rises[lane] += risen(values[i - 1], value);
  };
  std::size_t i = 1;
  sums[0] = values[0];
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) step(lane, i + lane);
  }
  for (; i < size; ++i) step(0, i);
  part.sum = total(sums);
  part.minimum = low, part.maximum = high;
  part.integral = area.integral(total(areas));
  part.rise = total(rises);
  part.squares = squares_of(values, size, part.mean());
  return part;
}

struct AreaOfTimes {
  const std::int64_t* times;
  const double* values;
  double before(std::size_t i) const { return held(values[i - 1], times[i - 1], times[i]); }
  double integral(double areas) const { return areas / kNsPerSecond; }
};
struct AreaOfSteps {
  const double* values;
  std::int64_t step;
  double before(std::size_t i) const { return values[i - 1]; }
  double integral(double sum) const { return sum * (static_cast<double>(step) / kNsPerSecond); }
};

}  // namespace

void Partial::add(std::int64_t time, double value, Quality quality) {
  ++readings;
  if (quality != Quality::good || !std::isfinite(value)) return;
  --readings;  // merging counts it
  merge(of({&time, 1}, {&value, 1}));
}

void Partial::add(std::span<const std::int64_t> times, std::span<const double> values,
                  std::span<const Quality> qualities) {
  std::int64_t good_times[kBlock];
  double good_values[kBlock];
  readings += times.size();
  for (std::size_t at = 0; at < times.size(); at += kBlock) {
    const std::size_t size = std::min(kBlock, times.size() - at);
    if (all_good(&qualities[at], size)) {
      Partial part = of(times.subspan(at, size), values.subspan(at, size));
      if (std::isfinite(part.sum)) {
        part.readings = 0;  // counted
        merge(part);
        continue;
      }
    }
    std::size_t good = 0;
    for (std::size_t i = at; i < at + size; ++i) {
      if (qualities[i] != Quality::good || !std::isfinite(values[i])) continue;
      good_times[good] = times[i];
      good_values[good++] = values[i];
    }
    if (good == 0) continue;
    Partial part = of({good_times, good}, {good_values, good});
    part.readings = 0;
    merge(part);
  }
}

Partial Partial::of(std::span<const std::int64_t> times, std::span<const double> values) {
  auto part = partial_of(values.data(), values.size(), AreaOfTimes{times.data(), values.data()});
  part.first_time = times.front(), part.last_time = times.back();
  return part;
}

Partial Partial::evenly_spaced(std::int64_t first_time, std::int64_t step,
                               std::span<const double> values) {
  auto part = partial_of(values.data(), values.size(), AreaOfSteps{values.data(), step});
  part.first_time = first_time;
  part.last_time = first_time + static_cast<std::int64_t>(values.size() - 1) * step;
  return part;
}

void Partial::merge(const Partial& later) {
  readings += later.readings;
  if (later.count == 0) return;
  if (count == 0) {
    const std::uint64_t all = readings;
    *this = later;
    readings = all;
    return;
  }
  const auto mine = static_cast<double>(count), theirs = static_cast<double>(later.count);
  const double apart = later.mean() - mean();
  squares += later.squares + apart * apart * (mine * theirs / (mine + theirs));
  count += later.count;
  sum += later.sum;
  minimum = std::min(minimum, later.minimum);
  maximum = std::max(maximum, later.maximum);
  integral += held(last, last_time, later.first_time) / kNsPerSecond + later.integral;
  rise += risen(last, later.first) + later.rise;
  last = later.last;
  last_time = later.last_time;
}

// --- bytes -----------------------------------------------------------------------------------
// The number of partials; readings; readings that are not good; the first times; the spans of time;
// then each figure. A partial without good readings repeats the one before, which costs least.

namespace {

constexpr double Partial::*kFigures[] = {&Partial::sum,      &Partial::squares, &Partial::minimum,
                                         &Partial::maximum,  &Partial::first,   &Partial::last,
                                         &Partial::integral, &Partial::rise};

template <class T, class Get>
std::vector<T> gather(std::span<const Partial> partials, Get&& get) {
  std::vector<T> column;
  column.reserve(partials.size());
  T last{};
  for (const Partial& partial : partials) {
    if (partial.count != 0) last = get(partial);
    column.push_back(last);
  }
  return column;
}

Result<std::vector<std::int64_t>> take_integers(ByteView& bytes, std::size_t size) {
  auto column = IntegerColumn::take(bytes, size);
  if (!column) return std::move(column).error();
  if (column->size() != size) return damaged("columns of partials differ in length");
  std::vector<std::int64_t> values(size);
  column->read(0, values);
  return values;
}

}  // namespace

void encode_partials(std::span<const Partial> partials, Bytes& out) {
  append_varint(partials.size(), out);
  if (partials.empty()) return;
  std::vector<std::int64_t> readings, others;
  readings.reserve(partials.size());
  others.reserve(partials.size());
  for (const Partial& partial : partials) {
    readings.push_back(static_cast<std::int64_t>(partial.readings));
    others.push_back(static_cast<std::int64_t>(partial.readings - partial.count));
  }
  encode_integers(readings, out);
  encode_integers(others, out);
  encode_times(gather<std::int64_t>(partials, [](const auto& each) { return each.first_time; }),
               out);
  encode_integers(
      gather<std::int64_t>(
          partials,
          [](const auto& each) { return wrapping_difference(each.last_time, each.first_time); }),
      out);
  for (const auto figure : kFigures) {
    encode_doubles(gather<double>(partials, [&](const auto& each) { return each.*figure; }), out);
  }
}

Result<std::vector<Partial>> take_partials(ByteView& bytes, std::size_t partials_max) {
  ByteView rest = bytes;
  std::uint64_t size = 0;
  if (!take_varint(rest, size)) return cut_short();
  if (size > partials_max) return damaged("too many partials");
  std::vector<Partial> partials;
  if (size == 0) {
    bytes = rest;
    return partials;
  }
  const auto readings = take_integers(rest, size);
  if (!readings) return readings.error();
  const auto others = take_integers(rest, size);
  if (!others) return others.error();
  const auto times = TimeColumn::take(rest, size);
  if (!times) return times.error();
  if (times->size() != size) return damaged("columns of partials differ in length");
  const auto spans = take_integers(rest, size);
  if (!spans) return spans.error();
  std::vector<std::int64_t> first_times(size);
  times->read(0, first_times);
  partials.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    Partial& each = partials[i];
    each.readings = static_cast<std::uint64_t>((*readings)[i]);
    const auto not_good = static_cast<std::uint64_t>((*others)[i]);
    if (not_good > each.readings) return damaged("a partial has more good readings than readings");
    each.count = each.readings - not_good;
    if (each.count == 0) continue;
    each.first_time = first_times[i];
    each.last_time = wrapping_sum(first_times[i], (*spans)[i]);
  }
  std::vector<double> figures(size);
  for (const auto figure : kFigures) {
    const auto column = DoubleColumn::take(rest, size);
    if (!column) return column.error();
    if (column->size() != size) return damaged("columns of partials differ in length");
    column->read(0, figures);
    for (std::size_t i = 0; i < size; ++i) {
      if (partials[i].count != 0) partials[i].*figure = figures[i];
    }
  }
  bytes = rest;
  return partials;
}

}  // namespace entente::node
