// A system twin: a twin whose members are exports and others' system twins, and whose properties
// are aggregates over them (design section 10). Declared by the site that composes. A member learns
// of it only when a partner's question is sent on, by its name, which `onward` must grant.
//
// A property is only a named question until it is `kept`: then the node asks it by itself, once for
// each closed window of the length `over`, and the released figures are the twin's state and its
// history. That spends the members' budgets window by window, so it is opted into, with the epsilon
// that each window may cost.
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
  std::optional<Duration> every = {};  // cuts a window into cells, each with a value
  std::string unit = {};               // of the item's value; empty: as the members give it
  bool kept = false;
  std::optional<double> epsilon = {};  // of each member, for a window; what keeping must state
  std::string purpose = {};            // as the members' agreements name it
  std::optional<Instant> since = {};   // kept: from the first window at or after it; else newest
  std::optional<Instant> until = {};   // kept: no window that ends after it
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
  // Null when there is none of this name.
  const SystemProperty* property(std::string_view name) const;
  bool keeps() const;  // whether any property is kept
};
std::string to_text(const SystemMember& member);  // "air@washington"

// What can be known wrong without asking anybody: repeated members, no members, a quorum larger
// than the membership, items that do not parse, lower >= upper, one folded signal with two bounds,
// `every` that does not divide `over`, a kept property without an epsilon. Refuses: config_invalid,
// naming the place.
[[nodiscard]] Outcome check_system(const SystemTwin& system);

// The question that a property stands for, about this window: the same text, so the same question
// to every member, whenever it is asked.
std::string question_of(const SystemTwin& system, const SystemProperty& property,
                        const TimeWindow& window);

}  // namespace entente::federation
