// What a stretch of one series comes to, so that stretches merge without their readings.
//
// Good readings alone count towards the figures (a value that is not finite is none, whatever its
// quality); `readings` counts all. Merging is exact for every
// count, extreme, first and last; sums are floating point and agree with a sum over the readings to
// about 1e-15 of the sum of magnitudes for each merge. The second moment is kept about the mean
// (Chan, Golub and LeVeque, Updating formulae (1979), equation 2.1b), because a plain sum of
// squares loses a small variance beside a large mean. The integral holds each value until the next
// reading and spans [first_time, last_time]. `rise` is what a counter rose by, a fall being a
// restart at 0.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "node/history/reading.h"
#include "node/history/wrapping.h"
#include "schemas/base/bytes.h"
#include "schemas/base/result.h"

namespace entente::node {

struct Partial {
  std::uint64_t readings = 0;  // of every quality
  std::uint64_t count = 0;  // good ones; what follows speaks of these and is 0 when there is none
  double sum = 0;
  double squares = 0;  // sum of squared distances from the mean
  double minimum = 0;
  double maximum = 0;
  double first = 0;
  double last = 0;
  std::int64_t first_time = 0;
  std::int64_t last_time = 0;
  double integral = 0;  // value times seconds
  double rise = 0;

  // A reading later than all before. Its quality is counted here.
  void add(std::int64_t time, double value, Quality quality);
  // Columns of readings in order of time, all later than those before; of one length.
  void add(std::span<const std::int64_t> times, std::span<const double> values,
           std::span<const Quality> qualities);
  // Of good and finite values, at least one: at these times, of the same number; or from
  // `first_time` on, `step` ns apart.
  static Partial of(std::span<const std::int64_t> times, std::span<const double> values);
  static Partial evenly_spaced(std::int64_t first_time, std::int64_t step,
                               std::span<const double> values);
  // `later` begins after this ends.
  void merge(const Partial& later);

  double mean() const {
    return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
  }
  // Of the population (divided by count); NaN when there is no good reading.
  double variance() const {
    return count == 0 ? std::numeric_limits<double>::quiet_NaN()
                      : squares / static_cast<double>(count);
  }
  bool operator==(const Partial&) const = default;
};

// What a value comes to that holds from one time to another, in value times nanoseconds.
inline double held(double value, std::int64_t from, std::int64_t to) {
  return value * static_cast<double>(wrapping_difference(to, from));
}
// What a counter rose by between two readings. (A mask: whether a value falls is not foreseeable.)
inline double risen(double from, double to) {
  const auto stays = -static_cast<std::int64_t>(to >= from);
  return to - std::bit_cast<double>(std::bit_cast<std::int64_t>(from) & stays);
}

// Columns of partials as bytes (columns.h), self-delimiting; gives back every bit. Those without
// good readings come back with zeros. Refuses (store_failed): what the columns refuse, columns of
// different lengths, more good readings than readings.
void encode_partials(std::span<const Partial> partials, Bytes& out);
[[nodiscard]] Result<std::vector<Partial>> take_partials(ByteView& bytes, std::size_t partials_max);

}  // namespace entente::node
