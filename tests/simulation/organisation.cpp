#include "tests/simulation/organisation.h"

#include <algorithm>
#include <memory>

#include "federation/query/fold.h"
#include "schemas/base/check.h"
#include "security/privacy/rho.h"
#include "tests/simulation/clock.h"

namespace entente::simulation {
namespace {

constexpr const char* kNames[kOrganisations] = {"ash", "birch", "cedar", "elm",
                                                "fir", "hazel", "oak"};
constexpr const char* kZones[] = {"north", "south", "west"};
constexpr double kDelta = 1e-6;
constexpr double kEpsilonMost = 2;

security::PinnedOrganisation pinned_of(const std::string& name,
                                       const security::OrganisationKeys& keys) {
  security::CharterTerms terms{name, name, kBeginning - days(30), kBeginning + days(3'000), 1};
  auto charter = security::first_charter(terms, keys);
  ENTENTE_CHECK(charter.has_value());
  auto pinned =
      security::PinnedOrganisation::from_chain({security::sign_charter(*charter, keys.roots)});
  ENTENTE_CHECK(pinned.has_value());
  return std::move(*pinned);
}

std::vector<SimulatedTwin> twins_of(std::size_t number, std::size_t cells, Random& random) {
  std::vector<SimulatedTwin> twins;
  const auto count = 4 + random.below(9);
  for (std::size_t i = 0; i < count; ++i) {
    SimulatedTwin twin;
    twin.id = "station-" + std::to_string(number) + "-" + std::to_string(10 + i);
    twin.cell = static_cast<std::uint32_t>(random.below(cells));
    const bool silent = random.below(12) == 0;
    for (int hour = 0; hour < kPastDays * 24 && !silent; ++hour) {
      if (random.below(5) == 0) continue;
      node::Reading reading;
      reading.time = kBeginning - days(kPastDays) + hours(hour) +
                     seconds(static_cast<std::int64_t>(random.below(3'600)));
      // Beyond the bounds as well, and with a fraction that is no step of any lattice.
      reading.value = static_cast<double>(random.below(260'000)) / 997.0 - 20;
      if (random.below(10) == 0) reading.quality = node::Quality::out_of_range;
      twin.past.push_back(reading);
    }
    twins.push_back(std::move(twin));
  }
  return twins;
}

ExportView view_of(std::size_t number, const std::vector<SimulatedTwin>& twins, std::size_t cells) {
  ExportView view;
  view.name = "air";
  view.site = kSite;
  view.domain = "air";
  view.type = kType;
  view.keys = {"zone"};
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const auto there = std::count_if(twins.begin(), twins.end(),
                                     [&](const SimulatedTwin& twin) { return twin.cell == cell; });
    // Declared sizes are public and need not be exact, but may not be too small.
    view.cells.push_back({{kZones[cell]}, static_cast<std::uint32_t>(there) + 3});
  }
  view.measures = {{kSignal,
                    "",
                    Reducer::mean,
                    {{Reducer::mean, 0, 200}, {Reducer::max, 0, 250}, {Reducer::sum, 0, 4'000}}}};
  view.block = number % 2 == 0 ? days(1) : hours(12);
  view.lateness = number % 3 == 0 ? hours(1) : Duration{};
  view.delta = *security::delta_of(kDelta);
  view.rho_cap = *security::rho_cap_of(kEpsilonMost, view.delta);
  return view;
}

Organisation made(std::size_t number) {
  SeededRandom random(4'711 + number);
  const std::string name = kNames[number];
  auto keys = security::generate_keys(random);
  auto pinned = pinned_of(name, keys);
  const std::size_t cells = 2 + number % 2;
  auto twins = twins_of(number, cells, random);
  auto view = view_of(number, twins, cells);
  return {number, name, std::move(keys), std::move(pinned), std::move(twins), std::move(view)};
}

}  // namespace

const Organisation& organisation(std::size_t number) {
  static const auto all = [] {
    std::vector<std::unique_ptr<const Organisation>> list;
    for (std::size_t i = 0; i < kOrganisations; ++i) {
      list.push_back(std::make_unique<const Organisation>(made(i)));
    }
    return list;
  }();
  return *all.at(number);
}

const Organisation* organisation_of(const OrgId& id) {
  for (std::size_t i = 0; i < kOrganisations; ++i) {
    if (organisation(i).id() == id) return &organisation(i);
  }
  return nullptr;
}

federation::KnownPartner Organisation::as_partner() const {
  return federation::known_partner(pinned, name);
}

const char* Organisation::types() {
  return R"json([{"@context": "dtmi:dtdl:context;2", "@id": "dtmi:simulation:Station;1",
    "@type": "Interface", "contents": [
      {"@type": "Property", "name": "zone", "schema": "string"},
      {"@type": "Telemetry", "name": "pm25", "schema": "double"}]}])json";
}

std::string Organisation::twins_text() const {
  std::string text;
  for (const SimulatedTwin& twin : twins) {
    text += "[[twin]]\nid = \"" + twin.id + "\"\ntype = \"" + kType + "\"\nproperties.zone = \"" +
            view.cells.at(twin.cell).values.front() + "\"\n";
  }
  return text;
}

federation::FoldedTable fold_past(const Organisation& of, const Question& question) {
  federation::FoldedTable table;
  table.ticks = question.tick_count();
  table.columns = question.columns.size();
  for (const SimulatedTwin& twin : of.twins) {
    const bool asked =
        std::any_of(question.groups.begin(), question.groups.end(), [&](const Group& group) {
          return std::binary_search(group.cells.begin(), group.cells.end(), twin.cell);
        });
    if (!asked) continue;
    federation::FoldedUnit unit{twin.cell, {}};
    for (std::size_t tick = 0; tick < table.ticks; ++tick) {
      for (const Column& column : question.columns) {
        federation::Fold fold(column, question.tick(tick));
        for (const node::Reading& reading : twin.past) {
          if (reading.quality == node::Quality::good) fold.add(reading.time, reading.value);
        }
        unit.values.push_back(fold.value());
      }
    }
    table.units.push_back(std::move(unit));
  }
  return table;
}

}  // namespace entente::simulation
