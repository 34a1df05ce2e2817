#include "node/model/alarm_score.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace entente::node {

namespace {

struct Point {
  double score;
  double worth;           // of an alarm here
  std::ptrdiff_t window;  // counted over all series; -1: outside
};

// 1 at -infinity, 0 at 0, -1 at infinity.
double sigmoid(double place) {
  return place > 3 ? -1 : 2 / (1 + std::exp(5 * place)) - 1;
}

void add_points(const LabelledSeries& series, const AlarmProfile& profile,
                std::ptrdiff_t first_window, std::vector<Point>& points) {
  const std::size_t learning = learning_points(series.times.size());
  std::size_t next = 0;
  std::size_t left = 0, right = 0;
  bool inside = false, after = false;
  double after_width = 0;
  std::size_t after_right = 0;
  for (std::size_t i = 0; i < series.times.size(); ++i) {
    if (!inside && next < series.windows.size() && series.times[i] >= series.windows[next].from) {
      const auto end = std::upper_bound(series.times.begin() + static_cast<std::ptrdiff_t>(i),
                                        series.times.end(), series.windows[next].to);
      inside = true;
      left = i;
      right = std::max(i, static_cast<std::size_t>(end - series.times.begin()) - 1);
    }
    double worth = -profile.false_positive;
    if (inside) {
      const double width = static_cast<double>(right - left + 1);
      worth = sigmoid(-static_cast<double>(right - i + 1) / width) * profile.true_positive /
              sigmoid(-1);
    } else if (after) {
      worth = profile.false_positive *
              sigmoid(static_cast<double>(i - after_right) / std::max(after_width - 1, 1.0));
    }
    if (i >= learning) {
      points.push_back({series.scores[i], worth,
                        inside ? first_window + static_cast<std::ptrdiff_t>(next) : -1});
    }
    if (inside && i == right) {
      inside = false, after = true;
      after_right = i;
      after_width = static_cast<double>(right - left + 1);
      ++next;
    }
  }
}

}  // namespace

std::size_t learning_points(std::size_t length) {
  return static_cast<std::size_t>(
      std::floor(0.15 * static_cast<double>(std::min<std::size_t>(length, 5'000))));
}

AlarmScore score_alarms(std::span<const LabelledSeries> all, const AlarmProfile& profile,
                        std::optional<double> threshold) {
  std::vector<Point> points;
  std::size_t windows = 0;
  for (const LabelledSeries& series : all) {
    add_points(series, profile, static_cast<std::ptrdiff_t>(windows), points);
    windows += series.windows.size();
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const Point& a, const Point& b) { return a.score > b.score; });
  const double count = static_cast<double>(windows);
  std::vector<double> best_in(windows, -profile.false_negative);
  double sum = -profile.false_negative * count;
  AlarmScore now{sum, std::numeric_limits<double>::infinity(), windows, 0, 0};
  AlarmScore best = now;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Point& point = points[i];
    if (threshold && point.score < *threshold) break;
    if (point.window < 0) {
      sum += point.worth;
      ++now.false_alarms;
    } else if (double& in = best_in[static_cast<std::size_t>(point.window)]; point.worth > in) {
      now.detected += in == -profile.false_negative ? 1 : 0;
      sum += point.worth - in;
      in = point.worth;
    }
    if (i + 1 < points.size() && points[i + 1].score == point.score) continue;
    now.score = sum;
    now.threshold = point.score;
    if (threshold || now.score > best.score) best = now;
  }
  if (threshold) best.threshold = *threshold;
  const double null = -profile.false_negative * count;
  const double perfect = profile.true_positive * count;
  best.score = windows == 0 ? 0 : 100 * (best.score - null) / (perfect - null);
  return best;
}

}  // namespace entente::node
