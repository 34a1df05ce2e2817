// One-day-ahead forecasts of real series, chosen by backtest on an earlier part, for `models`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "node/model/backtest.h"

namespace entente::bench {

struct HourlySeries {
  std::string group, name;
  std::vector<double> values;
  node::InputColumns inputs;
  std::vector<std::size_t> periods;
};

struct ForecastFigures {
  std::string group, name, chosen;
  node::BacktestRow naive, best;  // on the part that neither choice nor bands have seen
};

// UCI 501: a file a station; PM2.5 and TEMP.
std::vector<HourlySeries> read_beijing(const std::filesystem::path& folder);
// UCI 492: the longest stretch without a gap of a month.
std::vector<HourlySeries> read_metro(const std::filesystem::path& folder);
std::vector<HourlySeries> made_up_hours();
// Chosen on [45 %, 60 %) of the series, scored on the rest from origins eleven hours apart.
ForecastFigures forecast(const HourlySeries& series);
void print_forecasts(const std::vector<ForecastFigures>& all);

}  // namespace entente::bench
