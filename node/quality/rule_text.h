// Rules as an administrator writes them: in quality.toml, or in any file of provision.d.
//
//   [quality."dtmi:org:air:Monitor;1".pm25]      # for every twin of the type and its subtypes
//   range = [0, 1000]
//   rate_per_second = 0.5
//   stuck = "6h"        dither = 0.01
//   spike = 8           spike_window = 11    spike_floor = 0.5
//   period = "1h"       gap_factor = 2       jitter = 0.1         flat_after_gap = true
//   clock_ahead = "5m"  clock_behind = "2d"
//   unit = { expected = [-30, 45], own = "degreeCelsius", others = ["degreeFahrenheit"] }
//   # or, with value in the other unit = value * factor + offset:
//   unit = { expected = [900, 1080], factor = 100, offset = 0 }
//
//   [quality.twin."monitor-1".pm25]              # for one twin; wins key by key
//   stuck = "0s"                                 # 0: off
#pragma once

#include <toml++/toml.h>

#include <string>

#include "node/quality/rule.h"

namespace entente::node {

// The table `quality` of one file. Refuses (config_invalid) with file, line and the word; then
// nothing was added.
[[nodiscard]] Outcome read_rules(const toml::table& quality, const std::string& file,
                                 RuleBook& into);
// A whole quality.toml. Refuses as read_rules does, and syntax errors.
[[nodiscard]] Outcome read_rule_file(std::string_view text, const std::string& file,
                                     RuleBook& into);
// The same from a file; one that is not there is empty.
[[nodiscard]] Outcome load_rule_file(const std::string& path, RuleBook& into);

// The lines under a header, one key each: what read_rules reads back as the same keys.
std::string rule_text(const RuleKeys& keys);
// `[quality."type".signal]`, `[quality.twin."twin".signal]`.
std::string rule_header_for_type(std::string_view type, std::string_view signal);
std::string rule_header_for_twin(std::string_view twin, std::string_view signal);

}  // namespace entente::node
