// The three states of examples/city as a federation in one process: their real readings, folded to
// daily means, and the way from a sentence to merged rows that questions between organisations
// take.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "federation/query/estimate.h"
#include "federation/query/exact.h"
#include "federation/query/fold.h"
#include "federation/query/parser.h"
#include "federation/query/release.h"
#include "schemas/base/check.h"

namespace entente::test {

struct State {
  std::string name;
  ExportView view;
  federation::FoldedTable folded;  // one day's mean of each monitor
};

// pm25.csv is one column of hourly readings to a monitor; an empty field is a missing reading.
inline federation::FoldedTable daily_means(const std::string& path, TimeWindow day) {
  std::ifstream file(path);
  ENTENTE_CHECK(file.is_open());
  std::string line, field;
  std::getline(file, line);
  const auto monitors = static_cast<std::size_t>(std::count(line.begin(), line.end(), ','));
  const Column column{"pm25", Reducer::mean, 0, 200, {}};
  std::vector<federation::Fold> folds(monitors, federation::Fold(column, day));
  while (std::getline(file, line)) {
    std::istringstream fields(line + ",");
    std::getline(fields, field, ',');
    const Instant time = *parse_instant(field);
    for (std::size_t m = 0; std::getline(fields, field, ','); ++m) {
      if (!field.empty() && m < monitors) folds[m].add(time, std::strtod(field.c_str(), nullptr));
    }
  }
  federation::FoldedTable table{1, 1, {}};
  for (const federation::Fold& fold : folds) table.units.push_back({0, {fold.value()}});
  return table;
}

inline ExportView state_view(const std::string& code, std::uint32_t monitors) {
  ExportView view;
  view.name = "air";
  view.site = code;
  view.domain = "air";
  view.type = "dtmi:org:entente:city:AirMonitor;1";
  view.keys = {"state"};
  view.cells = {{{code}, monitors}};
  view.measures = {{"pm25", "ug/m3", Reducer::mean, {{Reducer::mean, 0, 200}}}};
  view.rho_cap = {1'157'079'864'530};  // epsilon 8 a day at a delta of 1e-6
  view.delta = {1'152'921'504'606};
  return view;
}

struct City {
  std::string day;
  std::vector<State> states;

  explicit City(const std::string& date) : day(date) {
    const Instant begin = *parse_instant(date);
    const TimeWindow window{begin, begin + days(1)};
    for (const auto& [name, code] :
         {std::pair{"washington", "WA"}, {"oregon", "OR"}, {"idaho", "ID"}}) {
      State state{name, {}, daily_means(path_of(name), window)};
      state.view = state_view(code, static_cast<std::uint32_t>(state.folded.units.size()));
      states.push_back(std::move(state));
    }
  }

  static std::string path_of(const std::string& name) {
    return std::string(ENTENTE_SOURCE_DIR) + "/examples/city/" + name + "/pm25.csv";
  }
};

// A question to the whole federation, priced once and answered as often as is wished.
struct CityQuestion {
  const City& city;
  federation::Plan plan;
  std::vector<federation::Price> prices;

  CityQuestion(const City& of, const std::string& items, const std::string& epsilon = "4")
      : city(of) {
    const Instant end = *parse_instant(of.day) + days(1);
    auto sentence =
        federation::parse_question("SELECT " + items + " FROM air GROUP BY state OVER '" + of.day +
                                   "' .. '" + to_text(end) + "' WITH (epsilon = " + epsilon + ")");
    ENTENTE_CHECK(sentence.has_value());
    std::vector<federation::MemberView> members;
    for (const State& state : of.states) members.push_back({&state.view, state.name});
    federation::PlanOptions options;
    options.now = end + days(30);
    auto made = federation::plan(*sentence, members, options);
    ENTENTE_CHECK(made.has_value());
    plan = std::move(*made);
    for (std::size_t i = 0; i < of.states.size(); ++i) {
      prices.push_back(*federation::price_of(question(i), of.states[i].view));
    }
  }

  const Question& question(std::size_t i) const { return *plan.members[i].question; }

  // What each state keeps to itself.
  std::vector<federation::ExactVectors> sums() const {
    std::vector<federation::ExactVectors> sums;
    for (std::size_t i = 0; i < city.states.size(); ++i) {
      sums.push_back(*federation::aggregate(question(i), city.states[i].view, prices[i],
                                            city.states[i].folded));
    }
    return sums;
  }

  // One run with a fresh budget: noise at each state, merged at the asker.
  std::vector<federation::AnswerRow> run(const std::vector<federation::ExactVectors>& sums,
                                         security::NoiseSource& noise) const {
    std::vector<Release> releases(sums.size());
    std::vector<federation::MemberRelease> members;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      releases[i].cells = federation::add_noise(question(i), prices[i], sums[i], noise);
      members.push_back({&plan.members[i], &prices[i], &releases[i]});
    }
    return federation::merge_rows(plan, members);
  }

  std::vector<federation::ExpectedError> preview() const {
    std::vector<federation::PreviewMember> members;
    for (std::size_t i = 0; i < city.states.size(); ++i) {
      members.push_back({&plan.members[i], &prices[i], &city.states[i].view});
    }
    return federation::expected_errors(plan, members);
  }

  // The exact values, [row][item]: each state for itself, then all monitors as if one site had
  // them. `limited` to the declared bounds, which is what an answer is about, or as measured.
  std::vector<std::vector<double>> truth(bool limited = true) const {
    std::vector<std::vector<double>> rows;
    federation::FoldedTable all{1, 1, {}};
    ExportView joint = city.states[0].view;
    const auto asked = [&](std::size_t i) {
      Question one = question(i);
      for (Column& column : one.columns) {
        if (!limited) column.lower = -1e9, column.upper = 1e9;
      }
      return one;
    };
    for (std::size_t i = 0; i < city.states.size(); ++i) {
      const federation::FoldedTable& own = city.states[i].folded;
      rows.push_back(values_of(asked(i), city.states[i].view, own));
      all.units.insert(all.units.end(), own.units.begin(), own.units.end());
    }
    rows.push_back(values_of(asked(0), joint, all));
    return rows;
  }

 private:
  static std::vector<double> values_of(const Question& question, const ExportView& view,
                                       const federation::FoldedTable& table) {
    std::vector<double> values;
    const auto rows = federation::blend_exact(question, view, table);
    for (const auto& item : rows.at(0).values) values.push_back(item.at(0));
    return values;
  }
};

}  // namespace entente::test
