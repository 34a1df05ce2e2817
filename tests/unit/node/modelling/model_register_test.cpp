#include <doctest/doctest.h>

#include "node/modelling/limits.h"
#include "tests/unit/node/modelling/model_site.h"

using namespace entente;
using namespace entente::node;
using namespace entente::node::test;

namespace {

// The state of a model as everything it says.
struct Present {
  std::vector<double> numbers;
  Instant fed_to;
  bool operator==(const Present&) const = default;
};

Present present_of(const ModelSite& site, const std::string& name) {
  const auto view = site.models->show("station-1", name);
  REQUIRE(view.has_value());
  REQUIRE(view->running);
  Present present{{}, *view->fed_to};
  for (const NamedNumber& one : view->state) present.numbers.push_back(one.value);
  if (view->row.definition.spec.kind == "detector") return present;
  const auto forecast = site.models->forecast("station-1", "", name, hours(24));
  REQUIRE(forecast.has_value());
  for (const PredictedPoint& point : forecast->prediction.paths[0]) {
    present.numbers.insert(present.numbers.end(), {point.mean, point.half.low, point.half.high,
                                                   point.ninety.low, point.ninety.high});
  }
  return present;
}

void apply(ModelSite& site, const ModelDefinition& definition) {
  auto row = site.models->apply("user:ann", definition, {});
  INFO((row ? row->reason : row.error().what));
  REQUIRE(row.has_value());
  CHECK(row->life == ModelLife::live);
}

std::vector<StoredAlarm> alarms(const ModelSite& site) {
  auto all = site.models->alarms("station-1", {}, 1'000);
  REQUIRE(all.has_value());
  return *all;
}

}  // namespace

TEST_SUITE("node/modelling/model_register") {
  TEST_CASE("a restart at any moment comes to what a register that never stopped says") {
    const std::uint64_t seed = 7;
    CAPTURE(seed);
    const auto values = wave(480, seed);
    ModelSite steady, restarted;
    SeededRandom random(seed);
    for (ModelSite* site : {&steady, &restarted}) {
      site->put(values, 0, 300);
      apply(*site, smoothing_of(240));
      apply(*site, detector_of(100));
    }
    for (std::size_t hour = 300; hour < 480; ++hour) {
      if (random.below(9) == 0) continue;  // a gap
      for (ModelSite* site : {&steady, &restarted}) site->put(hour, values[hour]);
      const auto look =
          random.below(3) == 0 ? ModelRegister::Look::everything : ModelRegister::Look::when_due;
      steady.models->turn(look);
      if (random.below(4) == 0) restarted.open();
      if (random.below(2) == 0) restarted.models->turn(look);
    }
    steady.turns();
    restarted.open();
    restarted.turns();
    CHECK(present_of(steady, "pm25") == present_of(restarted, "pm25"));
    CHECK(present_of(steady, "unusual") == present_of(restarted, "unusual"));
    CHECK(alarms(steady).size() == alarms(restarted).size());
    // Negative control: one reading less is seen.
    ModelSite other;
    other.put(values, 0, 479);
    apply(other, smoothing_of(240));
    CHECK_FALSE(present_of(other, "pm25") == present_of(steady, "pm25"));
  }

  TEST_CASE(
      "late and corrected readings count as if they had come in time and what is later than "
      "allowed does not") {
    const auto values = wave(360, 3);
    ModelSite in_time, late, too_late;
    in_time.put(values, 0, 360);
    apply(in_time, smoothing_of(240));
    in_time.turns();
    for (ModelSite* site : {&late, &too_late}) {
      auto part = values;
      part[352] += 5;  // wrong at first
      site->put(part, 0, 350);
      site->put(part, 351, 360);
      apply(*site, smoothing_of(240));
      site->turns();
      CHECK_FALSE(present_of(*site, "pm25") == present_of(in_time, "pm25"));
    }
    late.put(350, values[350]);
    late.put(352, values[352]);
    late.turns();
    CHECK(present_of(late, "pm25") == present_of(in_time, "pm25"));
    const auto before = present_of(too_late, "pm25");
    too_late.put(100, 500);
    too_late.turns();
    CHECK(present_of(too_late, "pm25") == before);
  }

  TEST_CASE(
      "a spike is told once however often the model looks and restarts and is withdrawn when "
      "it is corrected") {
    auto values = wave(420, 11);
    const double right = values[400];
    values[400] = 80;
    ModelSite site;
    site.put(values, 0, 400);
    apply(site, detector_of(100));
    site.turns();
    const std::size_t before = alarms(site).size();
    site.put(values, 400, 404);
    for (int i = 0; i < 3; ++i) {
      site.turns();
      site.open();
    }
    site.turns();
    auto told = alarms(site);
    REQUIRE(told.size() == before + 1);
    CHECK(told.front().alarm.time == kFirst + hours(400));
    CHECK(told.front().alarm.value == 80);
    CHECK(std::abs(told.front().alarm.expected - 20) < 10);
    site.put(400, right);
    site.turns();
    CHECK(alarms(site).size() == before);
  }

  TEST_CASE("readings of bad quality reach no model") {
    const auto values = wave(420, 11);
    ModelSite site;
    site.put(values, 0, 400);
    apply(site, detector_of(100));
    site.turns();
    const auto before = present_of(site, "unusual");
    site.put(400, 900, Quality::spike);
    site.turns();
    CHECK(present_of(site, "unusual").numbers == before.numbers);
  }

  TEST_CASE("a turn is bounded and the backlog is shown until it is gone") {
    ModelSite site;
    const std::size_t hours_behind = 3 * limits::kFeedReadings;
    const auto values = wave(400 + hours_behind, 5);
    site.clock.set_wall(kFirst + days(2'000));
    site.put(values, 0, 400);
    apply(site, detector_of(100));
    site.put(values, 400, 400 + hours_behind);
    auto view = site.models->show("station-1", "unusual");
    REQUIRE(view.has_value());
    CHECK(view->behind == hours(static_cast<std::int64_t>(hours_behind)));
    std::size_t turns = 0;
    while (true) {
      const auto report = site.models->turn();
      CHECK(report.observations <= limits::kFeedReadings);
      if (report.observations == 0) break;
      ++turns;
    }
    CHECK(turns == 3);
    CHECK(site.models->show("station-1", "unusual")->behind == Duration{});
    site.turns();
    CHECK(site.models->show("station-1", "unusual")->replay <= limits::kReplayObservations);
  }

  TEST_CASE("a definition is validated and counted and kept with its life over a restart") {
    const auto values = wave(500, 13);
    ModelSite site;
    site.put(values, 0, 200);
    auto row = site.models->apply("user:ann", smoothing_of(240), {});
    REQUIRE(row.has_value());
    CHECK(row->life == ModelLife::proposed);
    CHECK(row->reason.find("200 observations") != std::string::npos);
    CHECK_FALSE(site.models->forecast("station-1", "pm25", "", {}).has_value());
    site.put(values, 200, 500);
    row = site.models->apply("user:ann", smoothing_of(240), {false, true});
    REQUIRE(row.has_value());
    CHECK(row->life == ModelLife::live);
    CHECK(site.models->show("station-1", "pm25")->row.life == ModelLife::proposed);
    row = site.models->apply("user:ann", smoothing_of(240), {true, false});
    REQUIRE(row.has_value());
    CHECK(row->life == ModelLife::validated);
    apply(site, smoothing_of(240));
    auto view = site.models->show("station-1", "pm25");
    CHECK(view->row.definition.spec.version == 3);
    const Validation validation = view->row.validation;
    CHECK(validation.points > 200);
    CHECK(validation.beats_naive());
    CHECK(validation.coverage_ninety > 0.8);
    apply(site, smoothing_of(240));
    CHECK(site.models->show("station-1", "pm25")->row.definition.spec.version == 3);
    apply(site, smoothing_of(264));
    CHECK(site.models->forecast("station-1", "pm25", "", {})->prediction.model_version == 4);
    const auto kept = site.models->score(smoothing_of(264));
    REQUIRE(kept.has_value());
    CHECK(kept->score.points > 200);
    CHECK(kept->forecasts <= limits::kForecastsKept);
    REQUIRE(site.models->retire("user:ann", "station-1", "pm25", false).has_value());
    CHECK(site.models->retire("user:ann", "station-1", "pm25", false).error().code ==
          ErrorCode::conflict);
    site.open();
    CHECK(site.models->show("station-1", "pm25")->row.life == ModelLife::retired);
    CHECK(site.models->turn().observations == 0);
    ModelDefinition odd = smoothing_of(240);
    odd.spec.signals = {"note"};
    CHECK(site.models->apply("user:ann", odd, {}).error().code == ErrorCode::not_found);
  }

  TEST_CASE("a plant that changed makes its model out of date and one that did not does not") {
    for (const bool change : {false, true}) {
      CAPTURE(change);
      auto values = wave(900, 17);
      for (std::size_t hour = 500; hour < 900 && change; ++hour) {
        values[hour] = 20 + (hour % 2 == 0 ? 25 : -25) + values[hour] / 10;
      }
      ModelSite site;
      site.put(values, 0, 480);
      apply(site, smoothing_of(240));
      site.put(values, 480, 900);
      site.turns();
      const auto view = site.models->show("station-1", "pm25");
      CAPTURE(view->row.reason);
      CHECK((view->row.life == ModelLife::stale) == change);
      if (change) CHECK(view->row.reason.find("out of date") != std::string::npos);
      CHECK(site.models->forecast("station-1", "pm25", "", {}).has_value());
    }
  }

  TEST_CASE("a model goes with its twin") {
    ModelSite site;
    site.put(wave(400, 1), 0, 400);
    apply(site, detector_of(100));
    auto removal = site.registry->plan_removal({"station-1"});
    REQUIRE(removal.has_value());
    REQUIRE(site.registry->commit_now(std::move(*removal)).has_value());
    site.models->turn();
    CHECK(site.models->list("").empty());
    CHECK(alarms(site).empty());
    site.open();
    CHECK(site.models->list("").empty());
  }
}
