#include "node/history/sealed_reader.h"

namespace entente::node {
namespace {

constexpr std::size_t kAhead = 4;  // series whose memory is asked for before its turn

bool by_last_time(const SegmentPlace& segment, std::int64_t time) {
  return segment.last_time < time;
}

// The first segment that does not end before `time`.
auto segment_at(const SealedPlaces& places, std::int64_t time) {
  return std::lower_bound(places.segments.begin(), places.segments.end(), time, by_last_time);
}

void cover_by_segments(const SealedPlaces& places, TimeWindow window, std::vector<Piece>& out) {
  for (auto each = segment_at(places, window.from.ns);
       each != places.segments.end() && each->first_time < window.to.ns; ++each) {
    const bool whole = window.from.ns <= each->first_time && each->last_time < window.to.ns;
    out.push_back(
        {whole ? Piece::Kind::whole_segment : Piece::Kind::part_of_segment, each->id, window});
  }
}

void must(const Outcome& outcome, std::int64_t segment) {
  if (outcome) return;
  throw StoreFault("history.db, segment " + std::to_string(segment) + ": " + outcome.error().what,
                   0);
}

}  // namespace

std::vector<Piece> cover(const SealedPlaces& places, TimeWindow window) {
  std::vector<Piece> pieces;
  auto time = window.from.ns;
  while (time < window.to.ns) {
    auto next = window.to.ns;
    bool stepped = false;
    for (auto each = kLevelsByLength.rbegin(); each != kLevelsByLength.rend(); ++each) {
      const auto level = *each;
      const auto& buckets = places.buckets[static_cast<std::size_t>(level)];
      const auto bucket =
          std::lower_bound(buckets.begin(), buckets.end(), time,
                           [](const BucketPlace& b, std::int64_t t) { return b.start < t; });
      if (bucket == buckets.end() || bucket->start >= window.to.ns) continue;
      const auto room =
          static_cast<std::uint64_t>(window.to.ns) - static_cast<std::uint64_t>(bucket->start);
      if (room < static_cast<std::uint64_t>(length_ns(level))) continue;
      if (bucket->start > time) {
        next = std::min(next, bucket->start);
        continue;
      }
      const auto end = time + length_ns(level);
      pieces.push_back({Piece::Kind::bucket, bucket->id, {{time}, {end}}});
      time = end;
      stepped = true;
      break;
    }
    if (stepped) continue;
    cover_by_segments(places, {{time}, {next}}, pieces);
    time = next;
  }
  return pieces;
}

bool SealedReader::visit(Place place, TimeWindow window, const Visit& visit) {
  Readings readings;
  for (auto each = segment_at(places_, window.from.ns);
       each != places_.segments.end() && each->first_time < window.to.ns; ++each) {
    const auto directory = blobs_.directory(each->id);
    if (directory == nullptr) return false;
    const auto* series = directory->find(place);
    if (series == nullptr || series->last.time < window.from.ns ||
        series->first_time >= window.to.ns) {
      continue;
    }
    const auto data = blobs_.data(each->id);
    if (data == nullptr) return false;
    readings.clear();
    must(data->read(*series, window, readings), each->id);
    if (!readings.empty()) visit(readings);
  }
  return true;
}

bool SealedReader::find(Place place, std::int64_t time, std::optional<Entry>& found) {
  const auto segment = segment_at(places_, time);
  if (segment == places_.segments.end() || segment->first_time > time) return true;
  if (near_segment_ != segment->id || near_place_ != place) {
    near_.clear();
    near_segment_ = -1;
    const auto directory = blobs_.directory(segment->id);
    const auto data = directory ? blobs_.data(segment->id) : nullptr;
    if (data == nullptr) return false;
    if (const auto* series = directory->find(place)) {
      must(data->read(*series, kAllTime, near_), segment->id);
    }
    near_segment_ = segment->id;
    near_place_ = place;
  }
  const auto at = std::lower_bound(near_.times.begin(), near_.times.end(), time);
  if (at == near_.times.end() || *at != time) return true;
  const auto index = static_cast<std::size_t>(at - near_.times.begin());
  found = Entry{time, near_.values[index], near_.qualities[index]};
  return true;
}

bool SealedReader::aggregate(std::span<const Place> places, TimeWindow window, Figures figures,
                             std::span<Summary* const> out) {
  for (const auto& piece : cover(places_, window)) {
    if (!add(piece, places, figures, out)) return false;
  }
  return true;
}

bool SealedReader::add(const Piece& piece, std::span<const Place> places, Figures figures,
                       std::span<Summary* const> out) {
  const bool is_bucket = piece.kind == Piece::Kind::bucket;
  const auto directory = is_bucket ? blobs_.bucket(piece.id) : blobs_.directory(piece.id);
  if (directory == nullptr) return false;
  if (figures == Figures::sums && piece.kind != Piece::Kind::part_of_segment) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      out[i]->partial.count += directory->count(places[i]);
      out[i]->partial.sum += directory->sum(places[i]);
    }
    return true;
  }
  const bool with_sketch = figures == Figures::moments_and_sketch;
  // What is at an edge is looked up for all series before any of it is read.
  struct Edge {
    const IndexedChunk* chunk = nullptr;
    IndexedChunk::Range range;
    Summary* out = nullptr;
  };
  static thread_local std::vector<Edge> edges;
  edges.clear();
  std::shared_ptr<const SegmentData> data;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (data != nullptr && i + kAhead < places.size()) data->prefetch(places[i + kAhead]);
    const auto* series = directory->find(places[i]);
    if (series == nullptr) continue;
    const bool whole =
        piece.kind != Piece::Kind::part_of_segment ||
        (piece.window.contains({series->first_time}) && piece.window.contains({series->last.time}));
    if (whole) {
      out[i]->partial.merge(series->partial);
      if (with_sketch) directory->merge_sketch(places[i], out[i]->sketch);
      continue;
    }
    if (series->last.time < piece.window.from.ns || series->first_time >= piece.window.to.ns) {
      continue;
    }
    if (data == nullptr) data = blobs_.data(piece.id);
    if (data == nullptr) return false;
    const auto few = data->aggregate_few(*series, piece.window, out[i]->partial,
                                         with_sketch ? &out[i]->sketch : nullptr);
    if (!few) must(Outcome(few.error()), piece.id);
    if (*few) continue;
    const auto chunk = data->indexed(*series);
    if (!chunk) must(Outcome(chunk.error()), piece.id);
    edges.push_back({*chunk, (*chunk)->range(piece.window), out[i]});
  }
  for (const auto& edge : edges) {
    edge.chunk->aggregate(edge.range, edge.out->partial, with_sketch ? &edge.out->sketch : nullptr);
  }
  if (data != nullptr) blobs_.weigh(piece.id);
  return true;
}

}  // namespace entente::node
