// A collector's readings end to end; see ingest_collector.h.
#include <CLI/CLI.hpp>

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "tests/bench/ingest_collector.h"
#include "tests/bench/report.h"

int main(int argc, char** argv) {
  using namespace entente::bench;
  CLI::App app("Readings a second from an edge collector to the node's disk");
  CollectorLoad load;
  int rounds = 5;
  load.folder =
      (std::filesystem::temp_directory_path() / ("entente-collect-" + std::to_string(::getpid())))
          .string();
  app.add_option("--readings", load.readings);
  app.add_option("--batch", load.batch);
  app.add_option("--rounds", rounds);
  app.add_option("--folder", load.folder);
  CLI11_PARSE(app, argc, argv);
  std::vector<double> rates, cpu, client, p50, p99;
  double bytes = 0;
  for (int i = 0; i < rounds; ++i) {
    const CollectorFigures one = run_collector(load);
    std::printf(
        "%10.0f readings/s  %.3f CPU s a million (collector %.3f)  p50 %.0f us  p99 %.0f us\n",
        one.readings_per_s, one.cpu_s_per_million, one.client_cpu_s_per_million, one.batch_p50_us,
        one.batch_p99_us);
    rates.push_back(one.readings_per_s);
    cpu.push_back(one.cpu_s_per_million);
    client.push_back(one.client_cpu_s_per_million);
    p50.push_back(one.batch_p50_us);
    p99.push_back(one.batch_p99_us);
    bytes = one.wire_bytes_per_reading;
  }
  constexpr double kTarget = 2e6;
  Report report("collect");
  report.figure("readings_per_s", spread_of(rates).median);
  report.figure("readings_per_s_least", spread_of(rates).least);
  report.figure("cpu_s_per_million", spread_of(cpu).median);
  report.figure("collector_cpu_s_per_million", spread_of(client).median);
  report.figure("batch_p50_us", spread_of(p50).median);
  report.figure("batch_p99_us", spread_of(p99).median);
  report.figure("wire_bytes_per_reading", bytes);
  report.floor("target_readings_per_s", kTarget, spread_of(rates).median / kTarget);
  report.print();
  return 0;
}
