// A system twin that partners may ask: how it looks from outside, and what a question to it comes
// to at each member.
//
// From outside it is an export like any other. Its public cells are its members' cells, told apart
// by one more key, `organisation`: the alias by which the composing site calls a member, and below
// a member that is a composite itself alias/name. Its measures are those that all members offer,
// within the bounds of each, in one unit; its window rules are the strictest of theirs. What its
// members are told about their own exports is what this is made of, so it needs nobody to be asked.
//
// A question about it becomes one question a member: the same items, columns, window, cells of time
// and charge; the member's own cells by index, and its own version of the keys. So equal questions
// to a composite are equal questions to its members, and released once. Threads: any; pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "federation/compose/system_twin.h"
#include "federation/query/plan.h"
#include "schemas/agreement.h"

namespace entente::federation {

struct CompositeMember {
  OrgId organisation;
  std::string alias;  // of the organisation; this site's own name for an own export
  RhoUnits quota;     // of each block, that the composing site has there
  ExportView view;    // as agreed
  bool operator==(const CompositeMember&) const = default;
};

struct Composite {
  ExportView view;
  std::vector<CompositeMember> members;
  Needs needs;
  // places[c]: the member that public cell c belongs to, and its cells there, ascending.
  std::vector<std::pair<std::size_t, std::vector<std::uint32_t>>> places;

  CompositeTerms::Answer answer() const { return view.composite->answer; }
};

// `self` composes at `site`. Refuses (config_invalid), naming the member and why: members that
// differ in zone or unit of privacy, ticks that do not divide each other, no measure or key in
// common, bounds without overlap, too many cells or sites, a composite that contains this one (a
// circle), one that is routed with a member that answers for itself, or one that answers for
// itself and reaches one domain of a site twice.
[[nodiscard]] Result<Composite> compose(const SystemTwin& system, const OrgId& self,
                                        const std::string& site,
                                        std::vector<CompositeMember> members);

// What each member is asked, in their order. `question` has passed check_question() with `view`.
std::vector<MemberPlan> member_questions(const Composite& composite, const Question& question);

}  // namespace entente::federation
