// How fresh what this site knows of a partner is, and what a partner may still do when it is not.
//
// A partner's charter says which of its keys are revoked. Whoever cannot be asked for it any more,
// or shows an older one than is pinned, might be somebody with a stolen key: so what it may do
// shrinks in steps with the age of the last word, and grows back with the next one.
//
//   fresh          heard within a day
//   no_agreements  a day: no new agreements
//   no_questions   three days: no new questions and feeds either; feeds that run go on
//   status_only    a week: nothing but the link itself, witnessing, and ending what there is
//
// Source: security.md, "stale status". Pure. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "schemas/base/result.h"
#include "schemas/base/time.h"

namespace entente::node {

enum class PartnerStatus { fresh, no_agreements, no_questions, status_only };
std::string_view to_text(PartnerStatus status);  // "fresh", "no new agreements", …

// `heard`: when the partner last showed the charter in force. A time ahead of `now` is fresh.
PartnerStatus partner_status(Instant heard, Instant now);
// When the next step is taken; nothing after the last.
Instant next_step(Instant heard, PartnerStatus status);

// `verb` is that of a method's row (federation/link/method_table.h): "agreement.propose".
// Refuses: stale.
[[nodiscard]] Outcome status_allows(PartnerStatus status, std::string_view verb);

}  // namespace entente::node
