#include "node/history/journal.h"

#include <algorithm>

#include "node/history/checksum.h"
#include "node/history/columns.h"
#include "node/history/limits.h"

namespace entente::node {
namespace {

constexpr std::uint8_t kVersion = 1;

std::span<const std::uint8_t> codes(const std::vector<Quality>& qualities) {
  return {reinterpret_cast<const std::uint8_t*>(qualities.data()), qualities.size()};
}

Error damaged_batch() {
  return make_error(ErrorCode::store_failed, "a batch of the journal is damaged");
}

}  // namespace

Bytes encode_batch(const Batch& batch) {
  Bytes out;
  out.reserve(64 + 3 * batch.size());
  out.push_back(kVersion);
  std::vector<std::int64_t> series(batch.size());
  std::transform(batch.series.begin(), batch.series.end(), series.begin(),
                 [](SeriesId id) { return static_cast<std::int64_t>(id); });
  encode_integers(series, out);
  encode_times(batch.times, out);
  encode_doubles(batch.values, out);
  encode_runs(codes(batch.qualities), out);
  append_checksum(out);
  return out;
}

Result<Batch> decode_batch(ByteView bytes) {
  auto content = without_checksum(bytes, "a batch of the journal");
  if (!content) return std::move(content).error();
  ByteView rest = *content;
  if (rest.empty() || rest.front() != kVersion) return damaged_batch();
  rest = rest.subspan(1);
  auto series = IntegerColumn::take(rest, limits::kBatchReadings);
  if (!series) return std::move(series).error();
  auto times = TimeColumn::take(rest, limits::kBatchReadings);
  if (!times) return std::move(times).error();
  auto values = DoubleColumn::take(rest, limits::kBatchReadings);
  if (!values) return std::move(values).error();
  auto qualities = RunColumn::take(rest, limits::kBatchReadings);
  if (!qualities) return std::move(qualities).error();
  const auto size = series->size();
  if (times->size() != size || values->size() != size || qualities->size() != size ||
      !rest.empty()) {
    return damaged_batch();
  }
  std::vector<std::int64_t> ids(size);
  series->read(0, ids);
  Batch batch;
  batch.series.resize(size);
  batch.times.resize(size);
  batch.values.resize(size);
  batch.qualities.resize(size);
  times->read(0, batch.times);
  values->read(0, batch.values);
  qualities->read(0, {reinterpret_cast<std::uint8_t*>(batch.qualities.data()), size});
  for (std::size_t i = 0; i < size; ++i) {
    if (ids[i] < 0 || ids[i] >= static_cast<std::int64_t>(limits::kSeriesNumbers) ||
        static_cast<std::uint8_t>(batch.qualities[i]) >= kQualities) {
      return damaged_batch();
    }
    batch.series[i] = static_cast<SeriesId>(ids[i]);
  }
  return batch;
}

}  // namespace entente::node
