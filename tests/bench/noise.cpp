// Samples a second of CPU time of the exact noise, from the system's own randomness.
//
// Two floors. The same mathematics in arbitrary precision, with rationals, as the reference code of
// Canonne, Kamath and Steinke (2020) has it: what exactness is expected to cost. And Algorithms 1
// to 3 of the paper in 128-bit integers, every coin drawn as a whole number, nothing kept: what
// fixed width alone gives. Both take their bytes from a ChaCha20 stream, 4 KiB at a time, so that
// the ratios are about arithmetic and not about the system's generator.
#include "security/privacy/noise.h"

#include <CLI/CLI.hpp>
#include <array>
#include <boost/multiprecision/cpp_int.hpp>
#include <cstring>

#include "schemas/base/random.h"
#include "tests/bench/report.h"

namespace {

using namespace entente;
using Wide = unsigned __int128;

using boost::multiprecision::cpp_int;
using boost::multiprecision::cpp_rational;

class RationalNoise final : public security::NoiseSource {
 public:
  explicit RationalNoise(Random& random) : random_(random) {}

  std::int64_t laplace(std::uint64_t scale) override {
    const cpp_int t = scale;
    for (;;) {
      const cpp_int u = below(t);
      if (!bernoulli_exp(cpp_rational(u, t))) continue;
      cpp_int v = 0;
      while (bernoulli_exp(1)) ++v;
      const cpp_int magnitude = u + t * v;
      const bool negative = below(2) == 1;
      if (negative && magnitude == 0) continue;
      return static_cast<std::int64_t>(negative ? cpp_int(-magnitude) : magnitude);
    }
  }

  std::int64_t gaussian(std::uint64_t variance) override {
    const cpp_rational squared = cpp_int(variance);
    const cpp_int t = boost::multiprecision::sqrt(cpp_int(variance)) + 1;
    for (;;) {
      const std::int64_t y = laplace(static_cast<std::uint64_t>(t));
      const cpp_rational distance = cpp_int(y < 0 ? -y : y) - squared / t;
      if (bernoulli_exp(distance * distance / (2 * squared))) return y;
    }
  }

 private:
  cpp_int below(const cpp_int& bound) {
    const unsigned wanted = bound == 1 ? 0 : msb(cpp_int(bound - 1)) + 1;
    for (;;) {
      cpp_int draw = 0;
      for (unsigned have = 0; have < wanted; have += 8) {
        if (used_ == pool_.size()) random_.fill(pool_), used_ = 0;
        draw = draw << 8 | pool_[used_++];
      }
      draw >>= (8 - wanted % 8) % 8;
      if (draw < bound) return draw;
    }
  }
  bool bernoulli(const cpp_rational& p) { return below(denominator(p)) < numerator(p); }
  bool bernoulli_exp(cpp_rational x) {
    for (; x > 1; x -= 1) {
      if (!bernoulli_exp(1)) return false;
    }
    unsigned k = 1;
    while (bernoulli(x / k)) ++k;
    return k % 2 == 1;
  }

  Random& random_;
  std::array<std::uint8_t, 4'096> pool_{};
  std::size_t used_ = 4'096;
};

class PaperNoise final : public security::NoiseSource {
 public:
  explicit PaperNoise(Random& random) : random_(random) {}

  std::int64_t laplace(std::uint64_t scale) override {
    for (;;) {
      const Wide u = below(scale);
      if (!bernoulli_exp(u, scale)) continue;
      std::int64_t v = 0;
      while (bernoulli_exp(1, 1)) ++v;
      const auto magnitude = static_cast<std::int64_t>(u) + static_cast<std::int64_t>(scale) * v;
      const bool negative = below(2) == 1;
      if (negative && magnitude == 0) continue;
      return negative ? -magnitude : magnitude;
    }
  }

  std::int64_t gaussian(std::uint64_t variance) override {
    std::uint64_t t = 1;
    while (t * t <= variance) t *= 2;
    for (std::uint64_t step = t / 2; step > 0; step /= 2) {
      if ((t - step) * (t - step) > variance) t -= step;
    }
    for (;;) {
      const std::int64_t y = laplace(t);
      const Wide scaled = static_cast<Wide>(y < 0 ? -y : y) * t;
      const Wide distance = scaled > variance ? scaled - variance : variance - scaled;
      if (bernoulli_exp(distance * distance, static_cast<Wide>(2) * variance * t * t)) return y;
    }
  }

 private:
  std::uint64_t bits() {
    if (used_ + 8 > pool_.size()) random_.fill(pool_), used_ = 0;
    std::uint64_t value = 0;
    std::memcpy(&value, pool_.data() + used_, 8);
    used_ += 8;
    return value;
  }
  Wide below(Wide bound) {
    Wide mask = ~static_cast<Wide>(0);
    while ((mask >> 1) >= bound) mask >>= 1;
    for (;;) {
      Wide draw = bits();
      if ((mask >> 64) != 0) draw = draw << 64 | bits();
      if ((draw & mask) < bound) return draw & mask;
    }
  }
  bool bernoulli_exp(Wide a, Wide b) {
    for (; a > b; a -= b) {
      if (!bernoulli_exp(1, 1)) return false;
    }
    unsigned k = 1;
    while (below(b) < a && below(k) == 0) ++k;
    return k % 2 == 1;
  }

  Random& random_;
  std::array<std::uint8_t, 4'096> pool_{};
  std::size_t used_ = 4'096;
};

// Samples per second of CPU time: what other processes take does not count.
template <class Draw>
double rate(double seconds, Draw&& draw) {
  const double begin = bench::cpu_us();
  std::int64_t sum = 0;
  for (double samples = 0;;) {
    for (int i = 0; i < 1'000; ++i) sum += draw();
    samples += 1'000;
    const double passed = (bench::cpu_us() - begin) * 1e-6;
    if (passed < seconds) continue;
    if (sum == INT64_MAX) std::puts("");  // so that no draw is left out
    return samples / passed;
  }
}

struct Row {
  std::string name;
  bool gaussian;
  std::uint64_t parameter;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Samples a second of the exact noise"};
  int rounds = 5;
  double seconds = 0.2;
  app.add_option("--rounds", rounds, "how often each row is measured");
  app.add_option("--seconds", seconds, "for how long");
  CLI11_PARSE(app, argc, argv);

  const std::vector<Row> rows = {{"gaussian_1", true, 1},
                                 {"gaussian_100", true, 100},
                                 {"gaussian_2p20", true, std::uint64_t{1} << 20},
                                 {"gaussian_3p3e6", true, 3'333'333},
                                 {"gaussian_2p22", true, std::uint64_t{1} << 22},
                                 {"gaussian_2p32", true, std::uint64_t{1} << 32},
                                 {"gaussian_2p50", true, std::uint64_t{1} << 50},
                                 {"laplace_10", false, 10},
                                 {"laplace_2p20", false, std::uint64_t{1} << 20}};
  SystemRandom random;
  security::ExactNoise exact(random);
  SeededRandom stream(1);
  RationalNoise rational(stream);
  PaperNoise paper(stream);
  bench::Report report("noise");
  double slowest = 1e300, slowest_paper = 1, slowest_rational = 1, least_ratio = 1e300;
  std::printf("%-16s %14s %14s %8s %14s %8s\n", "noise", "samples/s", "rationals", "ratio",
              "128 bits", "ratio");
  for (const Row& row : rows) {
    std::vector<double> ours, in_rationals, as_written;
    const auto draw = [&](security::NoiseSource& noise) {
      return row.gaussian ? noise.gaussian(row.parameter) : noise.laplace(row.parameter);
    };
    for (int i = 0; i < rounds; ++i) {
      ours.push_back(rate(seconds, [&] { return draw(exact); }));
      in_rationals.push_back(rate(seconds, [&] { return draw(rational); }));
      as_written.push_back(rate(seconds, [&] { return draw(paper); }));
    }
    const double own = bench::spread_of(ours).median;
    const double slow = bench::spread_of(in_rationals).median;
    const double other = bench::spread_of(as_written).median;
    std::printf("%-16s %14.0f %14.0f %8.1f %14.0f %8.2f\n", row.name.c_str(), own, slow, own / slow,
                other, own / other);
    report.figure(row.name + "_samples_per_s", own);
    least_ratio = std::min(least_ratio, own / slow);
    if (row.gaussian && own < slowest) {
      slowest = own, slowest_paper = other, slowest_rational = slow;
    }
  }
  report.figure("least_ratio_to_arbitrary_precision", least_ratio);
  report.floor("slowest_gaussian_in_rationals_samples_per_s", slowest_rational,
               slowest / slowest_rational);
  report.figure("slowest_gaussian_to_128_bits_as_written", slowest / slowest_paper);
  report.print();
  return 0;
}
