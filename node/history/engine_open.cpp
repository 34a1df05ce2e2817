// Opening: names, places, latest readings, and the journal's batches into the tails.
#include "node/history/engine.h"
#include "node/history/journal.h"
#include "node/history/limits.h"
#include "schemas/base/crash_point.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

Error unreadable(std::string what) {
  return make_error(ErrorCode::store_failed, "history.db: " + std::move(what),
                    "run 'entente node check'");
}

}  // namespace

Outcome HistoryEngine::open() {
  auto opened = store_.run<int>([this](Database& database) -> Result<int> {
    for (auto step : {&HistoryEngine::load_series, &HistoryEngine::load_places,
                      &HistoryEngine::load_latest, &HistoryEngine::replay}) {
      if (auto done = (this->*step)(database); !done) return std::move(done).error();
    }
    return 0;
  });
  if (!opened) return std::move(opened).error();
  crash_point("history.replayed");
  if (auto moved = move_first_layout(); !moved) return moved;
  thread_ = std::thread([this] { serve(); });
  return {};
}

Outcome HistoryEngine::load_series(Database& database) {
  auto& query = database.cached("SELECT id, twin, signal FROM name ORDER BY id");
  std::optional<SeriesTable::Loader> loader(table_);
  while (query.step()) {
    if (query.text(1).empty()) {
      const auto id = loader->skip();
      if (static_cast<std::int64_t>(id) != query.integer(0)) {
        return unreadable("series " + std::to_string(query.integer(0)) + " is out of order");
      }
      taken_from_of(id) = kForgotten;
      continue;
    }
    const auto opened = loader->open(query.text(1), query.text(2));
    if (!opened || static_cast<std::int64_t>(*opened) != query.integer(0)) {
      return unreadable("series " + std::to_string(query.integer(0)) + " is out of order");
    }
  }
  loader.reset();
  named_ = naming_ = table_.size();
  newest_.assign(named_, std::numeric_limits<std::int64_t>::min());
  return {};
}

Outcome HistoryEngine::load_places(Database& database) {
  std::vector<SealedPlaces> places;
  const auto of = [&](std::int64_t group) -> SealedPlaces* {
    if (group < 0 || group > static_cast<std::int64_t>(limits::kSeriesNumbers / kGroupSeries)) {
      return nullptr;
    }
    if (places.size() <= static_cast<std::size_t>(group)) {
      places.resize(static_cast<std::size_t>(group) + 1);
    }
    return &places[static_cast<std::size_t>(group)];
  };
  auto& segments = database.cached(
      "SELECT series_group, id, first_time, last_time, readings FROM segment "
      "ORDER BY series_group, first_time");
  while (segments.step()) {
    auto* group = of(segments.integer(0));
    if (group == nullptr) return unreadable("a segment of no group");
    const SegmentPlace place{segments.integer(1), segments.integer(2), segments.integer(3),
                             static_cast<std::uint64_t>(segments.integer(4))};
    if (!group->segments.empty() && group->segments.back().last_time >= place.first_time) {
      return unreadable("segment " + std::to_string(place.id) + " overlaps another");
    }
    group->segments.push_back(place);
    next_id_ = std::max(next_id_, place.id + 1);
  }
  auto& buckets = database.cached(
      "SELECT series_group, id, level, start FROM bucket ORDER BY series_group, level, start");
  while (buckets.step()) {
    auto* group = of(buckets.integer(0));
    const auto level = buckets.integer(2);
    if (level >= static_cast<std::int64_t>(kLevels)) {
      return make_error(ErrorCode::version_too_new,
                        "history.db has summaries of a length that this program does not know",
                        "start the program that wrote it, or a newer one");
    }
    if (group == nullptr || level < 0) {
      return unreadable("bucket " + std::to_string(buckets.integer(1)) + " of no group or level");
    }
    group->buckets[static_cast<std::size_t>(level)].push_back(
        {buckets.integer(3), buckets.integer(1)});
    next_id_ = std::max(next_id_, buckets.integer(1) + 1);
  }
  auto& retained =
      database.cached("SELECT series_group, readings_from, minutes_from, hours_from FROM retained");
  while (retained.step()) {
    auto* group = of(retained.integer(0));
    if (group == nullptr) return unreadable("a horizon of no group");
    group->from = {retained.integer(1), retained.integer(2), retained.integer(3)};
  }
  auto& horizons = database.cached("SELECT series, readings_from FROM series_horizon");
  while (horizons.step()) {
    const auto id = horizons.integer(0);
    if (id < 0 || static_cast<std::size_t>(id) >= newest_.size()) {
      return unreadable("a horizon of an unknown series");
    }
    auto& from = taken_from_of(static_cast<SeriesId>(id));
    from = std::max(from, horizons.integer(1));
  }
  for (std::size_t number = 0; number < places.size(); ++number) {
    groups_.at(number).sealed = std::make_shared<const SealedPlaces>(std::move(places[number]));
  }
  return {};
}

Outcome HistoryEngine::load_latest(Database& database) {
  auto& rows = database.cached("SELECT series_group, directory FROM latest");
  while (rows.step()) {
    const auto number = static_cast<std::size_t>(rows.integer(0));
    if (rows.integer(0) < 0 || number > limits::kSeriesNumbers / kGroupSeries) {
      return unreadable("latest readings of no group");
    }
    auto decoded = Directory::decode(rows.blob(1));
    if (!decoded) return unreadable("latest readings of group " + std::to_string(number));
    auto& group = groups_.at(number);
    group.sealed_last.resize(kGroupSeries);
    for (const auto& series : decoded->series()) {
      const auto id = number * kGroupSeries + series.place;
      if (id >= newest_.size()) return unreadable("latest readings of an unknown series");
      group.sealed_last[series.place] = series.last;
      newest_[id] = series.last.time;
    }
  }
  return {};
}

Outcome HistoryEngine::replay(Database& database) {
  auto& rows = database.cached("SELECT seq, batch FROM journal ORDER BY seq");
  while (rows.step()) {
    auto batch = decode_batch(rows.blob(1));
    if (!batch) {
      return unreadable("row " + std::to_string(rows.integer(0)) +
                        " of the journal: " + batch.error().what);
    }
    const auto late = [&](std::size_t i) { return batch->times[i] < taken_from(batch->series[i]); };
    bool any_late = false;
    for (std::size_t i = 0; i < batch->size(); ++i) {
      const auto id = static_cast<std::size_t>(batch->series[i]);
      if (id >= newest_.size()) return unreadable("a batch of an unknown series");
      if (late(i)) {
        any_late = true;
        continue;
      }
      newest_[id] = std::max(newest_[id], batch->times[i]);
    }
    if (any_late) {
      // The row outlived its sealing: what was rolled up since is in the summaries.
      Batch kept;
      for (std::size_t i = 0; i < batch->size(); ++i) {
        if (late(i)) continue;
        kept.add(batch->series[i], {{batch->times[i]}, batch->values[i], batch->qualities[i]});
      }
      *batch = std::move(kept);
    }
    put(*batch);
    unsealed_.fetch_add(batch->size());
    seq_ = applied_seq_ = rows.integer(0);
  }
  full_ = unsealed_.load() >= limits::kSealReadings;
  return {};
}

// A file of the first layout: its rows go through the journal like any other reading.
Outcome HistoryEngine::move_first_layout() {
  constexpr std::int64_t kRows = 50'000;
  std::uint64_t moved = 0;
  while (true) {
    auto part = store_.run<Written>(
        [this](Database& database) -> Result<Written> {
          auto batch = std::make_shared<Batch>();
          auto& rows = database.cached(
              "SELECT s.twin, s.signal, r.time, r.value, r.quality FROM reading r "
              "JOIN series s ON s.id = r.series ORDER BY r.series, r.time LIMIT ?");
          rows.bind(1, kRows);
          while (rows.step()) {
            auto id = table_.open(rows.text(0), rows.text(1));
            if (!id) return std::move(id).error();
            const double value =
                rows.is_null(3) ? std::numeric_limits<double>::quiet_NaN() : rows.real(3);
            batch->add(*id, {{rows.integer(2)}, value, static_cast<Quality>(rows.integer(4))});
          }
          rows.reset();
          auto written = write(database, batch);
          if (!written) return written;
          database
              .cached(
                  "DELETE FROM reading WHERE (series, time) IN "
                  "(SELECT series, time FROM reading ORDER BY series, time LIMIT ?)")
              .bind(1, kRows)
              .run();
          return written;
        },
        [this](const Written* written) { settled(written); });
    if (!part) return std::move(part).error();
    const auto rows = part->report.added + part->report.repeated + part->report.corrected;
    if (rows == 0) break;
    moved += rows;
  }
  if (moved > 0) log::info("history", "moved readings of the first layout", {{"readings", moved}});
  return {};
}

}  // namespace entente::node
