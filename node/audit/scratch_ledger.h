// The release ledger of a scratch site: the same code on the same kind of file, in a folder of its
// own that is removed with it. No node's ledger is opened.
#pragma once

#include "federation/audit/scratch_site.h"

namespace entente::node {

// A folder below the system's folder for temporary files. Refuses: store_failed (no room there).
[[nodiscard]] Result<std::unique_ptr<federation::ScratchLedger>> make_scratch_ledger(
    federation::Loop& loop, const Clock& clock);

}  // namespace entente::node
