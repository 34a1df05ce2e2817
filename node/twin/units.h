// The standard quantities of DTDL and their units.
//
// Source: DTDL.v2.md "Semantic Type" and DTDL.quantitativeTypes.v1.md of
// Azure/opendigitaltwins-dtdl.
#pragma once

#include <optional>
#include <string_view>

namespace entente::node {

// The unit type of a quantity ("Velocity" -> "VelocityUnit") in DTDL `version` 2 or 3.
std::optional<std::string_view> unit_type_of(std::string_view quantity, int version);
bool is_unit_of(std::string_view unit, std::string_view unit_type, int version);
bool is_unit(std::string_view unit, int version);
bool is_unit_type(std::string_view name);
// All units of a type, separated by spaces, those of version 3 marked by a leading '+'.
std::string_view units_of(std::string_view unit_type);

}  // namespace entente::node
