#include "federation/ask/site.h"

#include <algorithm>

#include "federation/agree/limits.h"
#include "security/identity/keys.h"

namespace entente::federation {

const KnownPartner* SiteSnapshot::partner(const OrgId& organisation) const {
  if (own && organisation == self) return &*own;
  const auto found = partners.find(organisation);
  return found == partners.end() ? nullptr : &found->second;
}

std::shared_ptr<const ExportView> SiteSnapshot::offered(std::string_view name) const {
  const auto own_export = exports.find(name);
  if (own_export != exports.end()) return own_export->second;
  const auto composite = exports_of_systems.find(name);
  return composite == exports_of_systems.end() ? nullptr : composite->second;
}

const KnownPartner* SiteSnapshot::partner_named(std::string_view name) const {
  if (own && own->name == name) return &*own;
  for (const auto& [id, partner] : partners) {
    if (partner.name == name) return &partner;
  }
  return nullptr;
}

bool KnownPartner::signed_envelope(std::string_view context, const Signed& body) const {
  return std::any_of(envelope_keys.begin(), envelope_keys.end(),
                     [&](const PublicKey& key) { return security::verify(key, context, body); });
}

bool KnownPartner::signed_message(std::string_view context, const Signed& body) const {
  return std::any_of(agreement_keys.begin(), agreement_keys.end(),
                     [&](const security::DatedKey& one) {
                       return !one.until && security::verify(one.key, context, body);
                     });
}

bool KnownPartner::signed_terms(const SignedAgreement& terms, Instant issued,
                                const Signature& signature) const {
  return std::any_of(
      agreement_keys.begin(), agreement_keys.end(), [&](const security::DatedKey& one) {
        // Who issues terms and who drops a key may be two, whose clocks differ.
        const bool in_time = !one.until || issued <= *one.until + limits::kIssuedAhead;
        return in_time && security::verify(one.key, security::contexts::kAgreement, terms.agreement,
                                           signature);
      });
}

KnownPartner known_partner(const security::PinnedOrganisation& partner, std::string name) {
  const Charter& charter = partner.current();
  KnownPartner known;
  known.organisation = partner.id();
  known.name = std::move(name);
  known.answer_key = *charter.key_for(KeyPurpose::answer);
  for (const PurposeKey& item : charter.keys) {
    if (item.purpose == KeyPurpose::envelope) known.envelope_keys.push_back(item.key);
    if (item.purpose == KeyPurpose::answer && item.key != known.answer_key) {
      known.other_answer_keys.push_back(item.key);
    }
  }
  known.agreement_keys = partner.dated_keys(KeyPurpose::agreement);
  known.audit_keys = partner.keys_ever(KeyPurpose::audit);
  known.charter_expires = charter.expires;
  return known;
}

}  // namespace entente::federation
