// A model of a twin as its operator reviews it: a small TOML file.
//
//   [model]
//   twin = "monitor-1"           # whose readings it is told
//   name = "pm25"                # a local id, one a twin
//   kind = "exponential_smoothing"
//   signals = ["pm25"]           # of the twin's type
//   inputs = []                  # other signals of the twin, which lead these
//   step = "1h"                  # of the grid; "0s": every reading by itself
//   from = "2015-08-01"          # readings before are not looked at
//   identified = "thermal_2"      # how identify found it, for a refit; may be absent
//   refit = "propose"             # when it is out of date: propose, apply, or never
//   late = "1d"                  # a reading that comes later than this after its time is left out
//   [model.parameters]           # as the kind lists them: a number, or a list of numbers
//   periods = [24, 168]
//   warm_up = 480
//
// Read strictly: an unknown key, kind or parameter refuses with file, line and the words allowed.
#pragma once

#include <string>
#include <string_view>

#include "node/model/model_kinds.h"

namespace entente::node {

enum class RefitPolicy { propose, apply, never };
std::string_view to_text(RefitPolicy policy);

struct ModelDefinition {
  std::string twin;
  std::string name;
  ModelSpec spec;  // its version is counted by the register, and is not in the text
  Instant from;
  Duration late;
  std::string identified;
  RefitPolicy refit = RefitPolicy::propose;
  bool operator==(const ModelDefinition&) const = default;
};

// Refuses: config_invalid.
[[nodiscard]] Result<ModelDefinition> read_definition(std::string_view text,
                                                      const std::string& file,
                                                      const ModelKinds& kinds);
// What read_definition reads back as the same.
std::string definition_text(const ModelDefinition& definition);

// How late a reading may come unless the text says it: 24 steps, or an hour without a grid.
Duration usual_lateness(Duration step);
// The grid's place at or before `time`; `step` > 0.
Instant floor_to(Instant time, Duration step);

}  // namespace entente::node
