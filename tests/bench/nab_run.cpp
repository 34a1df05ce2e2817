#include "tests/bench/nab_run.h"

#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <set>

#include "node/model/detector.h"
#include "tests/bench/model_data.h"

namespace entente::bench {

using namespace entente::node;

namespace {

Instant instant_of(std::string text) {
  if (text.size() > 10) text[10] = 'T';
  return parse_instant(text).value();
}

std::string folder_of(const NabSeries& series) {
  return series.labelled.name.substr(0, series.labelled.name.find('/'));
}

std::vector<LabelledSeries> labelled(const std::vector<NabSeries>& all) {
  std::vector<LabelledSeries> out;
  for (const NabSeries& series : all) out.push_back(series.labelled);
  return out;
}

double held_out(const std::vector<NabSeries>& all) {
  std::set<std::string> folders;
  for (const NabSeries& series : all) folders.insert(folder_of(series));
  double sum = 0, windows = 0;
  for (const std::string& folder : folders) {
    std::vector<LabelledSeries> inside, outside;
    for (const NabSeries& series : all) {
      (folder_of(series) == folder ? inside : outside).push_back(series.labelled);
    }
    const double threshold = score_alarms(outside, kStandardAlarms).threshold;
    const AlarmScore score = score_alarms(inside, kStandardAlarms, threshold);
    sum += score.score * static_cast<double>(score.windows);
    windows += static_cast<double>(score.windows);
  }
  return windows > 0 ? sum / windows : 0;
}

template <class Make>
NabFigures run(std::vector<NabSeries>& all, double own, const Make& make) {
  NabFigures figures;
  double readings = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (NabSeries& series : all) {
    auto next = make(series.values.size());
    series.labelled.scores.clear();
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      series.labelled.scores.push_back(next(series.labelled.times[i], series.values[i]));
    }
    readings += static_cast<double>(series.values.size());
  }
  figures.us_per_reading =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count() /
      std::max(readings, 1.0);
  const std::vector<LabelledSeries> scored = labelled(all);
  const AlarmScore standard = score_alarms(scored, kStandardAlarms);
  figures.standard = standard.score;
  figures.windows = standard.windows;
  figures.detected = standard.detected;
  figures.false_alarms = standard.false_alarms;
  figures.few_false = score_alarms(scored, kFewFalseAlarms).score;
  figures.few_missed = score_alarms(scored, kFewMissedAlarms).score;
  figures.own_threshold = score_alarms(scored, kStandardAlarms, own).score;
  figures.held_out = held_out(all);
  figures.files = all.size();
  return figures;
}

}  // namespace

std::vector<NabSeries> read_nab(const std::filesystem::path& folder) {
  const boost::json::value labels =
      boost::json::parse(text_of(folder / "labels" / "combined_windows.json"));
  std::vector<NabSeries> all;
  for (const auto& [name, windows] : labels.as_object()) {
    const auto path = folder / "data" / std::string(name);
    if (!std::filesystem::exists(path)) continue;
    NabSeries series;
    series.labelled.name = name;
    for (const auto& cells : read_table(path).rows) {
      series.labelled.times.push_back(instant_of(cells[0]));
      series.values.push_back(number_of(cells[1]));
    }
    for (const auto& window : windows.as_array()) {
      const auto& ends = window.as_array();
      series.labelled.windows.push_back({instant_of(std::string(ends[0].as_string())),
                                         instant_of(std::string(ends[1].as_string()))});
    }
    all.push_back(std::move(series));
  }
  return all;
}

std::vector<NabSeries> made_up_nab() {
  std::vector<NabSeries> all;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    std::mt19937_64 random(seed);
    NabSeries& series = all.emplace_back();
    series.labelled.name = "folder" + std::to_string(seed) + "/made_up.csv";
    for (std::int64_t i = 0; i < 2'000; ++i) {
      series.labelled.times.push_back({(i + 1) * 300'000'000'000});
      const double shift = i >= 1'400 && i < 1'450 ? 12 : 0;
      series.values.push_back(10 + shift + std::normal_distribution<>(0, 1)(random));
    }
    series.labelled.windows.push_back({series.labelled.times[1'300], series.labelled.times[1'500]});
  }
  return all;
}

NabFigures run_detector(std::vector<NabSeries>& all) {
  const DetectorOptions usual;
  return run(all, usual.alarm_evidence, [&](std::size_t size) {
    // NAB tells detectors how much of a series is for learning; all else is the same everywhere.
    DetectorOptions options;
    options.learning = learning_points(size);
    return [detector = Detector(options)](Instant time, double value) mutable {
      const Evidence evidence = detector.update(time, value);
      return evidence.alarm ? evidence.combined : 0.0;
    };
  });
}

NabFigures run_gaussian(std::vector<NabSeries>& all) {
  return run(all, 12, [](std::size_t) {
    return [n = 0.0, mean = 0.0, squares = 0.0](Instant, double value) mutable {
      const double deviation = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
      const double z = deviation > 0 ? std::abs(value - mean) / deviation : 0;
      n += 1;
      const double off = value - mean;
      mean += off / n;
      squares += off * (value - mean);
      // -log10 of the two-sided tail, to second order.
      return std::min(z * z / 4.605 + (z > 1 ? std::log10(z) : 0), 300.0);
    };
  });
}

void print_nab(const std::string& what, const NabFigures& f) {
  std::printf(
      "%-20s standard %5.1f  few false %5.1f  few missed %5.1f  own threshold %5.1f  "
      "folders held out %5.1f  windows %zu of %zu  false alarms %zu  %.2f us a reading\n",
      what.c_str(), f.standard, f.few_false, f.few_missed, f.own_threshold, f.held_out, f.detected,
      f.windows, f.false_alarms, f.us_per_reading);
}

}  // namespace entente::bench
