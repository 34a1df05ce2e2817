// How to come from one unit of DTDL's quantities to another, where a straight line does it.
#pragma once

#include <optional>
#include <string_view>

namespace entente::node {

// value in the other unit = value * factor + offset.
struct Conversion {
  double factor = 1;
  double offset = 0;
  bool operator==(const Conversion&) const = default;
};

// Temperature, pressure, length, velocity, by the names of units.h. Nothing when one is unknown or
// they measure different quantities.
std::optional<Conversion> conversion(std::string_view own, std::string_view other);

}  // namespace entente::node
