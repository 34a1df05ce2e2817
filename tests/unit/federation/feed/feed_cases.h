// Feeds of one export, with a day as block or a lifetime, for the tests here.
#pragma once

#include <doctest/doctest.h>

#include "federation/feed/feed_plan.h"
#include "federation/feed/feed_release.h"
#include "federation/query/parser.h"

namespace entente::federation::testing {

// Adds nothing, so that what is released is what was encoded.
class NoNoise final : public security::NoiseSource {
 public:
  std::int64_t gaussian(std::uint64_t) override { return 0; }
  std::int64_t laplace(std::uint64_t) override { return 0; }
};

inline ExportView counter_view(Duration tick = hours(1), Duration block = days(1)) {
  ExportView view;
  view.name = "meters";
  view.site = "works";
  view.domain = "meters";
  view.type = "dtmi:example:Meter;1";
  view.keys = {"hall"};
  view.cells = {{{"north"}, 20}, {{"south"}, 10}};
  view.measures = {{"energy",
                    "kWh",
                    Reducer::delta,
                    {{Reducer::delta, 0, 50}, {Reducer::mean, 0, 100}, {Reducer::sum, 0, 80}}}};
  view.tick = tick;
  view.block = block;
  view.lateness = hours(2);
  view.rho_cap = {std::uint64_t{1} << 40};
  view.delta = {1'152'921'504'606};  // 1e-6
  return view;
}

inline FeedWish wish_of(FeedKind kind, Duration horizon, Duration window = {}) {
  FeedWish wish;
  wish.horizon = horizon;
  wish.kind = kind;
  wish.window = window;
  wish.now = *parse_instant("2026-03-10T10:30:00Z");
  return wish;
}

inline Result<PlannedFeed> try_feed(const ExportView& view, const std::string& question,
                                    const FeedWish& wish) {
  const auto sentence = parse_question(question);
  if (!sentence) FAIL(sentence.error().what);
  return plan_feed(*sentence, {&view, "works"}, wish);
}

inline PlannedFeed feed_of(const ExportView& view, const std::string& question,
                           const FeedWish& wish) {
  auto made = try_feed(view, question, wish);
  if (!made) FAIL(made.error().what);
  return *std::move(made);
}

inline FeedPlan with_mechanism(const PlannedFeed& planned, const ExportView& view,
                               FeedMechanism mechanism) {
  FeedPlan feed = planned.feed;
  feed.terms.mechanism = mechanism;
  auto price = price_feed(feed.terms, view);
  if (!price) FAIL(price.error().what);
  feed.price = *std::move(price);
  return feed;
}

// Tick `sequence` of exact steps `frozen` as a release, buckets as well.
inline Release release_of(const FeedPlan& feed, const ExportView& view,
                          const std::vector<ExactVectors>& frozen, security::NoiseSource& noise) {
  const auto sequence = static_cast<std::uint32_t>(frozen.size() - 1);
  Release release;
  release.site = view.site;
  release.domain = view.domain;
  release.unit = view.unit;
  release.question_hash = tick_hash(canonical_bytes(feed.terms), sequence);
  if (feed.terms.mechanism == FeedMechanism::buckets) {
    const Question question = tick_question(feed.terms, feed.price, sequence);
    const auto price = price_of(question, view);
    if (!price) FAIL(price.error().what);
    release.statistics = price->statistics;
    release.cells = add_noise(question, *price, frozen.back(), noise);
    return release;
  }
  release.statistics = feed.price.tick.statistics;
  release.cells = release_tick(feed.terms, feed.price, frozen, noise);
  return release;
}

}  // namespace entente::federation::testing
