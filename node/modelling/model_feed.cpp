#include "node/modelling/model_feed.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "node/history/reading_page.h"
#include "node/modelling/limits.h"

namespace entente::node {
namespace {

// Of one step of the grid: beyond any sensor.
constexpr std::size_t kStepReadings = std::size_t{1} << 22;

struct Mean {
  double sum = 0;
  std::size_t count = 0;
  double value() const { return count == 0 ? kMissing : sum / static_cast<double>(count); }
};

}  // namespace

ModelFeed::ModelFeed(const History& history, const ModelDefinition& definition)
    : history_(history),
      twin_(definition.twin),
      signals_(definition.spec.signals),
      inputs_(definition.spec.inputs),
      step_(definition.spec.step),
      from_(definition.from) {}

FeedPlace ModelFeed::begin() const {
  return {step_.ns > 0 ? floor_to(from_, step_) : from_,
          std::vector<double>(inputs_.size(), kMissing)};
}

std::vector<std::optional<SeriesId>> ModelFeed::series() const {
  std::vector<std::optional<SeriesId>> all;
  for (const auto* names : {&signals_, &inputs_}) {
    for (const std::string& name : *names) all.push_back(history_.find(twin_, name));
  }
  return all;
}

std::optional<Instant> ModelFeed::ready(Instant now) const {
  std::optional<Instant> newest;
  for (const auto& id : series()) {
    const auto latest = id ? history_.latest(*id) : std::nullopt;
    // A clock that is ahead must not carry the feed into the future.
    if (latest) newest = std::max(newest.value_or(latest->time), std::min(latest->time, now));
  }
  if (!newest) return std::nullopt;
  if (step_.ns == 0) return *newest + nanoseconds(1);
  const Instant place = floor_to(*newest, step_);
  return now >= place + step_ ? place + step_ : place;
}

std::vector<Seen> ModelFeed::read(FeedPlace& place, Instant until, std::size_t readings) const {
  if (until <= place.next) return {};
  const auto ids = series();
  const auto pages_of = [&](Instant end, std::size_t limit) {
    std::vector<std::vector<Reading>> pages(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i]) pages[i] = read_page(history_, *ids[i], {place.next, end}, limit, Keep::good);
    }
    return pages;
  };
  auto pages = pages_of(until, readings);
  Instant end = until;
  for (const auto& page : pages) {
    if (page.size() < readings) continue;
    const Instant last = page.back().time;
    end = std::min(end, step_.ns > 0 ? floor_to(last, step_) : last + nanoseconds(1));
  }
  if (end <= place.next) {  // one step holds more readings than that
    end = place.next + step_;
    pages = pages_of(end, kStepReadings);
  }
  return step_.ns > 0 ? by_step(place, end, pages) : one_by_one(place, end, pages);
}

std::vector<Seen> ModelFeed::by_step(FeedPlace& place, Instant until,
                                     const std::vector<std::vector<Reading>>& pages) const {
  std::map<Instant, std::vector<Mean>> steps;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    for (const Reading& reading : pages[i]) {
      if (reading.time >= until || !std::isfinite(reading.value)) continue;
      auto& means = steps[floor_to(reading.time, step_)];
      means.resize(pages.size());
      means[i].sum += reading.value;
      ++means[i].count;
    }
  }
  std::vector<Seen> all;
  for (const auto& [time, means] : steps) {
    Seen seen{time, {}, {}};
    for (std::size_t i = 0; i < signals_.size(); ++i) seen.values.push_back(means[i].value());
    for (std::size_t j = 0; j < inputs_.size(); ++j) {
      const Mean& mean = means[signals_.size() + j];
      if (mean.count > 0) place.held[j] = mean.value();
    }
    seen.inputs = place.held;
    all.push_back(std::move(seen));
  }
  place.next = until;
  return all;
}

std::vector<Seen> ModelFeed::one_by_one(FeedPlace& place, Instant until,
                                        const std::vector<std::vector<Reading>>& pages) const {
  std::map<Instant, std::vector<double>> times;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    for (const Reading& reading : pages[i]) {
      if (reading.time >= until || !std::isfinite(reading.value)) continue;
      auto& values = times[reading.time];
      values.resize(pages.size(), kMissing);
      values[i] = reading.value;
    }
  }
  std::vector<Seen> all;
  const auto signals = static_cast<std::ptrdiff_t>(signals_.size());
  for (const auto& [time, values] : times) {
    for (std::size_t j = 0; j < inputs_.size(); ++j) {
      const double value = values[signals_.size() + j];
      if (std::isfinite(value)) place.held[j] = value;
    }
    all.push_back({time, {values.begin(), values.begin() + signals}, place.held});
    place.next = time + nanoseconds(1);
  }
  return all;
}

std::vector<Seen> ModelFeed::read_all(FeedPlace& place, Instant until, std::size_t most) const {
  std::vector<Seen> all;
  while (place.next < until && all.size() < most) {
    const Instant before = place.next;
    auto part = read(place, until, limits::kFeedReadings);
    if (part.empty() && place.next == before) break;
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace entente::node
