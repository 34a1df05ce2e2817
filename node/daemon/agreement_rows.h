// Agreements as rows of entente.db; agreement_register.h keeps them.
#pragma once

#include <vector>

#include "federation/agree/agreement_entry.h"
#include "node/store/sqlite.h"

namespace entente::node {

const char* agreement_threads_migration();
void write_agreement_row(Database& database, const federation::AgreementEntry& entry);
// Refuses: store_failed (a row that does not read).
[[nodiscard]] Result<std::vector<federation::AgreementEntry>> read_agreement_rows(
    Database& database);

}  // namespace entente::node
