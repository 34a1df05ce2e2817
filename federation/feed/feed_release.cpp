#include "federation/feed/feed_release.h"

#include <bit>

#include "schemas/base/check.h"
#include "schemas/base/limits.h"
#include "security/privacy/toeplitz.h"

namespace entente::federation {
namespace {

// The statistic's value of one group in each of the ticks.
std::vector<std::int64_t> column_of(std::span<const ExactVectors> frozen, std::size_t group,
                                    std::size_t statistic) {
  std::vector<std::int64_t> values;
  values.reserve(frozen.size());
  for (const ExactVectors& tick : frozen) values.push_back(tick.cells.at(group).at(statistic));
  return values;
}

std::int64_t node_sum(const std::vector<std::int64_t>& values, int level) {
  std::int64_t sum = 0;
  for (std::size_t i = values.size() - (std::size_t{1} << level); i < values.size(); ++i) {
    ENTENTE_CHECK(!__builtin_add_overflow(sum, values[i], &sum));
  }
  return sum;
}

void put(Bytes& out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

std::uint64_t take(ByteView bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::uint64_t{bytes[at + i]} << (8 * i);
  return value;
}

}  // namespace

int levels_of_tick(const FeedPrice& price, std::uint32_t sequence) {
  return std::min(std::countr_zero(sequence + 1), price.level_most) + 1;
}

std::size_t cells_of_tick(const FeedTerms& terms, const FeedPrice& price, std::uint32_t sequence) {
  return terms.mechanism == FeedMechanism::dyadic
             ? static_cast<std::size_t>(levels_of_tick(price, sequence))
             : 1;
}

std::vector<ReleasedCell> release_tick(const FeedTerms& terms, const FeedPrice& price,
                                       std::span<const ExactVectors> frozen,
                                       security::NoiseSource& noise) {
  ENTENTE_CHECK(!frozen.empty() && frozen.size() <= terms.ticks);
  const auto sequence = static_cast<std::uint32_t>(frozen.size() - 1);
  const auto toeplitz = security::Toeplitz::make(terms.ticks);
  ENTENTE_CHECK(toeplitz.has_value());
  std::vector<ReleasedCell> cells;
  for (std::uint32_t group = 0; group < terms.question.groups.size(); ++group) {
    std::vector<std::vector<std::int64_t>> columns;
    for (std::size_t j = 0; j < price.tick.layout.size(); ++j) {
      columns.push_back(column_of(frozen, group, j));
    }
    for (std::uint32_t level = 0; level < cells_of_tick(terms, price, sequence); ++level) {
      ReleasedCell cell{group, level, {}};
      for (std::size_t j = 0; j < columns.size(); ++j) {
        const std::int64_t exact = terms.mechanism == FeedMechanism::dyadic
                                       ? node_sum(columns[j], static_cast<int>(level))
                                       : toeplitz->encode(columns[j]);
        cell.mantissas.push_back(exact + noise.gaussian(price.tick.layout[j].variance));
      }
      cells.push_back(std::move(cell));
    }
  }
  return cells;
}

Bytes to_stored(const ExactVectors& exact) {
  Bytes out;
  put(out, exact.cells.size());
  put(out, exact.cells.empty() ? 0 : exact.cells.front().size());
  for (const auto& cell : exact.cells) {
    for (const std::int64_t value : cell) put(out, static_cast<std::uint64_t>(value));
  }
  return out;
}

Result<ExactVectors> exact_from_stored(ByteView bytes) {
  const auto damaged = make_error(ErrorCode::store_failed, "a stored tick of a feed does not read");
  if (bytes.size() < 16) return damaged;
  const std::uint64_t cells = take(bytes, 0), width = take(bytes, 8);
  if (cells > entente::limits::kCells || width > entente::limits::kStatistics ||
      bytes.size() != 16 + 8 * cells * width) {
    return damaged;
  }
  ExactVectors out;
  std::size_t at = 16;
  for (std::uint64_t c = 0; c < cells; ++c) {
    auto& cell = out.cells.emplace_back();
    for (std::uint64_t j = 0; j < width; ++j, at += 8) {
      cell.push_back(static_cast<std::int64_t>(take(bytes, at)));
    }
  }
  return out;
}

}  // namespace entente::federation
