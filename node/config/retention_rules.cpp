#include "node/config/retention_rules.h"

#include "node/config/strict_toml.h"

namespace entente::node {
namespace {

constexpr auto kCode = ErrorCode::config_invalid;

bool ordered(const Retention& kept) {
  const auto at_least = [](const std::optional<Duration>& longer,
                           const std::optional<Duration>& shorter) {
    return !longer || (shorter && *shorter <= *longer);
  };
  return at_least(kept.minutes, kept.readings) && at_least(kept.hours, kept.minutes);
}

}  // namespace

RetentionRules::Rule RetentionRules::read_rule(StrictTable& table) {
  Rule rule;
  for (auto [key, length] :
       {std::pair("readings", &rule.readings), std::pair("minutes", &rule.minutes),
        std::pair("hours", &rule.hours)}) {
    if (!table.has(key)) continue;
    const auto text = table.text(key);
    if (text == "forever") {
      length->emplace(std::nullopt);
      continue;
    }
    const auto parsed = parse_duration(text);
    if (!parsed || *parsed < days(1)) {
      table.fail(key, "must be \"forever\" or at least a day, such as \"30d\"");
      continue;
    }
    length->emplace(*parsed);
  }
  return rule;
}

Outcome RetentionRules::read(const toml::table& retention, const std::string& file) {
  RetentionRules copy = *this;
  std::vector<Key> added;
  std::optional<Error> failure;
  // A table of rules: its lengths, and below it tables by type, then by signal.
  const auto visit = [&](const auto& self, const toml::table& node, const std::string& path,
                         const Key& key, int depth) -> void {
    StrictTable table(node, file, path, kCode);
    const auto rule = read_rule(table);
    for (const auto& [name, inner] : node) {
      const std::string word(name.str());
      if (depth == 2 || !inner.is_table()) continue;
      const auto* below = table.table(word);
      const Key next = depth == 0 ? Key{word, ""} : Key{key.first, word};
      if (below != nullptr) self(self, *below, path + ".\"" + word + "\"", next, depth + 1);
    }
    if (rule.readings || rule.minutes || rule.hours) {
      if (!copy.rules_.emplace(key, rule).second) table.fail("readings", "is given twice");
      added.push_back(key);
    }
    if (auto done = table.finish(); !done && !failure) failure = done.error();
  };
  visit(visit, retention, "retention", {"", ""}, 0);
  for (const auto& key : added) {
    if (failure || ordered(copy.of(key.first, key.second))) continue;
    failure = make_error(kCode, file +
                                    ", retention: summaries must be kept at least as long as "
                                    "what they stand for: readings, minutes, hours");
  }
  if (failure) return *failure;
  *this = std::move(copy);
  return {};
}

std::vector<RetentionChange> RetentionRules::changes_from(const RetentionRules& before) const {
  auto named = rules_;
  named.insert(before.rules_.begin(), before.rules_.end());
  std::vector<RetentionChange> all;
  for (const auto& [key, rule] : named) {
    RetentionChange change{key.first, key.second, before.of(key.first, key.second),
                           of(key.first, key.second)};
    if (!(change.before == change.now)) all.push_back(std::move(change));
  }
  return all;
}

void RetentionRules::apply(const Key& key, Retention& into) const {
  const auto found = rules_.find(key);
  if (found == rules_.end()) return;
  const auto& rule = found->second;
  if (rule.readings) into.readings = *rule.readings;
  if (rule.minutes) into.minutes = *rule.minutes;
  if (rule.hours) into.hours = *rule.hours;
}

Retention RetentionRules::of(std::string_view type, std::string_view signal) const {
  Retention kept;
  apply({"", ""}, kept);
  if (type.empty()) return kept;
  apply({std::string(type), ""}, kept);
  apply({std::string(type), std::string(signal)}, kept);
  return kept;
}

}  // namespace entente::node
