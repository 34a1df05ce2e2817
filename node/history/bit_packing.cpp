#include "node/history/bit_packing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "node/history/varint.h"
#include "node/history/wrapping.h"

namespace entente::node {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint8_t kEndBytes[] = {1, 2, 4, 4};
constexpr std::uint8_t kFieldBytes[] = {0, 1, 2, 3, 4, 5, 6, 8};
constexpr std::size_t kUnit = kBlock / 8;  // bytes of a full block for each bit of width
constexpr std::size_t kSlack = 8;          // read or written beyond the end, and thrown away

std::uint64_t unsigned_of(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}
int width_of(std::int64_t range) {
  return static_cast<int>(std::bit_width(unsigned_of(range)));
}
std::uint64_t mask_of(int width) {
  return width == 0 ? 0 : ~std::uint64_t{0} >> (64 - width);
}
std::size_t bytes_of_bits(std::size_t values, int width) {
  return (values * static_cast<std::size_t>(width) + 7) / 8;
}

// --- packing ---------------------------------------------------------------------------------

struct Plan {
  std::int64_t base = 0;
  std::int64_t slope = 0;
  int width = 0;
  bool chained = false;
};

Plan plan_integers(const std::int64_t* values, std::size_t count) {
  std::int64_t low = values[0], high = values[0];
  std::int64_t step_low = std::numeric_limits<std::int64_t>::max();
  std::int64_t step_high = std::numeric_limits<std::int64_t>::min();
  for (std::size_t i = 1; i < count; ++i) {
    const std::int64_t value = values[i];
    const std::int64_t step = wrapping_difference(value, values[i - 1]);
    low = value < low ? value : low;
    high = value > high ? value : high;
    step_low = step < step_low ? step : step_low;
    step_high = step > step_high ? step : step_high;
  }
  Plan plan{low, 0, width_of(wrapping_difference(high, low)), false};
  if (count < 2) return plan;
  const int chained = width_of(wrapping_difference(step_high, step_low));
  if (chained < plan.width) plan = {values[0], step_low, chained, true};
  return plan;
}

Plan plan_xors(const std::int64_t* values, std::size_t count) {
  std::uint64_t any = 0;
  for (std::size_t i = 1; i < count; ++i) any |= unsigned_of(values[i] ^ values[i - 1]);
  if (any == 0) return {values[0], 0, 0, true};
  const int shift = std::countr_zero(any);
  return {values[0], shift, 64 - shift - std::countl_zero(any), true};
}

std::vector<Plan> plan_all(std::span<const std::int64_t> values, Packing packing) {
  std::vector<Plan> plans;
  plans.reserve((values.size() + kBlock - 1) / kBlock);
  for (std::size_t at = 0; at < values.size(); at += kBlock) {
    const std::size_t count = std::min(kBlock, values.size() - at);
    plans.push_back(packing == Packing::xors ? plan_xors(values.data() + at, count)
                                             : plan_integers(values.data() + at, count));
  }
  return plans;
}

// The distances that a plan packs.
void distances(const Plan& plan, Packing packing, const std::int64_t* values, std::size_t count,
               std::uint64_t* out) {
  if (!plan.chained) {
    for (std::size_t i = 0; i < count; ++i)
      out[i] = unsigned_of(wrapping_difference(values[i], plan.base));
    return;
  }
  out[0] = 0;
  if (packing == Packing::xors) {
    for (std::size_t i = 1; i < count; ++i) {
      out[i] = unsigned_of(values[i] ^ values[i - 1]) >> plan.slope;
    }
    return;
  }
  for (std::size_t i = 1; i < count; ++i) {
    out[i] =
        unsigned_of(wrapping_difference(wrapping_difference(values[i], values[i - 1]), plan.slope));
  }
}

// Writes up to kSlack bytes beyond the end.
void pack(const std::uint64_t* values, std::size_t count, int width, std::uint8_t* out) {
  if (width == 0) return;
  std::uint64_t pending = 0;
  int used = 0;
  for (std::size_t i = 0; i < count; ++i) {
    pending |= values[i] << used;
    used += width;
    if (used < 64) continue;
    std::memcpy(out, &pending, 8);
    out += 8;
    used -= 64;
    pending = used == 0 ? 0 : values[i] >> (width - used);
  }
  std::memcpy(out, &pending, 8);
}

// --- unpacking -------------------------------------------------------------------------------

std::uint64_t load(const std::uint8_t* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, 8);
  return word;
}

template <int kWidth, std::size_t kIndex>
std::uint64_t unpack_one(const std::uint8_t* from) {
  constexpr std::size_t kBit = kIndex * kWidth;
  constexpr int kShift = kBit % 8;
  std::uint64_t word = load(from + kBit / 8) >> kShift;
  if constexpr (kShift + kWidth > 64) {
    word |= static_cast<std::uint64_t>(from[kBit / 8 + 8]) << (64 - kShift);
  }
  if constexpr (kWidth < 64) word &= (std::uint64_t{1} << kWidth) - 1;
  return word;
}

// Values in eights, `count` rounded up. Reads up to kSlack bytes beyond the end.
template <int kWidth>
void unpack(const std::uint8_t* from, std::size_t count, std::uint64_t* out) {
  if constexpr (kWidth == 0) {
    std::memset(out, 0, (count + 7) / 8 * 8 * sizeof(std::uint64_t));
  } else {
    for (std::size_t i = 0; i < count; i += 8, from += kWidth) {
      [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
        ((out[i + kIndex] = unpack_one<kWidth, kIndex>(from)), ...);
      }
      (std::make_index_sequence<8>());
    }
  }
}

using Unpack = void (*)(const std::uint8_t*, std::size_t, std::uint64_t*);
template <std::size_t... kWidths>
constexpr std::array<Unpack, sizeof...(kWidths)> unpacks(std::index_sequence<kWidths...>) {
  return {&unpack<static_cast<int>(kWidths)>...};
}
constexpr auto kUnpack = unpacks(std::make_index_sequence<65>());

// Each value is the one before + slope + packed. By fours, so that only one addition in four waits
// for the one before it.
void add_up(const std::uint64_t* packed, std::size_t count, std::uint64_t value,
            std::uint64_t slope, std::int64_t* out) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const std::uint64_t one = packed[i] + slope;
    const std::uint64_t two = one + packed[i + 1] + slope;
    const std::uint64_t three = two + packed[i + 2] + slope;
    const std::uint64_t four = two + (packed[i + 2] + packed[i + 3] + 2 * slope);
    out[i] = static_cast<std::int64_t>(value + one);
    out[i + 1] = static_cast<std::int64_t>(value + two);
    out[i + 2] = static_cast<std::int64_t>(value + three);
    out[i + 3] = static_cast<std::int64_t>(value + four);
    value += four;
  }
  for (; i < count; ++i) out[i] = static_cast<std::int64_t>(value += packed[i] + slope);
}

// --- fields of an entry ----------------------------------------------------------------------

std::uint64_t load_field(ByteView bytes, std::size_t at, std::size_t size) {
  if (at + 8 <= bytes.size()) {
    return load(bytes.data() + at) & mask_of(static_cast<int>(size * 8));
  }
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < size; ++i) word |= std::uint64_t{bytes[at + i]} << (8 * i);
  return word;
}

void append_field(std::uint64_t value, std::size_t size, Bytes& out) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

std::uint8_t field_code(std::uint64_t largest) {
  std::uint8_t code = 0;
  while (std::bit_width(largest) > kFieldBytes[code] * 8) ++code;
  return code;
}

struct Layout {
  std::uint8_t end_code = 0, base_code = 0, slope_code = 0;
  std::int64_t base = 0, slope = 0;
  std::size_t packed = 0;  // bytes of the packed values
};

// Settles the slopes of the blocks that have none, so that they cost nothing.
Layout layout_of(std::vector<Plan>& plans, std::size_t values) {
  Layout layout{0, 0, 0, plans[0].base, 0, 0};
  bool any = false;
  std::uint64_t ends = 0;
  for (const Plan& plan : plans) {
    layout.base = std::min(layout.base, plan.base);
    if (plan.chained) layout.slope = any ? std::min(layout.slope, plan.slope) : plan.slope;
    any |= plan.chained;
    ends += static_cast<std::uint64_t>(plan.width);
  }
  std::uint64_t base = 0, slope = 0;
  for (Plan& plan : plans) {
    if (!plan.chained) plan.slope = layout.slope;
    base |= unsigned_of(wrapping_difference(plan.base, layout.base));
    slope |= unsigned_of(wrapping_difference(plan.slope, layout.slope));
  }
  layout.end_code = ends * 2 + 1 <= 0xFF ? 0 : ends * 2 + 1 <= 0xFFFF ? 1 : 2;
  layout.base_code = field_code(base);
  layout.slope_code = field_code(slope);
  const auto full = ends - static_cast<std::uint64_t>(plans.back().width);
  const std::size_t last = values - (plans.size() - 1) * kBlock;
  layout.packed = full * kUnit + bytes_of_bits(last, plans.back().width);
  return layout;
}

}  // namespace

std::size_t packed_bytes(std::span<const std::int64_t> values) {
  if (values.empty()) return 1;
  auto plans = plan_all(values, Packing::integers);
  const Layout layout = layout_of(plans, values.size());
  return layout.packed + plans.size() * std::size_t{kEndBytes[layout.end_code]} +
         plans.size() * (kFieldBytes[layout.base_code] + kFieldBytes[layout.slope_code]);
}

void encode_packed(std::span<const std::int64_t> values, Packing packing, Bytes& out) {
  append_varint(values.size(), out);
  if (values.size() < 2) {
    if (!values.empty()) append_signed_varint(values[0], out);
    return;
  }
  auto plans = plan_all(values, packing);
  const Layout layout = layout_of(plans, values.size());
  out.push_back(
      static_cast<std::uint8_t>(layout.end_code | layout.base_code << 2 | layout.slope_code << 5));
  append_signed_varint(layout.base, out);
  append_signed_varint(layout.slope, out);
  std::uint64_t ends = 0;
  for (const Plan& plan : plans) {
    ends += static_cast<std::uint64_t>(plan.width);
    append_field(ends * 2 + (plan.chained ? 1 : 0), kEndBytes[layout.end_code], out);
    append_field(unsigned_of(wrapping_difference(plan.base, layout.base)),
                 kFieldBytes[layout.base_code], out);
    append_field(unsigned_of(wrapping_difference(plan.slope, layout.slope)),
                 kFieldBytes[layout.slope_code], out);
  }
  const std::size_t begin = out.size();
  out.resize(begin + layout.packed + kSlack);
  std::uint8_t* into = out.data() + begin;
  std::uint64_t scratch[kBlock];
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const std::size_t count = std::min(kBlock, values.size() - i * kBlock);
    distances(plans[i], packing, values.data() + i * kBlock, count, scratch);
    pack(scratch, count, plans[i].width, into);
    into += kUnit * static_cast<std::size_t>(plans[i].width);
  }
  out.resize(begin + layout.packed);
}

Result<PackedColumn> PackedColumn::take(ByteView& bytes, std::size_t values_max, Packing packing) {
  ByteView rest = bytes;
  PackedColumn column;
  column.packing_ = packing;
  std::uint64_t count = 0;
  if (!take_varint(rest, count)) return cut_short();
  if (count > values_max) return damaged("too many values");
  column.size_ = count;
  if (count < 2) {
    if (count == 1 && !take_signed_varint(rest, column.base_)) return cut_short();
    bytes = rest;
    return column;
  }
  std::uint8_t layout = 0;
  if (!take_byte(rest, layout) || !take_signed_varint(rest, column.base_) ||
      !take_signed_varint(rest, column.slope_)) {
    return cut_short();
  }
  column.end_bytes_ = kEndBytes[layout & 3];
  column.base_bytes_ = kFieldBytes[layout >> 2 & 7];
  column.slope_bytes_ = kFieldBytes[layout >> 5];
  const std::size_t blocks = column.blocks();
  const std::size_t entry =
      std::size_t{column.end_bytes_} + column.base_bytes_ + column.slope_bytes_;
  if (blocks > rest.size() / entry) return cut_short();
  column.packed_at_ = blocks * entry;
  column.directory_ = rest;
  std::uint64_t before = 0, width = 0;
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::uint64_t end = column.ends(i) / 2;
    if (end < before || end - before > 64) return damaged("a width above 64");
    width = end - before;
    before = end;
  }
  const std::size_t packed = (before - width) * kUnit +
                             bytes_of_bits(column.values_in(blocks - 1), static_cast<int>(width));
  if (packed > rest.size() - column.packed_at_) return cut_short();
  column.directory_ = rest.first(column.packed_at_ + packed);
  bytes = rest.subspan(column.packed_at_ + packed);
  return column;
}

std::uint64_t PackedColumn::ends(std::size_t block) const {
  const std::size_t size = std::size_t{end_bytes_} + base_bytes_ + slope_bytes_;
  return load_field(directory_, block * size, end_bytes_);
}

std::size_t PackedColumn::values_in(std::size_t block) const {
  return std::min(kBlock, size_ - block * kBlock);
}

PackedColumn::Entry PackedColumn::entry(std::size_t block) const {
  if (size_ == 1) return {0, 0, false, base_, 0};
  const std::size_t at =
      block * (std::size_t{end_bytes_} + base_bytes_ + slope_bytes_) + end_bytes_;
  const std::uint64_t end = ends(block);
  const std::uint64_t begin = block == 0 ? 0 : ends(block - 1) / 2;
  Entry entry;
  entry.begin = packed_at_ + begin * kUnit;
  entry.width = static_cast<int>(end / 2 - begin);
  entry.chained = (end & 1) != 0 || packing_ == Packing::xors;
  entry.base =
      static_cast<std::int64_t>(unsigned_of(base_) + load_field(directory_, at, base_bytes_));
  entry.slope = static_cast<std::int64_t>(unsigned_of(slope_) +
                                          load_field(directory_, at + base_bytes_, slope_bytes_));
  return entry;
}

std::int64_t PackedColumn::first_of(std::size_t block) const {
  std::int64_t value = 0;
  decode(block, 1, &value);
  return value;
}

void PackedColumn::decode(std::size_t block, std::size_t count, std::int64_t* out) const {
  const Entry from = entry(block);
  // Values are unpacked by eights, the last eight whole: beyond the end the bits are zero.
  std::uint64_t packed[kBlock];
  const std::uint8_t* begin = directory_.data() + from.begin;
  const std::size_t size = bytes_of_bits((count + 7) / 8 * 8, from.width);
  const std::size_t left = directory_.size() - std::min(directory_.size(), from.begin);
  std::uint8_t tail[kBlock * 8 + kSlack];
  if (size + kSlack > left) {
    const std::size_t there = std::min(size, left);
    if (there != 0) std::memcpy(tail, begin, there);
    std::memset(tail + there, 0, size + kSlack - there);
    begin = tail;
  }
  kUnpack[static_cast<std::size_t>(from.width)](begin, count, packed);
  const std::uint64_t slope = unsigned_of(from.slope);
  std::uint64_t value = unsigned_of(from.base);
  if (packing_ == Packing::xors) {
    for (std::size_t i = 0; i < count; ++i) {
      value ^= packed[i] << (slope & 63);
      out[i] = static_cast<std::int64_t>(value);
    }
  } else if (from.chained) {
    add_up(packed, count, value - slope, slope, out);
  } else if (count == kBlock) {
    for (std::size_t i = 0; i < kBlock; ++i) out[i] = static_cast<std::int64_t>(packed[i] + value);
  } else {
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::int64_t>(packed[i] + value);
  }
}

void PackedColumn::read(std::size_t from, std::span<std::int64_t> out) const {
  const std::size_t to = from + out.size();
  std::int64_t* into = out.data();
  for (std::size_t at = from; at < to;) {
    const std::size_t block = at / kBlock;
    const std::size_t end = std::min(to, (block + 1) * kBlock);
    if (at % kBlock == 0) {
      decode(block, end - at, into);
    } else {
      std::int64_t values[kBlock];
      decode(block, end - block * kBlock, values);
      std::copy(values + at % kBlock, values + (end - block * kBlock), into);
    }
    into += end - at;
    at = end;
  }
}

}  // namespace entente::node
