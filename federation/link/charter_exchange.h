// The exchange of charters over a session, as the caller makes it and as both read it.
//
// Charters are sent from the version on that the other side is known to have, so that it sees at
// once when two carry that number, and at least the one in force. What does not fit
// limits::kCharterOfferBytes goes with the next exchange. Threads: loop.
#pragma once

#include <kj/async.h>

#include "federation/link/link_hooks.h"

namespace entente::federation {

// The part of a chain to show to whoever has pinned version `pinned` of it (0: unknown).
std::vector<SignedCharter> charters_to_show(const std::vector<SignedCharter>& chain,
                                            std::uint32_t pinned);

// Refuse (charter_invalid): too many, too large, or one that does not read.
[[nodiscard]] Result<CharterOffer> read_offer(wire::Session::ChartersParams::Reader in);
[[nodiscard]] Result<CharterOffer> read_offer(wire::Charters::Reader in);
void write_offer(const CharterOffer& offer, wire::Charters::Builder out);

// Shows charters over this session; fulfils with what the partner shows. Refuses: the partner's
// own refusal; peer_unreachable when the link broke; unsupported when its node knows nothing of it.
kj::Promise<Result<CharterOffer>> exchange_charters(wire::Session::Client session,
                                                    const CharterOffer& offer);

}  // namespace entente::federation
