#include "node/modelling/live_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "node/model/model_archive.h"
#include "node/modelling/limits.h"

namespace entente::node {
namespace {

constexpr double kUsualHorizon = 24;
constexpr double kResidualMost = 4;  // deviations: one wild value is no drift

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
  return hash * 0xbf58476d1ce4e5b9ULL;
}

std::uint64_t mixed(std::uint64_t hash, const Seen& seen) {
  hash = mixed(hash, static_cast<std::uint64_t>(seen.time.ns));
  for (const auto* values : {&seen.values, &seen.inputs}) {
    for (const double value : *values) {
      hash = mixed(hash, std::isfinite(value) ? std::bit_cast<std::uint64_t>(value) : 1);
    }
  }
  return hash;
}

double parameter(const ModelSpec& spec, const char* name, double otherwise) {
  const auto found = spec.parameters.find(name);
  return found == spec.parameters.end() || found->second.empty() ? otherwise : found->second[0];
}

}  // namespace

std::size_t horizon_of(const ModelSpec& spec) {
  return static_cast<std::size_t>(std::max(parameter(spec, "horizon", kUsualHorizon), 1.0));
}

std::size_t issue_every(const ModelSpec& spec) {
  return std::max<std::size_t>(horizon_of(spec) / 4, 1);
}

Result<std::unique_ptr<LiveModel>> LiveModel::make(const History& history, const ModelKinds& kinds,
                                                   const ModelDefinition& definition,
                                                   ByteView checkpoint) {
  std::unique_ptr<LiveModel> made(new LiveModel(history, kinds, definition));
  if (checkpoint.empty()) {
    auto model = kinds.make(definition.spec);
    if (!model) return std::move(model).error();
    made->live_.model = std::move(*model);
    made->live_.place = made->feed_.begin();
    made->base_ = save(made->live_);
    return made;
  }
  auto track = made->load(checkpoint);
  if (!track) return std::move(track).error();
  made->live_ = std::move(*track);
  made->base_ = to_bytes(checkpoint);
  return made;
}

// The feed's place and the drift as an archive of their own, its length first, then the model's.
Bytes LiveModel::save(const Track& track) {
  ModelArchive archive = ModelArchive::writer();
  FeedPlace place = track.place;
  Cusum drift = track.drift;
  archive.time(place.next);
  archive.numbers(place.held);
  drift.archive(archive);
  const Bytes head = archive.finish();
  const Bytes model = track.model->save();
  const auto size = static_cast<std::uint32_t>(head.size());
  Bytes all(sizeof size);
  std::memcpy(all.data(), &size, sizeof size);
  all.insert(all.end(), head.begin(), head.end());
  all.insert(all.end(), model.begin(), model.end());
  return all;
}

Result<LiveModel::Track> LiveModel::load(ByteView bytes) const {
  const Error unreadable = make_error(ErrorCode::input_unreadable, "a model's saved state is cut",
                                      "retire the model and apply its definition again");
  std::uint32_t size = 0;
  if (bytes.size() < sizeof size) return unreadable;
  std::memcpy(&size, bytes.data(), sizeof size);
  if (bytes.size() - sizeof size < size) return unreadable;
  auto archive = ModelArchive::reader(bytes.subspan(sizeof size, size));
  if (!archive) return std::move(archive).error();
  Track track;
  archive->time(track.place.next);
  archive->numbers(track.place.held);
  track.drift.archive(*archive);
  if (archive->failed() || !archive->at_end()) return unreadable;
  auto model = kinds_.load(bytes.subspan(sizeof size + size));
  if (!model) return std::move(model).error();
  if ((*model)->spec() != definition_.spec ||
      track.place.held.size() != definition_.spec.inputs.size()) {
    return unreadable;
  }
  track.model = std::move(*model);
  return track;
}

void LiveModel::took(const Seen& seen) {
  fingerprint_ = mixed(fingerprint_, seen);
  ++took_;
}

std::size_t LiveModel::feed(Instant now, std::size_t readings, Told& told) {
  const auto until = feed_.ready(now);
  if (!until) return 0;
  const auto all = feed_.read(live_.place, *until, readings);
  for (const Seen& seen : all) {
    tell(live_, seen, &told);
    took(seen);
  }
  return all.size();
}

void LiveModel::tell(Track& track, const Seen& seen, Told* told) const {
  // Only a time that was told before is refused, and the feed gives each once.
  (void)track.model->update({seen.time, seen.values, seen.inputs});
  const Residual residual = track.model->residual();
  if (residual.differences.empty()) return;
  const bool detects = definition_.spec.kind == "detector";
  const double scale = residual.scales.front();
  if (!detects && scale > 0) {
    const double z = residual.differences.front() / scale;
    const auto change = track.drift.update(
        std::isfinite(z) ? std::clamp(z, -kResidualMost, kResidualMost) : kMissing);
    if (change && told != nullptr) {
      told->out_of_date = "since about " + to_text(seen.time) + " the readings lie " +
                          (*change == Change::up ? "above" : "below") + " what it expects";
    }
  }
  if (told == nullptr) return;
  if (detects) {
    return note_alarm(*track.model, seen, seen.values.front() - residual.differences.front(),
                      *told);
  }
  issue(*track.model, seen.time, *told);
}

void LiveModel::note_alarm(const Model& model, const Seen& seen, double expected,
                           Told& told) const {
  const double evidence = model.residual().distance;
  if (!(evidence >= parameter(definition_.spec, "alarm_evidence", 3.0))) return;
  for (const NamedNumber& number : model.state()) {
    if (number.name != "alarm" || number.value == 0) continue;
    told.alarms.push_back({seen.time, definition_.spec.version, definition_.spec.signals.front(),
                           seen.values.front(), expected, evidence});
  }
}

void LiveModel::issue(const Model& model, Instant time, Told& told) const {
  const ModelSpec& spec = definition_.spec;
  if (spec.step.ns == 0) return;
  const auto every = static_cast<std::int64_t>(issue_every(spec));
  if (floor_to(time, spec.step * every) != time) return;
  const auto horizon = static_cast<std::int64_t>(horizon_of(spec));
  auto prediction = model.predict(spec.step * horizon, {});
  if (!prediction) return;  // still warming up
  told.forecasts.push_back({time, spec.version, std::move(prediction->paths)});
  if (told.forecasts.size() > 2 * limits::kForecastsKept) {
    told.forecasts.erase(told.forecasts.begin(),
                         told.forecasts.begin() + static_cast<int>(limits::kForecastsKept));
  }
}

std::size_t LiveModel::settled(const std::vector<Seen>& all, Instant base) const {
  const Instant newest = live_.place.next;
  const bool much = all.size() > limits::kReplayObservations;
  if (!much && newest <= base + definition_.late * 2) return 0;
  const Instant boundary = newest - definition_.late;
  const auto end = std::partition_point(all.begin(), all.end(),
                                        [&](const Seen& seen) { return seen.time < boundary; });
  auto count = static_cast<std::size_t>(end - all.begin());
  return much ? std::max(count, all.size() / 2) : count;
}

Result<std::optional<Bytes>> LiveModel::check(Told& told) {
  auto base = load(base_);
  if (!base) return std::move(base).error();
  const Instant until = live_.place.next;
  const Instant from = base->place.next;
  FeedPlace place = base->place;
  const auto all = feed_.read_all(place, until, std::numeric_limits<std::size_t>::max());
  std::uint64_t fingerprint = 0;
  for (const Seen& seen : all) fingerprint = mixed(fingerprint, seen);
  if (fingerprint != fingerprint_) {
    auto again = load(base_);
    if (!again) return std::move(again).error();
    told.again_from = from;
    for (const Seen& seen : all) tell(*again, seen, &told);
    again->place = place;
    again->place.next = until;
    live_ = std::move(*again);
  }
  const std::size_t count = settled(all, from);
  for (std::size_t i = 0; i < count; ++i) tell(*base, all[i], nullptr);
  fingerprint_ = 0;
  took_ = 0;
  for (std::size_t i = count; i < all.size(); ++i) took(all[i]);
  if (count == 0) return std::optional<Bytes>{};
  const Seen& last = all[count - 1];
  const Duration width = definition_.spec.step;
  base->place = {width.ns > 0 ? floor_to(last.time, width) + width : last.time + nanoseconds(1),
                 last.inputs};
  base_ = save(*base);
  return std::optional<Bytes>{base_};
}

std::optional<Duration> LiveModel::behind(Instant now) const {
  const auto until = feed_.ready(now);
  if (!until) return std::nullopt;
  return *until > live_.place.next ? *until - live_.place.next : Duration{};
}

}  // namespace entente::node
