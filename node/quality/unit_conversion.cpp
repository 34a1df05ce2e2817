#include "node/quality/unit_conversion.h"

namespace entente::node {
namespace {

enum class Dimension { temperature, pressure, length, velocity };

// In the SI unit: value * factor + offset.
struct Unit {
  std::string_view name;
  Dimension dimension;
  double factor;
  double offset = 0;
};

// Source: SI brochure (2019); NIST SP 811 (2008), appendix B, for feet, inches, pounds and mercury.
constexpr Unit kUnits[] = {
    {"kelvin", Dimension::temperature, 1},
    {"degreeCelsius", Dimension::temperature, 1, 273.15},
    {"degreeFahrenheit", Dimension::temperature, 5.0 / 9, 459.67 * 5 / 9},
    {"pascal", Dimension::pressure, 1},
    {"decapascal", Dimension::pressure, 10},
    {"hectopascal", Dimension::pressure, 100},
    {"millibar", Dimension::pressure, 100},
    {"kilopascal", Dimension::pressure, 1'000},
    {"bar", Dimension::pressure, 100'000},
    {"millimetresOfMercury", Dimension::pressure, 133.3224},
    {"inchesOfMercury", Dimension::pressure, 3'386.389},
    {"inchesOfWater", Dimension::pressure, 249.08891},
    {"poundPerSquareInch", Dimension::pressure, 6'894.757},
    {"metre", Dimension::length, 1},
    {"kilometre", Dimension::length, 1'000},
    {"centimetre", Dimension::length, 0.01},
    {"millimetre", Dimension::length, 0.001},
    {"micrometre", Dimension::length, 1e-6},
    {"inch", Dimension::length, 0.0254},
    {"foot", Dimension::length, 0.3048},
    {"mile", Dimension::length, 1'609.344},
    {"metrePerSecond", Dimension::velocity, 1},
    {"centimetrePerSecond", Dimension::velocity, 0.01},
    {"kilometrePerSecond", Dimension::velocity, 1'000},
    {"metrePerHour", Dimension::velocity, 1.0 / 3'600},
    {"kilometrePerHour", Dimension::velocity, 1 / 3.6},
    {"milePerHour", Dimension::velocity, 0.44704},
    {"milePerSecond", Dimension::velocity, 1'609.344},
    {"knot", Dimension::velocity, 1'852.0 / 3'600},
};

const Unit* find(std::string_view name) {
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

}  // namespace

std::optional<Conversion> conversion(std::string_view own, std::string_view other) {
  const Unit* from = find(own);
  const Unit* to = find(other);
  if (from == nullptr || to == nullptr || from->dimension != to->dimension) return std::nullopt;
  return Conversion{from->factor / to->factor, (from->offset - to->offset) / to->factor};
}

}  // namespace entente::node
