// The way a question came: from its origin, through the organisations whose system twins sent it
// on, to this site.
//
// Whoever sends a question on signs an envelope of its own and puts the one that caused it inside
// (Envelope::via), so an envelope carries its whole way, hop by hop, by exact ids. The query id is
// the origin's all the way down: with it each site answers a question once, whatever the paths
// (release_store.h: the seen-set). Deadlines only shrink. Whoever would send to an organisation
// that is on the way already would go in a circle, and is refused by whoever notices first.
//
// What this site can verify of it, it verifies: the envelopes of organisations whose charters it
// has pinned. For the rest it has the word of the partner who called, signed.
//
// Hops are organisations: two sites of one organisation on one way count as a circle.
#pragma once

#include <vector>

#include "federation/ask/site.h"
#include "schemas/envelope.h"

namespace entente::federation {

// One organisation that sent the question on through a system twin of its own.
struct Hop {
  OrgId organisation;
  std::string composite;  // its name there: what an agreement's `onward` grants
};

// Whom an answer is sealed to.
struct AnswerTo {
  SealKey key;
  OrgId audience;
};

struct QuestionPath {
  std::vector<Hop> hops;  // nearest first: this site's partner; empty when it asks for itself
  OrgId origin;
  AnswerTo answer_to;
};

// The way of an envelope whose own signature and audience have been verified. Refuses:
// verification_failed (envelopes that do not belong together, or whose signature is wrong though
// its organisation is known), shape_refused (a circle, too many hops), deadline_exceeded.
[[nodiscard]] Result<QuestionPath> path_of(const SiteSnapshot& site, const Envelope& envelope);

// Whether the terms let the question come this way: each answer that is handed on needs the
// system twin's name in `onward`. Refuses: denied.
[[nodiscard]] Outcome check_onward(const QuestionPath& path, const Agreement& terms);

}  // namespace entente::federation
