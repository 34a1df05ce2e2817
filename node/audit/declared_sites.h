// What an audit of a site's own numbers is about: its declared exports, and the amounts that an
// agreement sells of them. Reads texts alone: no database, key or reading of the node is opened.
#pragma once

#include <vector>

#include "federation/audit/privacy_audit.h"
#include "node/cli/local_commands.h"

namespace entente::node {

// Each export; with an agreement those that it names, and what it allows. Without one a partner may
// be sold a block's whole cap. None where there is neither a node nor a file. Refuses:
// config_invalid, agreement_invalid (file, line, word), not_found (an agreement without exports).
[[nodiscard]] Result<std::vector<federation::AuditedSite>> declared_sites(
    const PrivacyAuditOptions& options);

// What `entente audit privacy` runs: the made-up export, then each declared one, on scratch sites.
// Refuses as declared_sites and federation::audit_privacy do.
[[nodiscard]] Result<std::vector<federation::PrivacyAudit>> run_privacy_audits(
    const PrivacyAuditOptions& options);

}  // namespace entente::node
