// What this site offers and whom it knows: one immutable snapshot, swapped whole when anything
// changes, so that a question is judged against one consistent state from beginning to end.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schemas/agreement.h"
#include "schemas/base/ids.h"
#include "schemas/envelope.h"
#include "security/identity/charter.h"
#include "security/policy/policy.h"

namespace entente::federation {

// The part of a partner's pinned charter that questions and answers need.
struct KnownPartner {
  OrgId organisation;
  std::string name;                      // local alias
  std::vector<PublicKey> envelope_keys;  // that its charter names: around a rotation two
  PublicKey answer_key;
  std::vector<PublicKey>
      other_answer_keys;  // that its charter names besides: before and after a rotation
  std::vector<security::DatedKey> agreement_keys;  // of all its charters but for revoked ones
  std::vector<PublicKey> audit_keys;  // of all its charters but for revoked ones, newest first
  Instant charter_expires;
  // Whether this is signed by a key for envelopes, or for agreements, that its charter names now.
  bool signed_envelope(std::string_view context, const Signed& body) const;
  bool signed_message(std::string_view context, const Signed& body) const;
  // Whether it signed terms: by a key that it still named when they were issued, or names now. A
  // former key signs nothing later, and what it signed in its time verifies ever after.
  bool signed_terms(const SignedAgreement& terms, Instant issued, const Signature& signature) const;
};
KnownPartner known_partner(const security::PinnedOrganisation& partner, std::string name);

struct ActiveAgreement {
  AgreementId id;
  Agreement value;
};

struct Composite;  // federation/compose/composite.h

struct SiteSnapshot {
  OrgId self;
  std::string self_name;
  std::string site;
  // This site's own, by which it knows its receipts again: the one in force, and those of earlier
  // charters that are not revoked. A key that was rotated signed receipts that partners still hold.
  PublicKey answer_key;
  std::vector<PublicKey> earlier_answer_keys;
  std::map<std::string, std::shared_ptr<const ExportView>, std::less<>> exports;  // this site's own
  // System twins that partners may ask, each also in `exports_of_systems` as what they are told.
  std::map<std::string, std::shared_ptr<const Composite>, std::less<>> composites;
  std::map<std::string, std::shared_ptr<const ExportView>, std::less<>> exports_of_systems;
  // This site as its own partner, for own exports that are members of its system twins: asked
  // through the gate like anybody, under terms in `agreements` that cover them all.
  std::optional<KnownPartner> own;
  std::map<AgreementId, ActiveAgreement> agreements;  // active ones, as provider or as consumer
  std::map<AgreementId, ActiveAgreement> suspended;   // signed by both, and wait to be resumed
  std::map<OrgId, KnownPartner> partners;             // of active links
  std::map<std::string, std::string, std::less<>> closed_links;  // the others: alias, its state
  std::shared_ptr<const security::Policy> policy;

  // By local alias; this site by its own name.
  const KnownPartner* partner_named(std::string_view name) const;
  // By id; null unless its link is active, or it is this site.
  const KnownPartner* partner(const OrgId& organisation) const;
  // What this site offers under a name: an export or a system twin; null if nothing.
  std::shared_ptr<const ExportView> offered(std::string_view name) const;
};

// Threads: any. Never null.
using SnapshotSource = std::function<std::shared_ptr<const SiteSnapshot>()>;

}  // namespace entente::federation
