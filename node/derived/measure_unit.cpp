#include "node/derived/measure_unit.h"

#include <algorithm>

namespace entente::node {
namespace {

struct Row {
  std::string_view name;
  double factor;
  std::array<std::int8_t, MeasureUnit::kBases> powers;  // m, kg, s, A, K, cd, bit
};

// By name. Gallons and fluid ounces are those of the United States, horsepower is mechanical, a ton
// of force is short, a year has 365.25 days, thermal units are those of the International Table.
constexpr Row kRows[] = {
    {"acre", 4046.8564224, {2, 0, 0, 0, 0, 0, 0}},
    {"ampere", 1, {0, 0, 0, 1, 0, 0, 0}},
    {"ampereHour", 3600, {0, 0, 1, 1, 0, 0, 0}},
    {"astronomicalUnit", 149597870700, {1, 0, 0, 0, 0, 0, 0}},
    {"bar", 100000, {-1, 1, -2, 0, 0, 0, 0}},
    {"becquerel", 1, {0, 0, -1, 0, 0, 0, 0}},
    {"bit", 1, {0, 0, 0, 0, 0, 0, 1}},
    {"bitPerSecond", 1, {0, 0, -1, 0, 0, 0, 1}},
    {"britishThermalUnit", 1055.05585262, {2, 1, -2, 0, 0, 0, 0}},
    {"britishThermalUnitPerHour", 0.2930710701722222, {2, 1, -3, 0, 0, 0, 0}},
    {"byte", 8, {0, 0, 0, 0, 0, 0, 1}},
    {"bytePerSecond", 8, {0, 0, -1, 0, 0, 0, 1}},
    {"candela", 1, {0, 0, 0, 0, 0, 1, 0}},
    {"candelaPerSquareMetre", 1, {-2, 0, 0, 0, 0, 1, 0}},
    {"centimetre", 0.01, {1, 0, 0, 0, 0, 0, 0}},
    {"centimetrePerSecond", 0.01, {1, 0, -1, 0, 0, 0, 0}},
    {"centimetrePerSecondSquared", 0.01, {1, 0, -2, 0, 0, 0, 0}},
    {"coulomb", 1, {0, 0, 1, 1, 0, 0, 0}},
    {"cubicCentimetre", 1e-6, {3, 0, 0, 0, 0, 0, 0}},
    {"cubicFoot", 0.028316846592, {3, 0, 0, 0, 0, 0, 0}},
    {"cubicFootPerMinute", 0.0004719474432, {3, 0, -1, 0, 0, 0, 0}},
    {"cubicInch", 1.6387064e-5, {3, 0, 0, 0, 0, 0, 0}},
    {"cubicMetre", 1, {3, 0, 0, 0, 0, 0, 0}},
    {"cubicMetrePerHour", 0.0002777777777777778, {3, 0, -1, 0, 0, 0, 0}},
    {"cubicMetrePerMinute", 0.016666666666666666, {3, 0, -1, 0, 0, 0, 0}},
    {"cubicMetrePerSecond", 1, {3, 0, -1, 0, 0, 0, 0}},
    {"day", 86400, {0, 0, 1, 0, 0, 0, 0}},
    {"decapascal", 10, {-1, 1, -2, 0, 0, 0, 0}},
    {"degreeOfArc", 0.017453292519943295, {0, 0, 0, 0, 0, 0, 0}},
    {"degreePerSecond", 0.017453292519943295, {0, 0, -1, 0, 0, 0, 0}},
    {"electronvolt", 1.602176634e-19, {2, 1, -2, 0, 0, 0, 0}},
    {"exbibit", 1.152921504606847e18, {0, 0, 0, 0, 0, 0, 1}},
    {"exbibitPerSecond", 1.152921504606847e18, {0, 0, -1, 0, 0, 0, 1}},
    {"exbibyte", 9.223372036854776e18, {0, 0, 0, 0, 0, 0, 1}},
    {"exbibytePerSecond", 9.223372036854776e18, {0, 0, -1, 0, 0, 0, 1}},
    {"farad", 1, {-2, -1, 4, 2, 0, 0, 0}},
    {"fluidOunce", 2.95735295625e-5, {3, 0, 0, 0, 0, 0, 0}},
    {"foot", 0.3048, {1, 0, 0, 0, 0, 0, 0}},
    {"footcandle", 10.763910416709722, {-2, 0, 0, 0, 0, 1, 0}},
    {"gForce", 9.80665, {1, 0, -2, 0, 0, 0, 0}},
    {"gallon", 0.003785411784, {3, 0, 0, 0, 0, 0, 0}},
    {"gallonPerHour", 1.0515032733333334e-6, {3, 0, -1, 0, 0, 0, 0}},
    {"gallonPerMinute", 6.30901964e-5, {3, 0, -1, 0, 0, 0, 0}},
    {"gauss", 0.0001, {0, 1, -2, -1, 0, 0, 0}},
    {"gibibit", 1073741824, {0, 0, 0, 0, 0, 0, 1}},
    {"gibibitPerSecond", 1073741824, {0, 0, -1, 0, 0, 0, 1}},
    {"gibibyte", 8589934592, {0, 0, 0, 0, 0, 0, 1}},
    {"gibibytePerSecond", 8589934592, {0, 0, -1, 0, 0, 0, 1}},
    {"gigabecquerel", 1000000000, {0, 0, -1, 0, 0, 0, 0}},
    {"gigahertz", 1000000000, {0, 0, -1, 0, 0, 0, 0}},
    {"gigajoule", 1000000000, {2, 1, -2, 0, 0, 0, 0}},
    {"gigajoulePerHour", 277777.77777777775, {2, 1, -3, 0, 0, 0, 0}},
    {"gigavoltAmpere", 1000000000, {2, 1, -3, 0, 0, 0, 0}},
    {"gigavoltAmpereHour", 3600000000000, {2, 1, -2, 0, 0, 0, 0}},
    {"gigavoltAmpereReactive", 1000000000, {2, 1, -3, 0, 0, 0, 0}},
    {"gigavoltAmpereReactiveHour", 3600000000000, {2, 1, -2, 0, 0, 0, 0}},
    {"gigawatt", 1000000000, {2, 1, -3, 0, 0, 0, 0}},
    {"gigawattHour", 3600000000000, {2, 1, -2, 0, 0, 0, 0}},
    {"gram", 0.001, {0, 1, 0, 0, 0, 0, 0}},
    {"gramPerCubicMetre", 0.001, {-3, 1, 0, 0, 0, 0, 0}},
    {"gramPerHour", 2.7777777777777776e-7, {0, 1, -1, 0, 0, 0, 0}},
    {"gramPerSecond", 0.001, {0, 1, -1, 0, 0, 0, 0}},
    {"gray", 1, {2, 0, -2, 0, 0, 0, 0}},
    {"hectare", 10000, {2, 0, 0, 0, 0, 0, 0}},
    {"hectopascal", 100, {-1, 1, -2, 0, 0, 0, 0}},
    {"henry", 1, {2, 1, -2, -2, 0, 0, 0}},
    {"hertz", 1, {0, 0, -1, 0, 0, 0, 0}},
    {"horsepower", 745.69987158227, {2, 1, -3, 0, 0, 0, 0}},
    {"hour", 3600, {0, 0, 1, 0, 0, 0, 0}},
    {"inch", 0.0254, {1, 0, 0, 0, 0, 0, 0}},
    {"inchesOfMercury", 3386.389, {-1, 1, -2, 0, 0, 0, 0}},
    {"inchesOfWater", 249.08891, {-1, 1, -2, 0, 0, 0, 0}},
    {"joule", 1, {2, 1, -2, 0, 0, 0, 0}},
    {"joulePerHour", 0.0002777777777777778, {2, 1, -3, 0, 0, 0, 0}},
    {"joulePerSecond", 1, {2, 1, -3, 0, 0, 0, 0}},
    {"kelvin", 1, {0, 0, 0, 0, 1, 0, 0}},
    {"kibibit", 1024, {0, 0, 0, 0, 0, 0, 1}},
    {"kibibitPerSecond", 1024, {0, 0, -1, 0, 0, 0, 1}},
    {"kibibyte", 8192, {0, 0, 0, 0, 0, 0, 1}},
    {"kibibytePerSecond", 8192, {0, 0, -1, 0, 0, 0, 1}},
    {"kiloBritishThermalUnit", 1055055.85262, {2, 1, -2, 0, 0, 0, 0}},
    {"kiloBritishThermalUnitPerHour", 293.0710701722222, {2, 1, -3, 0, 0, 0, 0}},
    {"kiloampere", 1000, {0, 0, 0, 1, 0, 0, 0}},
    {"kilobecquerel", 1000, {0, 0, -1, 0, 0, 0, 0}},
    {"kilogram", 1, {0, 1, 0, 0, 0, 0, 0}},
    {"kilogramPerCubicMetre", 1, {-3, 1, 0, 0, 0, 0, 0}},
    {"kilogramPerHour", 0.0002777777777777778, {0, 1, -1, 0, 0, 0, 0}},
    {"kilogramPerSecond", 1, {0, 1, -1, 0, 0, 0, 0}},
    {"kilohertz", 1000, {0, 0, -1, 0, 0, 0, 0}},
    {"kilojoule", 1000, {2, 1, -2, 0, 0, 0, 0}},
    {"kilojoulePerHour", 0.2777777777777778, {2, 1, -3, 0, 0, 0, 0}},
    {"kilojoulePerSecond", 1000, {2, 1, -3, 0, 0, 0, 0}},
    {"kilometre", 1000, {1, 0, 0, 0, 0, 0, 0}},
    {"kilometrePerHour", 0.2777777777777778, {1, 0, -1, 0, 0, 0, 0}},
    {"kilometrePerSecond", 1000, {1, 0, -1, 0, 0, 0, 0}},
    {"kiloohm", 1000, {2, 1, -3, -2, 0, 0, 0}},
    {"kilopascal", 1000, {-1, 1, -2, 0, 0, 0, 0}},
    {"kilovolt", 1000, {2, 1, -3, -1, 0, 0, 0}},
    {"kilovoltAmpere", 1000, {2, 1, -3, 0, 0, 0, 0}},
    {"kilovoltAmpereHour", 3600000, {2, 1, -2, 0, 0, 0, 0}},
    {"kilovoltAmpereReactive", 1000, {2, 1, -3, 0, 0, 0, 0}},
    {"kilovoltAmpereReactiveHour", 3600000, {2, 1, -2, 0, 0, 0, 0}},
    {"kilowatt", 1000, {2, 1, -3, 0, 0, 0, 0}},
    {"kilowattHour", 3600000, {2, 1, -2, 0, 0, 0, 0}},
    {"kilowattHourPerYear", 0.11407711613050422, {2, 1, -3, 0, 0, 0, 0}},
    {"knot", 0.5144444444444445, {1, 0, -1, 0, 0, 0, 0}},
    {"litre", 0.001, {3, 0, 0, 0, 0, 0, 0}},
    {"litrePerHour", 2.7777777777777776e-7, {3, 0, -1, 0, 0, 0, 0}},
    {"litrePerMinute", 1.6666666666666667e-5, {3, 0, -1, 0, 0, 0, 0}},
    {"litrePerSecond", 0.001, {3, 0, -1, 0, 0, 0, 0}},
    {"lumen", 1, {0, 0, 0, 0, 0, 1, 0}},
    {"lux", 1, {-2, 0, 0, 0, 0, 1, 0}},
    {"massPound", 0.45359237, {0, 1, 0, 0, 0, 0, 0}},
    {"massPoundPerHour", 0.00012599788055555556, {0, 1, -1, 0, 0, 0, 0}},
    {"maxwell", 1e-8, {2, 1, -2, -1, 0, 0, 0}},
    {"mebibit", 1048576, {0, 0, 0, 0, 0, 0, 1}},
    {"mebibitPerSecond", 1048576, {0, 0, -1, 0, 0, 0, 1}},
    {"mebibyte", 8388608, {0, 0, 0, 0, 0, 0, 1}},
    {"mebibytePerSecond", 8388608, {0, 0, -1, 0, 0, 0, 1}},
    {"megabecquerel", 1000000, {0, 0, -1, 0, 0, 0, 0}},
    {"megaelectronvolt", 1.602176634e-13, {2, 1, -2, 0, 0, 0, 0}},
    {"megahertz", 1000000, {0, 0, -1, 0, 0, 0, 0}},
    {"megajoule", 1000000, {2, 1, -2, 0, 0, 0, 0}},
    {"megajoulePerHour", 277.77777777777777, {2, 1, -3, 0, 0, 0, 0}},
    {"megaohm", 1000000, {2, 1, -3, -2, 0, 0, 0}},
    {"megavolt", 1000000, {2, 1, -3, -1, 0, 0, 0}},
    {"megavoltAmpere", 1000000, {2, 1, -3, 0, 0, 0, 0}},
    {"megavoltAmpereHour", 3600000000, {2, 1, -2, 0, 0, 0, 0}},
    {"megavoltAmpereReactive", 1000000, {2, 1, -3, 0, 0, 0, 0}},
    {"megavoltAmpereReactiveHour", 3600000000, {2, 1, -2, 0, 0, 0, 0}},
    {"megawatt", 1000000, {2, 1, -3, 0, 0, 0, 0}},
    {"megawattHour", 3600000000, {2, 1, -2, 0, 0, 0, 0}},
    {"metre", 1, {1, 0, 0, 0, 0, 0, 0}},
    {"metrePerHour", 0.0002777777777777778, {1, 0, -1, 0, 0, 0, 0}},
    {"metrePerSecond", 1, {1, 0, -1, 0, 0, 0, 0}},
    {"metrePerSecondSquared", 1, {1, 0, -2, 0, 0, 0, 0}},
    {"microampere", 1e-6, {0, 0, 0, 1, 0, 0, 0}},
    {"microfarad", 1e-6, {-2, -1, 4, 2, 0, 0, 0}},
    {"microgram", 1e-9, {0, 1, 0, 0, 0, 0, 0}},
    {"microgramPerCubicMetre", 1e-9, {-3, 1, 0, 0, 0, 0, 0}},
    {"microgray", 1e-6, {2, 0, -2, 0, 0, 0, 0}},
    {"microhenry", 1e-6, {2, 1, -2, -2, 0, 0, 0}},
    {"micrometre", 1e-6, {1, 0, 0, 0, 0, 0, 0}},
    {"microsecond", 1e-6, {0, 0, 1, 0, 0, 0, 0}},
    {"microsievert", 1e-6, {2, 0, -2, 0, 0, 0, 0}},
    {"microvolt", 1e-6, {2, 1, -3, -1, 0, 0, 0}},
    {"microwatt", 1e-6, {2, 1, -3, 0, 0, 0, 0}},
    {"mile", 1609.344, {1, 0, 0, 0, 0, 0, 0}},
    {"milePerHour", 0.44704, {1, 0, -1, 0, 0, 0, 0}},
    {"milePerSecond", 1609.344, {1, 0, -1, 0, 0, 0, 0}},
    {"milliampere", 0.001, {0, 0, 0, 1, 0, 0, 0}},
    {"milliampereHour", 3.6, {0, 0, 1, 1, 0, 0, 0}},
    {"millibar", 100, {-1, 1, -2, 0, 0, 0, 0}},
    {"millifarad", 0.001, {-2, -1, 4, 2, 0, 0, 0}},
    {"milligram", 1e-6, {0, 1, 0, 0, 0, 0, 0}},
    {"milligramPerCubicMetre", 1e-6, {-3, 1, 0, 0, 0, 0, 0}},
    {"milligray", 0.001, {2, 0, -2, 0, 0, 0, 0}},
    {"millihenry", 0.001, {2, 1, -2, -2, 0, 0, 0}},
    {"millihertz", 0.001, {0, 0, -1, 0, 0, 0, 0}},
    {"millilitre", 1e-6, {3, 0, 0, 0, 0, 0, 0}},
    {"millilitrePerHour", 2.7777777777777777e-10, {3, 0, -1, 0, 0, 0, 0}},
    {"millilitrePerMinute", 1.6666666666666667e-8, {3, 0, -1, 0, 0, 0, 0}},
    {"millilitrePerSecond", 1e-6, {3, 0, -1, 0, 0, 0, 0}},
    {"millimetre", 0.001, {1, 0, 0, 0, 0, 0, 0}},
    {"millimetresOfMercury", 133.322387415, {-1, 1, -2, 0, 0, 0, 0}},
    {"milliohm", 0.001, {2, 1, -3, -2, 0, 0, 0}},
    {"millisecond", 0.001, {0, 0, 1, 0, 0, 0, 0}},
    {"millisievert", 0.001, {2, 0, -2, 0, 0, 0, 0}},
    {"millivolt", 0.001, {2, 1, -3, -1, 0, 0, 0}},
    {"millivoltAmpere", 0.001, {2, 1, -3, 0, 0, 0, 0}},
    {"millivoltAmpereReactive", 0.001, {2, 1, -3, 0, 0, 0, 0}},
    {"milliwatt", 0.001, {2, 1, -3, 0, 0, 0, 0}},
    {"milliwattHour", 3.6, {2, 1, -2, 0, 0, 0, 0}},
    {"minute", 60, {0, 0, 1, 0, 0, 0, 0}},
    {"minuteOfArc", 0.0002908882086657216, {0, 0, 0, 0, 0, 0, 0}},
    {"nanofarad", 1e-9, {-2, -1, 4, 2, 0, 0, 0}},
    {"nanometre", 1e-9, {1, 0, 0, 0, 0, 0, 0}},
    {"nanosecond", 1e-9, {0, 0, 1, 0, 0, 0, 0}},
    {"nauticalMile", 1852, {1, 0, 0, 0, 0, 0, 0}},
    {"newton", 1, {1, 1, -2, 0, 0, 0, 0}},
    {"newtonMetre", 1, {2, 1, -2, 0, 0, 0, 0}},
    {"ohm", 1, {2, 1, -3, -2, 0, 0, 0}},
    {"ounce", 0.2780138509537812, {1, 1, -2, 0, 0, 0, 0}},
    {"partsPerBillion", 1e-9, {0, 0, 0, 0, 0, 0, 0}},
    {"partsPerMillion", 1e-6, {0, 0, 0, 0, 0, 0, 0}},
    {"partsPerQuadrillion", 1e-15, {0, 0, 0, 0, 0, 0, 0}},
    {"partsPerTrillion", 1e-12, {0, 0, 0, 0, 0, 0, 0}},
    {"pascal", 1, {-1, 1, -2, 0, 0, 0, 0}},
    {"percent", 0.01, {0, 0, 0, 0, 0, 0, 0}},
    {"picofarad", 1e-12, {-2, -1, 4, 2, 0, 0, 0}},
    {"pound", 4.4482216152605, {1, 1, -2, 0, 0, 0, 0}},
    {"poundPerSquareInch", 6894.757293168, {-1, 1, -2, 0, 0, 0, 0}},
    {"radian", 1, {0, 0, 0, 0, 0, 0, 0}},
    {"radianPerSecond", 1, {0, 0, -1, 0, 0, 0, 0}},
    {"radianPerSecondSquared", 1, {0, 0, -2, 0, 0, 0, 0}},
    {"revolutionPerMinute", 0.10471975511965977, {0, 0, -1, 0, 0, 0, 0}},
    {"revolutionPerSecond", 6.283185307179586, {0, 0, -1, 0, 0, 0, 0}},
    {"second", 1, {0, 0, 1, 0, 0, 0, 0}},
    {"secondOfArc", 4.84813681109536e-6, {0, 0, 0, 0, 0, 0, 0}},
    {"sievert", 1, {2, 0, -2, 0, 0, 0, 0}},
    {"slug", 14.593902937206, {0, 1, 0, 0, 0, 0, 0}},
    {"squareCentimetre", 0.0001, {2, 0, 0, 0, 0, 0, 0}},
    {"squareFoot", 0.09290304, {2, 0, 0, 0, 0, 0, 0}},
    {"squareInch", 0.00064516, {2, 0, 0, 0, 0, 0, 0}},
    {"squareKilometre", 1000000, {2, 0, 0, 0, 0, 0, 0}},
    {"squareMetre", 1, {2, 0, 0, 0, 0, 0, 0}},
    {"squareMillimetre", 1e-6, {2, 0, 0, 0, 0, 0, 0}},
    {"tebibit", 1099511627776, {0, 0, 0, 0, 0, 0, 1}},
    {"tebibitPerSecond", 1099511627776, {0, 0, -1, 0, 0, 0, 1}},
    {"tebibyte", 8796093022208, {0, 0, 0, 0, 0, 0, 1}},
    {"tebibytePerSecond", 8796093022208, {0, 0, -1, 0, 0, 0, 1}},
    {"terawattHour", 3600000000000000, {2, 1, -2, 0, 0, 0, 0}},
    {"tesla", 1, {0, 1, -2, -1, 0, 0, 0}},
    {"ton", 8896.443230521, {1, 1, -2, 0, 0, 0, 0}},
    {"tonOfRefrigeration", 3516.8528420666667, {2, 1, -3, 0, 0, 0, 0}},
    {"tonne", 1000, {0, 1, 0, 0, 0, 0, 0}},
    {"turn", 6.283185307179586, {0, 0, 0, 0, 0, 0, 0}},
    {"unity", 1, {0, 0, 0, 0, 0, 0, 0}},
    {"volt", 1, {2, 1, -3, -1, 0, 0, 0}},
    {"voltAmpere", 1, {2, 1, -3, 0, 0, 0, 0}},
    {"voltAmpereHour", 3600, {2, 1, -2, 0, 0, 0, 0}},
    {"voltAmpereReactive", 1, {2, 1, -3, 0, 0, 0, 0}},
    {"voltAmpereReactiveHour", 3600, {2, 1, -2, 0, 0, 0, 0}},
    {"watt", 1, {2, 1, -3, 0, 0, 0, 0}},
    {"wattHour", 3600, {2, 1, -2, 0, 0, 0, 0}},
    {"wattPerSquareMetre", 1, {0, 1, -3, 0, 0, 0, 0}},
    {"weber", 1, {2, 1, -2, -1, 0, 0, 0}},
    {"year", 31557600, {0, 0, 1, 0, 0, 0, 0}},
    {"yobibit", 1.2089258196146292e24, {0, 0, 0, 0, 0, 0, 1}},
    {"yobibitPerSecond", 1.2089258196146292e24, {0, 0, -1, 0, 0, 0, 1}},
    {"yobibyte", 9.671406556917033e24, {0, 0, 0, 0, 0, 0, 1}},
    {"yobibytePerSecond", 9.671406556917033e24, {0, 0, -1, 0, 0, 0, 1}},
    {"zebibit", 1.1805916207174113e21, {0, 0, 0, 0, 0, 0, 1}},
    {"zebibitPerSecond", 1.1805916207174113e21, {0, 0, -1, 0, 0, 0, 1}},
    {"zebibyte", 9.44473296573929e21, {0, 0, 0, 0, 0, 0, 1}},
    {"zebibytePerSecond", 9.44473296573929e21, {0, 0, -1, 0, 0, 0, 1}},
};

constexpr MeasureUnit kCelsius{{0, 0, 0, 0, 1, 0, 0}, 1, 273.15, true};
constexpr MeasureUnit kFahrenheit{{0, 0, 0, 0, 1, 0, 0}, 5.0 / 9, 459.67 * 5 / 9, true};

// No quantity has such powers; whoever multiplies that often gets a unit that fits nothing.
std::int8_t bounded(int power) {
  return static_cast<std::int8_t>(std::clamp(power, -100, 100));
}

}  // namespace

Result<MeasureUnit> measure_unit(std::string_view name) {
  if (name.empty()) return MeasureUnit{};
  if (name == "degreeCelsius") return kCelsius;
  if (name == "degreeFahrenheit") return kFahrenheit;
  if (name == "bel" || name == "decibel") {
    return make_error(ErrorCode::invalid_argument,
                      "'" + std::string(name) + "' is a logarithm, and is not computed with");
  }
  const auto* found =
      std::lower_bound(std::begin(kRows), std::end(kRows), name,
                       [](const Row& row, std::string_view wanted) { return row.name < wanted; });
  if (found != std::end(kRows) && found->name == name) {
    return MeasureUnit{found->powers, found->factor, 0, false};
  }
  return make_error(ErrorCode::invalid_argument, "there is no unit '" + std::string(name) + "'",
                    "write it as DTDL does, like litrePerSecond; 'unity' is a plain number");
}

MeasureUnit times(const MeasureUnit& a, const MeasureUnit& b) {
  MeasureUnit product;
  for (std::size_t i = 0; i < MeasureUnit::kBases; ++i) {
    product.powers[i] = bounded(a.powers[i] + b.powers[i]);
  }
  product.factor = a.factor * b.factor;
  return product;
}

MeasureUnit per(const MeasureUnit& a, const MeasureUnit& b) {
  MeasureUnit quotient;
  for (std::size_t i = 0; i < MeasureUnit::kBases; ++i) {
    quotient.powers[i] = bounded(a.powers[i] - b.powers[i]);
  }
  quotient.factor = a.factor / b.factor;
  return quotient;
}

std::string dimension_text(const MeasureUnit& unit) {
  constexpr std::string_view kNames[] = {"m", "kg", "s", "A", "K", "cd", "bit"};
  std::string text;
  for (std::size_t i = 0; i < MeasureUnit::kBases; ++i) {
    if (unit.powers[i] == 0) continue;
    text.append(text.empty() ? "" : " ").append(kNames[i]);
    if (unit.powers[i] != 1) text += "^" + std::to_string(unit.powers[i]);
  }
  return text.empty() ? "a plain number" : text;
}

}  // namespace entente::node
