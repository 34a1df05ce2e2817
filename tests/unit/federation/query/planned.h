// Public descriptions of three states' monitors, and questions planned over them, for the tests
// here.
#pragma once

#include <doctest/doctest.h>

#include "federation/query/parser.h"
#include "federation/query/plan.h"

namespace entente::federation::testing {

inline ExportView state_view(const std::string& state, std::vector<std::string> counties) {
  ExportView view;
  view.name = "air";
  view.site = state + "-centre";
  view.domain = "air";
  view.type = "dtmi:example:Monitor;1";
  view.keys = {"state", "county"};
  for (std::string& county : counties) view.cells.push_back({{state, std::move(county)}, 12});
  view.measures = {
      {"pm25",
       "ug/m3",
       Reducer::mean,
       {{Reducer::mean, 0, 200}, {Reducer::max, 0, 500}, {Reducer::duration, 0, 86'400}}},
      {"ozone", "ppb", Reducer::max, {{Reducer::max, 0, 150}, {Reducer::mean, 0, 120}}},
  };
  view.lateness = hours(2);
  view.rho_cap = {1'000'000'000'000};
  view.delta = {1'152'921'504'606};  // 1e-6
  return view;
}

inline Instant at(std::string_view text) {
  return parse_instant(text).value();
}

// Washington, Oregon and Idaho, asked two days after the worst of the smoke.
struct States {
  ExportView washington = state_view("WA", {"King", "Chelan", "Okanogan"});
  ExportView oregon = state_view("OR", {"Lane", "Umatilla"});
  ExportView idaho = state_view("ID", {"Ada"});
  PlanOptions options;

  States() {
    options.now = at("2015-08-25T10:30:00Z");
    options.default_epsilon = 0.5;
  }

  std::vector<MemberView> members() const {
    return {{&washington, "washington"}, {&oregon, "oregon"}, {&idaho, "idaho"}};
  }
  Result<Plan> try_plan(const std::string& question) const {
    auto sentence = parse_question(question);
    if (!sentence) FAIL(sentence.error().what);
    return plan(*sentence, members(), options);
  }
  Plan planned(const std::string& question) const {
    auto made = try_plan(question);
    if (!made) FAIL(made.error().what);
    return *std::move(made);
  }
  Error refused(const std::string& question, ErrorCode code) const {
    const auto made = try_plan(question);
    REQUIRE_FALSE(made.has_value());
    CHECK(code_name(made.error().code) == code_name(code));
    return made.error();
  }
};

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace entente::federation::testing
