#include <doctest/doctest.h>

#include "tests/unit/node/modelling/model_site.h"

using namespace entente;
using namespace entente::node;
using namespace entente::node::test;

namespace {

Result<Identified> identified(ModelSite& site, bool detector = false) {
  IdentifyRequest request;
  request.twin = "station-1";
  request.signal = "pm25";
  request.detector = detector;
  return identify(*site.history, site.models->kinds(), request, site.clock.now());
}

}  // namespace

TEST_SUITE("node/modelling/identify") {
  TEST_CASE("the chosen definition beats the naive on a noisy rhythm and can be applied as it is") {
    ModelSite site;
    site.put(wave(600, 19), 0, 600);
    auto found = identified(site);
    INFO((found ? std::string() : found.error().what));
    REQUIRE(found.has_value());
    CHECK(found->rows.front().method == "seasonal naive");
    CHECK(found->beats_naive());
    CHECK(found->definition.spec.step == hours(1));
    CHECK(found->definition.name == "pm25");
    const IdentifiedRow& best = found->rows[found->chosen];
    CHECK(best.mase < 0.95);
    CHECK(best.coverage_ninety > 0.8);
    CHECK(best.coverage_ninety <= 1);
    auto read = read_definition(definition_text(found->definition), "x", site.models->kinds());
    REQUIRE(read.has_value());
    auto row = site.models->apply("user:ann", *read, {});
    REQUIRE(row.has_value());
    CHECK(row->life == ModelLife::live);
    CHECK(row->validation.beats_naive());
  }

  TEST_CASE("where each day is the last one again nothing beats the naive and it is said") {
    ModelSite site;
    std::vector<double> values = wave(24, 23);
    for (std::size_t hour = 24; hour < 600; ++hour) values.push_back(values[hour - 24]);
    site.put(values, 0, 600);
    auto found = identified(site);
    REQUIRE(found.has_value());
    CHECK_FALSE(found->beats_naive());
    CHECK(found->definition.spec.kind == "seasonal_naive");
  }

  TEST_CASE("too little history is refused with how much there is and how much it takes") {
    ModelSite site;
    CHECK(identified(site).error().code == ErrorCode::not_found);
    site.put(wave(100, 1), 0, 100);
    auto found = identified(site);
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().what.find("there are 100 steps of 1h") != std::string::npos);
    CHECK(identified(site, true).error().what.find("100 readings") != std::string::npos);
    site.put(wave(400, 1), 100, 400);
    CHECK(identified(site, true)->definition.spec.parameters.at("learning").front() == 100);
  }

  TEST_CASE("the usual step is told from readings with gaps and none from one reading") {
    ModelSite site;
    site.put(0, 1);
    CHECK_FALSE(usual_step(*site.history, site.series("station-1")).has_value());
    for (std::size_t hour = 1; hour < 100; ++hour) {
      if (hour % 7 != 0) site.put(hour, 1);
    }
    CHECK(usual_step(*site.history, site.series("station-1")) == hours(1));
  }

  TEST_CASE("many futures have the spread of past errors and the same seed gives the same") {
    ModelSite site;
    site.put(wave(600, 29), 0, 600);
    REQUIRE(site.models->apply("user:ann", smoothing_of(360), {}).has_value());
    SimulationPlan plan;
    plan.runs = 500;
    plan.limit = 60;
    auto done = site.models->simulate("station-1", "", plan, hours(24));
    INFO((done ? std::string() : done.error().what));
    REQUIRE(done.has_value());
    const Simulated& futures = done->second;
    REQUIRE(futures.path.size() == 24);
    CHECK(futures.above == 0);
    CHECK(futures.below == 1);
    const Band band = futures.path[12].ninety;
    // Noise of deviation 1: a band of 90 % is about 3.3 wide.
    CHECK(band.high - band.low > 2);
    CHECK(band.high - band.low < 6);
    plan.limit = futures.path[5].mean;
    const auto again = site.models->simulate("station-1", "", plan, hours(24));
    CHECK(again->second.path[23].mean == futures.path[23].mean);
    CHECK(again->second.above > 0.4);
    plan.seed = 2;
    const auto other = site.models->simulate("station-1", "", plan, hours(24));
    CHECK_FALSE(other->second.path[23].mean == futures.path[23].mean);
    plan.inputs = {{"inlet", 5, 0}};
    CHECK(site.models->simulate("station-1", "", plan, hours(24)).error().code ==
          ErrorCode::invalid_argument);
  }

  TEST_CASE("planned inputs are read strictly") {
    CHECK(planned_input("inlet=5~0.5")->deviation == 0.5);
    CHECK(planned_input("inlet=-5")->value == -5);
    for (const char* wrong : {"inlet", "=5", "inlet=", "inlet=five", "inlet=5~", "inlet=5~-1",
                              "inlet=inf", "inlet=5~0.5x"}) {
      CAPTURE(wrong);
      CHECK_FALSE(planned_input(wrong).has_value());
    }
  }
}
