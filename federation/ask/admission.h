// The steps of the disclosure gate that need nothing private: is this question fresh, agreed,
// allowed, well shaped, and what does it cost. Pure: the same inputs give the same outcome.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "federation/ask/path.h"
#include "federation/ask/release_store.h"
#include "federation/ask/site.h"
#include "federation/query/price.h"
#include "schemas/envelope.h"
#include "schemas/question.h"
#include "security/identity/peer.h"

namespace entente::federation {

// A question that may be answered if the ledger has room.
struct Admitted {
  Envelope envelope;
  Question question;
  std::shared_ptr<const ExportView> view;
  Price price;
  std::uint32_t revision = 0;  // that is answered now (ExportView::revision_at)
  ReleaseInquiry inquiry;
  QuestionPath path;
};

// In the gate's order: signature and audience, freshness (issued at most `skew` ahead, deadline not
// passed and at most limits::kDeadlineMax after issue), agreement (active, theirs, covers export
// and purpose), the way it came (path.h), decide, shape (this site's own re-check of the whole
// question), price within quota. Refuses: verification_failed, stale, agreement_missing, denied,
// shape_refused, group_too_small, window_open, query_unsupported, query_unknown_name,
// epsilon_refused, invalid_argument.
[[nodiscard]] Result<Admitted> admit(const SiteSnapshot& site, const security::PeerIdentity& peer,
                                     ByteView signed_envelope, Instant now);

// The steps of admit(), for other ways to ask (federation/feed).
struct OpenedEnvelope {
  Envelope envelope;
  Hash256 hash;
};
// Signature in this context, audience, freshness. Refuses as admit() does.
[[nodiscard]] Result<OpenedEnvelope> open_envelope(const SiteSnapshot& site,
                                                   const security::PeerIdentity& peer,
                                                   ByteView signed_envelope,
                                                   std::string_view context, Instant now);
struct AgreedExport {
  const ActiveAgreement* agreement = nullptr;  // in the snapshot
  std::shared_ptr<const ExportView> view;
};
// Agreement (active, theirs, covers export and purpose), decide. Refuses as admit() does.
[[nodiscard]] Result<AgreedExport> agreed_export(const SiteSnapshot& site, const Envelope& envelope,
                                                 const Question& question, Instant now);
// Who asks under what caps; the question's hash, the release's key and the charges are open.
ReleaseInquiry inquiry_about(const SiteSnapshot& site, const OpenedEnvelope& opened,
                             const AgreedExport& agreed);

// Of each block charged, the most that this partner may use of it.
std::vector<BlockAmount> caps_of(const ReleaseInquiry& inquiry);

// The receipt that an envelope shows, if this site has signed it, with its answer key or one of
// earlier charters: nobody else can say how far its log had come, so what does not verify counts as
// not shown.
std::optional<LedgerReceipt> shown_receipt(const SiteSnapshot& site, ByteView signed_receipt);

// What the active agreements guarantee in a domain to others than `partner`: the most that any one
// agreement of each names.
std::vector<Guarantee> guaranteed_to_others(const SiteSnapshot& site, std::string_view domain,
                                            const OrgId& partner);

// Whether this site, as the provider, can keep every guarantee with `agreement` among the active
// ones: in no domain may they add up to more than the cap. Refuses: agreement_invalid.
[[nodiscard]] Outcome check_guarantees(const SiteSnapshot& site, const Agreement& agreement);

// Whether the agreement covers this purpose; an agreement that names none covers all.
[[nodiscard]] Outcome check_purpose(const Agreement& agreement, const std::string& purpose);

// Whether an agreement between this site and `partner` waits to be resumed.
bool is_suspended(const SiteSnapshot& site, const AgreementId& id, const OrgId& partner);
inline constexpr std::string_view kUntilResumed =
    "wait until it is resumed; see 'entente agreement list'";
// Whether an agreement is in force still, for what takes its time. Refuses: agreement_missing.
[[nodiscard]] Outcome still_agreed(const SiteSnapshot& site, const AgreementId& id,
                                   const OrgId& partner);

// The shape a question must have under an agreement: allowed aggregates, the least window and cell
// of time, minimum units by the declared sizes of its public cells, rho within the quota. Also what
// an agreement's tests run.
[[nodiscard]] Outcome check_shape(const Question& question, const ExportView& view,
                                  const Agreement& agreement);

}  // namespace entente::federation
