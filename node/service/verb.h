// What a route lets its caller do: the word that authorisation decides on.
//
// security/policy owns the closed list of verbs; this one holds what HTTP needs and is the only
// place to change when the two become one.
#pragma once

#include <string_view>

namespace entente::node {

enum class Verb {
  read_status,
  read_twins,
  write_twins,
  write_readings,
  ask,
  read_budget,
  read_links,
  manage_links,
  read_agreements,
  propose_agreement,
  sign_agreement,
  terminate_agreement,
  read_systems,
  read_exports,
  read_audit,
  read_metrics,
};

constexpr std::string_view to_text(Verb verb) {
  switch (verb) {
    case Verb::read_status:
      return "read_status";
    case Verb::read_twins:
      return "read_twins";
    case Verb::write_twins:
      return "write_twins";
    case Verb::write_readings:
      return "write_readings";
    case Verb::ask:
      return "ask";
    case Verb::read_budget:
      return "read_budget";
    case Verb::read_links:
      return "read_links";
    case Verb::manage_links:
      return "manage_links";
    case Verb::read_agreements:
      return "read_agreements";
    case Verb::propose_agreement:
      return "propose_agreement";
    case Verb::sign_agreement:
      return "sign_agreement";
    case Verb::terminate_agreement:
      return "terminate_agreement";
    case Verb::read_systems:
      return "read_systems";
    case Verb::read_exports:
      return "read_exports";
    case Verb::read_audit:
      return "read_audit";
    case Verb::read_metrics:
      return "read_metrics";
  }
  return "unknown";
}

}  // namespace entente::node
