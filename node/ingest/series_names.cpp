#include "node/ingest/series_names.h"

#include "node/limits.h"

namespace entente::node {

SeriesNames::Place& SeriesNames::find(std::string_view twin, std::string_view signal) {
  const auto found = places_.find(View{twin, signal});
  if (found != places_.end()) return found->second;
  auto place = look_up(twin, signal);
  if (!place.id && ++unknown_ > limits::kUnknownNames) {
    place.told = run_;
    return passing_ = std::move(place);
  }
  return places_.emplace(Name{std::string(twin), std::string(signal)}, std::move(place))
      .first->second;
}

SeriesNames::Place SeriesNames::look_up(std::string_view twin, std::string_view signal) {
  Place place;
  const auto* known = graph_.find(twin);
  const auto* type = known == nullptr ? nullptr : graph_.type_of(*known);
  const auto* entry = type == nullptr ? nullptr : type->signal(signal);
  const auto quoted = "\"" + std::string(signal) + "\"";
  if (known == nullptr) {
    place.refusal = "no twin \"" + std::string(twin) + "\" is known";
  } else if (type == nullptr || entry == nullptr) {
    place.refusal = (type == nullptr ? "its type" : type->id) + " has no signal " + quoted;
  } else if (!entry->numeric) {
    place.refusal = "the signal " + quoted + " is no number";
  } else if (auto opened = history_.open_series(twin, signal); !opened) {
    place.refusal = opened.error().what;
  } else {
    place.id = *opened;
    if (gate_.watch(*opened, *type, *entry, twin)) {
      if (const auto newest = history_.latest(*opened)) gate_.prime(*opened, *newest);
    }
  }
  return place;
}

bool SeriesNames::tell(Place& place) {
  if (place.told == run_) return false;
  place.told = run_;
  return true;
}

}  // namespace entente::node
