// How a collector learns its organisation's newer charters from the node, so that a rotated CA key
// needs no new bundle.
//
// A bundle pins the charters of its making. A node whose certificate an unknown CA key signed may
// still be the organisation's: the dialler asks it for its chain of charters (entente-charters/1 on
// the collectors' port) and believes what follows from the charter that it has pinned, by the root
// keys' signatures, and nothing else that is said there. Then it dials again, as always.
//
// Bytes: a length (four bytes, little-endian) and the canonical wire::CharterChain; then the end.
// Whoever stands in between can withhold newer charters, which is what not connecting does too.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "federation/link/link_stream.h"
#include "node/collect/collector_bundle.h"
#include "schemas/base/clock.h"

namespace entente::node {

// The newest that follows from the bundle's charters at the node where it points. Refuses:
// peer_unreachable; charter_invalid (what was shown does not read, or does not follow); not_found
// (there is nothing newer). Threads: loop; it and `clock` outlive the promise.
kj::Promise<Result<security::PinnedOrganisation>> newer_charters(federation::Loop& loop,
                                                                 const Clock& clock,
                                                                 const CollectorBundle& bundle);

// What is sent, and what was received. Refuses (charter_invalid): other bytes, too many charters.
[[nodiscard]] Bytes charter_chain_bytes(const std::vector<SignedCharter>& chain);
[[nodiscard]] Result<std::vector<SignedCharter>> charter_chain_from_bytes(ByteView bytes);
// `pinned` with what follows it in `chain`. Refuses as PinnedOrganisation::advance, but for
// charters that are pinned already.
[[nodiscard]] Result<security::PinnedOrganisation> advanced(
    security::PinnedOrganisation pinned, const std::vector<SignedCharter>& chain);

// The node's side: shows the chain to enrolled collectors, at most limits::kCharterShows at a time.
// Threads: loop.
class CharterShows {
 public:
  explicit CharterShows(federation::Loop& loop);
  ~CharterShows();
  // Says it and ends: the stream is closed once the other side has closed it, or in time.
  void show(std::shared_ptr<federation::LinkStream> stream,
            const security::PinnedOrganisation& organisation);

 private:
  class Show;
  federation::Loop& loop_;
  std::map<std::uint64_t, std::unique_ptr<Show>> shows_;
  std::uint64_t last_id_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace entente::node
