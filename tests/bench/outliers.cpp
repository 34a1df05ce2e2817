// Outliers of multivariate plant data: every CSV below DIR with a label column (0 or 1) is learned
// from its first rows and judged on the rest; F1, false alarms and misses over all rows together.
#include <CLI/CLI.hpp>
#include <cmath>
#include <random>

#include "node/model/plant_monitor.h"
#include "tests/bench/model_data.h"
#include "tests/bench/report.h"

using namespace entente::bench;
using namespace entente::node;

namespace {

struct Counts {
  double hit = 0, missed = 0, false_alarm = 0, quiet = 0;
  void add(bool alarm, bool truth) {
    (truth ? (alarm ? hit : missed) : alarm ? false_alarm : quiet) += 1;
  }
  double f1() const { return 2 * hit / std::max(2 * hit + missed + false_alarm, 1.0); }
};

struct Plant {
  std::string name;
  std::vector<std::vector<double>> rows;
  std::vector<bool> labels;
};

// Numeric columns but the labels; a first column that is no number is the time.
Plant read_plant(const std::filesystem::path& path, const std::string& label) {
  const Table table = read_table(path);
  const std::size_t labelled = table.column(label);
  Plant plant{path.filename().string(), {}, {}};
  for (const auto& cells : table.rows) {
    std::vector<double>& row = plant.rows.emplace_back();
    for (std::size_t j = 0; j < cells.size(); ++j) {
      const std::string& name = table.header[j];
      if (j == labelled || name == "changepoint" || name == "anomaly" || name == "label") continue;
      if (j == 0 && std::isnan(number_of(table.rows[0][0]))) continue;
      row.push_back(number_of(cells[j]));
    }
    plant.labels.push_back(number_of(cells[labelled]) > 0.5);
  }
  return plant;
}

// Eight signals of three causes; for the last third one signal leaves the others.
Plant made_up(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<> normal;
  Plant plant{"made up", {}, {}};
  for (int t = 0; t < 1'200; ++t) {
    const double causes[] = {normal(random), normal(random), normal(random)};
    std::vector<double>& row = plant.rows.emplace_back();
    for (int j = 0; j < 8; ++j) {
      row.push_back(causes[j % 3] + 0.5 * causes[(j + 1) % 3] + 0.1 * normal(random));
    }
    if (t >= 800) row[3] += 1;
    plant.labels.push_back(t >= 800);
  }
  return plant;
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder, label = "anomaly";
  std::size_t learned = 400;
  PlantOptions options;
  CLI::App app("outliers of multivariate plant data");
  app.add_option("DIR", folder);
  app.add_option("--label", label, "the column that is 1 where something is wrong");
  app.add_option("--learn", learned, "first rows of each file, taken as good");
  app.add_option("--false-alarms", options.false_alarms);
  app.add_option("--explained", options.explained);
  CLI11_PARSE(app, argc, argv);
  std::vector<Plant> plants;
  if (folder.empty()) {
    std::puts("no folder given: data made up");
    plants.push_back(made_up(1));
  } else {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.path().extension() == ".csv") paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) {
      const std::string head = text_of(path).substr(0, 4'096);
      if (head.substr(0, head.find('\n')).find(label) == std::string::npos) continue;
      plants.push_back(read_plant(path, label));
    }
  }
  Counts all, always;
  std::printf("%-30s %7s %6s %6s %6s\n", "file", "rows", "F1", "FAR %", "MAR %");
  for (const Plant& plant : plants) {
    const std::size_t first = std::min(learned, plant.rows.size() / 2);
    auto monitor = PlantMonitor::learn(
        {plant.rows.begin(), plant.rows.begin() + static_cast<std::ptrdiff_t>(first)}, options);
    if (!monitor) {
      std::printf("%-30s left out: %s\n", plant.name.c_str(), monitor.error().what.c_str());
      continue;
    }
    Counts one;
    for (std::size_t t = first; t < plant.rows.size(); ++t) {
      const bool alarm = monitor->judge(plant.rows[t]).alarm;
      one.add(alarm, plant.labels[t]);
      all.add(alarm, plant.labels[t]);
      always.add(true, plant.labels[t]);
    }
    std::printf("%-30s %7zu %6.3f %6.1f %6.1f\n", plant.name.c_str(), plant.rows.size(), one.f1(),
                100 * one.false_alarm / std::max(one.false_alarm + one.quiet, 1.0),
                100 * one.missed / std::max(one.missed + one.hit, 1.0));
  }
  std::printf("%-30s %7s %6.3f\n", "all", "", all.f1());
  Report report("outliers");
  report.figure("f1", all.f1());
  report.figure("false_alarm_percent",
                100 * all.false_alarm / std::max(all.false_alarm + all.quiet, 1.0));
  report.figure("missed_percent", 100 * all.missed / std::max(all.missed + all.hit, 1.0));
  report.floor("f1_of_always_alarm", always.f1(), all.f1() / std::max(always.f1(), 1e-9));
  report.print();
}
