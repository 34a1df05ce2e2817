#include <random>

#include "node/modelling/identify_dynamics.h"
#include "tests/unit/node/modelling/model_site.h"

using namespace entente;
using namespace entente::node;
using namespace entente::node::test;

namespace {

// The plant takes a turn at hour 500: another level, no rhythm.
std::vector<double> changed_wave(std::size_t hours) {
  auto values = wave(hours, 17);
  for (std::size_t hour = 500; hour < hours; ++hour) {
    values[hour] = 20 + (hour % 2 == 0 ? 25 : -25) + values[hour] / 10;
  }
  return values;
}

std::uint32_t version(ModelSite& site) {
  return site.models->show("station-1", "pm25")->row.definition.spec.version;
}

// A tank of 5 m2 with a leak of 0.002 m2/s, in minutes; the inputs hold until the next step.
std::vector<Seen> tank_seen(std::size_t size) {
  std::mt19937_64 random(3);
  std::normal_distribution<> normal;
  std::vector<Seen> seen;
  double level = 2;
  for (std::size_t t = 0; t < size; ++t) {
    const double in = 0.02 + 0.01 * static_cast<double>(t / 40 % 2);
    const double out = 0.015 + 0.01 * static_cast<double>(t / 70 % 2);
    seen.push_back({kFirst + minutes(static_cast<std::int64_t>(t)),
                    {level + 0.002 * normal(random)},
                    {in, out}});
    const double rest = (in - out) / 0.002;
    level = rest + (level - rest) * std::exp(-0.002 / 5 * 60);
  }
  return seen;
}

Result<Identified> found_in(const std::vector<Seen>& seen, const std::string& kind) {
  IdentifyRequest request;
  request.kind = kind;
  Identified found;
  found.definition.twin = "tank-1";
  found.definition.name = "level";
  found.definition.spec.signals = {"level"};
  found.definition.spec.inputs = {"inflow", "outflow"};
  found.definition.spec.step = minutes(1);
  return identify_dynamics(seen, ModelKinds(), request, std::move(found));
}

}  // namespace

TEST_SUITE("node/modelling/proposals") {
  TEST_CASE("a refit is proposed with what changes and counts as a version when it is accepted") {
    ModelSite site;
    const auto values = wave(900, 17);
    site.put(values, 0, 480);
    REQUIRE(site.models->apply("user:ann", smoothing_of(240), {}).has_value());
    site.put(values, 480, 900);
    site.turns();
    auto tried = site.models->refit("user:ann", "station-1", "pm25", true);
    INFO((tried ? std::string() : tried.error().what));
    REQUIRE(tried.has_value());
    CHECK(site.models->proposals("")->empty());
    auto proposed = site.models->refit("user:ann", "station-1", "pm25", false);
    REQUIRE(proposed.has_value());
    CHECK(proposed->version == 1);
    CHECK(proposed->body.find("\"what\":\"warm_up\"") != std::string::npos);
    CHECK(proposed->body.find("mean_absolute_error") != std::string::npos);
    CHECK(version(site) == 1);
    const auto number = proposed->number;
    using Decision = ModelRegister::Decision;
    REQUIRE(site.models->settle("user:bob", number, Decision::accept, true).has_value());
    CHECK(version(site) == 1);
    auto accepted = site.models->settle("user:bob", number, Decision::accept, false);
    INFO((accepted ? std::string() : accepted.error().what));
    REQUIRE(accepted.has_value());
    CHECK(version(site) == 2);
    CHECK(site.models->forecast("station-1", "pm25", "", {})->prediction.model_version == 2);
    CHECK(site.models->settle("user:bob", number, Decision::dismiss, false).error().code ==
          ErrorCode::conflict);
    CHECK(site.models->proposal(number)->settled_by == "user:bob");
    CHECK(site.models->proposal(99).error().code == ErrorCode::not_found);
    // One that was made from an older version changes nothing any more.
    auto late = site.models->refit("user:ann", "station-1", "pm25", false);
    REQUIRE(late.has_value());
    REQUIRE(site.models->apply("user:ann", smoothing_of(300), {}).has_value());
    CHECK(site.models->settle("user:bob", late->number, Decision::accept, false).error().code ==
          ErrorCode::conflict);
    REQUIRE(site.models->settle("user:bob", late->number, Decision::dismiss, false).has_value());
  }

  TEST_CASE("a model out of date is refitted as its policy says") {
    for (const RefitPolicy policy :
         {RefitPolicy::never, RefitPolicy::propose, RefitPolicy::apply}) {
      CAPTURE(to_text(policy));
      const auto values = changed_wave(1'300);
      ModelSite site;
      site.put(values, 0, 480);
      ModelDefinition definition = smoothing_of(240);
      definition.refit = policy;
      REQUIRE(site.models->apply("user:ann", definition, {}).has_value());
      site.put(values, 480, 1'300);
      site.turns();
      const auto all = site.models->proposals("station-1");
      REQUIRE(all.has_value());
      CHECK(all->empty() == (policy == RefitPolicy::never));
      if (all->empty()) continue;
      const bool taken = policy == RefitPolicy::apply;
      CHECK((all->front().life == ProposalLife::accepted) == taken);
      CHECK(version(site) == (taken ? 2 : 1));
    }
  }

  TEST_CASE("a tank identified from history has its parameters and follows planned inputs") {
    const auto seen = tank_seen(1'200);
    const auto found = found_in(seen, "tank");
    INFO((found ? std::string() : found.error().what));
    REQUIRE(found.has_value());
    REQUIRE(found->parameters.size() == 2);
    CHECK(found->parameters[0].value == doctest::Approx(5).epsilon(0.05));
    CHECK(found->parameters[0].low < 5);
    CHECK(found->parameters[0].high > 5);
    CHECK(found->beats_naive());
    CHECK(found->rows[0].whiteness > 0.001);
    const auto read =
        read_definition(definition_text(found->definition), "tank.toml", ModelKinds());
    REQUIRE(read.has_value());
    CHECK(read->identified == "tank");
    auto model = ModelKinds().make(read->spec);
    REQUIRE(model.has_value());
    for (const Seen& one : seen) {
      REQUIRE((*model)->update({one.time, one.values, one.inputs}).has_value());
    }
    // In a steady state the leak takes what comes in beyond what goes out: level = in / leak.
    const auto held = (*model)->predict(hours(100), {{0.019, 0.015}});
    REQUIRE(held.has_value());
    CHECK(held->paths[0].back().mean == doctest::Approx(2).epsilon(0.1));
    const auto more = (*model)->predict(minutes(10), {{0.05, 0.015}});
    const auto less = (*model)->predict(minutes(10), {{0.0, 0.015}});
    // 0.05 m3/s over an area of 5 m2 for nine minutes: the first step still has the input before.
    CHECK(more->paths[0].back().mean - less->paths[0].back().mean ==
          doctest::Approx(0.05 * 540 / 5).epsilon(0.15));
    // The last known inputs hold where nothing is planned.
    const auto same = (*model)->predict(minutes(10), {seen.back().inputs});
    CHECK((*model)->predict(minutes(10), {})->paths[0].back().mean ==
          doctest::Approx(same->paths[0].back().mean));
  }

  TEST_CASE("a subspace model takes the smallest order that does and says how well") {
    const auto seen = tank_seen(1'200);
    const auto found = found_in(seen, "subspace");
    INFO((found ? std::string() : found.error().what));
    REQUIRE(found.has_value());
    CHECK(found->rows.size() == 6);
    CHECK(found->chosen < 3);
    CHECK(found->beats_naive());
    // One step ahead it is nearly as good as the measurement's own noise of 0.002.
    CHECK(found->rows[found->chosen].step_error < 0.004);
    CHECK(read_definition(definition_text(found->definition), "x", ModelKinds()).has_value());
  }

  TEST_CASE("kinds that do not fit what is there are refused with a remedy") {
    CHECK(found_in(tank_seen(100), "tank").error().code == ErrorCode::not_found);
    auto seen = tank_seen(400);
    for (Seen& one : seen) one.inputs.pop_back();
    CHECK_FALSE(is_dynamic_kind("neural"));
    IdentifyRequest request;
    request.kind = "thermal";
    Identified found;
    found.definition.spec.signals = {"level"};
    found.definition.spec.inputs = {"inflow"};
    found.definition.spec.step = minutes(1);
    CHECK(identify_dynamics(seen, ModelKinds(), request, found).error().remedy.find("heat") !=
          std::string::npos);
  }
}
