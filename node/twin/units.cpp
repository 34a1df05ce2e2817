#include "node/twin/units.h"

namespace entente::node {
namespace {

// A leading '+' marks what came with version 3.
struct Quantity {
  std::string_view type;
  std::string_view unit_type;
};
struct UnitList {
  std::string_view unit_type;
  std::string_view units;
};

constexpr Quantity kQuantities[] = {
    {"Acceleration", "AccelerationUnit"},
    {"Angle", "AngleUnit"},
    {"AngularAcceleration", "AngularAccelerationUnit"},
    {"AngularVelocity", "AngularVelocityUnit"},
    {"+ApparentEnergy", "ApparentEnergyUnit"},
    {"+ApparentPower", "ApparentPowerUnit"},
    {"Area", "AreaUnit"},
    {"Capacitance", "CapacitanceUnit"},
    {"+Concentration", "Unitless"},
    {"Current", "CurrentUnit"},
    {"DataRate", "DataRateUnit"},
    {"DataSize", "DataSizeUnit"},
    {"Density", "DensityUnit"},
    {"Distance", "LengthUnit"},
    {"ElectricCharge", "ChargeUnit"},
    {"Energy", "EnergyUnit"},
    {"+EnergyRate", "PowerUnit"},
    {"Force", "ForceUnit"},
    {"Frequency", "FrequencyUnit"},
    {"Humidity", "DensityUnit"},
    {"Illuminance", "IlluminanceUnit"},
    {"Inductance", "InductanceUnit"},
    {"+IonizingRadiationDose", "IonizingRadiationDoseUnit"},
    {"+Irradiance", "IrradianceUnit"},
    {"Latitude", "AngleUnit"},
    {"Length", "LengthUnit"},
    {"Longitude", "AngleUnit"},
    {"Luminance", "LuminanceUnit"},
    {"Luminosity", "PowerUnit"},
    {"LuminousFlux", "LuminousFluxUnit"},
    {"LuminousIntensity", "LuminousIntensityUnit"},
    {"MagneticFlux", "MagneticFluxUnit"},
    {"MagneticInduction", "MagneticInductionUnit"},
    {"Mass", "MassUnit"},
    {"MassFlowRate", "MassFlowRateUnit"},
    {"Power", "PowerUnit"},
    {"Pressure", "PressureUnit"},
    {"+Radioactivity", "RadioactivityUnit"},
    {"+ReactiveEnergy", "ReactiveEnergyUnit"},
    {"+ReactivePower", "ReactivePowerUnit"},
    {"+RelativeDensity", "Unitless"},
    {"RelativeHumidity", "Unitless"},
    {"Resistance", "ResistanceUnit"},
    {"SoundPressure", "SoundPressureUnit"},
    {"Temperature", "TemperatureUnit"},
    {"Thrust", "ForceUnit"},
    {"TimeSpan", "TimeUnit"},
    {"Torque", "TorqueUnit"},
    {"Velocity", "VelocityUnit"},
    {"Voltage", "VoltageUnit"},
    {"Volume", "VolumeUnit"},
    {"VolumeFlowRate", "VolumeFlowRateUnit"},
};

constexpr UnitList kUnits[] = {
    {"AccelerationUnit", "centimetrePerSecondSquared gForce metrePerSecondSquared"},
    {"AngleUnit", "degreeOfArc minuteOfArc radian secondOfArc turn"},
    {"AngularAccelerationUnit", "radianPerSecondSquared"},
    {"AngularVelocityUnit",
     "degreePerSecond radianPerSecond revolutionPerMinute revolutionPerSecond"},
    {"ApparentEnergyUnit",
     "+gigavoltAmpereHour +kilovoltAmpereHour +megavoltAmpereHour +voltAmpereHour"},
    {"ApparentPowerUnit",
     "+gigavoltAmpere +kilovoltAmpere +megavoltAmpere +millivoltAmpere +voltAmpere"},
    {"AreaUnit",
     "acre hectare squareCentimetre squareFoot squareInch squareKilometre squareMetre "
     "squareMillimetre"},
    {"CapacitanceUnit", "farad microfarad millifarad nanofarad picofarad"},
    {"Unitless",
     "+partsPerBillion +partsPerMillion +partsPerQuadrillion +partsPerTrillion percent "
     "unity"},
    {"CurrentUnit", "ampere +kiloampere microampere milliampere"},
    {"DataRateUnit",
     "bitPerSecond bytePerSecond exbibitPerSecond exbibytePerSecond gibibitPerSecond "
     "gibibytePerSecond kibibitPerSecond kibibytePerSecond mebibitPerSecond "
     "mebibytePerSecond tebibitPerSecond tebibytePerSecond yobibitPerSecond "
     "yobibytePerSecond zebibitPerSecond zebibytePerSecond"},
    {"DataSizeUnit",
     "bit byte exbibit exbibyte gibibit gibibyte kibibit kibibyte mebibit mebibyte "
     "tebibit tebibyte yobibit yobibyte zebibit zebibyte"},
    {"DensityUnit",
     "gramPerCubicMetre kilogramPerCubicMetre +microgramPerCubicMetre "
     "+milligramPerCubicMetre"},
    {"LengthUnit",
     "astronomicalUnit centimetre foot inch kilometre metre micrometre mile millimetre "
     "nanometre nauticalMile"},
    {"ChargeUnit", "+ampereHour coulomb +milliampereHour"},
    {"EnergyUnit",
     "+britishThermalUnit electronvolt gigajoule +gigawattHour joule "
     "+kiloBritishThermalUnit kilojoule kilowattHour megaelectronvolt megajoule "
     "+megawattHour +milliwattHour +terawattHour +wattHour"},
    {"PowerUnit",
     "+britishThermalUnitPerHour +gigajoulePerHour gigawatt horsepower +joulePerHour "
     "+joulePerSecond +kiloBritishThermalUnitPerHour +kilojoulePerHour "
     "+kilojoulePerSecond kilowatt kilowattHourPerYear +megajoulePerHour megawatt "
     "microwatt milliwatt +tonOfRefrigeration watt"},
    {"ForceUnit", "newton ounce pound ton"},
    {"FrequencyUnit", "gigahertz hertz kilohertz megahertz +millihertz"},
    {"IlluminanceUnit", "footcandle lux"},
    {"InductanceUnit", "henry microhenry millihenry"},
    {"IonizingRadiationDoseUnit",
     "+gray +microgray +microsievert +milligray +millisievert +sievert"},
    {"IrradianceUnit", "+wattPerSquareMetre"},
    {"LuminanceUnit", "candelaPerSquareMetre"},
    {"LuminousFluxUnit", "lumen"},
    {"LuminousIntensityUnit", "candela"},
    {"MagneticFluxUnit", "maxwell weber"},
    {"MagneticInductionUnit", "+gauss tesla"},
    {"MassUnit", "gram kilogram +massPound microgram milligram slug tonne"},
    {"MassFlowRateUnit",
     "gramPerHour gramPerSecond kilogramPerHour kilogramPerSecond +massPoundPerHour"},
    {"PressureUnit",
     "bar +decapascal +hectopascal inchesOfMercury inchesOfWater kilopascal millibar "
     "millimetresOfMercury pascal poundPerSquareInch"},
    {"RadioactivityUnit", "+becquerel +gigabecquerel +kilobecquerel +megabecquerel"},
    {"ReactiveEnergyUnit",
     "+gigavoltAmpereReactiveHour +kilovoltAmpereReactiveHour "
     "+megavoltAmpereReactiveHour +voltAmpereReactiveHour"},
    {"ReactivePowerUnit",
     "+gigavoltAmpereReactive +kilovoltAmpereReactive +megavoltAmpereReactive "
     "+millivoltAmpereReactive +voltAmpereReactive"},
    {"ResistanceUnit", "kiloohm megaohm milliohm ohm"},
    {"SoundPressureUnit", "bel decibel"},
    {"TemperatureUnit", "degreeCelsius degreeFahrenheit kelvin"},
    {"TimeUnit", "day hour microsecond millisecond minute nanosecond second year"},
    {"TorqueUnit", "newtonMetre"},
    {"VelocityUnit",
     "centimetrePerSecond kilometrePerHour kilometrePerSecond knot metrePerHour "
     "metrePerSecond milePerHour milePerSecond"},
    {"VoltageUnit", "kilovolt megavolt microvolt millivolt volt"},
    {"VolumeUnit",
     "cubicCentimetre cubicFoot cubicInch cubicMetre fluidOunce gallon litre "
     "millilitre"},
    {"VolumeFlowRateUnit",
     "+cubicFootPerMinute +cubicMetrePerHour +cubicMetrePerMinute +cubicMetrePerSecond "
     "+gallonPerHour +gallonPerMinute litrePerHour +litrePerMinute litrePerSecond "
     "millilitrePerHour +millilitrePerMinute millilitrePerSecond"},
};

// Whether `word`, bare or marked, is in the list that `version` sees.
bool listed(std::string_view list, std::string_view word, int version) {
  while (!list.empty()) {
    const auto space = list.find(' ');
    auto each = list.substr(0, space);
    const bool newer = each.front() == '+';
    if (newer) each.remove_prefix(1);
    if (each == word) return !newer || version >= 3;
    if (space == std::string_view::npos) break;
    list.remove_prefix(space + 1);
  }
  return false;
}

}  // namespace

std::optional<std::string_view> unit_type_of(std::string_view quantity, int version) {
  for (const auto& each : kQuantities) {
    const bool newer = each.type.front() == '+';
    if (each.type.substr(newer ? 1 : 0) != quantity) continue;
    if (newer && version < 3) return std::nullopt;
    return each.unit_type;
  }
  return std::nullopt;
}

bool is_unit_of(std::string_view unit, std::string_view unit_type, int version) {
  for (const auto& each : kUnits) {
    if (each.unit_type == unit_type) return listed(each.units, unit, version);
  }
  return false;
}

bool is_unit(std::string_view unit, int version) {
  for (const auto& each : kUnits) {
    if (listed(each.units, unit, version)) return true;
  }
  return false;
}

bool is_unit_type(std::string_view name) {
  for (const auto& each : kUnits) {
    if (each.unit_type == name) return true;
  }
  return false;
}

std::string_view units_of(std::string_view unit_type) {
  for (const auto& each : kUnits) {
    if (each.unit_type == unit_type) return each.units;
  }
  return {};
}

}  // namespace entente::node
