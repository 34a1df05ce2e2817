// What proves an answer to anybody who has nothing but these bytes and the site's charters: the
// asker's signed envelope, the site's signed answer to it, and the public description of the export
// that the question names by hash.
//
// From them the figures are computed anew, so that nothing has to be believed that is not signed.
// What it proves: this organisation, under a key that its charters vouch for, released exactly
// these noisy values to this asker, charged so much for them, and stood at this head of its audit
// log. That the values are *true*, nobody can prove to a stranger: readings stay at home.
// Threads: any; pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "federation/query/estimate.h"
#include "federation/query/plan.h"
#include "schemas/answer.h"
#include "schemas/envelope.h"
#include "schemas/receipt.h"
#include "security/identity/charter.h"

namespace entente::federation {

struct AnswerProof {
  Bytes envelope;     // Signed Envelope, as it was sent
  Bytes answer;       // Signed Answer, as it was sealed to the asker
  Bytes export_view;  // canonical ExportView
  bool operator==(const AnswerProof&) const = default;
};

struct ProvenAnswer {
  Envelope envelope;
  Answer answer;
  Release release;
  std::optional<LedgerReceipt> receipt;  // none from software that gave none
  Plan plan;                             // of this one member
  std::vector<AnswerRow> rows;
  std::string domain;
  DeltaUnits delta;  // the domain's, by which charges are shown as epsilon
};

// `site` answered, `asker` asked. Refuses (verification_failed) with what does not hold: a
// signature, a body that belongs to another question, asker, site or export, a release that does
// not fit the question.
[[nodiscard]] Result<ProvenAnswer> prove(const AnswerProof& proof,
                                         const security::PinnedOrganisation& site,
                                         const security::PinnedOrganisation& asker);

// "mean(pm25)", "share(max(pm25) > 55.5)": what an item of a planned question asks.
std::string item_text(const Question& question, const Item& item, const ExportView& view);

}  // namespace entente::federation
