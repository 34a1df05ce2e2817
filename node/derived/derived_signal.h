// The definition of a derived signal: a value computed from others, as its operator reviews it.
//
//   [[signal]]
//   name = "net_flow"            # of no signal and no property of the type
//   type = "dtmi:plant:Tank;1"   # of every twin of this type or a subtype; or twin = "tank-1"
//   value = "flow_in - flow_out" # expression.h
//   unit = "litrePerSecond"      # a unit of DTDL, "unity", or a product: "watt / cubicMetre"
//   hold = "15m"                 # how long a reading stands for what comes after it
//
// Read strictly: an unknown key refuses with file and line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/derived/measure_unit.h"
#include "schemas/base/time.h"

namespace entente::node {

struct DerivedSignal {
  std::string name;
  std::string twin;  // one of these two
  std::string type;
  std::string value;
  std::string unit;
  Duration hold;
  // "twin tank-1" or "type dtmi:plant:Tank;1".
  std::string owner() const { return twin.empty() ? "type " + type : "twin " + twin; }
  bool operator==(const DerivedSignal&) const = default;
};

// Refuses: config_invalid.
[[nodiscard]] Result<std::vector<DerivedSignal>> read_derived(std::string_view text,
                                                              const std::string& file);
// What read_derived reads back as the same.
std::string derived_text(const DerivedSignal& signal);
// "watt / cubicMetre". Refuses: config_invalid.
[[nodiscard]] Result<MeasureUnit> derived_unit(std::string_view text);

}  // namespace entente::node
