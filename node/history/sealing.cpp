#include "node/history/sealing.h"

#include <map>

#include "node/history/sealed_reader.h"
#include "node/limits.h"

namespace entente::node {
namespace {

[[noreturn]] void gone() {
  throw StoreFault("history.db: a segment is listed and not there", 0);
}

std::vector<Readings> read_segment(Blobs& blobs, std::int64_t id) {
  const auto directory = blobs.directory(id);
  const auto data = blobs.data(id);
  if (directory == nullptr || data == nullptr) gone();
  std::vector<Readings> all(kGroupSeries);
  for (const auto& series : directory->series()) {
    if (auto read = data->read(series, kAllTime, all[series.place]); !read) {
      throw StoreFault("history.db, segment " + std::to_string(id) + ": " + read.error().what, 0);
    }
  }
  return all;
}

// `fresh` wins where both have a reading of one time.
void merge_into(Readings& old, std::span<const Entry> fresh) {
  if (fresh.empty()) return;
  if (old.empty() || old.times.back() < fresh.front().time) return old.add(fresh);
  Readings all;
  std::size_t at = 0;
  const auto take_old = [&] { all.add({old.times[at], old.values[at], old.qualities[at]}), ++at; };
  for (const auto& entry : fresh) {
    while (at < old.size() && old.times[at] < entry.time) take_old();
    if (at < old.size() && old.times[at] == entry.time) ++at;
    all.add(entry);
  }
  while (at < old.size()) take_old();
  old = std::move(all);
}

// Times that cut the readings into parts of about limits::kSegmentReadings.
std::vector<std::int64_t> cuts(const std::vector<Readings>& readings) {
  std::size_t total = 0;
  for (const auto& of : readings) total += of.size();
  const auto parts = (total + limits::kSegmentReadings - 1) / limits::kSegmentReadings;
  if (parts < 2) return {};
  constexpr std::size_t kSample = 64;
  std::vector<std::int64_t> sample;
  for (const auto& of : readings) {
    for (std::size_t i = 0; i < of.size(); i += kSample) sample.push_back(of.times[i]);
  }
  std::sort(sample.begin(), sample.end());
  std::vector<std::int64_t> found;
  for (std::size_t part = 1; part < parts; ++part) {
    const auto cut = sample[part * sample.size() / parts];
    if (found.empty() || cut > found.back()) found.push_back(cut);
  }
  return found;
}

void encode_range(const std::vector<Readings>& readings, std::int64_t from,
                  std::optional<std::int64_t> to, std::vector<EncodedSegment>& out) {
  std::vector<Place> places;
  std::vector<ReadingsView> part;
  for (std::size_t place = 0; place < readings.size(); ++place) {
    const auto& of = readings[place];
    const auto begin = std::lower_bound(of.times.begin(), of.times.end(), from) - of.times.begin();
    const auto end = to ? std::lower_bound(of.times.begin(), of.times.end(), *to) - of.times.begin()
                        : static_cast<std::ptrdiff_t>(of.size());
    if (begin >= end) continue;
    places.push_back(static_cast<Place>(place));
    part.emplace_back(of, static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
  }
  if (!places.empty()) out.push_back(encode_segment(places, part));
}

void encode_cut(const std::vector<Readings>& readings, std::vector<EncodedSegment>& out) {
  auto from = std::numeric_limits<std::int64_t>::min();
  for (const auto cut : cuts(readings)) {
    encode_range(readings, from, cut, out);
    from = cut;
  }
  encode_range(readings, from, std::nullopt, out);
}

// A stretch of time whose new readings go to one place: the segment that owns it, -1 before the
// first of all, or one past the last when that is large enough to be left alone.
struct Target {
  std::ptrdiff_t segment = 0;
  std::optional<std::int64_t> end;
};

Target target_of(const std::vector<SegmentPlace>& segments, std::int64_t time) {
  const auto after = std::upper_bound(
      segments.begin(), segments.end(), time,
      [](std::int64_t t, const SegmentPlace& segment) { return t < segment.first_time; });
  const auto owner = after - segments.begin() - 1;
  if (after != segments.end()) return {owner, after->first_time};
  if (owner < 0 || segments.back().readings < limits::kSmallSegmentReadings) {
    return {owner, std::nullopt};
  }
  if (time > segments.back().last_time) return {owner + 1, std::nullopt};
  return {owner, segments.back().last_time + 1};
}

Described described_as(Place place, TimeWindow bucket, const Summary& summary) {
  Described one;
  one.series.place = place;
  one.series.first_time = bucket.from.ns;
  one.series.last.time = bucket.to.ns - 1;
  one.series.partial = summary.partial;
  one.sketch = summary.sketch;
  return one;
}

}  // namespace

SealChange seal_into(Blobs& blobs, const SealedPlaces& sealed, const Frozen& fresh) {
  const auto& segments = sealed.segments;
  std::map<std::ptrdiff_t, std::vector<std::span<const Entry>>> targets;  // by place
  for (std::size_t place = 0; place < fresh.size(); ++place) {
    const auto& entries = fresh[place];
    for (auto from = entries.begin(); from != entries.end();) {
      const auto target = target_of(segments, from->time);
      const auto to =
          target.end
              ? std::lower_bound(from, entries.end(), Entry{*target.end},
                                 [](const Entry& a, const Entry& b) { return a.time < b.time; })
              : entries.end();
      auto& into = targets[target.segment];
      if (into.empty()) into.resize(kGroupSeries);
      ENTENTE_CHECK(into[place].empty());  // targets are stretches of time
      into[place] = {from, to};
      from = to;
    }
  }
  SealChange change;
  for (auto& [target, entries] : targets) {
    std::vector<Readings> readings(kGroupSeries);
    if (target >= 0 && target < static_cast<std::ptrdiff_t>(segments.size())) {
      const auto id = segments[static_cast<std::size_t>(target)].id;
      readings = read_segment(blobs, id);
      change.removed.push_back(id);
    }
    for (std::size_t place = 0; place < kGroupSeries; ++place) {
      merge_into(readings[place], entries[place]);
    }
    encode_cut(readings, change.added);
  }
  return change;
}

SealChange erase_from(Blobs& blobs, const SealedPlaces& sealed,
                      const std::vector<TimeWindow>& windows) {
  SealChange change;
  change.erased.resize(kGroupSeries);
  for (const auto& segment : sealed.segments) {
    const auto directory = blobs.directory(segment.id);
    if (directory == nullptr) gone();
    const auto touched = [&](const SegmentSeries& series) {
      const auto& window = windows[series.place];
      return window.from < window.to && series.last.time >= window.from.ns &&
             series.first_time < window.to.ns;
    };
    const auto all = directory->series();
    if (std::none_of(all.begin(), all.end(), touched)) continue;
    auto readings = read_segment(blobs, segment.id);
    std::uint64_t erased = 0;
    for (std::size_t place = 0; place < kGroupSeries; ++place) {
      auto& of = readings[place];
      Readings kept;
      for (std::size_t i = 0; i < of.size(); ++i) {
        if (!windows[place].contains({of.times[i]})) {
          kept.add({of.times[i], of.values[i], of.qualities[i]});
        }
      }
      change.erased[place] += of.size() - kept.size();
      erased += of.size() - kept.size();
      of = std::move(kept);
    }
    if (erased == 0) continue;
    change.removed.push_back(segment.id);
    encode_cut(readings, change.added);
  }
  return change;
}

Bytes encode_bucket(Blobs& blobs, const SealedPlaces& sealed, Level level, std::int64_t start,
                    std::uint64_t least) {
  const TimeWindow window{{start}, {start + length_ns(level)}};
  std::vector<Place> places;
  std::vector<Summary> summaries(kGroupSeries);
  std::vector<Summary*> out;
  for (std::size_t place = 0; place < kGroupSeries; ++place) {
    places.push_back(static_cast<Place>(place));
    out.push_back(&summaries[place]);
  }
  SealedReader reader(blobs, sealed);
  if (!reader.aggregate(places, window, Figures::moments_and_sketch, out)) gone();
  std::vector<Described> described;
  std::uint64_t readings = 0;
  for (std::size_t place = 0; place < kGroupSeries; ++place) {
    if (summaries[place].partial.readings == 0) continue;
    readings += summaries[place].partial.readings;
    described.push_back(described_as(static_cast<Place>(place), window, summaries[place]));
  }
  if (described.empty() || readings < least * described.size()) return {};
  return encode_directory(described);
}

std::set<std::int64_t> missing_of_days(const SealedPlaces& sealed, Level level) {
  std::set<std::int64_t> missing;
  for (const auto& day : sealed.buckets[static_cast<std::size_t>(Level::day)]) {
    missing.insert(missing.end(), bucket_start(level, day.start));
  }
  for (const auto& there : sealed.buckets[static_cast<std::size_t>(level)]) {
    missing.erase(there.start);
  }
  return missing;
}

Bytes bucket_without(Blobs& blobs, const SealedPlaces& sealed, Level level,
                     const BucketPlace& bucket, const std::vector<TimeWindow>& windows) {
  const TimeWindow whole{{bucket.start}, {bucket.start + length_ns(level)}};
  const auto directory = blobs.bucket(bucket.id);
  if (directory == nullptr) gone();
  std::vector<Described> described;
  SealedReader reader(blobs, sealed);
  for (const auto& series : directory->series()) {
    const auto& window = windows[series.place];
    if (window.to <= window.from) {
      described.push_back({series, directory->sketch(series.place)});
      continue;
    }
    Summary left;
    Summary* const out[] = {&left};
    const Place places[] = {series.place};
    for (const TimeWindow part : {TimeWindow{whole.from, std::min(whole.to, window.from)},
                                  TimeWindow{std::max(whole.from, window.to), whole.to}}) {
      if (part.from < part.to &&
          !reader.aggregate(places, part, Figures::moments_and_sketch, out)) {
        gone();
      }
    }
    if (left.partial.readings > 0) described.push_back(described_as(series.place, whole, left));
  }
  return described.empty() ? Bytes() : encode_directory(described);
}

Bytes bucket_with(Blobs& blobs, const SealedPlaces& sealed, Level level, const BucketPlace& bucket,
                  const Frozen& fresh) {
  const TimeWindow whole{{bucket.start}, {bucket.start + length_ns(level)}};
  const auto directory = blobs.bucket(bucket.id);
  if (directory == nullptr) gone();
  const auto earlier = [](const Entry& entry, std::int64_t time) { return entry.time < time; };
  std::vector<Described> described;
  SealedReader reader(blobs, sealed);
  for (std::size_t index = 0; index < kGroupSeries; ++index) {
    const auto place = static_cast<Place>(index);
    const auto& entries = fresh[index];
    const auto from = std::lower_bound(entries.begin(), entries.end(), whole.from.ns, earlier);
    const auto to = std::lower_bound(from, entries.end(), whole.to.ns, earlier);
    if (from == to) {
      if (const auto* series = directory->find(place)) {
        described.push_back({*series, directory->sketch(place)});
      }
      continue;
    }
    Readings all;
    const auto add = [&](const Readings& part) {
      for (std::size_t i = 0; i < part.size(); ++i) {
        all.add({part.times[i], part.values[i], part.qualities[i]});
      }
    };
    if (!reader.visit(place, whole, add)) gone();
    merge_into(all, std::span<const Entry>(from, to));
    Summary summary;
    summary.partial.add(all.times, all.values, all.qualities);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all.qualities[i] == Quality::good) summary.sketch.add(all.values[i]);
    }
    described.push_back(described_as(place, whole, summary));
  }
  return encode_directory(described);
}

}  // namespace entente::node
