// Making segments: what a group's sealed readings become when newer ones join them, or some leave.
//
// A segment owns the times from its first reading to the next segment's first. Readings that fall
// there are merged into it, which makes a new one; readings after the last segment make new ones,
// unless that is still small. So late readings rewrite only the segments that they belong to, and
// segments of a group stay disjoint. Pure but for reading blobs; threads: one at a time.
#pragma once

#include <set>

#include "node/history/blobs.h"
#include "node/history/group.h"

namespace entente::node {

struct SealChange {
  std::vector<EncodedSegment> added;
  std::vector<std::int64_t> removed;  // numbers of segments
  std::vector<std::uint64_t> erased;  // readings taken out, by place; empty when none were to be
};

// `fresh` by place, each ascending in time; of two with one time the fresh one counts.
// Throws StoreFault.
SealChange seal_into(Blobs& blobs, const SealedPlaces& sealed, const Frozen& fresh);
// Takes readings out: of each series (by place) those of its window, which may be empty.
SealChange erase_from(Blobs& blobs, const SealedPlaces& sealed,
                      const std::vector<TimeWindow>& windows);

// What the sealed readings of one bucket come to. Empty when there are none, or fewer than `least`
// a series: limits::kBucketReadings where the readings themselves stay and are as quick to read.
Bytes encode_bucket(Blobs& blobs, const SealedPlaces& sealed, Level level, std::int64_t start,
                    std::uint64_t least);
// Starts of buckets of a level longer than a day that are not there although days of theirs are.
std::set<std::int64_t> missing_of_days(const SealedPlaces& sealed, Level level);
// A bucket without the readings of each series' window (by place). Empty when nothing is left.
Bytes bucket_without(Blobs& blobs, const SealedPlaces& sealed, Level level,
                     const BucketPlace& bucket, const std::vector<TimeWindow>& windows);
// A bucket as it is once `fresh` has joined the sealed readings of the same series, all of which
// are there in its time; what it says of other series stays.
Bytes bucket_with(Blobs& blobs, const SealedPlaces& sealed, Level level, const BucketPlace& bucket,
                  const Frozen& fresh);

}  // namespace entente::node
