// Calls a second and CPU a call of our link, against Cap'n Proto over kj-tls and, when it was built
// in, gRPC: the same echo, mutual TLS on loopback, rounds of all systems in turn.
//
//   tests/bench/run rpc [--rounds N] [--seconds S] [--in-flight N] [--bytes N] [--alone yes]
// `--alone yes` runs our link only, for a profiler.
#include <pthread.h>
#include <sched.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "schemas/base/random.h"
#include "tests/bench/report.h"
#include "tests/bench/rpc_systems.h"

namespace entente::bench {

void pin(End end) {
  if (std::thread::hardware_concurrency() < 2) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(end == End::client ? 0 : 1, &cores);
  pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
}

namespace {

struct Row {
  const char* name;
  const char* key;
  std::unique_ptr<System> system;
  std::vector<double> calls_per_s, cpu_us_per_call;
};

struct Options {
  int rounds = 5;
  double seconds = 2;
  Load load;
  bool alone = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (name == "--rounds") {
      options.rounds = static_cast<int>(value);
    } else if (name == "--seconds") {
      options.seconds = value;
    } else if (name == "--in-flight") {
      options.load.in_flight = static_cast<int>(value);
    } else if (name == "--bytes") {
      options.load.bytes = static_cast<int>(value);
    } else if (name == "--alone") {
      options.alone = true;
    } else {
      throw std::invalid_argument("unknown option " + name);
    }
  }
  if (options.rounds < 1 || options.seconds <= 0) throw std::invalid_argument("nothing to run");
  return options;
}

void measure(Row& row, double seconds) {
  const double cpu_before = cpu_us();
  const auto began = std::chrono::steady_clock::now();
  const auto answers = static_cast<double>(row.system->run(seconds));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  if (answers == 0) throw std::runtime_error(std::string(row.name) + ": no answer at all");
  row.calls_per_s.push_back(answers / took.count());
  row.cpu_us_per_call.push_back((cpu_us() - cpu_before) / answers);
}

int run(const Options& options) {
  std::vector<Row> rows;
  rows.push_back({"entente link", "entente", make_entente(options.load, Choke::none), {}, {}});
  if (options.alone) {
    for (int i = 0; i < options.rounds; ++i) measure(rows[0], options.seconds);
    std::printf("%.0f calls/s, %.2f us of CPU a call\n", spread_of(rows[0].calls_per_s).median,
                spread_of(rows[0].cpu_us_per_call).median);
    return 0;
  }
  rows.push_back({"entente link + choke point", "governed",
                  make_entente(options.load, Choke::governed), {}, {}});
  rows.push_back({"Cap'n Proto + kj-tls", "stock", make_stock(options.load), {}, {}});
  if (auto grpc = make_grpc(options.load)) {
    rows.push_back({"gRPC", "grpc", std::move(grpc), {}, {}});
  }
  for (Row& row : rows) row.system->run(options.seconds / 10);  // warm
  for (int round = 0; round < options.rounds; ++round) {
    for (Row& row : rows) measure(row, options.seconds);
  }
  std::printf("%d calls of %d bytes in flight, mutual TLS 1.3, loopback, %d rounds of %g s\n\n",
              options.load.in_flight, options.load.bytes, options.rounds, options.seconds);
  std::printf("%-28s %12s %23s %14s\n", "system", "calls/s", "least .. most", "CPU us/call");
  Report report("rpc");
  const double stock = spread_of(rows[2].calls_per_s).median;
  for (const Row& row : rows) {
    const Spread calls = spread_of(row.calls_per_s), cpu = spread_of(row.cpu_us_per_call);
    std::printf("%-28s %12.0f %11.0f..%10.0f %14.2f\n", row.name, calls.median, calls.least,
                calls.most, cpu.median);
    report.figure(std::string(row.key) + "_calls_per_s", calls.median);
    report.figure(std::string(row.key) + "_cpu_us_per_call", cpu.median);
  }
  const double ratio = spread_of(rows[0].calls_per_s).median / stock;
  std::printf("\nratio to stock: %.2f (target 2.5); CPU target: 10 us a call, both ends\n", ratio);
  report.floor("Cap'n Proto + kj-tls, calls_per_s", stock, ratio);
  report.print();
  return 0;
}

}  // namespace
}  // namespace entente::bench

int main(int argc, char** argv) {
  entente::ensure_sodium();
  try {
    return entente::bench::run(entente::bench::parse(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "rpc: %s\n", e.what());
    return 2;
  }
}
