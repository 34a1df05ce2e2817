// Batches into the journal, and after their commit into the tails.
#include <cmath>

#include "node/history/engine.h"
#include "node/history/journal.h"
#include "node/limits.h"
#include "schemas/base/crash_point.h"

namespace entente::node {

// The batch being built counts as written while it is, and not when it failed.
class HistoryEngine::Building {
 public:
  Building(HistoryEngine& engine, std::shared_ptr<const Batch> batch)
      : engine_(engine), named_before_(engine.naming_) {
    engine_.uncommitted_.push_back(std::move(batch));
  }
  void replace(std::shared_ptr<const Batch> batch) {
    engine_.uncommitted_.back() = std::move(batch);
  }
  void finish() { finished_ = true; }
  ~Building() {
    if (finished_) return;
    engine_.naming_ = named_before_;
    engine_.uncommitted_.pop_back();
    engine_.uncommitted_index_.clear();
    engine_.indexed_batches_ = engine_.indexed_readings_ = 0;
  }

 private:
  HistoryEngine& engine_;
  const std::size_t named_before_;
  bool finished_ = false;
};

Result<HistoryEngine::Ticket> HistoryEngine::admit(const Batch& batch) {
  const auto known = table_.size();
  for (const auto id : batch.series) {
    if (static_cast<std::size_t>(id) >= known) {
      return make_error(ErrorCode::invalid_argument, "a batch names a series that nobody opened");
    }
  }
  if (batch.size() > limits::kBatchReadings) {
    return make_error(ErrorCode::payload_too_large,
                      "a batch has at most " + std::to_string(limits::kBatchReadings) +
                          " readings, not " + std::to_string(batch.size()));
  }
  const auto waiting = pending_readings_->fetch_add(batch.size()) + batch.size();
  Ticket ticket(nullptr, [pending = pending_readings_, size = batch.size()](void*) {
    pending->fetch_sub(size);
  });
  if (waiting <= limits::kPendingReadings &&
      unsealed_.load() + waiting <= limits::kUnsealedReadings) {
    return ticket;
  }
  return make_error(ErrorCode::overloaded, "too many readings wait for the disk",
                    "send again when an answer that is outstanding has come, or in a second");
}

Result<HistoryEngine::Written> HistoryEngine::write(Database& database,
                                                    const std::shared_ptr<const Batch>& batch) {
  Building building(*this, batch);
  name_series(database);
  if (newest_.size() < table_.size()) {
    newest_.resize(table_.size(), std::numeric_limits<std::int64_t>::min());
  }
  Written written;
  written.named = naming_;
  std::shared_ptr<Batch> kept;  // made at the first repetition; until then the batch itself is kept
  const auto size = batch->size();
  // From here on readings may be left out, and those before may be asked for.
  const auto keep_those_before = [&](std::size_t i) {
    if (kept != nullptr) return;
    kept = std::make_shared<Batch>();
    kept->series.assign(batch->series.begin(), batch->series.begin() + static_cast<int>(i));
    kept->times.assign(batch->times.begin(), batch->times.begin() + static_cast<int>(i));
    kept->values.assign(batch->values.begin(), batch->values.begin() + static_cast<int>(i));
    kept->qualities.assign(batch->qualities.begin(),
                           batch->qualities.begin() + static_cast<int>(i));
    building.replace(kept);
  };
  for (std::size_t i = 0; i < size; ++i) {
    const auto series = batch->series[i];
    const Entry entry{batch->times[i], batch->values[i], batch->qualities[i]};
    if (const auto from = taken_from(series); entry.time < from || from == kForgotten) {
      ++(from == kForgotten ? written.report.forgotten : written.report.expired);
      keep_those_before(i);
      continue;
    }
    written.report.bad += entry.quality != Quality::good;
    auto& newest = newest_[static_cast<std::size_t>(series)];
    if (entry.time > newest) {
      newest = entry.time;
      ++written.report.added;
    } else {
      keep_those_before(i);
      const auto before = known(series, entry.time);
      const bool repeated =
          before && (same_reading(*before, entry) ||
                     (batch->purpose == Batch::Purpose::readings && same_value(*before, entry)));
      if (repeated) {
        ++written.report.repeated;
        continue;
      }
      ++(before ? written.report.corrected : written.report.added);
      if (before) record_correction(database, series, *before);
    }
    if (kept) kept->add(series, {{entry.time}, entry.value, entry.quality});
  }
  written.kept = kept ? kept : batch;
  if (written.kept->size() > 0) {
    written.seq = ++seq_;
    const auto blob = encode_batch(*written.kept);
    database.cached("INSERT INTO journal (seq, batch) VALUES (?, ?)")
        .bind(1, written.seq)
        .bind(2, ByteView(blob))
        .run();
    crash_point("history.journaled");
  }
  building.finish();
  return written;
}

std::int64_t HistoryEngine::taken_from(SeriesId series) const {
  const auto group = group_of(series);
  if (group >= taken_from_.size() || taken_from_[group] == nullptr) return kEveryTime;
  return (*taken_from_[group])[place_of(series)];
}

std::int64_t& HistoryEngine::taken_from_of(SeriesId series) {
  const auto group = group_of(series);
  if (group >= taken_from_.size()) taken_from_.resize(group + 1);
  if (taken_from_[group] == nullptr) {
    taken_from_[group] = std::make_unique<Horizons>();
    taken_from_[group]->fill(kEveryTime);
  }
  return (*taken_from_[group])[place_of(series)];
}

// Every series gets its row with the first batch after its first mention; who undoes a job sets
// naming_ back.
void HistoryEngine::name_series(Database& database) {
  const auto size = table_.size();
  for (auto id = std::max(named_, naming_); id < size; ++id) {
    const auto key = table_.key_of(static_cast<SeriesId>(id));
    database.cached("INSERT OR IGNORE INTO name (id, twin, signal) VALUES (?, ?, ?)")
        .bind(1, static_cast<std::int64_t>(id))
        .bind(2, key.twin)
        .bind(3, key.signal)
        .run();
    crash_point("history.named");
  }
  naming_ = size;
}

// The reading of a time that is not later than the series' newest: written before in this commit,
// or in memory, or in a segment.
std::optional<Entry> HistoryEngine::known(SeriesId series, std::int64_t time) {
  if (const auto* entry = uncommitted(series, time)) return *entry;
  const auto place = place_of(series);
  auto* group = groups_.find(group_of(series));
  if (group == nullptr) return std::nullopt;
  std::shared_ptr<const SealedPlaces> places;
  {
    std::shared_lock guard(group->mutex);
    if (!group->tails.empty()) {
      if (const auto* entry = group->tails[place].find(time)) return *entry;
    }
    if (group->frozen) {
      const auto& frozen = (*group->frozen)[place];
      const auto found =
          std::lower_bound(frozen.begin(), frozen.end(), time,
                           [](const Entry& entry, std::int64_t t) { return entry.time < t; });
      if (found != frozen.end() && found->time == time) return *found;
    }
    places = group->sealed;
  }
  // Places change on this thread alone, so that they stay true while they are looked at.
  if (looked_ == nullptr || looked_places_ != places) {
    looked_places_ = places;
    looked_ = std::make_unique<SealedReader>(blobs_, *looked_places_);
  }
  std::optional<Entry> found;
  if (!looked_->find(place, time, found)) {
    throw StoreFault("history.db: a segment is listed and not there", 0);
  }
  return found;
}

const Entry* HistoryEngine::uncommitted(SeriesId series, std::int64_t time) {
  for (; indexed_batches_ < uncommitted_.size(); ++indexed_batches_, indexed_readings_ = 0) {
    const auto& batch = *uncommitted_[indexed_batches_];
    for (; indexed_readings_ < batch.size(); ++indexed_readings_) {
      const auto i = indexed_readings_;
      uncommitted_index_[{batch.series[i], batch.times[i]}] = {batch.times[i], batch.values[i],
                                                               batch.qualities[i]};
    }
    // The last one is still growing.
    if (indexed_batches_ + 1 == uncommitted_.size()) break;
  }
  const auto found = uncommitted_index_.find({series, time});
  return found == uncommitted_index_.end() ? nullptr : &found->second;
}

void HistoryEngine::record_correction(Database& database, SeriesId series, const Entry& before) {
  auto& insert = database.cached(
      "INSERT INTO correction (series, time, replaced_at, value, quality) VALUES (?, ?, ?, ?, ?)");
  insert.bind(1, static_cast<std::int64_t>(series)).bind(2, before.time);
  insert.bind(3, clock_.now().ns);
  if (std::isfinite(before.value)) {
    insert.bind(4, before.value);
  } else {
    insert.bind_null(4);  // SQLite has no NaN
  }
  insert.bind(5, static_cast<std::int64_t>(before.quality)).run();
}

void HistoryEngine::settled(const Written* written) {
  uncommitted_.clear();
  uncommitted_index_.clear();
  indexed_batches_ = indexed_readings_ = 0;
  if (written == nullptr) {
    naming_ = named_;
    return;
  }
  named_ = std::max(named_, written->named);
  if (written->kept->size() == 0) return;
  applied_seq_ = written->seq;
  put(*written->kept);
  if (unsealed_.fetch_add(written->kept->size()) + written->kept->size() < limits::kSealReadings) {
    return;
  }
  std::lock_guard guard(work_mutex_);
  if (full_) return;
  full_ = true;
  wake_.notify_one();
}

void HistoryEngine::put(const Batch& batch) {
  std::size_t at = 0;
  while (at < batch.size()) {
    const auto number = group_of(batch.series[at]);
    auto& group = groups_.at(number);
    std::unique_lock guard(group.mutex);
    for (; at < batch.size() && group_of(batch.series[at]) == number; ++at) {
      const Entry entry{batch.times[at], batch.values[at], batch.qualities[at]};
      group.tail(place_of(batch.series[at])).put(entry);
    }
  }
}

}  // namespace entente::node
