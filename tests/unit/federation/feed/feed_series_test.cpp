#include "federation/feed/feed_series.h"

#include <doctest/doctest.h>

#include <cmath>

#include "schemas/base/random.h"
#include "security/privacy/noise.h"
#include "tests/unit/federation/feed/feed_cases.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::federation::testing;

namespace {

constexpr const char* kSum =
    "SELECT sum(delta(energy)), count(energy > 40) FROM meters GROUP BY hall OVER 1d "
    "WITH (epsilon = 1)";

// Whole sums of each group, statistic and tick, drawn from a seed, with the steps that make them.
struct Stream {
  std::vector<ExactVectors> frozen;
  std::vector<std::vector<std::vector<double>>> value;  // tick, group, statistic

  Stream(const FeedPlan& feed, const ExportView& view, std::uint64_t seed) {
    SeededRandom random(seed);
    for (std::uint32_t t = 0; t < feed.terms.ticks; ++t) {
      std::vector<Statistic> statistics = feed.price.tick.statistics;
      std::vector<StatisticLayout> layout = feed.price.tick.layout;
      if (feed.terms.mechanism == FeedMechanism::buckets) {
        const auto price = price_of(tick_question(feed.terms, feed.price, t), view);
        statistics = price->statistics;
        layout = price->layout;
      }
      ExactVectors exact;
      auto& values = value.emplace_back();
      for (std::size_t g = 0; g < feed.terms.question.groups.size(); ++g) {
        auto& cell = exact.cells.emplace_back();
        auto& of_group = values.emplace_back();
        for (std::size_t j = 0; j < statistics.size(); ++j) {
          const auto most = static_cast<std::uint64_t>(layout[j].bound()) * 20;
          cell.push_back(static_cast<std::int64_t>(random.below(most)));
          of_group.push_back(std::ldexp(static_cast<double>(cell.back()), statistics[j].exponent));
        }
      }
      frozen.push_back(std::move(exact));
    }
  }
  double sum(std::size_t from, std::size_t to, std::size_t group, std::size_t statistic) const {
    double sum = 0;
    for (std::size_t t = from; t < to; ++t) sum += value[t][group][statistic];
    return sum;
  }
};

std::vector<Release> releases_of(const FeedPlan& feed, const ExportView& view, const Stream& stream,
                                 security::NoiseSource& noise) {
  std::vector<Release> out;
  for (std::size_t t = 0; t < stream.frozen.size(); ++t) {
    const std::vector<ExactVectors> frozen(
        stream.frozen.begin(), stream.frozen.begin() + static_cast<std::ptrdiff_t>(t + 1));
    out.push_back(release_of(feed, view, frozen, noise));
    REQUIRE(check_tick(feed, view, static_cast<std::uint32_t>(t), out.back()));
  }
  return out;
}

}  // namespace

TEST_SUITE("federation/feed/feed_series") {
  TEST_CASE("without noise every mechanism gives the exact running and sliding sums") {
    const ExportView view = counter_view();
    for (const FeedKind kind : {FeedKind::cumulative, FeedKind::sliding}) {
      const bool sliding = kind == FeedKind::sliding;
      const auto planned =
          feed_of(view, kSum, wish_of(kind, days(40), sliding ? days(7) : Duration{}));
      for (const FeedChoice& choice : planned.choices) {
        CAPTURE(to_text(choice.mechanism));
        const FeedPlan feed = with_mechanism(planned, view, choice.mechanism);
        const Stream stream(feed, view, 11);
        NoNoise silence;
        const auto releases = releases_of(feed, view, stream, silence);
        const auto series = feed_series(feed, view, releases);
        REQUIRE(series);
        for (std::size_t t = 0; t < 40; ++t) {
          const auto& rows = (*series)[t];
          if (sliding && t < 6) {
            CHECK(rows.empty());
            continue;
          }
          REQUIRE(rows.size() == 3);  // two halls and the total
          double total = 0;
          for (std::size_t g = 0; g < 2; ++g) {
            for (std::size_t j = 0; j < 2; ++j) {
              const double expected = stream.sum(sliding ? t - 6 : 0, t + 1, g, j);
              CHECK(rows[g].values[j]->value == doctest::Approx(expected).epsilon(1e-9));
            }
            total += rows[g].values[0]->value;
          }
          CHECK(rows[2].total);
          CHECK(rows[2].values[0]->value == doctest::Approx(total).epsilon(1e-9));
        }
      }
    }
  }

  TEST_CASE("ranges hold the truth 95 times in a hundred and the preview's error is the worst") {
    const ExportView view = counter_view();
    const auto planned = feed_of(view, kSum, wish_of(FeedKind::cumulative, days(32)));
    for (const FeedChoice& choice : planned.choices) {
      CAPTURE(to_text(choice.mechanism));
      const FeedPlan feed = with_mechanism(planned, view, choice.mechanism);
      const Stream stream(feed, view, 5);
      SeededRandom random(2'026);
      security::ExactNoise noise(random);
      int held = 0, figures = 0;
      double widest = 0;
      for (int run = 0; run < 150; ++run) {
        const auto series = feed_series(feed, view, releases_of(feed, view, stream, noise));
        REQUIRE(series);
        for (const std::size_t t : {3u, 15u, 30u, 31u}) {
          const auto& estimate = *(*series)[t][0].values[0];
          const double truth = stream.sum(0, t + 1, 0, 0);
          held += estimate.lower <= truth && truth <= estimate.upper;
          widest = std::max(widest, kZ95 * estimate.standard_error);
          ++figures;
        }
      }
      // 600 figures, correlated within a run: five standard deviations of independent ones.
      CHECK(held > 0.95 * figures - 27);
      CHECK(held < 0.95 * figures + 27);
      const auto expected = expected_feed_errors(feed, view);
      CHECK(widest == doctest::Approx(expected[0].half_width[0]).epsilon(1e-6));
    }
  }

  TEST_CASE("a release of another tick or feed or with other noise does not pass for this one") {
    const ExportView view = counter_view();
    for (const FeedMechanism mechanism :
         {FeedMechanism::buckets, FeedMechanism::dyadic, FeedMechanism::toeplitz}) {
      CAPTURE(to_text(mechanism));
      const auto planned = feed_of(view, kSum, wish_of(FeedKind::cumulative, days(8)));
      const FeedPlan feed = with_mechanism(planned, view, mechanism);
      const Stream stream(feed, view, 3);
      NoNoise silence;
      const auto releases = releases_of(feed, view, stream, silence);
      CHECK(check_tick(feed, view, 3, releases[3]));
      CHECK_FALSE(check_tick(feed, view, 2, releases[3]));
      CHECK_FALSE(check_tick(feed, view, 8, releases[3]));
      Release other = releases[3];
      other.statistics[0].variance *= 2;
      CHECK_FALSE(check_tick(feed, view, 3, other));
      other = releases[3];
      other.cells.pop_back();
      CHECK_FALSE(check_tick(feed, view, 3, other));
      FeedPlan longer = feed;
      longer.terms.ticks = 9;
      CHECK_FALSE(check_tick(longer, view, 3, releases[3]));
    }
  }

  TEST_CASE("frozen sums read back as they were stored and damage is told") {
    const ExactVectors exact{{{1, -2, INT64_MAX}, {INT64_MIN, 0, 7}}};
    const Bytes stored = to_stored(exact);
    const auto back = exact_from_stored(stored);
    REQUIRE(back);
    CHECK(back->cells == exact.cells);
    for (std::size_t cut = 0; cut < stored.size(); ++cut) {
      CHECK_FALSE(exact_from_stored(ByteView(stored.data(), cut)));
    }
  }

  TEST_CASE("terms and orders and standings keep their value on the wire and refuse nonsense") {
    const ExportView view = counter_view();
    const FeedTerms terms = feed_of(view, kSum, wish_of(FeedKind::cumulative, days(8))).feed.terms;
    CHECK(*feed_terms_from_bytes(canonical_bytes(terms)) == terms);
    const auto refused = [&](auto change) {
      FeedTerms other = terms;
      change(other);
      return !feed_terms_from_bytes(canonical_bytes(other)).has_value();
    };
    CHECK(refused([](FeedTerms& t) { t.ticks = 0; }));
    CHECK(refused([](FeedTerms& t) { t.ticks = 4'097; }));
    CHECK(refused([](FeedTerms& t) { t.window_ticks = 2; }));
    CHECK(refused([](FeedTerms& t) { t.kind = FeedKind::repeat; }));
    CHECK(refused([](FeedTerms& t) {
      t.kind = FeedKind::sliding;
      t.mechanism = FeedMechanism::dyadic;
      t.window_ticks = 9;
    }));
    SeededRandom random(1);
    FeedOrder order{FeedVerb::start, random.id<QueryId>(), 0, canonical_bytes(terms)};
    CHECK(*feed_order_from_bytes(canonical_bytes(order)) == order);
    order.sequence = 1;
    CHECK_FALSE(feed_order_from_bytes(canonical_bytes(order)));
    order = {FeedVerb::pull, order.feed, 5, {}};
    CHECK(*feed_order_from_bytes(canonical_bytes(order)) == order);
    order.terms = {1};
    CHECK_FALSE(feed_order_from_bytes(canonical_bytes(order)));
    const FeedStanding standing{order.feed, random.id<Hash256>(), 3, 3002, {{{5}, {6}}}};
    CHECK(*feed_standing_from_bytes(canonical_bytes(standing)) == standing);
  }
}
