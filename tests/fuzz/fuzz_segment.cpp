// Any bytes as a segment, each of its two blobs with the checksum that it ought to have: two bytes
// say how long the directory is, the rest is data. Taking and reading them never crashes, and a
// directory that is accepted comes back the same after it was written again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "node/history/checksum.h"
#include "node/history/history.h"
#include "node/history/segment.h"
#include "schemas/base/check.h"

namespace {

using namespace entente;
using namespace entente::node;

Bytes blob(ByteView content) {
  Bytes made = to_bytes(content);
  append_checksum(made);
  return made;
}

void write_again(const Directory& directory) {
  std::vector<Described> described;
  for (const auto& series : directory.series()) {
    ENTENTE_CHECK(directory.find(series.place) == &series);
    described.push_back({series, directory.sketch(series.place)});
  }
  const Bytes again = encode_directory(described);
  const auto back = Directory::decode(again);
  ENTENTE_CHECK(back && back->series().size() == described.size());
  std::vector<Described> second;
  for (const auto& series : back->series()) {
    second.push_back({series, back->sketch(series.place)});
  }
  ENTENTE_CHECK(encode_directory(second) == again);  // NaN does not equal itself: the bytes do
}

void read_all(const Directory& directory, const SegmentData& data) {
  for (const auto& series : directory.series()) {
    Readings readings;
    if (!data.read(series, kAllTime, readings)) continue;
    ENTENTE_CHECK(readings.values.size() == readings.size() &&
                  readings.qualities.size() == readings.size());
    const TimeWindow part{{series.first_time}, {series.last.time}};
    Readings within;
    ENTENTE_CHECK(data.read(series, part, within));
    ENTENTE_CHECK(within.size() <= readings.size());
    Partial partial, again;
    QuantileSketch sketch;
    const bool ascending = std::is_sorted(readings.times.begin(), readings.times.end(),
                                          [](auto a, auto b) { return a <= b; });
    ENTENTE_CHECK(data.aggregate(series, part, partial, &sketch).has_value() == ascending);
    if (!ascending) continue;
    ENTENTE_CHECK(data.aggregate(series, part, again, nullptr));
    ENTENTE_CHECK(partial.readings == within.size() && again.readings == within.size());
    ENTENTE_CHECK(sketch.count() == partial.count);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView rest(data + 2, size - 2);
  const auto length = std::min<std::size_t>(data[0] | data[1] << 8, rest.size());
  const auto directory = Directory::decode(blob(rest.first(length)));
  if (!directory) return 0;
  write_again(*directory);
  const auto opened = SegmentData::open(blob(rest.subspan(length)));
  ENTENTE_CHECK(opened.has_value());
  read_all(*directory, **opened);
  return 0;
}
