// Shows this site's newest checkpoint to one partner. Threads: loop.
#pragma once

#include <kj/async.h>

#include "federation/link/link_hooks.h"

namespace entente::federation {

class LinkManager;

// Fulfils with what the partner says. Refuses: the partner's own refusal; peer_unreachable when
// there is no link or it broke; unsupported when the partner's node knows nothing of witnesses.
kj::Promise<Result<WitnessReply>> show_checkpoint(LinkManager& links, OrgId partner,
                                                  security::WitnessOffer offer);

}  // namespace entente::federation
