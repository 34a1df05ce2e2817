// What is asked of the readings of one signal, and where it is said: by the signal's type (Ranged),
// by rules for types, by rules for single twins, each winning over the one before, key by key.
// Where none of them gives a range, the `valid` of an export that shows the signal does. An
// export's bounds never do: they clamp what partners are answered, and a good reading may lie
// beyond them.
//
// Verdicts, in this order; a reading gets the first that applies, and limits belong to the good:
//   not_finite      NaN or infinite
//   clock_ahead     time later than arrival + clock_ahead
//   unit_mismatch   outside `unit_expected`, but inside it as another unit would write it
//   out_of_range    outside `range`
//   spike           further from the median of the readings before it than `spike` times the larger
//                   of their MAD (median of distances from the median) and `spike_floor`. Causal:
//                   it knows only what came before, so the first readings of a true step are spikes
//                   until the window's median has followed, after half a window
//   rate_of_change  moved from the last reading that is not bad by more than `rate_per_second`
//                   times the seconds between them
//   flat_after_gap  after a gap, and still the value from before it
//   stuck           one value, within `dither` of the first of the run, for longer than `stuck`; a
//                   gap begins a new run
//   clock_behind    time earlier than arrival - clock_behind
// Where a privacy domain offers the signal, spikes, rates, runs and flatness begin anew at each of
// its blocks, since what a unit contributes to a block depends on that block's readings alone.
// A gap is an interval longer than gap_factor * period; gaps, duplicates, readings out of order and
// irregular intervals are counted in the health and are no verdicts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/limits.h"
#include "node/quality/unit_conversion.h"
#include "node/twin/type_registry.h"
#include "schemas/base/time.h"

namespace entente::node {

// 0 turns a rule off; a range that is not there is open.
struct Rule {
  std::optional<Range> range;
  double rate_per_second = 0;
  Duration stuck;
  double dither = 0;
  double spike = 0;  // in MADs
  int spike_window = 11;
  double spike_floor = 0;  // in the signal's unit
  Duration period;
  double gap_factor = 2;
  double jitter = 0.1;  // an interval further from the period than this share of it is irregular
  bool flat_after_gap = false;
  Duration clock_ahead{limits::kClockAheadNs};
  Duration clock_behind;
  std::optional<Range> unit_expected;
  std::vector<Conversion> other_units;  // at most limits::kOtherUnits
  // Blocks of the privacy domain that offers the signal, in its zone: whatever looks back begins
  // anew at each, so that no verdict depends on readings of another block. Zero: never.
  Duration restart;
  std::string zone = "UTC";

  bool operator==(const Rule&) const = default;
  // Some verdict or count looks at readings before this one, or at when they came.
  bool has_memory() const {
    return rate_per_second > 0 || stuck.ns > 0 || spike > 0 || period.ns > 0 || clock_behind.ns > 0;
  }
};

// A part of a rule, as written at one place: what is absent stays as it was.
struct RuleKeys {
  std::optional<Range> range;
  std::optional<double> rate_per_second;
  std::optional<Duration> stuck;
  std::optional<double> dither;
  std::optional<double> spike;
  std::optional<int> spike_window;
  std::optional<double> spike_floor;
  std::optional<Duration> period;
  std::optional<double> gap_factor;
  std::optional<double> jitter;
  std::optional<bool> flat_after_gap;
  std::optional<Duration> clock_ahead;
  std::optional<Duration> clock_behind;
  struct Unit {
    Range expected;
    std::vector<Conversion> others;
    bool operator==(const Unit&) const = default;
  };
  std::optional<Unit> unit;

  bool operator==(const RuleKeys&) const = default;
  void apply_to(Rule& rule) const;
};

// A signal of a type or of one twin about which two books say something else.
struct RuleChange {
  enum class Kind { added, changed, removed };
  Kind kind = Kind::changed;
  bool of_twin = false;  // else of a type
  std::string owner;     // the type or twin
  std::string signal;
  bool operator==(const RuleChange&) const = default;
};
std::string_view to_text(RuleChange::Kind kind);

// All rules of a site. Constant after loading; threads: any.
class RuleBook {
 public:
  // Refuses: conflict (rules for this signal of this type or twin are there).
  Outcome add_for_type(const std::string& type, const std::string& signal, RuleKeys keys);
  Outcome add_for_twin(const std::string& twin, const std::string& signal, RuleKeys keys);

  // From now on rules for this signal of this type and its descendants restart at each block;
  // `block` zero is a lifetime and restarts nothing.
  void restart_at_blocks(const std::string& type, const std::string& signal, Duration block,
                         const std::string& zone);
  // What an export declares to be valid. Refuses: conflict (another export of this type says
  // otherwise).
  Outcome add_valid(const std::string& type, const std::string& signal, Range valid);

  // The signal's range; then the rules of the type's ancestors in order of their ids, of the type
  // itself, of the twin; without any range, what exports of the type, or else of its ancestors,
  // declare valid: the narrowest that all of those leave.
  Rule rule_for(const ResolvedType& type, const Signal& signal, std::string_view twin) const;

  // The rules of `rules` with what this book has from exports: their blocks, and what they declare
  // valid. Those belong to the privacy domains and stay as they were when the node started.
  RuleBook with_rules_of(const RuleBook& rules) const;
  // What this book's rules say otherwise than those of `before`: types, then twins, in order.
  std::vector<RuleChange> changes_from(const RuleBook& before) const;
  // Both have the same from exports.
  bool same_exports(const RuleBook& other) const {
    return restarts_ == other.restarts_ && valid_ == other.valid_;
  }
  // Types and signals that have rules or what is valid, for a check against the types there are.
  std::vector<std::pair<std::string, std::string>> for_types() const;
  bool empty() const {
    return types_.empty() && twins_.empty() && restarts_.empty() && valid_.empty();
  }

 private:
  // By type or twin, then by signal.
  using Keys = std::map<std::string, std::map<std::string, RuleKeys, std::less<>>, std::less<>>;
  static Outcome add(Keys& into, const std::string& owner, const std::string& signal,
                     RuleKeys keys);
  static const RuleKeys* find(const Keys& keys, std::string_view owner, std::string_view signal);
  struct Restart {
    Duration block;
    std::string zone;
    bool operator==(const Restart&) const = default;
  };
  static void compare(const Keys& now, const Keys& before, bool of_twin,
                      std::vector<RuleChange>& into);
  std::optional<Range> valid_for(const ResolvedType& type, const std::string& signal) const;
  Keys types_;
  Keys twins_;
  std::map<std::pair<std::string, std::string>, Restart> restarts_;  // by type and signal
  std::map<std::pair<std::string, std::string>, Range> valid_;       // by type and signal
};

}  // namespace entente::node
