// From a tick's frozen sums to the integers that leave the site.
//
// What is frozen when a tick closes is kept, so that dyadic nodes and Toeplitz sums of later ticks
// are made of the same values whatever comes late. Cells of a release: of buckets as of any
// question; of dyadic nodes one for each group and level, `tick` being the level; of Toeplitz sums
// one for each group. Exact values stay integers until noise is on them. Threads: any.
#pragma once

#include <span>
#include <vector>

#include "federation/feed/feed_price.h"
#include "federation/query/release.h"
#include "security/privacy/noise.h"

namespace entente::federation {

// Of the mechanisms dyadic and toeplitz (a bug otherwise: a tick of buckets is released by
// add_noise). `frozen` holds every tick from the first to this one.
std::vector<ReleasedCell> release_tick(const FeedTerms& terms, const FeedPrice& price,
                                       std::span<const ExactVectors> frozen,
                                       security::NoiseSource& noise);

// How many levels' nodes end with this tick.
int levels_of_tick(const FeedPrice& price, std::uint32_t sequence);
// How many cells each group has in a tick's release of the mechanisms dyadic and toeplitz.
std::size_t cells_of_tick(const FeedTerms& terms, const FeedPrice& price, std::uint32_t sequence);

// As stored bytes, and back; refuses (store_failed) what is no such thing.
Bytes to_stored(const ExactVectors& exact);
[[nodiscard]] Result<ExactVectors> exact_from_stored(ByteView bytes);

}  // namespace entente::federation
