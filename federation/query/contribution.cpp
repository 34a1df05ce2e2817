#include "federation/query/contribution.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "schemas/base/check.h"
#include "schemas/base/hash.h"

namespace entente::federation {
namespace {

// The hash by which a unit's groups are ranked.
Hash256 rank_of(const security::ChoiceKey& key, const Hash256& question, std::uint32_t group,
                const FoldedUnit& entry) {
  const std::string number = std::to_string(group);
  std::vector<ByteView> parts = {question.view(), bytes_of(entry.unit), bytes_of(number)};
  for (const std::string& value : entry.keys) parts.push_back(bytes_of(value));
  return key.rank(parts);
}

}  // namespace

FoldRequest fold_request(const Question& question, std::shared_ptr<const ExportView> view) {
  FoldRequest request{std::move(view), question.columns, {}, {}, question.private_keys};
  for (std::size_t i = 0; i < question.tick_count(); ++i) request.ticks.push_back(question.tick(i));
  for (const Group& group : question.groups) request.groups.push_back(group.cells);
  return request;
}

std::uint32_t groups_touched(const Question& question, const ExportView& view) {
  if (view.unit == "twin") return 1;
  // A unit's twins may have any number of values of a private key.
  if (!question.private_keys.empty()) return view.groups_per_unit;
  return std::min(view.groups_per_unit, static_cast<std::uint32_t>(question.groups.size()));
}

void bound_contributions(const Question& question, const ExportView& view,
                         const security::ChoiceKey& key, FoldedTable& folded) {
  constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> groups(view.cells.size(), kNone);
  for (std::uint32_t g = 0; g < question.groups.size(); ++g) {
    for (const std::uint32_t cell : question.groups[g].cells) groups.at(cell) = g;
  }
  std::unordered_map<std::string_view, std::vector<std::size_t>> entries;
  for (std::size_t i = 0; i < folded.units.size(); ++i) {
    const FoldedUnit& entry = folded.units[i];
    if (!entry.unit.empty() && groups.at(entry.cell) != kNone) entries[entry.unit].push_back(i);
  }
  const std::size_t most = groups_touched(question, view);
  const Hash256 hashed = question_hash(canonical_bytes(question));
  std::vector<bool> dropped(folded.units.size(), false);
  for (const auto& [unit, own] : entries) {
    if (own.size() <= most) continue;
    std::vector<std::pair<Hash256, std::size_t>> ranked;
    for (const std::size_t i : own) {
      const FoldedUnit& entry = folded.units[i];
      ranked.emplace_back(rank_of(key, hashed, groups[entry.cell], entry), i);
    }
    std::sort(ranked.begin(), ranked.end());
    for (std::size_t i = 0; i + 1 < ranked.size(); ++i) {
      ENTENTE_CHECK(ranked[i].first != ranked[i + 1].first);  // one value a unit and group
    }
    for (std::size_t i = most; i < ranked.size(); ++i) dropped[ranked[i].second] = true;
  }
  entries.clear();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < folded.units.size(); ++i) {
    if (dropped[i]) continue;
    if (kept != i) folded.units[kept] = std::move(folded.units[i]);
    ++kept;
  }
  folded.units.resize(kept);
}

std::string unit_words(std::string_view unit) {
  const auto rule = unit_rule_from(unit);
  if (!rule) return "one " + std::string(unit);
  switch (rule->kind) {
    case UnitRule::Kind::twin:
      return "one twin";
    case UnitRule::Kind::property:
      return "all twins with one " + rule->name;
    case UnitRule::Kind::relationship:
      return "all twins below one twin by " + rule->name;
    case UnitRule::Kind::type:
      return "all twins below one " + rule->name;
  }
  return "one twin";
}

}  // namespace entente::federation
