// A detector on a folder of the Numenta Anomaly Benchmark's form, for `nab` and `models`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "node/model/alarm_score.h"

namespace entente::bench {

struct NabSeries {
  node::LabelledSeries labelled;  // scores are filled by the detectors
  std::vector<double> values;
};

struct NabFigures {
  double standard = 0, few_false = 0,
         few_missed = 0;     // each at its own best threshold, as NAB does
  double own_threshold = 0;  // standard, at the detector's own alarms
  double held_out = 0;       // standard, each folder at the best threshold of the others
  std::size_t files = 0, windows = 0, detected = 0, false_alarms = 0;
  double us_per_reading = 0;
};

// DIR/data/FOLDER/FILE.csv (timestamp,value) and DIR/labels/combined_windows.json. Files without a
// label entry are left out.
std::vector<NabSeries> read_nab(const std::filesystem::path& folder);
std::vector<NabSeries> made_up_nab();
// The shipped detector in its one configuration.
NabFigures run_detector(std::vector<NabSeries>& all);
// The floor: a windowed Gaussian tail.
NabFigures run_gaussian(std::vector<NabSeries>& all);
void print_nab(const std::string& what, const NabFigures& figures);

}  // namespace entente::bench
