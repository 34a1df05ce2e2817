#include "node/quality/learn.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "node/limits.h"
#include "node/quality/rule_text.h"
#include "node/quality/series_judge.h"

namespace entente::node {
namespace {

constexpr double kSpikeLeast = 8;
constexpr double kLongestSeconds = 10 * 365 * 86'400.0;  // no rule is about more

// The youngest readings of one series, in order of time.
using Kept = std::deque<Reading>;

Kept youngest(const History& history, SeriesId series, TimeWindow window, std::size_t most) {
  Kept kept;
  history.scan(series, window, [&](const History::Block& block) {
    const std::size_t size = block.times.size();
    for (std::size_t i = size > most ? size - most : 0; i < size; ++i) {
      kept.push_back({{block.times[i]}, block.values[i], block.qualities[i]});
      if (kept.size() > most) kept.pop_front();
    }
  });
  return kept;
}

// Of any two times, which may be further apart than a Duration holds.
double seconds_between(const Reading& earlier, const Reading& later) {
  return (static_cast<double>(later.time.ns) - static_cast<double>(earlier.time.ns)) * 1e-9;
}

// `values` are moved about and not empty.
double quantile(std::vector<double>& values, double share) {
  const auto at =
      static_cast<std::ptrdiff_t>(std::lround(share * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

double mad_around(std::vector<double> values, double median) {
  for (double& value : values) value = std::abs(value - median);
  return median_of(values);
}

enum class Away { down, up };
// To two digits, away from what it bounds.
double rounded(double value, Away away) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double digits = std::floor(std::log10(std::abs(value))) - 1;
  // Powers of ten at and above 1 are exact; below, one division keeps the shortest text.
  const double scale = std::pow(10, std::abs(digits));
  const double scaled = digits >= 0 ? value / scale : value * scale;
  const double whole = away == Away::up ? std::ceil(scaled) : std::floor(scaled);
  return digits >= 0 ? whole * scale : whole / scale;
}

// The next longer time that people would say.
Duration rounded_up(double seconds_long) {
  for (const std::int64_t unit : {86'400, 3'600, 60}) {
    if (seconds_long >= static_cast<double>(2 * unit)) {
      return seconds(
          unit * static_cast<std::int64_t>(std::ceil(seconds_long / static_cast<double>(unit))));
    }
  }
  if (seconds_long >= 1) return seconds(static_cast<std::int64_t>(std::ceil(seconds_long)));
  return milliseconds(
      std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(seconds_long * 1'000))));
}

// What the good readings of all series show, pooled.
struct Evidence {
  std::vector<double> values;
  std::vector<double> intervals;  // s
  std::vector<double> rates;      // 1/s
  std::vector<double> steps;
  std::vector<double> runs;  // s, of two readings and more
};

void gather(const Kept& kept, Evidence& into) {
  const Reading* before = nullptr;
  const Reading* run = nullptr;
  for (const Reading& reading : kept) {
    if (reading.quality != Quality::good || !std::isfinite(reading.value)) continue;
    into.values.push_back(reading.value);
    if (before != nullptr) {
      const double passed = seconds_between(*before, reading);
      into.intervals.push_back(passed);
      into.steps.push_back(reading.value - before->value);
      if (passed > 0) into.rates.push_back(std::abs(into.steps.back()) / passed);
    }
    if (run == nullptr || run->value != reading.value) {
      if (run != nullptr && run != before) into.runs.push_back(seconds_between(*run, *before));
      run = &reading;
    }
    before = &reading;
  }
  if (run != nullptr && run != before) into.runs.push_back(seconds_between(*run, *before));
}

void learn_range(Evidence& evidence, RuleKeys& keys) {
  const double low = quantile(evidence.values, 0.001);
  const double high = quantile(evidence.values, 0.999);
  const double margin = (high - low) / 4;
  const bool never_below = *std::min_element(evidence.values.begin(), evidence.values.end()) >= 0;
  const double least = rounded(low - margin, Away::down);
  keys.range = Range{never_below ? std::max(0.0, least) : least, rounded(high + margin, Away::up)};
}

void learn_period(Evidence& evidence, RuleKeys& keys) {
  if (evidence.intervals.empty()) return;
  const double median = quantile(evidence.intervals, 0.5);
  const auto near =
      std::count_if(evidence.intervals.begin(), evidence.intervals.end(),
                    [&](double interval) { return std::abs(interval - median) <= median / 10; });
  if (median < 1e-3 || median > kLongestSeconds ||
      static_cast<std::size_t>(near) * 2 < evidence.intervals.size())
    return;
  keys.period = milliseconds(std::llround(median * 1e3));
}

void learn_stuck(Evidence& evidence, RuleKeys& keys) {
  // Most readings repeat the one before: constancy is this signal's habit.
  const auto same =
      static_cast<std::size_t>(std::count(evidence.steps.begin(), evidence.steps.end(), 0.0));
  if (same * 2 > evidence.steps.size()) return;
  const double usual = evidence.runs.empty() ? 0 : quantile(evidence.runs, 0.99) * 2;
  const double least = keys.period ? keys.period->seconds() * 3 : 0;
  const double longest = std::max(usual, least);
  if (longest > 0 && longest < kLongestSeconds) keys.stuck = rounded_up(longest);
}

// Distances from the median before, in the larger of MAD and floor: what SpikeWindow measures.
std::vector<double> spike_scores(const Kept& kept, double floor, int length) {
  std::vector<double> scores, window;
  std::deque<double> last;
  for (const Reading& reading : kept) {
    if (reading.quality != Quality::good || !std::isfinite(reading.value)) continue;
    if (last.size() == static_cast<std::size_t>(length)) {
      window.assign(last.begin(), last.end());
      const double median = median_of(window);
      const double unit = std::max(mad_around(std::move(window), median), floor);
      scores.push_back(std::abs(reading.value - median) / unit);
      last.pop_front();
    }
    last.push_back(reading.value);
  }
  return scores;
}

void learn_spike(const std::vector<Kept>& all, Evidence& evidence, RuleKeys& keys) {
  if (evidence.steps.empty()) return;
  const double floor = mad_around(evidence.steps, quantile(evidence.steps, 0.5));
  if (floor <= 0) return;
  const int length = Rule{}.spike_window;
  keys.spike_floor = rounded(floor, Away::up);
  std::vector<double> scores;
  for (const Kept& kept : all) {
    const auto some = spike_scores(kept, *keys.spike_floor, length);
    scores.insert(scores.end(), some.begin(), some.end());
  }
  if (scores.empty()) {
    keys.spike_floor.reset();
    return;
  }
  keys.spike = std::max(kSpikeLeast, rounded(quantile(scores, 0.999) * 1.5, Away::up));
  keys.spike_window = length;
}

// What these keys alone say of everything kept.
std::uint64_t flagged_by(const RuleKeys& keys, const std::vector<Kept>& all) {
  Rule rule;
  keys.apply_to(rule);
  rule.clock_ahead = {};
  std::uint64_t flagged = 0;
  for (const Kept& kept : all) {
    SeriesJudge judge(rule);
    for (const Reading& reading : kept) {
      if (reading.quality == Quality::clock_ahead) continue;
      const Judged judged = judge.next(reading.time, reading.value, reading.time);
      const bool about_value =
          judged.quality != Quality::good && judged.quality != Quality::not_finite;
      flagged += keys.period ? judged.interval == Judged::Interval::gap : about_value;
    }
  }
  return flagged;
}

void count_flagged(const std::vector<Kept>& all, Learned& learned) {
  const RuleKeys& keys = learned.keys;
  const auto count = [&](const char* key, const RuleKeys& alone) {
    if (!(alone == RuleKeys{})) learned.flagged.emplace_back(key, flagged_by(alone, all));
  };
  RuleKeys one;
  one.range = keys.range;
  count("range", one);
  one = {};
  one.rate_per_second = keys.rate_per_second;
  count("rate_per_second", one);
  one = {};
  one.stuck = keys.stuck;
  count("stuck", one);
  one = {};
  one.spike = keys.spike;
  one.spike_window = keys.spike_window;
  one.spike_floor = keys.spike_floor;
  count("spike", one);
  one = {};
  one.period = keys.period;
  count("period", one);
}

}  // namespace

Result<Learned> learn(const History& history, const std::vector<SeriesId>& series,
                      TimeWindow window) {
  Learned learned;
  Evidence evidence;
  std::vector<Kept> all;
  const std::size_t each = limits::kLearnReadings / std::max<std::size_t>(1, series.size());
  for (const SeriesId one : series) {
    all.push_back(youngest(history, one, window, each));
    learned.readings += all.back().size();
    gather(all.back(), evidence);
  }
  learned.good = evidence.values.size();
  if (learned.good < kLearnLeast) {
    return make_error(ErrorCode::not_found,
                      std::to_string(learned.good) + " good readings are too few to learn from",
                      "take in at least " + std::to_string(kLearnLeast) + ", or widen the window");
  }
  learned.median = quantile(evidence.values, 0.5);
  learned.mad = mad_around(evidence.values, learned.median);
  RuleKeys& keys = learned.keys;
  learn_range(evidence, keys);
  learn_period(evidence, keys);
  learn_stuck(evidence, keys);
  if (!evidence.rates.empty()) {
    const double rate = quantile(evidence.rates, 0.999) * 2;
    if (rate > 0) keys.rate_per_second = rounded(rate, Away::up);
  }
  learn_spike(all, evidence, keys);
  count_flagged(all, learned);
  return learned;
}

std::string learned_text(const Learned& learned, const std::string& header) {
  std::string out = header + "# learned from " + std::to_string(learned.good) + " good of " +
                    std::to_string(learned.readings) + " readings\n";
  std::string lines = rule_text(learned.keys);
  std::size_t from = 0;
  while (from < lines.size()) {
    const std::size_t end = lines.find('\n', from);
    const std::string line = lines.substr(from, end - from);
    from = end + 1;
    out += line;
    for (const auto& [key, count] : learned.flagged) {
      if (!line.starts_with(key + " =")) continue;
      const std::string what = key == "period" ? " gaps" : " of them";
      out += "  # flags " + std::to_string(count) + what;
    }
    out += '\n';
  }
  return out;
}

}  // namespace entente::node
