// Nanoseconds of CPU a reading, and bytes, of the history's columns, partials and sketches, over
// chunks of several streams; the first is that of the history's targets: 1 Hz, a random walk of a
// few units on a grid of 0.01.
//
// The floor is the same columns as they lie in memory (17 bytes a reading), copied.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "node/history/chunk.h"
#include "node/history/partial.h"
#include "node/history/quantile_sketch.h"
#include "tests/bench/report.h"

namespace {

using namespace entente;
using namespace entente::node;

struct Series {
  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<Quality> qualities;
};

using Value = std::function<double(std::mt19937_64&)>;

struct Stream {
  std::string name;
  std::size_t readings;         // of a chunk
  std::int64_t step, jitter;    // ns
  std::function<Value()> walk;  // begins one series
};

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kBegin = 1'767'225'600 * kSecond;
constexpr std::size_t kReadings = 200'000;  // of each stream: beyond the inner caches

Value grid_walk() {
  return [at = std::int64_t{0}](std::mt19937_64& random) mutable {
    if (at == 0) at = static_cast<std::int64_t>(random() % 5'000) + 1'000;
    at += static_cast<std::int64_t>(random() % 11) - 5;
    return static_cast<double>(at) / 100;
  };
}
Value unrelated() {
  return [](std::mt19937_64& random) { return static_cast<double>(random() % 100'000) / 100; };
}
Value rough_walk() {
  return [at = 20.0](std::mt19937_64& random) mutable {
    return at += std::normal_distribution<>(0, 0.03)(random);
  };
}
Value sums() {
  return [](std::mt19937_64& random) {
    double sum = 0;
    for (int i = 0; i < 60; ++i) sum += static_cast<double>(random() % 1'000 + 2'000) / 100;
    return sum;
  };
}

std::vector<Series> series_of(const Stream& stream) {
  std::mt19937_64 random(7);
  std::vector<Series> all(kReadings / stream.readings);
  for (Series& series : all) {
    const Value next = stream.walk();
    std::int64_t line = kBegin;
    for (std::size_t i = 0; i < stream.readings; ++i, line += stream.step) {
      const auto jitter = stream.jitter == 0 ? 0 : static_cast<std::int64_t>(random() % 1'000);
      series.times.push_back(line + jitter * stream.jitter);
      series.values.push_back(next(random));
      series.qualities.push_back(Quality::good);
    }
  }
  return all;
}

// Nanoseconds of CPU for each of `units` in one call.
double ns(double seconds, std::size_t units, const std::function<void()>& call) {
  const double begin = bench::cpu_us();
  for (double calls = 1;; ++calls) {
    call();
    const double passed = bench::cpu_us() - begin;
    if (passed >= seconds * 1e6) return passed * 1e3 / calls / static_cast<double>(units);
  }
}

struct Figures {
  std::vector<double> encode, decode, block, partial, sketch, copy;
};

void measure(const std::vector<Series>& all, double seconds, Figures& figures, double& bytes) {
  const std::size_t size = all[0].times.size();
  const std::size_t readings = all.size() * size;
  std::vector<Bytes> encoded(all.size());
  Series out = all[0];
  double kept = 0;  // so that no result is left out
  figures.encode.push_back(ns(seconds, readings, [&] {
    for (std::size_t i = 0; i < all.size(); ++i) {
      encoded[i].clear();
      encode_chunk(all[i].times, all[i].values, all[i].qualities, encoded[i]);
    }
  }));
  std::size_t total = 0;
  for (const Bytes& each : encoded) total += each.size();
  bytes = static_cast<double>(total) / static_cast<double>(readings);
  figures.decode.push_back(ns(seconds, readings, [&] {
    for (const Bytes& each : encoded) {
      ByteView view = each;
      Chunk::take(view, size)->read(0, out.times, out.values, out.qualities);
      kept += out.values[size - 1];
    }
  }));
  const std::size_t block = std::min(kBlock, size);
  const std::size_t middle =
      size / 2 / kBlock * kBlock + block <= size ? size / 2 / kBlock * kBlock : 0;
  figures.block.push_back(ns(seconds, all.size(), [&] {
    for (const Bytes& each : encoded) {
      ByteView view = each;
      Chunk::take(view, size)
          ->read(middle, {out.times.data(), block}, {out.values.data(), block},
                 {out.qualities.data(), block});
      kept += out.values[0];
    }
  }));
  figures.partial.push_back(ns(seconds, readings, [&] {
    for (const Series& each : all) {
      Partial partial;
      partial.add(each.times, each.values, each.qualities);
      kept += partial.squares;
    }
  }));
  figures.sketch.push_back(ns(seconds, readings, [&] {
    for (const Series& each : all) {
      QuantileSketch sketch;
      sketch.add(each.values);
      kept += static_cast<double>(sketch.count());
    }
  }));
  figures.copy.push_back(ns(seconds, readings, [&] {
    for (const Series& each : all) {
      std::memcpy(out.times.data(), each.times.data(), size * sizeof(std::int64_t));
      std::memcpy(out.values.data(), each.values.data(), size * sizeof(double));
      std::memcpy(out.qualities.data(), each.qualities.data(), size);
      kept += out.values[size - 1] + static_cast<double>(out.times[size - 1]);
    }
  }));
  if (kept == 0.123) std::puts("");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Nanoseconds and bytes a reading of the history's columns"};
  int rounds = 5;
  double seconds = 0.1;
  app.add_option("--rounds", rounds, "how often each row is measured");
  app.add_option("--seconds", seconds, "for how long each figure");
  CLI11_PARSE(app, argc, argv);

  const std::vector<Stream> streams = {{"walk_1000", 1'000, kSecond, 0, grid_walk},
                                       {"walk_500", 500, kSecond, 0, grid_walk},
                                       {"walk_2000", 2'000, kSecond, 0, grid_walk},
                                       {"walk_60", 60, kSecond, 0, grid_walk},
                                       {"walk_jitter_ms", 1'000, kSecond, 1'000'000, grid_walk},
                                       {"across_series", 1'000, 0, 0, unrelated},
                                       {"sums_of_60", 1'000, kSecond, 0, sums},
                                       {"no_decimals", 1'000, kSecond, 0, rough_walk}};
  bench::Report report("columns");
  double floor = 1, decode = 1;
  std::printf("%-15s %9s %10s %10s %9s %11s %10s %8s\n", "stream", "bytes", "encode ns",
              "decode ns", "block ns", "partial ns", "sketch ns", "copy ns");
  for (const Stream& stream : streams) {
    const auto all = series_of(stream);
    Figures figures;
    double bytes = 0;
    for (int i = 0; i < rounds; ++i) measure(all, seconds, figures, bytes);
    const auto median = [](const std::vector<double>& each) {
      return bench::spread_of(each).median;
    };
    std::printf("%-15s %9.3f %10.2f %10.2f %9.0f %11.2f %10.2f %8.2f\n", stream.name.c_str(), bytes,
                median(figures.encode), median(figures.decode), median(figures.block),
                median(figures.partial), median(figures.sketch), median(figures.copy));
    report.figure(stream.name + "_bytes_a_reading", bytes);
    report.figure(stream.name + "_encode_ns_a_reading", median(figures.encode));
    report.figure(stream.name + "_decode_ns_a_reading", median(figures.decode));
    report.figure(stream.name + "_block_ns", median(figures.block));
    report.figure(stream.name + "_partial_ns_a_reading", median(figures.partial));
    report.figure(stream.name + "_sketch_ns_a_reading", median(figures.sketch));
    if (&stream == &streams.front()) {
      floor = median(figures.copy), decode = median(figures.decode);
    }
  }
  report.floor("raw_columns_copied_ns_a_reading", floor, decode / floor);
  report.print();
  return 0;
}
