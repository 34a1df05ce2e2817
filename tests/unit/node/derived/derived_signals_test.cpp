#include "node/derived/derived_signals.h"

#include "node/twin/units.h"
#include "tests/unit/node/derived/derived_site.h"

using namespace entente;
using namespace entente::node;
using test::DerivedSite;
using test::kTankFirst;

namespace {

std::string refusal(const Outcome& outcome) {
  return outcome ? "it was taken" : outcome.error().what;
}

double computed(DerivedSite& site, const std::string& value, const std::string& unit) {
  const auto defined = site.tank("it", value, unit);
  INFO(value);
  INFO(refusal(defined));
  REQUIRE(defined.has_value());
  const auto now = site.value("tank-1", "it");
  INFO(now.reason);
  REQUIRE(now.newest.has_value());
  return now.newest->value;
}

}  // namespace

TEST_SUITE("node/derived/derived_signals") {
  TEST_CASE("expressions follow rank and order and units") {
    DerivedSite site;
    site.clock.set_wall(kTankFirst + minutes(1));
    site.put("tank-1", "flow_in", 0, 5);
    site.put("tank-1", "flow_out", 0, 3'600);
    site.put("tank-1", "power", 0, 12);
    site.put("tank-1", "inlet", 0, 20);
    site.put("tank-1", "outlet", 0, 50);  // 10 degrees Celsius
    CHECK(computed(site, "1 + 2 * 3 - 4 / 2 - 1 + 0 * power / 1 watt", "unity") ==
          doctest::Approx(4));
    CHECK(computed(site, "-(power - 2 kilowatt) * 2", "kilowatt") == doctest::Approx(-20));
    CHECK(computed(site, "flow_in - flow_out", "litrePerHour") == doctest::Approx(14'400));
    CHECK(computed(site, "power / volume", "watt / cubicMetre") == doctest::Approx(6'000));
    CHECK(computed(site, "power / volume", "kilowatt / litre") == doctest::Approx(0.006));
    CHECK(computed(site, "inlet - outlet", "kelvin") == doctest::Approx(10));
    CHECK(computed(site, "mean(inlet, outlet)", "degreeCelsius") == doctest::Approx(15));
    CHECK(computed(site, "max(inlet, outlet)", "degreeFahrenheit") == doctest::Approx(68));
    CHECK(computed(site, "inlet - 2 kelvin", "degreeCelsius") == doctest::Approx(18));
    CHECK(computed(site, "abs(outlet - inlet) * 4.18 kilojoule / 1 kelvin * flow_in / 1 litre",
                   "kilowatt") == doctest::Approx(209));
    CHECK(computed(site, "count(power, flow_in)", "unity") == doctest::Approx(2));
  }

  TEST_CASE("units that do not fit are refused and the refusal says which") {
    DerivedSite site;
    CHECK(refusal(site.tank("it", "flow_in - power", "watt")).find("m^3 s^-1 - m^2 kg s^-3") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "power / volume", "watt")).find("its unit 'watt'") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "inlet * 2", "kelvin")).find("difference of temperatures") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "inlet + outlet", "degreeCelsius")).find("do not fit") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "inlet - outlet", "degreeCelsius")).find("its unit") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "power - 2", "watt")).find("a plain number") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "power", "wat")).find("no unit 'wat'") != std::string::npos);
  }

  TEST_CASE("what does not parse is refused with its place") {
    DerivedSite site;
    CHECK(refusal(site.tank("it", "flow_in - ", "unity")).find("character 11: expected a signal") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "(flow_in", "unity")).find("expected ')'") != std::string::npos);
    CHECK(refusal(site.tank("it", "flow_in power", "unity")).find("an operator or the end") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "sin(power)", "unity")).find("there is no function 'sin'") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "feeds->", "unity")).find("neighbour's signal") !=
          std::string::npos);
    const std::string deep(2'000, '(');
    CHECK(refusal(site.tank("it", deep, "unity")).find("nest at most") != std::string::npos);
    CHECK(refusal(site.tank("it", std::string(5'000, '1'), "unity")).find("longer than") !=
          std::string::npos);
    CHECK_FALSE(read_derived("[[signal]]\nname = \"a\"\ntwin = \"t\"\nvalue = \"1\"\n"
                             "unit = \"unity\"\nspeed = 3\n",
                             "f.toml")
                    .has_value());
  }

  TEST_CASE("a name that leads back to itself is refused whatever the way") {
    DerivedSite site;
    CHECK(refusal(site.tank("a", "2 * a", "unity")).find("leads back to itself") !=
          std::string::npos);
    REQUIRE(site.tank("a", "power", "kilowatt").has_value());
    REQUIRE(site.tank("b", "a + power", "kilowatt").has_value());
    CHECK(refusal(site.tank("a", "b", "kilowatt")).find("leads back") != std::string::npos);
    // Through a neighbour and back, which is seen in the graph only.
    REQUIRE(site.tank("c", "max(feeds->power)", "kilowatt").has_value());
    REQUIRE(site.tank("d", "max(feeds<-c)", "kilowatt").has_value());
    CHECK(refusal(site.tank("c", "max(feeds->d)", "kilowatt")).find("leads back") !=
          std::string::npos);
    // Each of them twice in the next is refused by size and not by patience.
    REQUIRE(site.tank("x0", "power + power", "kilowatt").has_value());
    std::string last;
    for (int i = 1; i < 40 && last.empty(); ++i) {
      const std::string before = "x" + std::to_string(i - 1);
      const auto one = site.tank("x" + std::to_string(i), before + " + " + before, "kilowatt");
      if (!one) last = refusal(one);
    }
    CHECK(last.find("too large") + last.find("deep") != 2 * std::string::npos);
  }

  TEST_CASE("names must be found and free and single") {
    DerivedSite site;
    CHECK(refusal(site.tank("it", "level", "metre")).find("'level'") != std::string::npos);
    CHECK(refusal(site.tank("it", "note", "unity")).find("no number") != std::string::npos);
    CHECK(refusal(site.tank("power", "flow_in", "litrePerSecond")).find("already") !=
          std::string::npos);
    CHECK(refusal(site.define("twin = \"plant\"", "it", "contains->power", "watt"))
              .find("stands for 2 twins") != std::string::npos);
    CHECK(refusal(site.define("twin = \"plant\"", "it", "2 * contains->power", "watt"))
              .find("between single values") != std::string::npos);
    CHECK(refusal(site.define("twin = \"nobody\"", "it", "power", "watt")).find("nobody") !=
          std::string::npos);
    CHECK(refusal(site.tank("it", "cools->power", "watt")).find("no relationship") !=
          std::string::npos);
    REQUIRE(site.tank("it", "power", "watt").has_value());
    CHECK(site.define("twin = \"tank-1\"", "it", "power", "watt").error().code ==
          ErrorCode::conflict);
  }

  TEST_CASE("definitions survive a restart and one that others need stays") {
    DerivedSite site;
    REQUIRE(site.tank("a", "power", "kilowatt").has_value());
    REQUIRE(site.tank("b", "2 * a", "kilowatt").has_value());
    site.open();
    CHECK(site.signals->book()->entries.size() == 2);
    const std::string owner = "type dtmi:test:Tank;1";
    CHECK(site.signals->remove("user:operator", owner, "a", false).error().code ==
          ErrorCode::conflict);
    // Another unit for `a` would leave `b` without sense.
    CHECK_FALSE(site.tank("a", "flow_in", "litrePerSecond").has_value());
    REQUIRE(site.signals->remove("user:operator", owner, "b", true).has_value());
    CHECK(site.signals->book()->entries.size() == 2);
    REQUIRE(site.signals->remove("user:operator", owner, "b", false).has_value());
    REQUIRE(site.signals->remove("user:operator", owner, "a", false).has_value());
    CHECK(site.signals->remove("user:operator", owner, "a", false).error().code ==
          ErrorCode::not_found);
    site.open();
    CHECK(site.signals->book()->entries.empty());
    CHECK_FALSE(site.history->find("tank-1", "a").has_value());
  }

  TEST_CASE("every unit of DTDL but logarithms is understood") {
    for (const char* type : {"AccelerationUnit",
                             "AngleUnit",
                             "AngularAccelerationUnit",
                             "AngularVelocityUnit",
                             "ApparentEnergyUnit",
                             "ApparentPowerUnit",
                             "AreaUnit",
                             "CapacitanceUnit",
                             "Unitless",
                             "CurrentUnit",
                             "DataRateUnit",
                             "DataSizeUnit",
                             "DensityUnit",
                             "LengthUnit",
                             "ChargeUnit",
                             "EnergyUnit",
                             "PowerUnit",
                             "ForceUnit",
                             "FrequencyUnit",
                             "IlluminanceUnit",
                             "InductanceUnit",
                             "IonizingRadiationDoseUnit",
                             "IrradianceUnit",
                             "LuminanceUnit",
                             "LuminousFluxUnit",
                             "LuminousIntensityUnit",
                             "MagneticFluxUnit",
                             "MagneticInductionUnit",
                             "MassUnit",
                             "MassFlowRateUnit",
                             "PressureUnit",
                             "RadioactivityUnit",
                             "ReactiveEnergyUnit",
                             "ReactivePowerUnit",
                             "ResistanceUnit",
                             "TemperatureUnit",
                             "TimeUnit",
                             "TorqueUnit",
                             "VelocityUnit",
                             "VoltageUnit",
                             "VolumeUnit",
                             "VolumeFlowRateUnit"}) {
      CAPTURE(type);
      REQUIRE(is_unit_type(type));
      std::string_view rest = units_of(type);
      std::optional<MeasureUnit> first;
      while (!rest.empty()) {
        const auto space = std::min(rest.find(' '), rest.size());
        auto word = rest.substr(0, space);
        rest.remove_prefix(std::min(space + 1, rest.size()));
        if (word.front() == '+') word.remove_prefix(1);
        CAPTURE(word);
        const auto unit = measure_unit(word);
        REQUIRE(unit.has_value());
        if (first) CHECK(unit->measures_same(*first));
        first = *unit;
      }
    }
    CHECK_FALSE(measure_unit("decibel").has_value());
    CHECK(measure_unit("kilowattHour")->to_si(1) == doctest::Approx(3.6e6));
    CHECK(measure_unit("degreeFahrenheit")->to_si(212) == doctest::Approx(373.15));
  }
}
