// Any bytes as what the history keeps: a chunk, partials, a sketch. Taking them never crashes, and
// what it accepts comes back the same after it was written again. The first byte chooses which.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "node/history/chunk.h"
#include "node/history/partial.h"
#include "node/history/quantile_sketch.h"
#include "schemas/base/check.h"

namespace {

using namespace entente;
using namespace entente::node;

constexpr std::size_t kValues = 2'000;

struct Readings {
  explicit Readings(const Chunk& chunk)
      : times(chunk.size()), values(chunk.size()), qualities(chunk.size()) {
    chunk.read(0, times, values, qualities);
  }
  bool operator==(const Readings& other) const {
    const auto same_bits = [](double a, double b) {
      return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
    };
    return times == other.times && qualities == other.qualities &&
           std::equal(values.begin(), values.end(), other.values.begin(), other.values.end(),
                      same_bits);
  }

  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<Quality> qualities;
};

void try_chunk(ByteView bytes) {
  const auto chunk = Chunk::take(bytes, kValues);
  if (!chunk) return;
  const Readings readings(*chunk);
  if (chunk->size() != 0) {
    ENTENTE_CHECK(chunk->lower_bound(readings.times[chunk->size() / 2]) <= chunk->size());
  }
  const bool good = std::all_of(readings.qualities.begin(), readings.qualities.end(),
                                [](Quality each) { return each == Quality::good; });
  ENTENTE_CHECK(chunk->all_good() == good);
  Bytes again;
  encode_chunk(readings.times, readings.values, readings.qualities, again);
  ByteView view = again;
  const auto back = Chunk::take(view, kValues);
  ENTENTE_CHECK(back && view.empty() && Readings(*back) == readings);
}

void try_partials(ByteView bytes) {
  const auto partials = take_partials(bytes, kValues);
  if (!partials) return;
  Bytes first, second;
  encode_partials(*partials, first);
  ByteView view = first;
  const auto back = take_partials(view, kValues);
  ENTENTE_CHECK(back && view.empty() && back->size() == partials->size());
  encode_partials(*back, second);  // NaN does not equal itself: compare the bytes
  ENTENTE_CHECK(first == second);
  Partial all;
  for (const Partial& each : *partials) all.merge(each);
}

void try_sketch(ByteView bytes) {
  auto sketch = QuantileSketch::take(bytes);
  if (!sketch) return;
  Bytes again;
  sketch->encode(again);
  ByteView view = again;
  const auto back = QuantileSketch::take(view);
  ENTENTE_CHECK(back && view.empty() && *back == *sketch && back->count() == sketch->count());
  const auto median = sketch->quantile(0.5);
  ENTENTE_CHECK(median.has_value() == (sketch->count() != 0));
  ENTENTE_CHECK(!median || std::isfinite(*median));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      try_chunk(bytes);
      break;
    case 1:
      try_partials(bytes);
      break;
    default:
      try_sketch(bytes);
      break;
  }
  return 0;
}
