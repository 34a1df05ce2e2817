// The sealed readings of one group: which blobs answer for a window, and what they say.
#pragma once

#include <functional>
#include <span>

#include "node/history/blobs.h"
#include "node/history/group.h"
#include "node/history/history.h"

namespace entente::node {

// One stretch of a window, in order of time.
struct Piece {
  enum class Kind { bucket, whole_segment, part_of_segment };
  Kind kind = Kind::bucket;
  std::int64_t id = 0;
  TimeWindow window;
};
// The fewest blobs for a window: the longest buckets first, where there are such; segments for the
// rest, of which only those at an edge need decoding.
std::vector<Piece> cover(const SealedPlaces& places, TimeWindow window);

// Threads: one at a time for each object. False from a method: a blob was replaced meanwhile; take
// the group's places anew. Throws StoreFault.
class SealedReader {
 public:
  SealedReader(Blobs& blobs, const SealedPlaces& places) : blobs_(blobs), places_(places) {}

  using Visit = std::function<void(const Readings&)>;
  // Segment after segment.
  [[nodiscard]] bool visit(Place place, TimeWindow window, const Visit& visit);
  // The reading of one time; `found` stays as it is when there is none.
  [[nodiscard]] bool find(Place place, std::int64_t time, std::optional<Entry>& found);
  // Merges into out[i] what the window's readings of places[i] come to.
  [[nodiscard]] bool aggregate(std::span<const Place> places, TimeWindow window, Figures figures,
                               std::span<Summary* const> out);

 private:
  bool add(const Piece& piece, std::span<const Place> places, Figures figures,
           std::span<Summary* const> out);
  Blobs& blobs_;
  const SealedPlaces& places_;
  // The readings around the time last looked for: neighbours are asked for next.
  Readings near_;
  Place near_place_ = 0;
  std::int64_t near_segment_ = -1;
};

}  // namespace entente::node
