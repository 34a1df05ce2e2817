// A quality gate that remembers every arrival and finds everything anew.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "node/quality/quality_gate.h"

namespace entente::node::test {

struct Naive {
  struct Arrival {
    std::int64_t time;
    double value;
    Quality quality;
    bool ahead;
    bool in_order;
    std::int64_t now;
  };
  Rule rule;
  std::vector<Arrival> all;

  bool is_ahead(std::int64_t time, std::int64_t now) const {
    return rule.clock_ahead.ns > 0 && time - now > rule.clock_ahead.ns;
  }
  Quality alone(std::int64_t time, double value, std::int64_t now) const {
    if (!std::isfinite(value)) return Quality::not_finite;
    if (is_ahead(time, now)) return Quality::clock_ahead;
    if (rule.unit_expected) {
      const auto [low, high] = *rule.unit_expected;
      const bool usual = low <= value && value <= high;
      for (const Conversion& way : rule.other_units) {
        const double own = (value - way.offset) / way.factor;
        if (!usual && low <= own && own <= high) return Quality::unit_mismatch;
      }
    }
    if (rule.range && !(rule.range->minimum <= value && value <= rule.range->maximum)) {
      return Quality::out_of_range;
    }
    if (rule.clock_behind.ns > 0 && now - time > rule.clock_behind.ns) return Quality::clock_behind;
    return Quality::good;
  }
  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t n = values.size();
    return n % 2 == 1 ? values[n / 2] : values[n / 2 - 1] / 2 + values[n / 2] / 2;
  }
  bool gap(std::int64_t from, std::int64_t to) const {
    return rule.period.ns > 0 &&
           static_cast<double>(to - from) > rule.gap_factor * static_cast<double>(rule.period.ns);
  }

  Quality judge(std::int64_t time, double value, std::int64_t now) {
    Arrival arrival{time, value, alone(time, value, now), is_ahead(time, now), true, now};
    std::vector<Arrival> before;  // in order, from the first on
    for (const Arrival& each : all) {
      if (!each.ahead && each.in_order) before.push_back(each);
    }
    if (arrival.ahead) {
      arrival.in_order = false;
    } else if (!before.empty() && time <= before.back().time) {
      arrival.in_order = false;
      const Arrival& last = before.back();
      if (time == last.time && value == last.value) arrival.quality = last.quality;
    } else if (arrival.quality == Quality::good || arrival.quality == Quality::clock_behind) {
      before.push_back(arrival);
      const Quality against = look_back(before);
      if (against != Quality::good) arrival.quality = against;
    }
    all.push_back(arrival);
    return arrival.quality;
  }

  // `before` ends with the reading itself.
  Quality look_back(const std::vector<Arrival>& before) const {
    const Arrival& self = before.back();
    const auto fine = [](Quality quality) {
      return quality != Quality::not_finite && quality != Quality::unit_mismatch &&
             quality != Quality::out_of_range;
    };
    if (rule.spike > 0) {
      std::vector<double> window;
      for (std::size_t i = 0; i + 1 < before.size(); ++i) {
        if (i > 0 && gap(before[i - 1].time, before[i].time)) window.clear();
        if (fine(before[i].quality)) window.push_back(before[i].value);
      }
      const std::size_t n = before.size();
      if (n > 1 && gap(before[n - 2].time, self.time)) window.clear();
      const auto length = static_cast<std::size_t>(rule.spike_window);
      if (window.size() > length) window.erase(window.begin(), window.end() - rule.spike_window);
      if (!window.empty() && window.size() * 2 >= length) {
        const double middle = median(window);
        for (double& each : window) each = std::abs(each - middle);
        const double unit = std::max(median(window), rule.spike_floor);
        if (unit > 0 && std::abs(self.value - middle) > rule.spike * unit) return Quality::spike;
      }
    }
    // Runs, from the first reading on.
    std::optional<Arrival> last;
    std::int64_t run_start = 0;
    double run_value = 0;
    bool flat = false;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (last && i > 0 && gap(before[i - 1].time, before[i].time)) {
        run_start = before[i].time;
        flat = true;
      }
      if (i + 1 == before.size()) break;
      if (verdict_of(before[i].quality) == Verdict::bad) continue;
      if (!last || std::abs(before[i].value - run_value) > rule.dither) {
        run_start = before[i].time;
        run_value = before[i].value;
        flat = false;
      }
      last = before[i];
    }
    if (!last) return Quality::good;
    const double passed = static_cast<double>(self.time - last->time) * 1e-9;
    if (rule.rate_per_second > 0 &&
        std::abs(self.value - last->value) > rule.rate_per_second * passed) {
      return Quality::rate_of_change;
    }
    if (std::abs(self.value - run_value) > rule.dither) return Quality::good;
    if (flat && rule.flat_after_gap) return Quality::flat_after_gap;
    if (rule.stuck.ns > 0 && self.time - run_start > rule.stuck.ns) return Quality::stuck;
    return Quality::good;
  }
};

inline Rule random_rule(std::mt19937& random) {
  const auto maybe = [&] { return random() % 2 == 0; };
  Rule rule;
  if (maybe()) rule.range = Range{-8, 8};
  if (maybe()) rule.rate_per_second = 4;
  if (maybe()) rule.stuck = seconds(3);
  if (maybe()) rule.dither = 0.5;
  if (maybe()) rule.spike = 3;
  rule.spike_window = 3 + static_cast<int>(random() % 6);
  if (maybe()) rule.spike_floor = 1;
  if (maybe()) rule.period = seconds(1);
  rule.flat_after_gap = maybe();
  if (maybe()) rule.clock_behind = seconds(4);
  if (maybe()) rule.clock_ahead = seconds(5);
  if (maybe()) {
    rule.unit_expected = Range{-5, 5};
    rule.other_units = {{2, 32}, {1, 100}};
  }
  return rule;
}

}  // namespace entente::node::test
