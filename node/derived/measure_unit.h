// What a unit of DTDL measures, so that expressions over signals can be checked and computed.
//
// A unit is powers of base units with a factor to the coherent unit of the SI: `kilowattHour` is
// 3.6e6 of kg m2 s-2. Angles and shares are plain numbers. Temperature scales have a zero of their
// own: a difference of two of them is a plain difference in kelvin, and nothing else may be
// computed with them but minimum, maximum and mean, and adding a difference. Bel and decibel are
// logarithms and not computed with.
// Source: BIPM, The International System of Units (2019); NIST SP 811 (2008), appendix B.8.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "schemas/base/result.h"

namespace entente::node {

struct MeasureUnit {
  static constexpr std::size_t kBases = 7;
  std::array<std::int8_t, kBases> powers{};  // of m, kg, s, A, K, cd, bit
  double factor = 1;                         // value in SI = factor * value + offset
  double offset = 0;
  bool scale = false;  // it has a zero of its own: what it says is no difference

  bool plain() const { return *this == MeasureUnit{}; }
  double to_si(double value) const { return factor * value + offset; }
  double from_si(double value) const { return (value - offset) / factor; }
  // The same powers, whatever the factor.
  bool measures_same(const MeasureUnit& other) const { return powers == other.powers; }
  bool operator==(const MeasureUnit&) const = default;
};

// A unit of DTDL ("litrePerSecond"), "unity" or "": a plain number. Refuses: invalid_argument (not
// known, or a logarithm).
[[nodiscard]] Result<MeasureUnit> measure_unit(std::string_view name);
// The product or quotient of two. `scale` on either side is for the caller to refuse.
MeasureUnit times(const MeasureUnit& a, const MeasureUnit& b);
MeasureUnit per(const MeasureUnit& a, const MeasureUnit& b);
// "kg m s^-2", for messages; "a plain number" for none.
std::string dimension_text(const MeasureUnit& unit);

}  // namespace entente::node
