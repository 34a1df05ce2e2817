#include "federation/compose/system_twin.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "federation/ask/limits.h"
#include "federation/query/parser.h"

namespace entente::federation {
namespace {

Error invalid(std::string what) {
  return make_error(ErrorCode::config_invalid, std::move(what));
}

// A number as the language reads it back.
std::string number_text(double number) {
  char text[64];
  const auto [end, failure] = std::to_chars(text, text + sizeof text, number);
  return {text, end};
}

std::string sentence_of(const SystemTwin& system, const SystemProperty& property,
                        const std::string& over) {
  return "SELECT " + property.item + " FROM " + system.name + " OVER " + over +
         (property.every ? " EVERY " + to_text(*property.every) : "") +
         (property.epsilon ? " WITH (epsilon = " + number_text(*property.epsilon) + ")" : "");
}

Outcome check_kept(const SystemProperty& property) {
  const std::string name = "the property '" + property.name + "'";
  if (!property.kept) {
    if (!property.since && !property.until) return {};
    return invalid(name + " says since when it is kept, and not keep = true");
  }
  if (!property.epsilon) {
    return invalid(name + " is kept, so each window is charged to every member: say what it may " +
                   "cost, as in epsilon = 0.2");
  }
  if (property.since && property.until && *property.until <= *property.since) {
    return invalid("'until' of " + name + " is not after its 'since'");
  }
  return {};
}

Outcome check_property(const SystemTwin& system, const SystemProperty& property) {
  auto parsed = parse_question(sentence_of(system, property, to_text(property.over)));
  if (!parsed || parsed->items.size() != 1) {
    return invalid("the item \"" + property.item + "\" of the property '" + property.name +
                   "' is not one item of the question language" +
                   (parsed ? "" : ": " + parsed.error().what));
  }
  if (property.over.ns <= 0) {
    return invalid("'over' of the property '" + property.name + "' must be above 0s");
  }
  if (property.every && (property.every->ns <= 0 || property.over.ns % property.every->ns != 0)) {
    return invalid("'every' of the property '" + property.name + "' must divide " +
                   to_text(property.over));
  }
  return check_kept(property);
}

// The bounds of one question are the plan's, by folded signal: two of them would be one too many.
Outcome check_bounds(const SystemTwin& system) {
  std::map<std::pair<std::string, Reducer>, const SystemProperty*> stated;
  for (const SystemProperty& property : system.properties) {
    auto parsed = parse_question(sentence_of(system, property, to_text(property.over)));
    if (!parsed || !property.lower || !property.upper) continue;
    const auto* folded = std::get_if<FoldedSignal>(&parsed->items.front().argument);
    if (folded == nullptr) continue;
    const std::pair key{folded->signal.text, folded->reducer.value_or(Reducer::mean)};
    const auto [other, is_new] = stated.emplace(key, &property);
    if (is_new ||
        (other->second->lower == property.lower && other->second->upper == property.upper)) {
      continue;
    }
    return invalid("the properties '" + other->second->name + "' and '" + property.name +
                   "' state different bounds of " + std::string(to_text(key.second)) + "(" +
                   key.first + ")");
  }
  return {};
}

}  // namespace

const SystemProperty* SystemTwin::property(std::string_view wanted) const {
  const auto found = std::find_if(properties.begin(), properties.end(),
                                  [&](const auto& one) { return one.name == wanted; });
  return found == properties.end() ? nullptr : &*found;
}

bool SystemTwin::keeps() const {
  return std::any_of(properties.begin(), properties.end(),
                     [](const auto& one) { return one.kept; });
}

std::string to_text(const SystemMember& member) {
  return member.export_name + "@" + member.organisation;
}

std::string question_of(const SystemTwin& system, const SystemProperty& property,
                        const TimeWindow& window) {
  return sentence_of(system, property,
                     "'" + to_text(window.from) + "' .. '" + to_text(window.to) + "'");
}

bool Needs::met(std::size_t answered, std::size_t members) const {
  switch (rule) {
    case Rule::any:
      return answered >= 1;
    case Rule::quorum:
      return answered >= quorum;
    case Rule::all:
      return answered == members;
  }
  return false;
}

Result<Needs> needs_from_text(std::string_view text) {
  if (text == "any") return Needs{};
  if (text == "all") return Needs{Needs::Rule::all, 1};
  constexpr std::string_view kOpen = "quorum(";
  if (text.starts_with(kOpen) && text.ends_with(")")) {
    const std::string_view number = text.substr(kOpen.size(), text.size() - kOpen.size() - 1);
    std::uint32_t least = 0;
    const auto [end, failure] =
        std::from_chars(number.data(), number.data() + number.size(), least);
    if (failure == std::errc{} && end == number.data() + number.size() && least >= 1) {
      return Needs{Needs::Rule::quorum, least};
    }
  }
  return invalid("'" + std::string(text) + "' must be \"any\", \"all\" or \"quorum(2)\"");
}

std::string to_text(const Needs& needs) {
  switch (needs.rule) {
    case Needs::Rule::any:
      return "any";
    case Needs::Rule::all:
      return "all";
    case Needs::Rule::quorum:
      return "quorum(" + std::to_string(needs.quorum) + ")";
  }
  return "any";
}

Outcome check_system(const SystemTwin& system) {
  if (system.members.empty()) return invalid("a system twin needs at least one member");
  if (system.members.size() > limits::kMembers) {
    return invalid("a system twin has at most " + std::to_string(limits::kMembers) + " members");
  }
  for (auto member = system.members.begin(); member != system.members.end(); ++member) {
    if (std::find(system.members.begin(), member, *member) != member) {
      return invalid("the member '" + to_text(*member) + "' is named twice");
    }
  }
  if (system.needs.rule == Needs::Rule::quorum && system.needs.quorum > system.members.size()) {
    return invalid("the quorum is larger than the number of members");
  }
  std::set<std::string> names;
  for (const SystemProperty& property : system.properties) {
    if (!names.insert(property.name).second) {
      return invalid("the property '" + property.name + "' is declared twice");
    }
    if (auto checked = check_property(system, property); !checked) return checked;
  }
  return check_bounds(system);
}

}  // namespace entente::federation
