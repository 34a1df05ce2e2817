// What changes between two sets of terms, and who gains and who loses by it, in plain words.
//
// For a person who signs: more epsilon for the asker is less protection for the provider's units,
// a shorter validity less time to ask, and so on. Every term is compared; what is not listed is
// the same. Threads: any; pure.
#pragma once

#include <string>
#include <vector>

#include "schemas/agreement.h"

namespace entente::federation {

// How the two parties are called.
struct PartyNames {
  std::string provider;
  std::string consumer;
};

struct TermChange {
  std::string term;    // as the file spells it: "epsilon_per_block", "exports.air.tick"
  std::string before;  // "4"; empty: there was none
  std::string after;
  std::string gains;  // a party's name; empty: nobody, or it depends
  std::string loses;  // likewise, "washington's units"
  std::string words;  // one sentence without full stop
};

std::vector<TermChange> agreement_diff(const Agreement& before, const Agreement& after,
                                       const PartyNames& names);

}  // namespace entente::federation
