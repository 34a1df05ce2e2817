#include "node/history/segment.h"

#include <algorithm>

#include "node/history/checksum.h"

namespace entente::node {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kChunkReadings = 16 << 20;
// As many at an edge are decoded in a third of a microsecond; to unpack their chunk pays only where
// it is asked for often, and the chunks of many series would push each other out of memory.
constexpr std::size_t kFewReadings = 64;

Error damaged_directory() {
  return make_error(ErrorCode::store_failed, "a directory of the history is damaged");
}

void encode_field(std::span<const Described> described, auto field, Bytes& out) {
  std::vector<std::int64_t> values;
  values.reserve(described.size());
  for (const auto& each : described) values.push_back(static_cast<std::int64_t>(field(each)));
  encode_integers(values, out);
}

Result<std::vector<std::int64_t>> take_field(ByteView& bytes) {
  auto column = IntegerColumn::take(bytes, kGroupSeries);
  if (!column) return std::move(column).error();
  std::vector<std::int64_t> values(column->size());
  column->read(0, values);
  return values;
}

}  // namespace

Bytes encode_directory(std::span<const Described> described) {
  Bytes out;
  out.push_back(kVersion);
  encode_field(
      described, [](const Described& each) { return each.series.place; }, out);
  encode_field(
      described, [](const Described& each) { return each.series.offset; }, out);
  encode_field(
      described, [](const Described& each) { return each.series.first_time; }, out);
  encode_field(
      described, [](const Described& each) { return each.series.last.time; }, out);
  encode_field(
      described,
      [](const Described& each) { return static_cast<std::uint8_t>(each.series.last.quality); },
      out);
  std::vector<double> last;
  std::vector<Partial> partials;
  for (const auto& each : described) {
    last.push_back(each.series.last.value);
    partials.push_back(each.series.partial);
  }
  encode_doubles(last, out);
  encode_partials(partials, out);
  for (const auto& each : described) each.sketch.encode(out);
  append_checksum(out);
  return out;
}

Result<Directory> Directory::decode(ByteView bytes) {
  auto content = without_checksum(bytes, "a directory of the history");
  if (!content) return std::move(content).error();
  ByteView rest = *content;
  if (!rest.empty() && rest.front() > kVersion) {
    return make_error(ErrorCode::version_too_new,
                      "a directory of the history is of a newer format than this program knows",
                      "start the program that wrote it, or a newer one");
  }
  if (rest.empty() || rest.front() != kVersion) return damaged_directory();
  rest = rest.subspan(1);
  std::array<std::vector<std::int64_t>, 5> fields;  // place, offset, first, last time, quality
  for (auto& field : fields) {
    auto taken = take_field(rest);
    if (!taken) return std::move(taken).error();
    field = std::move(*taken);
  }
  const auto size = fields[0].size();
  auto last = DoubleColumn::take(rest, kGroupSeries);
  if (!last) return std::move(last).error();
  auto partials = take_partials(rest, kGroupSeries);
  if (!partials) return std::move(partials).error();
  const bool even = std::all_of(fields.begin(), fields.end(),
                                [&](const auto& field) { return field.size() == size; });
  if (!even || last->size() != size || partials->size() != size) return damaged_directory();
  std::vector<double> last_values(size);
  last->read(0, last_values);
  Directory made;
  made.index_.fill(-1);
  made.sums_.resize(kGroupSeries);
  std::int64_t place_before = -1;
  for (std::size_t i = 0; i < size; ++i) {
    const auto place = fields[0][i];
    if (place <= place_before || place >= static_cast<std::int64_t>(kGroupSeries) ||
        fields[1][i] < 0 || fields[1][i] > std::numeric_limits<std::uint32_t>::max() ||
        fields[4][i] < 0 || fields[4][i] >= kQualities) {
      return damaged_directory();
    }
    place_before = place;
    SegmentSeries series;
    series.place = static_cast<Place>(place);
    series.offset = static_cast<std::uint32_t>(fields[1][i]);
    series.first_time = fields[2][i];
    series.last = {fields[3][i], last_values[i], static_cast<Quality>(fields[4][i])};
    series.partial = (*partials)[i];
    made.sums_[series.place] = {series.partial.count, series.partial.sum};
    made.index_[series.place] = static_cast<std::int16_t>(i);
    made.series_.push_back(series);
  }
  // Each sketch is checked now and decoded again when it is asked for: few are.
  const ByteView sketches = rest;
  for (std::size_t i = 0; i < size; ++i) {
    made.sketch_offsets_.push_back(static_cast<std::uint32_t>(sketches.size() - rest.size()));
    if (auto sketch = QuantileSketch::take(rest); !sketch) return std::move(sketch).error();
  }
  if (!rest.empty()) return damaged_directory();
  made.sketches_ = to_bytes(sketches);
  return made;
}

QuantileSketch Directory::sketch(Place place) const {
  const auto index = static_cast<std::size_t>(index_[place]);
  ByteView rest = ByteView(sketches_).subspan(sketch_offsets_[index]);
  return std::move(QuantileSketch::take(rest)).value();
}

void Directory::merge_sketch(Place place, QuantileSketch& into) const {
  static thread_local QuantileSketch taken;
  const auto index = static_cast<std::size_t>(index_[place]);
  ByteView rest = ByteView(sketches_).subspan(sketch_offsets_[index]);
  ENTENTE_CHECK(QuantileSketch::take(rest, taken).has_value());  // decode() took it before
  into.merge(taken);
}

std::size_t Directory::memory() const {
  return sizeof *this + series_.size() * (sizeof(SegmentSeries) + 4) + sums_.size() * sizeof(Sum) +
         sketches_.size();
}

EncodedSegment encode_segment(std::span<const Place> places,
                              std::span<const ReadingsView> readings) {
  EncodedSegment made;
  made.first_time = std::numeric_limits<std::int64_t>::max();
  made.last_time = std::numeric_limits<std::int64_t>::min();
  std::vector<Described> described;
  described.reserve(places.size());
  std::vector<double> good;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto& of = readings[i];
    ENTENTE_CHECK(!of.empty());
    Described one;
    one.series.place = places[i];
    one.series.offset = static_cast<std::uint32_t>(made.data.size());
    one.series.first_time = of.times.front();
    one.series.last = {of.times.back(), of.values.back(), of.qualities.back()};
    one.series.partial.add(of.times, of.values, of.qualities);
    if (one.series.partial.count == of.size()) {
      one.sketch.add(of.values);
    } else {
      good.clear();
      for (std::size_t r = 0; r < of.size(); ++r) {
        if (of.qualities[r] == Quality::good) good.push_back(of.values[r]);
      }
      one.sketch.add(good);
    }
    encode_chunk(of.times, of.values, of.qualities, made.data);
    made.first_time = std::min(made.first_time, of.times.front());
    made.last_time = std::max(made.last_time, of.times.back());
    made.readings += of.size();
    described.push_back(std::move(one));
  }
  append_checksum(made.data);
  made.directory = encode_directory(described);
  return made;
}

Result<std::unique_ptr<SegmentData>> SegmentData::open(Bytes bytes) {
  auto content = without_checksum(bytes, "a segment of the history");
  if (!content) return std::move(content).error();
  bytes.resize(content->size());
  return std::unique_ptr<SegmentData>(new SegmentData(std::move(bytes)));
}

Result<Chunk> SegmentData::chunk_of(const SegmentSeries& series) const {
  if (series.offset > bytes_.size()) return damaged_directory();
  ByteView rest = ByteView(bytes_).subspan(series.offset);
  return Chunk::take(rest, kChunkReadings);
}

Result<const IndexedChunk*> SegmentData::indexed(const SegmentSeries& series) const {
  auto& kept = indexed_[series.place];
  if (const auto* known = kept.load(std::memory_order_acquire)) return known;
  std::lock_guard guard(mutex_);
  auto& made = made_[series.place];
  if (made != nullptr) return made.get();
  auto chunk = chunk_of(series);
  if (!chunk) return std::move(chunk).error();
  auto fresh = IndexedChunk::make(*chunk);
  if (!fresh) return std::move(fresh).error();
  made = std::move(*fresh);
  memory_.fetch_add(made->memory(), std::memory_order_relaxed);
  kept.store(made.get(), std::memory_order_release);
  return made.get();
}

Outcome SegmentData::read(const SegmentSeries& series, TimeWindow window, Readings& out) const {
  auto chunk = chunk_of(series);
  if (!chunk) return std::move(chunk).error();
  const auto from = chunk->lower_bound(window.from.ns);
  const auto to = chunk->lower_bound(window.to.ns);
  if (from >= to) return {};
  const auto begin = out.size();
  const auto count = to - from;
  out.times.resize(begin + count);
  out.values.resize(begin + count);
  out.qualities.resize(begin + count);
  chunk->read(from, std::span(out.times).subspan(begin), std::span(out.values).subspan(begin),
              std::span(out.qualities).subspan(begin));
  return {};
}

Result<bool> SegmentData::aggregate_few(const SegmentSeries& series, TimeWindow window,
                                        Partial& partial, QuantileSketch* sketch) const {
  if (indexed_[series.place].load(std::memory_order_relaxed) != nullptr) return false;
  auto chunk = chunk_of(series);
  if (!chunk) return std::move(chunk).error();
  const auto from = chunk->lower_bound(window.from.ns);
  const auto to = std::max(from, chunk->lower_bound(window.to.ns));
  const auto count = to - from;
  if (count > kFewReadings) return false;
  if (count == 0) return true;
  std::array<std::int64_t, kFewReadings> times;
  std::array<double, kFewReadings> values;
  std::array<Quality, kFewReadings> qualities;
  chunk->read(from, {times.data(), count}, {values.data(), count}, {qualities.data(), count});
  for (std::size_t i = 1; i < count; ++i) {
    if (times[i] <= times[i - 1]) return damaged("times that do not ascend");
  }
  partial.add({times.data(), count}, {values.data(), count}, {qualities.data(), count});
  for (std::size_t i = 0; sketch != nullptr && i < count; ++i) {
    if (qualities[i] == Quality::good) sketch->add(values[i]);
  }
  return true;
}

Outcome SegmentData::aggregate(const SegmentSeries& series, TimeWindow window, Partial& partial,
                               QuantileSketch* sketch) const {
  auto unpacked = indexed(series);
  if (!unpacked) return std::move(unpacked).error();
  (*unpacked)->aggregate(window, partial, sketch);
  return {};
}

}  // namespace entente::node
