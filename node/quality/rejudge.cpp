#include "node/quality/rejudge.h"

#include "node/limits.h"
#include "node/quality/series_judge.h"

namespace entente::node {
namespace {

// Judges in order of time; by a rule without clocks, since nobody knows the time of arrival.
class Again {
 public:
  explicit Again(Rule rule) : judge_(without_clocks(std::move(rule))) {}

  Quality operator()(const Reading& kept) {
    if (kept.quality == Quality::clock_ahead) return kept.quality;
    const Quality now = judge_.next(kept.time, kept.value, kept.time).quality;
    return now == Quality::good && kept.quality == Quality::clock_behind ? kept.quality : now;
  }

 private:
  static Rule without_clocks(Rule rule) {
    rule.clock_ahead = {};
    rule.clock_behind = {};
    return rule;
  }
  SeriesJudge judge_;
};

}  // namespace

void RejudgeReport::operator+=(const RejudgeReport& other) {
  judged += other.judged;
  changed += other.changed;
  for (const auto& [change, count] : other.changes) changes[change] += count;
}

Quarantined quarantine(const History& history, SeriesId series, const QuarantineQuery& query) {
  Quarantined out;
  history.scan(series, query.window, [&](const History::Block& block) {
    for (std::size_t i = 0; i < block.times.size() && !out.more; ++i) {
      if (verdict_of(block.qualities[i]) < query.least) continue;
      if (out.readings.size() == query.limit) {
        out.more = true;
        return;
      }
      out.readings.push_back({{block.times[i]}, block.values[i], block.qualities[i]});
    }
  });
  return out;
}

Result<RejudgeReport> rejudge(History& history, SeriesId series, const Rule& rule,
                              const RejudgeOptions& options) {
  RejudgeReport report;
  Again again(rule);
  TimeWindow left{kAllTime.from, options.window.to};
  bool more = true;
  while (more) {
    more = false;
    Batch changed;
    history.scan(series, left, [&](const History::Block& block) {
      for (std::size_t i = 0; i < block.times.size(); ++i) {
        if (more) return;
        const Reading kept{{block.times[i]}, block.values[i], block.qualities[i]};
        const Quality quality = again(kept);
        if (kept.time < options.window.from) continue;
        ++report.judged;
        if (quality == kept.quality) continue;
        ++report.changed;
        ++report.changes[{kept.quality, quality}];
        if (options.dry_run) continue;
        changed.add(series, {kept.time, kept.value, quality});
        if (changed.size() == limits::kRejudgeChanges) {
          more = true;
          left.from = kept.time + nanoseconds(1);
        }
      }
    });
    if (changed.size() == 0) break;
    changed.purpose = Batch::Purpose::verdicts;
    if (auto written = history.append_now(std::move(changed)); !written) {
      return std::move(written).error();
    }
  }
  return report;
}

}  // namespace entente::node
