// The summaries of a history.db that is made anew.
#pragma once

#include "node/history/check.h"
#include "node/store/store.h"

namespace entente::node {

// Makes the buckets of every length whose time is over, as sealing does, but for those that were
// taken over because their readings are gone; says how many. Throws StoreFault.
Outcome make_all_buckets(Store& store, CheckReport& report);

}  // namespace entente::node
