// How much one unit adds to an answer, at most: in one group, or in groups_per_unit of them.
//
// A unit whose twins lie in several groups would move each of them. It counts in G groups only,
// those that a keyed hash of question, unit and group ranks first (privacy.md 2.2, rule 3): the
// choice depends on no reading, nobody without the key can foretell it, and it is another one for
// another question. So a unit moves at most G cells of a tick, sqrt(G) times as far in L2, which is
// what the noise is drawn for. Threads: any.
#pragma once

#include <memory>
#include <string>

#include "federation/query/twin_source.h"
#include "security/privacy/choice_key.h"

namespace entente::federation {

// What a site folds to answer the question.
FoldRequest fold_request(const Question& question, std::shared_ptr<const ExportView> view);

// G: of the groups of one tick, how many a unit can be counted in. What price_of draws noise for
// and bound_contributions leaves. 1 where a unit is a twin.
std::uint32_t groups_touched(const Question& question, const ExportView& view);

// Takes from each unit what is beyond groups_touched. `folded` came from fold_request.
void bound_contributions(const Question& question, const ExportView& view,
                         const security::ChoiceKey& key, FoldedTable& folded);

// Whose contribution is protected, for people: "one twin", "all twins with one owner".
std::string unit_words(std::string_view unit);

}  // namespace entente::federation
