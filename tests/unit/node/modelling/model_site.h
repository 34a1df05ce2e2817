// A site with one station, a made-up signal with a day's rhythm, and a register of models over it.
#pragma once

#include <cmath>
#include <numbers>

#include "node/modelling/model_register.h"
#include "node/store/audit_log.h"
#include "schemas/base/random.h"
#include "tests/unit/node/ingest/site.h"

namespace entente::node::test {

inline constexpr Instant kFirst{1'577'836'800'000'000'000};  // 2020-01-01

// Of hour `hour`: a day's wave about 20, noise of deviation 1; equal seeds, equal signals.
inline std::vector<double> wave(std::size_t hours, std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<double> values;
  for (std::size_t hour = 0; hour < hours; ++hour) {
    double noise = -6;
    for (int i = 0; i < 12; ++i) noise += static_cast<double>(random.u64() >> 11) * 0x1p-53;
    const double angle = 2 * std::numbers::pi * static_cast<double>(hour % 24) / 24;
    values.push_back(20 + 6 * std::sin(angle) + noise);
  }
  return values;
}

struct ModelSite : Site {
  std::unique_ptr<Store> ledger;
  std::unique_ptr<ModelRegister> models;

  ModelSite() : Site({"station-1", "station-2"}) {
    clock.set_wall(kFirst + days(200));
    Store::Options options;
    options.path = folder / "e.db";
    options.migrations = {audit_migration(), audit_tree_migration(), model_migration(),
                          proposal_migration()};
    ledger = std::move(*Store::open(std::move(options)));
    open();
  }
  // As a restart does.
  void open() {
    models = std::make_unique<ModelRegister>(
        ModelRegister::Parts{*ledger, *history, clock, [this] { return registry->state(); }});
    REQUIRE(models->load().has_value());
  }
  void put(std::size_t hour, double value, Quality quality = Quality::good) {
    const auto id = *history->open_series("station-1", "pm25");
    Batch batch;
    batch.add(id, {kFirst + hours(static_cast<std::int64_t>(hour)), value, quality});
    REQUIRE(history->append_now(std::move(batch)).has_value());
  }
  void put(const std::vector<double>& values, std::size_t from, std::size_t to) {
    const auto id = *history->open_series("station-1", "pm25");
    Batch batch;
    for (std::size_t hour = from; hour < to; ++hour) {
      batch.add(id, {kFirst + hours(static_cast<std::int64_t>(hour)), values[hour]});
    }
    REQUIRE(history->append_now(std::move(batch)).has_value());
  }
  void turns(int count = 30) {
    for (int i = 0; i < count; ++i) {
      if (models->turn(ModelRegister::Look::everything).observations == 0) return;
    }
  }
};

inline ModelDefinition detector_of(std::size_t learning) {
  ModelDefinition definition;
  definition.twin = "station-1";
  definition.name = "unusual";
  definition.spec.kind = "detector";
  definition.spec.signals = {"pm25"};
  definition.spec.parameters["learning"] = {static_cast<double>(learning)};
  definition.from = kFirst;
  definition.late = hours(12);
  return definition;
}

inline ModelDefinition smoothing_of(std::size_t warm_up) {
  ModelDefinition definition;
  definition.twin = "station-1";
  definition.name = "pm25";
  definition.spec.kind = "theta";
  definition.spec.signals = {"pm25"};
  definition.spec.step = hours(1);
  definition.spec.parameters = {
      {"periods", {24}}, {"horizon", {24}}, {"warm_up", {static_cast<double>(warm_up)}}};
  definition.from = kFirst;
  definition.late = hours(12);
  return definition;
}

}  // namespace entente::node::test
