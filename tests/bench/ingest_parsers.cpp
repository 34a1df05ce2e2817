// Readings a second that each reader of a format gives on one core, and what the run into the
// history costs besides. The floor is reading the same bytes and counting their lines.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstring>
#include <random>
#include <string>

#include <filesystem>

#include "node/ingest/csv_reader.h"
#include "node/ingest/ingest.h"
#include "node/ingest/jsonl_reader.h"
#include "node/ingest/line_protocol_reader.h"
#include "node/twin/twin_registry.h"
#include "tests/bench/report.h"

namespace {

using namespace entente;

constexpr std::size_t kSensors = 10'000;
constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

// 10,000 sensors, one reading a second each, a random walk on a grid of 0.01.
template <class Write>
std::string text_of_walk(std::size_t readings, Write write) {
  std::mt19937_64 random(7);
  std::vector<int> walk(kSensors, 2'000);
  std::string text;
  for (std::size_t i = 0; i < readings; ++i) {
    const auto sensor = i % kSensors;
    walk[sensor] += static_cast<int>(random() % 3) - 1;
    char value[32];
    const auto end = std::to_chars(value, value + sizeof value, walk[sensor] / 100.0).ptr;
    write(text, "sensor-" + std::to_string(sensor),
          kStart + static_cast<std::int64_t>(i / kSensors) * 1'000'000'000,
          std::string_view(value, static_cast<std::size_t>(end - value)));
  }
  return text;
}

double read_all(node::RowReader& reader, std::size_t expected) {
  const double begin = bench::cpu_us();
  std::size_t rows = 0;
  double sum = 0;
  while (true) {
    const auto step = reader.next();
    if (!step || *step != node::RowReader::Step::row) break;
    ++rows;
    sum += reader.row().value;
  }
  const double took = bench::cpu_us() - begin;
  if (rows != expected || !(sum > 0)) {
    std::fprintf(stderr, "%zu readings instead of %zu\n", rows, expected);
    std::exit(1);
  }
  return static_cast<double>(rows) / took * 1e6;
}

// Takes everything at once and keeps nothing.
class NoHistory final : public node::History {
 public:
  Result<node::SeriesId> open_series(std::string_view, std::string_view) override {
    return node::SeriesId{series_++};
  }
  std::optional<node::SeriesId> find(std::string_view, std::string_view) const override {
    return std::nullopt;
  }
  node::SeriesKey key_of(node::SeriesId) const override { return {}; }
  std::vector<node::SeriesKey> series(std::string_view) const override { return {}; }
  void append(node::Batch batch, Appended done) override {
    node::AppendReport report;
    report.added = batch.size();
    done(report);
  }
  Result<node::AppendReport> append_now(node::Batch) override { return node::AppendReport{}; }
  void erase(node::Erasure, std::function<void(Result<node::Erased>)>) override {}
  std::vector<node::SeriesId> named(std::string_view) const override { return {}; }
  void forget(std::vector<node::SeriesId>, std::function<void(Result<std::uint64_t>)>) override {}
  void scan(node::SeriesId, TimeWindow, const Visit&) const override {}
  void aggregate(std::span<const node::SeriesId>, TimeWindow, node::Figures,
                 std::span<node::Summary>) const override {}
  void retain(node::RetentionOf, Instant,
              std::function<void(Result<node::RetentionReport>)>) override {}
  node::KeptSeries kept(node::SeriesId) const override { return {}; }
  Outcome seal() override { return {}; }
  std::vector<node::Correction> corrections(node::SeriesId, TimeWindow) const override {
    return {};
  }
  std::optional<node::Reading> latest(node::SeriesId) const override { return std::nullopt; }

 private:
  std::uint32_t series_ = 0;
};

// Gives the walk's readings without any text: what remains is the run's own cost.
class NoText final : public node::RowReader {
 public:
  explicit NoText(std::size_t readings) : readings_(readings) {
    for (std::size_t i = 0; i < kSensors; ++i) names_.push_back("sensor-" + std::to_string(i));
  }
  Result<Step> next() override {
    if (at_ == readings_) return Step::end;
    row_.twin = names_[at_ % kSensors];
    row_.signal = "value";
    row_.time = {kStart + static_cast<std::int64_t>(at_ / kSensors) * 1'000'000'000};
    row_.value = 20.01;
    ++at_;
    return Step::row;
  }

 private:
  const std::size_t readings_;
  std::size_t at_ = 0;
  std::vector<std::string> names_;
};

// A type with one signal, and as many twins as there are sensors.
std::shared_ptr<const node::TwinState> twins_of_walk() {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("entente-bench-parsers-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::shared_ptr<const node::TwinState> state;
  {
    node::Store::Options options;
    options.path = folder / "h.db";
    options.migrations = node::history_migrations();
    auto store = node::Store::open(std::move(options));
    auto registry = node::TwinRegistry::load(**store);
    auto types = (*registry)->plan_types(
        {{"t.json", R"({"@context":"dtmi:dtdl:context;2","@id":"dtmi:bench:Sensor;1",)"
                    R"("@type":"Interface","contents":[{"@type":["Telemetry","Ranged"],)"
                    R"("name":"value","schema":"double","minimum":-1000,"maximum":1000}]})"}},
        node::TwinRegistry::Missing::refuse);
    if (!types || !(*registry)->commit_now(std::move(*types))) std::exit(1);
    std::string twins;
    for (std::size_t i = 0; i < kSensors; ++i) {
      twins +=
          "[[twin]]\nid = \"sensor-" + std::to_string(i) + "\"\ntype = \"dtmi:bench:Sensor;1\"\n";
    }
    auto change = (*registry)->plan_twins(twins, "twins.toml");
    if (!change) std::exit(1);
    state = change->after;
  }
  std::filesystem::remove_all(folder);
  return state;
}

// Nanoseconds a reading from the reader to the history: looked up, judged, batched, handed over.
double run_ns(const node::TwinState& twins, std::size_t readings) {
  NoHistory history;
  const SystemClock clock;
  NoText reader(readings);
  const double begin = bench::cpu_us();
  const auto report = node::ingest(reader, twins.graph, history, clock, {});
  const double took = bench::cpu_us() - begin;
  if (!report || report->durable.added != readings || report->durable.bad > 0) std::exit(1);
  return took * 1e3 / static_cast<double>(readings);
}

double count_lines(std::string_view text, std::size_t expected) {
  const double begin = bench::cpu_us();
  auto source = node::source_of(text);
  std::vector<char> block(256 << 10);
  std::size_t lines = 0;
  while (const auto got = source(block.data(), block.size())) {
    const char* at = block.data();
    const char* end = at + got;
    while ((at = static_cast<const char*>(
                std::memchr(at, '\n', static_cast<std::size_t>(end - at)))) != nullptr) {
      ++lines;
      ++at;
    }
  }
  const double took = bench::cpu_us() - begin;
  if (lines < expected) std::exit(1);
  return static_cast<double>(lines) / took * 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Readings a second of the readers of line protocol, JSON Lines and CSV"};
  int rounds = 5;
  std::size_t readings = 1'000'000;
  app.add_option("--rounds", rounds, "how often each reader is measured");
  app.add_option("--readings", readings, "in one round");
  CLI11_PARSE(app, argc, argv);

  const auto line = text_of_walk(readings, [](auto& out, const auto& twin, auto time, auto value) {
    out.append("m,twin=").append(twin).append(" value=").append(value);
    out.append(" ").append(std::to_string(time)).append("\n");
  });
  const auto jsonl = text_of_walk(readings, [](auto& out, const auto& twin, auto time, auto value) {
    out.append("{\"twin\":\"").append(twin).append("\",\"signal\":\"value\",\"time\":");
    out.append(std::to_string(time)).append(",\"value\":").append(value).append("}\n");
  });
  auto csv = text_of_walk(readings, [](auto& out, const auto& twin, auto time, auto value) {
    out.append(twin).append(",").append(to_text(Instant{time})).append(",").append(value);
    out.append("\n");
  });
  csv.insert(0, "twin,time,value\n");
  const auto mapping = node::read_mapping(
      "layout = \"long\"\nvalue = \"value\"\nsignal = \"value\"\n[time]\ncolumn = \"time\"\n"
      "[twin]\ncolumn = \"twin\"\n",
      "bench.toml");
  if (!mapping) return 1;

  const auto twins = twins_of_walk();
  std::vector<double> of_line, of_jsonl, of_csv, of_run, floor;
  for (int i = 0; i < rounds; ++i) {
    floor.push_back(count_lines(line, readings));
    node::LineProtocolReader lines(node::source_of(line), {});
    of_line.push_back(read_all(lines, readings));
    node::JsonLinesReader objects(node::source_of(jsonl));
    of_jsonl.push_back(read_all(objects, readings));
    node::CsvReader table(node::source_of(csv), *mapping);
    of_csv.push_back(read_all(table, readings));
    of_run.push_back(run_ns(*twins, readings));
  }
  bench::Report report("ingest_parsers");
  const auto show = [&](const char* name, const std::vector<double>& rates, std::size_t bytes) {
    const auto spread = bench::spread_of(rates);
    std::printf("%-14s %12.0f readings/s (%.0f to %.0f), %.0f MB/s\n", name, spread.median,
                spread.least, spread.most,
                spread.median * static_cast<double>(bytes) / static_cast<double>(readings) * 1e-6);
    report.figure(std::string(name) + "_readings_per_s", spread.median);
  };
  show("line_protocol", of_line, line.size());
  show("json_lines", of_jsonl, jsonl.size());
  show("csv_long", of_csv, csv.size());
  const auto run = bench::spread_of(of_run);
  std::printf("%-14s %12.1f ns/reading (%.1f to %.1f): found, judged, batched, handed over\n",
              "besides", run.median, run.least, run.most);
  report.figure("besides_parsing_ns_per_reading", run.median);
  const auto floor_rate = bench::spread_of(floor).median;
  report.floor("lines_counted_per_s", floor_rate, bench::spread_of(of_line).median / floor_rate);
  report.print();
  return 0;
}
