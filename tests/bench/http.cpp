// Line protocol over HTTP: a node's /api/v2/write and InfluxDB's /write, the same bodies.
//
// Both answer 204 when the readings are on the disk: the node after its commit with a sync,
// InfluxDB after a sync of its WAL, which is its default (wal-fsync-delay 0). Both run as the
// processes that an administrator would start, on loopback, on all cores. The node judges every
// reading besides.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#include "node/service/http_client.h"
#include "tests/bench/http_load.h"
#include "tests/bench/node_program.h"
#include "tests/bench/report.h"
#include "tests/bench/scratch.h"

namespace {

using namespace entente;

constexpr const char* kTypes = R"json({"@context": "dtmi:dtdl:context;2",
  "@id": "dtmi:bench:Sensor;1", "@type": "Interface",
  "contents": [{"@type": "Telemetry", "name": "value", "schema": "double"}]})json";

// Declares what the stream speaks of.
void declare(bench::NodeProgram& node) {
  node::HttpClient client({"127.0.0.1", node.http_port(), node.token()}, seconds(60));
  std::string twins = "{\"twin\":[";
  for (int i = 0; i < 10'000; ++i) {
    twins += std::string(i == 0 ? "" : ",") + "{\"id\":\"sensor-" + std::to_string(i) +
             "\",\"type\":\"dtmi:bench:Sensor;1\"}";
  }
  for (const auto& [target, body] :
       {std::pair<std::string, std::string>{"/api/v1/types", kTypes},
        std::pair<std::string, std::string>{"/api/v1/twins", twins + "]}"}}) {
    auto done = client.call({"POST", target, body, "application/json", {}});
    if (!done) throw std::runtime_error(done.error().text());
  }
}

// InfluxDB with its defaults, but for places, ports and telling its makers about itself.
class Influx {
 public:
  Influx(const std::string& binary, const std::string& folder) {
    const auto port = bench::free_port();
    const auto config = folder + ".conf";
    std::ofstream(config) << "reporting-disabled = true\n"
                          << "bind-address = \"127.0.0.1:" << bench::free_port() << "\"\n"
                          << "[meta]\n  dir = \"" << folder << "/meta\"\n"
                          << "[data]\n  dir = \"" << folder << "/data\"\n  wal-dir = \"" << folder
                          << "/wal\"\n  query-log-enabled = false\n"
                          << "[http]\n  bind-address = \"127.0.0.1:" << port
                          << "\"\n  log-enabled = false\n";
    program_.emplace(std::vector<std::string>{binary, "-config", config}, folder + ".log");
    bench::until_listening(*program_, port, 60);
    target_ = {port, "/write?db=bench&precision=s", ""};
    node::HttpClient client({"127.0.0.1", port, ""}, seconds(60));
    auto made = client.send({"POST", "/query?q=CREATE%20DATABASE%20bench", "", "", {}});
    if (!made || made->status != 200) throw std::runtime_error("InfluxDB makes no database");
  }
  const bench::HttpTarget& target() const { return target_; }

 private:
  std::optional<bench::Program> program_;
  bench::HttpTarget target_;
};

constexpr std::int64_t kApart = 1'000'000;  // seconds between what two shapes send

struct Shape {
  std::size_t connections, lines;
};

std::string named(const Shape& shape, const char* what) {
  return "connections_" + std::to_string(shape.connections) + "_lines_" +
         std::to_string(shape.lines) + "_" + what;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Readings a second over HTTP, durable"};
  int rounds = 5;
  std::size_t readings = 400'000;
  std::string folder = ".", peer = "yes";
  app.add_option("--rounds", rounds, "how often each figure is measured");
  app.add_option("--readings", readings, "a round, a whole number of 40,000");
  app.add_option("--folder", folder, "where the files go: a place on the disk in question");
  app.add_option("--peer", peer, "no: without InfluxDB");
  CLI11_PARSE(app, argc, argv);

  bench::Scratch scratch(folder);
  bench::Report report("http");
  bench::NodeProgram::make(scratch / "home");
  bench::NodeProgram node(scratch / "home");
  declare(node);
  const bench::HttpTarget ours{node.http_port(), "/api/v2/write?precision=s", node.token()};
  std::optional<Influx> influx;
  const auto binary = bench::installed("influxd");
  if (peer == "yes" && binary) influx.emplace(*binary, scratch / "influx");
  if (peer == "yes" && !binary) {
    std::printf("InfluxDB is not here: deploy/setup --bench installs it\n");
  }
  std::printf("every answer is durable: ours a commit with a sync, InfluxDB's a synced WAL\n");
  std::printf("%11s %7s %14s %9s %9s %14s %9s %9s %7s\n", "connections", "lines", "readings/s",
              "p50 ms", "p99 ms", "InfluxDB/s", "p50 ms", "p99 ms", "ratio");
  double least = 1e300, floor = 0;
  std::int64_t begin = 1'700'000'000;
  for (const auto& shape : {Shape{1, 1'000}, Shape{1, 10'000}, Shape{4, 1'000}, Shape{4, 10'000}}) {
    bench::LineStream stream(shape.connections, shape.lines, begin);
    begin += kApart;
    std::vector<double> own, own_p50, own_p99, theirs, their_p50, their_p99, ratios;
    for (int round = 0; round < rounds; ++round) {
      const auto bodies = stream.next(readings);
      const auto one = bench::post_all(ours, bodies, readings);
      own.push_back(one.readings_per_s);
      own_p50.push_back(one.p50_ms), own_p99.push_back(one.p99_ms);
      if (!influx) continue;
      const auto other = bench::post_all(influx->target(), bodies, readings);
      theirs.push_back(other.readings_per_s);
      their_p50.push_back(other.p50_ms), their_p99.push_back(other.p99_ms);
      ratios.push_back(one.readings_per_s / other.readings_per_s);
    }
    const auto median = [](const std::vector<double>& all) { return bench::spread_of(all).median; };
    std::printf("%11zu %7zu %14.0f %9.2f %9.2f", shape.connections, shape.lines, median(own),
                median(own_p50), median(own_p99));
    report.figure(named(shape, "readings_per_s"), median(own));
    if (influx) {
      std::printf(" %14.0f %9.2f %9.2f %6.2fx", median(theirs), median(their_p50),
                  median(their_p99), median(ratios));
      report.figure(named(shape, "influxdb_per_s"), median(theirs));
      report.figure(named(shape, "ratio"), median(ratios));
      if (median(ratios) < least) least = median(ratios), floor = median(theirs);
    }
    std::printf("\n");
  }
  std::printf("the node took %.1f CPU s and %.0f MiB at most\n", node.program().cpu_s(),
              node.program().peak_mib());
  report.floor("influxdb_readings_per_s", floor, influx ? least : 0);
  report.print();
  return 0;
}
