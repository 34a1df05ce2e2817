#include "node/quality/rule.h"

#include <algorithm>

namespace entente::node {
namespace {

template <class T, class U>
void take(const std::optional<T>& from, U& into) {
  if (from) into = *from;
}

}  // namespace

void RuleKeys::apply_to(Rule& rule) const {
  take(range, rule.range);
  take(rate_per_second, rule.rate_per_second);
  take(stuck, rule.stuck);
  take(dither, rule.dither);
  take(spike, rule.spike);
  take(spike_window, rule.spike_window);
  take(spike_floor, rule.spike_floor);
  take(period, rule.period);
  take(gap_factor, rule.gap_factor);
  take(jitter, rule.jitter);
  take(flat_after_gap, rule.flat_after_gap);
  take(clock_ahead, rule.clock_ahead);
  take(clock_behind, rule.clock_behind);
  if (unit) {
    rule.unit_expected = unit->expected;
    rule.other_units = unit->others;
  }
}

Outcome RuleBook::add(Keys& into, const std::string& owner, const std::string& signal,
                      RuleKeys keys) {
  if (!into[owner].emplace(signal, std::move(keys)).second) {
    return make_error(ErrorCode::conflict,
                      "rules for '" + signal + "' of '" + owner + "' are given twice");
  }
  return {};
}

Outcome RuleBook::add_for_type(const std::string& type, const std::string& signal, RuleKeys keys) {
  return add(types_, type, signal, std::move(keys));
}

Outcome RuleBook::add_for_twin(const std::string& twin, const std::string& signal, RuleKeys keys) {
  return add(twins_, twin, signal, std::move(keys));
}

Outcome RuleBook::add_valid(const std::string& type, const std::string& signal, Range valid) {
  const auto [at, fresh] = valid_.emplace(std::pair(type, signal), valid);
  if (!fresh && !(at->second == valid)) {
    return make_error(
        ErrorCode::conflict,
        "two exports of '" + type + "' disagree about what is valid for '" + signal + "'",
        "give both the same, or say range in [quality]");
  }
  return {};
}

// Of ancestors all that say something count: a reading of the type is one of each of them.
std::optional<Range> RuleBook::valid_for(const ResolvedType& type,
                                         const std::string& signal) const {
  if (const auto own = valid_.find({type.id, signal}); own != valid_.end()) return own->second;
  std::optional<Range> all;
  for (const std::string& ancestor : type.ancestors) {
    const auto found = valid_.find({ancestor, signal});
    if (found == valid_.end()) continue;
    if (!all) all = found->second;
    all->minimum = std::max(all->minimum, found->second.minimum);
    all->maximum = std::min(all->maximum, found->second.maximum);
  }
  // Two that share nothing say nothing: no reading is bad for a contradiction.
  return all && all->minimum < all->maximum ? all : std::nullopt;
}

const RuleKeys* RuleBook::find(const Keys& keys, std::string_view owner, std::string_view signal) {
  const auto of_owner = keys.find(owner);
  if (of_owner == keys.end()) return nullptr;
  const auto found = of_owner->second.find(signal);
  return found == of_owner->second.end() ? nullptr : &found->second;
}

void RuleBook::restart_at_blocks(const std::string& type, const std::string& signal, Duration block,
                                 const std::string& zone) {
  if (block.ns > 0) restarts_[{type, signal}] = {block, zone};
}

Rule RuleBook::rule_for(const ResolvedType& type, const Signal& signal,
                        std::string_view twin) const {
  Rule rule;
  rule.range = signal.range;
  if (empty()) return rule;
  const auto restart = [&](const std::string& of) {
    const auto found = restarts_.find({of, signal.name});
    if (found == restarts_.end()) return;
    rule.restart = found->second.block;
    rule.zone = found->second.zone;
  };
  for (const std::string& ancestor : type.ancestors) {
    restart(ancestor);
    if (ancestor == type.id) continue;
    if (const RuleKeys* keys = find(types_, ancestor, signal.name)) keys->apply_to(rule);
  }
  if (const RuleKeys* keys = find(types_, type.id, signal.name)) keys->apply_to(rule);
  if (const RuleKeys* keys = find(twins_, twin, signal.name)) keys->apply_to(rule);
  if (!rule.range) rule.range = valid_for(type, signal.name);
  return rule;
}

std::string_view to_text(RuleChange::Kind kind) {
  constexpr std::string_view kWords[] = {"added", "changed", "removed"};
  return kWords[static_cast<std::size_t>(kind)];
}

RuleBook RuleBook::with_rules_of(const RuleBook& rules) const {
  RuleBook book = *this;
  book.types_ = rules.types_;
  book.twins_ = rules.twins_;
  return book;
}

void RuleBook::compare(const Keys& now, const Keys& before, bool of_twin,
                       std::vector<RuleChange>& into) {
  using Kind = RuleChange::Kind;
  std::map<std::pair<std::string, std::string>, Kind> found;
  for (const auto& [owner, signals] : now) {
    for (const auto& [signal, keys] : signals) {
      const RuleKeys* old = find(before, owner, signal);
      if (old == nullptr || !(*old == keys)) {
        found[{owner, signal}] = old == nullptr ? Kind::added : Kind::changed;
      }
    }
  }
  for (const auto& [owner, signals] : before) {
    for (const auto& [signal, keys] : signals) {
      if (find(now, owner, signal) == nullptr) found[{owner, signal}] = Kind::removed;
    }
  }
  for (const auto& [of, kind] : found) into.push_back({kind, of_twin, of.first, of.second});
}

std::vector<RuleChange> RuleBook::changes_from(const RuleBook& before) const {
  std::vector<RuleChange> all;
  compare(types_, before.types_, false, all);
  compare(twins_, before.twins_, true, all);
  return all;
}

std::vector<std::pair<std::string, std::string>> RuleBook::for_types() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& [type, signals] : types_) {
    for (const auto& [signal, keys] : signals) all.emplace_back(type, signal);
  }
  for (const auto& [of, range] : valid_) all.push_back(of);
  return all;
}

}  // namespace entente::node
