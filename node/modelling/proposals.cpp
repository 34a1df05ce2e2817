#include "node/modelling/proposals.h"

#include "node/modelling/limits.h"

namespace entente::node {
namespace {

constexpr ProposalKind kKinds[] = {ProposalKind::refit, ProposalKind::optimisation};
constexpr ProposalLife kLives[] = {ProposalLife::open, ProposalLife::accepted,
                                   ProposalLife::dismissed};

}  // namespace

std::string_view to_text(ProposalKind kind) {
  return kind == ProposalKind::refit ? "refit" : "optimisation";
}

std::string_view to_text(ProposalLife life) {
  constexpr std::string_view kWords[] = {"open", "accepted", "dismissed"};
  return kWords[static_cast<std::size_t>(life)];
}

const char* proposal_migration() {
  return "CREATE TABLE model_proposal (number INTEGER PRIMARY KEY AUTOINCREMENT,"
         "  kind TEXT NOT NULL, life TEXT NOT NULL, twin TEXT NOT NULL, model TEXT NOT NULL,"
         "  version INTEGER NOT NULL, made INTEGER NOT NULL, actor TEXT NOT NULL,"
         "  settled INTEGER NOT NULL, settled_by TEXT NOT NULL, body TEXT NOT NULL,"
         "  toml TEXT NOT NULL) STRICT;";
}

std::int64_t add_proposal(Database& database, const Proposal& proposal) {
  Statement& insert = database.cached(
      "INSERT INTO model_proposal (kind, life, twin, model, version, made, actor, settled,"
      " settled_by, body, toml) VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', ?, ?) RETURNING number");
  insert.bind(1, to_text(proposal.kind)).bind(2, to_text(proposal.life));
  insert.bind(3, std::string_view(proposal.twin)).bind(4, std::string_view(proposal.model));
  insert.bind(5, static_cast<std::int64_t>(proposal.version)).bind(6, proposal.made.ns);
  insert.bind(7, std::string_view(proposal.actor)).bind(8, std::string_view(proposal.body));
  insert.bind(9, std::string_view(proposal.toml));
  const std::int64_t number = insert.step() ? insert.integer(0) : 0;
  insert.reset();
  database
      .cached(
          "DELETE FROM model_proposal WHERE number NOT IN"
          " (SELECT number FROM model_proposal ORDER BY number DESC LIMIT ?)")
      .bind(1, static_cast<std::int64_t>(limits::kProposalsKept))
      .run();
  return number;
}

void settle_proposal(Database& database, const Proposal& proposal) {
  Statement& update = database.cached(
      "UPDATE model_proposal SET life = ?2, settled = ?3, settled_by = ?4 WHERE number = ?1");
  update.bind(1, proposal.number).bind(2, to_text(proposal.life)).bind(3, proposal.settled.ns);
  update.bind(4, std::string_view(proposal.settled_by)).run();
}

std::vector<Proposal> stored_proposals(Database& database, const std::string& twin) {
  std::vector<Proposal> all;
  Statement& rows = database.cached(
      "SELECT number, kind, life, twin, model, version, made, actor, settled, settled_by, body,"
      " toml FROM model_proposal WHERE ?1 = '' OR twin = ?1 ORDER BY number DESC");
  rows.bind(1, std::string_view(twin));
  while (rows.step()) {
    Proposal& one = all.emplace_back();
    one.number = rows.integer(0);
    for (const ProposalKind kind : kKinds) {
      if (to_text(kind) == rows.text(1)) one.kind = kind;
    }
    for (const ProposalLife life : kLives) {
      if (to_text(life) == rows.text(2)) one.life = life;
    }
    one.twin = rows.text(3);
    one.model = rows.text(4);
    one.version = static_cast<std::uint32_t>(rows.integer(5));
    one.made = {rows.integer(6)};
    one.actor = rows.text(7);
    one.settled = {rows.integer(8)};
    one.settled_by = rows.text(9);
    one.body = rows.text(10);
    one.toml = rows.text(11);
  }
  rows.reset();
  return all;
}

}  // namespace entente::node
