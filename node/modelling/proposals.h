// Proposals about a twin's models: what a person, or a policy, may decide on. Statements only.
//
// A refit has the definition that would follow and how it compares with the one in force; an
// optimisation has inputs and what is expected of them. Of one node the newest
// limits::kProposalsKept are kept.
// Threads: that of the database.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/store/sqlite.h"
#include "schemas/base/time.h"

namespace entente::node {

enum class ProposalKind { refit, optimisation };
enum class ProposalLife { open, accepted, dismissed };
std::string_view to_text(ProposalKind kind);
std::string_view to_text(ProposalLife life);

struct Proposal {
  std::int64_t number = 0;
  ProposalKind kind = ProposalKind::refit;
  ProposalLife life = ProposalLife::open;
  std::string twin;
  std::string model;
  std::uint32_t version = 0;  // of the definition that it was made from
  Instant made;
  std::string actor;
  Instant settled;
  std::string settled_by;
  std::string body;  // JSON: what it says, as surfaces show it
  std::string toml;  // a refit's definition
};

const char* proposal_migration();
// The number it got.
std::int64_t add_proposal(Database& database, const Proposal& proposal);
void settle_proposal(Database& database, const Proposal& proposal);
// Of one twin when `twin` is not empty; the newest first.
std::vector<Proposal> stored_proposals(Database& database, const std::string& twin);

}  // namespace entente::node
