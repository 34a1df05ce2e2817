// A system twin: a twin whose members are partners' exports, and whose properties are aggregates
// over them (design section 10). Declared by the site that composes; the members never learn of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "federation/query/plan.h"
#include "schemas/agreement.h"
#include "schemas/base/time.h"
#include "schemas/question.h"

namespace entente::federation {

struct SystemMember {
  std::string export_name;
  std::string organisation;  // local alias of the partner
  bool operator==(const SystemMember&) const = default;
};

// How many members must answer before an answer counts.
struct Needs {
  enum class Rule { any, quorum, all };
  Rule rule = Rule::any;
  std::uint32_t quorum = 1;
  bool met(std::size_t answered, std::size_t members) const;
  bool operator==(const Needs&) const = default;
};
// "any", "all" or "quorum(n)". Refuses (config_invalid) anything else.
[[nodiscard]] Result<Needs> needs_from_text(std::string_view text);
std::string to_text(const Needs& needs);

struct SystemProperty {
  std::string name;
  std::string item;  // "mean(pm25)", in the question language
  Duration over;
  std::optional<double> lower;  // plan bounds of the item's value
  std::optional<double> upper;
  bool operator==(const SystemProperty&) const = default;
};

struct SystemTwin {
  std::string name;
  std::string title;
  std::vector<SystemMember> members;
  Needs needs;
  // How partners are answered who may ask it; nothing: no partner may.
  std::optional<CompositeTerms::Answer> answer = {};
  std::vector<SystemProperty> properties;
  bool operator==(const SystemTwin&) const = default;
};

// What can be known wrong without asking anybody: repeated members, no members, a quorum larger
// than the membership, items that do not parse, lower >= upper. Refuses: config_invalid, naming the
// place.
[[nodiscard]] Outcome check_system(const SystemTwin& system);

}  // namespace entente::federation
