#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "node/history/columns.h"
#include "node/history/varint.h"
#include "node/history/wrapping.h"

namespace entente::node {
namespace {

// Bytes: a kind (low nibble the decimal places, then the flags below), the scaled integers or the
// bits; with kUnitsBesides the units in the last place; with kExceptions their places and bits.

constexpr std::uint8_t kUnitsBesides = 16;
constexpr std::uint8_t kExceptions = 32;
constexpr std::uint8_t kBits = 64;

constexpr double kScales[kDecimalsMax + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
// Adding it to a double of magnitude below 2^51 rounds to an integer and leaves that integer in
// the low bits; taking it away gives the integer as a double.
constexpr double kRounder = 0x1.8p52;
constexpr std::int64_t kRounderBits = std::bit_cast<std::int64_t>(kRounder);
constexpr double kScaledMax = 0x1p51;      // of an exact decimal
constexpr double kScaledNearMax = 0x1p40;  // of one beside units: dense decimals lie near anything
constexpr std::int64_t kUnitsMax = 1'024;
constexpr std::size_t kSampled = 16;
constexpr std::size_t kExceptionBytes = 10;  // about
constexpr double kBytesPerPlace = 0.415;     // log2(10) / 8

std::int64_t bits_of(double value) {
  return std::bit_cast<std::int64_t>(value);
}
double decimal(std::int64_t scaled, double scale) {
  return (std::bit_cast<double>(wrapping_sum(scaled, kRounderBits)) - kRounder) / scale;
}

enum class Fit { exact, near };

struct Scaled {
  std::int64_t value = 0;
  std::int64_t units = 0;
  bool fits = false;
};

Scaled scaled(double value, double scale, Fit fit) {
  const double raised = value * scale + kRounder;
  const double rounded = raised - kRounder;
  if (!(std::abs(rounded) <= (fit == Fit::exact ? kScaledMax : kScaledNearMax))) return {};
  const std::int64_t units = wrapping_difference(bits_of(value), bits_of(rounded / scale));
  const std::int64_t max = fit == Fit::exact ? 0 : kUnitsMax;
  return {wrapping_difference(bits_of(raised), kRounderBits), units, -max <= units && units <= max};
}

// The fewest places with which it fits; -1: none.
int places_of(double value, Fit fit) {
  for (int places = 0; places <= kDecimalsMax; ++places) {
    if (scaled(value, kScales[places], fit).fits) return places;
  }
  return -1;
}

// The places that most values of a sample fit with; -1: most fit with none.
int guess_places(std::span<const double> values, Fit fit) {
  int most = -1;
  std::size_t fitting = 0, finite = 0;
  const std::size_t count = std::min(kSampled, values.size());
  for (std::size_t i = 0; i < count; ++i) {
    const double value = values[i * values.size() / count];
    if (!std::isfinite(value)) continue;
    ++finite;
    // Most need as many as those before.
    int places = most;
    if (most < 0 || !scaled(value, kScales[most], fit).fits) places = places_of(value, fit);
    if (places < 0) continue;
    ++fitting;
    most = std::max(most, places);
  }
  // A column may begin and go on with what is not finite: then look further.
  if (finite == 0) {
    const auto found = std::find_if(values.begin(), values.end(),
                                    [](double value) { return std::isfinite(value); });
    return found == values.end() ? -1 : places_of(*found, fit);
  }
  return fitting * 2 < finite ? -1 : most;
}

// Scales 1 block or less; false: some value is no such decimal.
template <std::size_t kCount>
bool scale_some(const double* values, std::size_t count, double scale, std::int64_t* out) {
  std::int64_t differing = 0;
  int outside = 0;
  for (std::size_t i = 0; i < (kCount == 0 ? count : kCount); ++i) {
    const double raised = values[i] * scale + kRounder;
    const double rounded = raised - kRounder;
    outside |= !(std::abs(rounded) <= kScaledMax);
    differing |= bits_of(rounded / scale) ^ bits_of(values[i]);
    out[i] = wrapping_difference(bits_of(raised), kRounderBits);
  }
  return differing == 0 && outside == 0;
}

bool scale_all(std::span<const double> values, double scale, std::int64_t* out) {
  std::size_t at = 0;
  for (; at + kBlock <= values.size(); at += kBlock) {
    if (!scale_some<kBlock>(values.data() + at, kBlock, scale, out + at)) return false;
  }
  return scale_some<0>(values.data() + at, values.size() - at, scale, out + at);
}

struct Decimals {
  int places = 0;
  std::vector<std::int64_t> values;
  std::vector<std::int64_t> units;             // empty when exact
  std::vector<std::int64_t> exception_places;  // their values repeat the one before
  std::size_t finite_exceptions = 0;
  int places_wanted = 0;  // by those of the exceptions that fit with more places
};

void scale_with_exceptions(std::span<const double> values, Fit fit, Decimals& out) {
  const double scale = kScales[out.places];
  out.values.resize(values.size());
  out.units.assign(fit == Fit::near ? values.size() : 0, 0);
  out.exception_places.clear();
  out.finite_exceptions = 0;
  out.places_wanted = out.places;
  bool found = false;
  std::int64_t last = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Scaled one = scaled(values[i], scale, fit);
    if (one.fits) {
      if (!found) std::fill_n(out.values.begin(), i, one.value);
      found = true;
      last = one.value;
      if (fit == Fit::near) out.units[i] = one.units;
    } else {
      out.exception_places.push_back(static_cast<std::int64_t>(i));
      if (std::isfinite(values[i]) && ++out.finite_exceptions <= kSampled) {
        out.places_wanted = std::max(out.places_wanted, places_of(values[i], fit));
      }
    }
    out.values[i] = last;
  }
}

// Whether the values are decimals, but for exceptions that are few or not finite.
bool find_decimals(std::span<const double> values, Fit fit, Decimals& out) {
  out.places = guess_places(values, fit);
  if (out.places < 0) return false;
  if (fit == Fit::exact) {
    out.values.resize(values.size());
    if (scale_all(values, kScales[out.places], out.values.data())) return true;
  }
  while (true) {
    scale_with_exceptions(values, fit, out);
    const int more = out.places_wanted - out.places;
    const double raising = kBytesPerPlace * more * static_cast<double>(values.size());
    const auto keeping = static_cast<double>(out.finite_exceptions * kExceptionBytes);
    if (more == 0 || keeping < raising) break;
    out.places = out.places_wanted;
  }
  return out.exception_places.size() < values.size() && out.finite_exceptions <= values.size() / 8;
}

std::vector<std::int64_t> all_bits(std::span<const double> values) {
  std::vector<std::int64_t> bits(values.size());
  if (!values.empty()) std::memcpy(bits.data(), values.data(), values.size_bytes());
  return bits;
}

void to_decimals(const std::int64_t* scaled, std::size_t count, double scale, double* out) {
  if (count == kBlock) {
    for (std::size_t i = 0; i < kBlock; ++i) out[i] = decimal(scaled[i], scale);
  } else {
    for (std::size_t i = 0; i < count; ++i) out[i] = decimal(scaled[i], scale);
  }
}

}  // namespace

void encode_doubles(std::span<const double> values, Bytes& out) {
  Decimals decimals;
  if (!find_decimals(values, Fit::exact, decimals) && !find_decimals(values, Fit::near, decimals)) {
    out.push_back(kBits);
    encode_packed(all_bits(values), Packing::xors, out);
    return;
  }
  const bool beside = !decimals.units.empty();
  const bool exceptions = !decimals.exception_places.empty();
  out.push_back(static_cast<std::uint8_t>(decimals.places | (beside ? kUnitsBesides : 0) |
                                          (exceptions ? kExceptions : 0)));
  encode_packed(decimals.values, Packing::integers, out);
  if (beside) encode_packed(decimals.units, Packing::integers, out);
  if (!exceptions) return;
  std::vector<std::int64_t> bits;
  bits.reserve(decimals.exception_places.size());
  for (const auto place : decimals.exception_places) {
    bits.push_back(bits_of(values[static_cast<std::size_t>(place)]));
  }
  encode_packed(decimals.exception_places, Packing::integers, out);
  encode_packed(bits, Packing::xors, out);
}

Result<DoubleColumn> DoubleColumn::take(ByteView& bytes, std::size_t values_max) {
  ByteView rest = bytes;
  DoubleColumn column;
  std::uint8_t kind = 0;
  if (!take_byte(rest, kind)) return cut_short();
  const bool bits = kind == kBits;
  const auto places = static_cast<std::uint8_t>(kind & 15);
  if (!bits && (kind >= kBits || places > kDecimalsMax)) return damaged("doubles of no kind");
  if (!bits) column.scale_ = kScales[places];
  const auto packing = bits ? Packing::xors : Packing::integers;
  auto main = PackedColumn::take(rest, values_max, packing);
  if (!main) return std::move(main).error();
  column.main_ = *main;
  if (!bits && (kind & kUnitsBesides) != 0) {
    auto units = PackedColumn::take(rest, column.size(), Packing::integers);
    if (!units) return std::move(units).error();
    if (units->size() != column.size()) return damaged("values and units differ in number");
    column.units_ = *units;
  }
  if (!bits && (kind & kExceptions) != 0) {
    auto indices = PackedColumn::take(rest, column.size(), Packing::integers);
    if (!indices) return std::move(indices).error();
    auto values = PackedColumn::take(rest, column.size(), Packing::xors);
    if (!values) return std::move(values).error();
    if (indices->size() != values->size()) return damaged("exceptions differ in number");
    column.places_ = *indices;
    column.exceptions_ = *values;
  }
  bytes = rest;
  return column;
}

void DoubleColumn::read(std::size_t from, std::span<double> out) const {
  const std::size_t to = from + out.size();
  if (scale_ == 0) {
    main_.for_each_piece(from, to, [&](std::size_t at, std::span<const std::int64_t> bits) {
      std::memcpy(out.data() + (at - from), bits.data(), bits.size_bytes());
    });
    return;
  }
  main_.for_each_piece(from, to, [&](std::size_t at, std::span<const std::int64_t> scaled) {
    to_decimals(scaled.data(), scaled.size(), scale_, out.data() + (at - from));
  });
  if (units_.size() != 0) {
    units_.for_each_piece(from, to, [&](std::size_t at, std::span<const std::int64_t> units) {
      double* into = out.data() + (at - from);
      for (std::size_t i = 0; i < units.size(); ++i) {
        into[i] = std::bit_cast<double>(wrapping_sum(bits_of(into[i]), units[i]));
      }
    });
  }
  if (places_.size() != 0) put_exceptions(from, out);
}

void DoubleColumn::put_exceptions(std::size_t from, std::span<double> out) const {
  const auto first = static_cast<std::int64_t>(from);
  const auto last = static_cast<std::int64_t>(from + out.size());
  std::size_t low = 0, high = places_.blocks();
  while (low < high) {  // the first block of places that begins at `from` or later
    const std::size_t middle = low + (high - low) / 2;
    if (places_.first_of(middle) < first) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  std::int64_t places[kBlock], bits[kBlock];
  for (std::size_t block = low == 0 ? 0 : low - 1; block < places_.blocks(); ++block) {
    const std::size_t begin = block * kBlock;
    const std::size_t count = std::min(kBlock, places_.size() - begin);
    places_.read(begin, {places, count});
    if (places[0] >= last) return;
    exceptions_.read(begin, {bits, count});
    for (std::size_t i = 0; i < count; ++i) {
      if (places[i] < first || places[i] >= last) continue;
      out[static_cast<std::size_t>(places[i] - first)] = std::bit_cast<double>(bits[i]);
    }
  }
}

}  // namespace entente::node
