// The desk at which a linked partner orders feeds, and the way to a partner's desk.
#pragma once

#include "federation/feed/feed_caller.h"
#include "federation/feed/feed_gate.h"
#include "federation/link/caller.h"
#include "schemas/wire/gate.capnp.h"

namespace entente::federation {

class LinkManager;

// A desk for one session; every order goes through `gate`, which outlives it. Threads: loop.
wire::Feeds::Client make_feeds_desk(const Caller& caller, FeedGate& gate);

// Sends over the links of `links`, which outlives the function. A partner whose software has no
// feeds refuses: unsupported.
SendFeedOrder send_feeds_over(LinkManager& links);

}  // namespace entente::federation
