// Readings handed over one by one, 1,000 in flight, each acknowledged by itself.
//
// Ours: a collector puts readings singly; each is signed for, judged and durable when its answer
// comes, over mutual TLS. The peer, mosquitto, acknowledges at quality of service 1 over mutual TLS
// what it has in memory: with its defaults nothing of it is durable, and nothing is judged.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "tests/bench/ingest_collector.h"
#include "tests/bench/report.h"
#include "tests/bench/scratch.h"
#include "tests/bench/singles_mosquitto.h"

int main(int argc, char** argv) {
  using namespace entente::bench;
  CLI::App app("Readings a second, handed over and acknowledged one by one");
  CollectorLoad load;
  load.readings = 400'000;
  load.singles = 1'000;
  std::size_t peer_readings = 200'000;
  int rounds = 5;
  std::string folder = ".";
  app.add_option("--readings", load.readings, "a round");
  app.add_option("--peer-readings", peer_readings, "a round of mosquitto's; 0: without it");
  app.add_option("--in-flight", load.singles, "readings without an answer at any time");
  app.add_option("--rounds", rounds, "how often each figure is measured");
  app.add_option("--folder", folder, "where the files go: a place on the disk in question");
  CLI11_PARSE(app, argc, argv);
  Scratch scratch(folder);
  load.folder = scratch / "node";
  std::optional<Mosquitto> peer;
  if (const auto missing = mosquitto_missing(); peer_readings > 0 && !missing.empty()) {
    std::printf("without mosquitto: %s is missing; see deploy/setup --bench\n", missing.c_str());
  } else if (peer_readings > 0) {
    peer.emplace(*installed("mosquitto"), scratch / "mosquitto");
  }
  std::vector<double> rates, cpu, p50, p99, theirs, their_p50, their_p99, ratios;
  std::printf("%36s   %s\n", "ours: judged, durable", peer ? "mosquitto: in memory" : "");
  for (int i = 0; i < rounds; ++i) {
    const CollectorFigures one = run_collector(load);
    std::printf("%10.0f/s  p50 %6.0f us  p99 %6.0f us", one.readings_per_s, one.batch_p50_us,
                one.batch_p99_us);
    rates.push_back(one.readings_per_s);
    cpu.push_back(one.cpu_s_per_million);
    p50.push_back(one.batch_p50_us);
    p99.push_back(one.batch_p99_us);
    if (peer) {
      const auto other = peer->publish(peer_readings, load.singles);
      std::printf("   %10.0f/s  p50 %6.0f us  p99 %6.0f us", other.readings_per_s, other.p50_us,
                  other.p99_us);
      theirs.push_back(other.readings_per_s);
      their_p50.push_back(other.p50_us);
      their_p99.push_back(other.p99_us);
      ratios.push_back(one.readings_per_s / other.readings_per_s);
    }
    std::printf("\n");
  }
  Report report("singles");
  report.figure("readings_per_s", spread_of(rates).median);
  report.figure("cpu_s_per_million", spread_of(cpu).median);
  report.figure("p50_us", spread_of(p50).median);
  report.figure("p99_us", spread_of(p99).median);
  report.figure("mosquitto_p50_us", spread_of(their_p50).median);
  report.figure("mosquitto_p99_us", spread_of(their_p99).median);
  report.floor("mosquitto_readings_per_s", spread_of(theirs).median, spread_of(ratios).median);
  report.print();
  return 0;
}
