// The shipped detector on a folder of NAB's form, scored by NAB's rules; one configuration.
#include <CLI/CLI.hpp>

#include "tests/bench/model_data.h"
#include "tests/bench/nab_run.h"
#include "tests/bench/report.h"

using namespace entente::bench;

int main(int argc, char** argv) {
  std::string folder;
  bool each = false, made_up = false;
  CLI::App app("anomaly detection scored by NAB's rules");
  app.add_option("DIR", folder, "with data/ and labels/; the folder of real data unless given");
  app.add_flag("--each", each, "a line for each file");
  app.add_flag("--made-up", made_up, "series made up, for a run without data");
  CLI11_PARSE(app, argc, argv);
  if (folder.empty() && !made_up) {
    if (const auto found = data_folder("nab")) folder = *found;
  }
  if (folder.empty()) std::puts("no data: series made up");
  std::vector<NabSeries> all = folder.empty() ? made_up_nab() : read_nab(folder);
  const NabFigures floor = run_gaussian(all);
  print_nab("windowed Gaussian", floor);
  const NabFigures f = run_detector(all);
  print_nab("detector", f);
  for (std::size_t i = 0; each && i < all.size(); ++i) {
    const std::span<const entente::node::LabelledSeries> one(&all[i].labelled, 1);
    const auto score = entente::node::score_alarms(one, entente::node::kStandardAlarms, 0.001);
    std::printf("  %-55s %6.1f  windows %zu of %zu, false alarms %zu\n",
                all[i].labelled.name.c_str(), score.score, score.detected, score.windows,
                score.false_alarms);
  }
  Report report("nab");
  report.figure("standard", f.standard);
  report.figure("reward_low_fp", f.few_false);
  report.figure("reward_low_fn", f.few_missed);
  report.figure("own_threshold", f.own_threshold);
  report.figure("folders_held_out", f.held_out);
  report.figure("windows_found", static_cast<double>(f.detected));
  report.figure("windows", static_cast<double>(f.windows));
  report.figure("us_per_reading", f.us_per_reading);
  report.floor("windowed_gaussian", floor.standard, f.standard / std::max(floor.standard, 1e-9));
  report.print();
}
