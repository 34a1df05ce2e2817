#include "federation/compose/system_twin.h"

#include <algorithm>
#include <charconv>

#include "federation/ask/limits.h"
#include "federation/query/parser.h"

namespace entente::federation {
namespace {

Error invalid(std::string what) {
  return make_error(ErrorCode::config_invalid, std::move(what));
}

}  // namespace

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
      return invalid("the member '" + member->export_name + "@" + member->organisation +
                     "' is named twice");
    }
  }
  if (system.needs.rule == Needs::Rule::quorum && system.needs.quorum > system.members.size()) {
    return invalid("the quorum is larger than the number of members");
  }
  for (const SystemProperty& property : system.properties) {
    auto parsed = parse_question("SELECT " + property.item + " FROM " + system.name + " OVER " +
                                 to_text(property.over));
    if (!parsed || parsed->items.size() != 1) {
      return invalid("the item \"" + property.item + "\" of the property '" + property.name +
                     "' is not one item of the question language" +
                     (parsed ? "" : ": " + parsed.error().what));
    }
  }
  return {};
}

}  // namespace entente::federation
