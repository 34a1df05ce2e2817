// Who takes part in simulated federations, and what their twins have measured: the same for every
// seed, made once a process.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "federation/ask/site.h"
#include "federation/query/twin_source.h"
#include "node/history/reading.h"
#include "schemas/agreement.h"
#include "schemas/question.h"
#include "security/identity/charter.h"

namespace entente::simulation {

inline constexpr std::size_t kOrganisations = 7;
inline constexpr const char* kSite = "main";
inline constexpr const char* kType = "dtmi:simulation:Station;1";
inline constexpr const char* kSignal = "pm25";
inline constexpr int kPastDays = 2;  // of readings before the beginning, an hour apart

struct SimulatedTwin {
  std::string id;
  std::uint32_t cell = 0;  // of the view
  std::vector<node::Reading> past;
};

struct Organisation {
  std::size_t number = 0;
  std::string name;  // also the alias by which partners know it
  security::OrganisationKeys keys;
  security::PinnedOrganisation pinned;
  std::vector<SimulatedTwin> twins;
  ExportView view;  // "air", with the most generous cap

  const OrgId& id() const { return pinned.id(); }
  federation::KnownPartner as_partner() const;
  // For TwinRegistry.
  static const char* types();
  std::string twins_text() const;
};

const Organisation& organisation(std::size_t number);
const Organisation* organisation_of(const OrgId& id);

// What a question's units are by `past` alone, folded reading by reading.
federation::FoldedTable fold_past(const Organisation& of, const Question& question);

}  // namespace entente::simulation
