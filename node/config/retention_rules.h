// How long readings are kept, as an administrator declares it; without a word everything stays.
//
//   [retention]                                # for whatever is not named below
//   readings = "30d"   minutes = "365d"   hours = "forever"
//   [retention."dtmi:org:air:Monitor;1"]       # twins of this type
//   readings = "90d"
//   [retention."dtmi:org:air:Monitor;1".pm25]  # one of its signals; wins key by key
//   readings = "forever"
#pragma once

#include <toml++/toml.h>

#include <map>
#include <string>
#include <vector>

#include "node/history/history.h"

namespace entente::node {

// What is kept otherwise than before.
struct RetentionChange {
  std::string type, signal;  // both empty: whatever is not named
  Retention before, now;
};

class RetentionRules {
 public:
  // Adds the table `retention` of one file. Refuses (config_invalid), adding nothing: a length
  // below a day, minutes that end before readings do, hours before minutes, a rule given twice,
  // unknown keys.
  Outcome read(const toml::table& retention, const std::string& file);
  Retention of(std::string_view type, std::string_view signal) const;
  // Of what either names, in order.
  std::vector<RetentionChange> changes_from(const RetentionRules& before) const;
  // True when nothing ever expires.
  bool empty() const { return rules_.empty(); }

 private:
  // Nothing: not said here. An empty length: for ever.
  using Length = std::optional<std::optional<Duration>>;
  struct Rule {
    Length readings, minutes, hours;
  };
  using Key = std::pair<std::string, std::string>;  // type and signal; empty for all
  static Rule read_rule(class StrictTable& table);
  void apply(const Key& key, Retention& into) const;
  std::map<Key, Rule> rules_;
};

}  // namespace entente::node
