#include "node/model/backtest.h"

#include <algorithm>
#include <cmath>

#include "node/model/conformal.h"

namespace entente::node {

namespace {

struct Pending {
  std::size_t origin;
  std::vector<double> path;
};

BacktestRow roll(std::span<const double> values, const InputColumns& inputs,
                 const Candidate& candidate, const BacktestOptions& options) {
  BacktestRow row;
  row.name = candidate.name;
  ConformalBands bands(options.horizon);
  std::vector<Pending> pending;
  std::unique_ptr<Forecaster> method;
  std::size_t fitted_at = 0, at = 0;
  std::vector<double> inputs_now(inputs.size());
  for (std::size_t origin = options.from; origin < std::min(options.to, values.size());
       origin += options.every) {
    if (!method || origin - fitted_at >= options.refit_every) {
      const std::size_t begin = origin > options.history_most ? origin - options.history_most : 0;
      InputColumns past;
      for (const auto& column : inputs) {
        past.emplace_back(column.begin() + static_cast<std::ptrdiff_t>(begin),
                          column.begin() + static_cast<std::ptrdiff_t>(origin));
      }
      method = candidate.make();
      if (!method->fit(values.subspan(begin, origin - begin), past)) {
        row.fitted = false;
        return row;
      }
      fitted_at = at = origin;
    }
    for (; at < origin; ++at) {
      for (std::size_t j = 0; j < inputs.size(); ++j) inputs_now[j] = inputs[j][at];
      method->update(values[at], inputs_now);
    }
    // Errors of those paths whose truth has arrived.
    std::erase_if(pending, [&](const Pending& issued) {
      if (issued.origin + options.horizon > origin) return false;
      for (std::size_t k = 0; k < issued.path.size(); ++k) {
        bands.learn(k, values[issued.origin + k] - issued.path[k]);
      }
      return true;
    });
    Pending issued{origin, std::vector<double>(options.horizon)};
    InputPlan plan;
    for (std::size_t k = 0; k < options.horizon && !inputs.empty(); ++k) {
      std::vector<double>& planned = plan.emplace_back(inputs.size());
      for (std::size_t j = 0; j < inputs.size(); ++j) {
        planned[j] = origin + k < values.size() ? inputs[j][origin + k] : kMissing;
      }
    }
    method->continue_path(issued.path, plan);
    for (std::size_t k = 0; k < options.horizon && origin + k < values.size(); ++k) {
      if (origin < options.scored_from) break;
      const double mean = issued.path[k];
      row.score.add(values[origin + k], {{}, mean, bands.half(k, mean), bands.ninety(k, mean)});
    }
    if (origin + options.horizon <= values.size()) pending.push_back(std::move(issued));
  }
  return row;
}

}  // namespace

std::vector<BacktestRow> backtest(std::span<const double> values, const InputColumns& inputs,
                                  const std::vector<Candidate>& candidates,
                                  const BacktestOptions& options) {
  const double scale =
      naive_scale(values.first(std::min(options.from, values.size())), options.scale_period);
  std::vector<BacktestRow> rows;
  for (const Candidate& candidate : candidates) {
    rows.push_back(roll(values, inputs, candidate, options));
    if (rows.back().score.points > 0) rows.back().mase = rows.back().score.mae() / scale;
  }
  return rows;
}

std::size_t best_of(const std::vector<BacktestRow>& rows) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].score.points == 0) continue;
    if (rows[best].score.points == 0 || rows[i].score.mae() < rows[best].score.mae()) best = i;
  }
  return best;
}

std::vector<Candidate> usual_candidates(std::span<const double> values,
                                        const std::vector<std::size_t>& periods,
                                        std::size_t horizon, std::size_t inputs) {
  const std::size_t period = periods.empty() ? 1 : periods.back();
  const auto smoothing = [=] { return exponential_smoothing({periods, true, horizon}); };
  const auto plain_theta = [=] { return theta(periods.empty() ? 1 : periods.front()); };
  // Methods without inputs must not be given any to regress on.
  const auto arx = [=] { return direct_regression({periods, horizon, inputs, 1, 1e-3, false}); };
  const auto fading = [=] {
    return direct_regression({periods, horizon, inputs, 0.9995, 1e-2, false});
  };
  const auto pair = [](auto a, auto b) {
    return [=] {
      std::vector<std::unique_ptr<Forecaster>> parts;
      parts.push_back(a());
      parts.push_back(b());
      return combination(std::move(parts));
    };
  };
  const auto logarithmic = [](auto make) { return [=] { return on_logarithms(make()); }; };
  std::vector<Candidate> all{{"seasonal naive", [=] { return seasonal_naive(period); }},
                             {"smoothing", smoothing},
                             {"theta", plain_theta},
                             {"arx", arx},
                             {"arx fading", fading},
                             {"smoothing + arx", pair(smoothing, arx)}};
  const bool negative =
      std::any_of(values.begin(), values.end(), [](double value) { return value < 0; });
  if (negative) return all;
  all.push_back({"log smoothing", logarithmic(smoothing)});
  all.push_back({"log arx", logarithmic(arx)});
  all.push_back({"log arx fading", logarithmic(fading)});
  all.push_back({"log smoothing + log arx", pair(logarithmic(smoothing), logarithmic(arx))});
  all.push_back({"arx + log arx", pair(arx, logarithmic(arx))});
  return all;
}

}  // namespace entente::node
