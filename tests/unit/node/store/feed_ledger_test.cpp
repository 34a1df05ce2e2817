// Feeds through their gate over a real store: reserved whole, released once, given back where
// nothing began, the same bytes after any restart.
#include "node/store/feed_ledger.h"

#include <doctest/doctest.h>

#include <cmath>

#include "federation/feed/feed_release.h"
#include "federation/feed/feed_series.h"
#include "tests/unit/node/store/feed_bench.h"

using namespace entente;
using namespace entente::node;
using node::test::FeedBench;

namespace {

constexpr const char* kMean =
    "SELECT mean(pm25) FROM air OVER 1d WITH (epsilon = 1, purpose = 'planning')";
constexpr const char* kTotal =
    "SELECT sum(sum(pm25)) FROM air OVER 1d WITH (epsilon = 1, purpose = 'planning')";

federation::FeedWish days_of(int n, FeedKind kind = FeedKind::repeat) {
  federation::FeedWish wish;
  wish.horizon = days(n);
  wish.kind = kind;
  return wish;
}

QueryId id_of(std::uint64_t n) {
  SeededRandom random(n);
  return random.id<QueryId>();
}

Instant day(int n) {
  return *parse_instant("2026-01-01") + days(n);
}

FeedStanding standing_of(const FeedBench::Heard& heard) {
  const auto standing = feed_standing_from_bytes(heard.answer->release);
  REQUIRE(standing);
  return *standing;
}

}  // namespace

TEST_SUITE("node/feed_ledger") {
  TEST_CASE("a start reserves every block for site and partner and shows in the ledger at once") {
    FeedBench bench;
    const auto feed = bench.planned(kMean, days_of(5));
    const auto heard = bench.start(feed, id_of(1));
    REQUIRE(heard.good());
    CHECK(heard.answer->charged == feed.feed.price.charges);
    const auto spent = bench.spent();
    CHECK(spent.size() == 10);
    for (int d = 0; d < 5; ++d) {
      const std::uint64_t rho = feed.feed.price.charges[static_cast<std::size_t>(d)].rho.units;
      CHECK(spent.at({"site", day(d)}) == rho);
      CHECK(spent.at({bench.both.consumer.hex(), day(d)}) == rho);
    }
    CHECK(bench.feeds->reserved().size() == 5);
    // Nothing private was read, and the audit chain holds the reservation.
    CHECK(bench.twins.folds == 0);
    auto reader = bench.store->reader();
    const auto verdict = verify_audit(*reader, {});
    CHECK_FALSE(verdict.first_bad);
    CHECK(verdict.head.count == 2);
  }

  TEST_CASE("one block without room refuses the whole feed and changes nothing but says the rest") {
    FeedBench bench;
    REQUIRE(bench.start(bench.planned(kMean, days_of(2)), id_of(1)).good());
    // Two more of the kind leave no room in the quota of the first two days for a third.
    std::uint64_t n = 2;
    while (bench.start(bench.planned(kMean, days_of(2)), id_of(n)).good()) ++n;
    CHECK(n >= 3);
    const auto before = bench.spent();
    const auto long_feed = bench.planned(kMean, days_of(9));
    const auto refused = bench.start(long_feed, id_of(99));
    REQUIRE_FALSE(refused.good());
    CHECK(refused.refusal.code == ErrorCode::budget_exhausted);
    REQUIRE(refused.refusal.left.size() == 9);
    CHECK(refused.refusal.left[0].rho < long_feed.feed.price.charges[0].rho);
    CHECK(refused.refusal.left[5].rho == bench.both.agreement.rho_per_block);
    CHECK(bench.spent() == before);
    CHECK_FALSE(bench.feeds->find(id_of(99)).has_value());
  }

  TEST_CASE("the same order again starts nothing twice and another order under its id is refused") {
    FeedBench bench;
    const auto feed = bench.planned(kMean, days_of(3));
    const auto seal = security::SealPair::generate(bench.both.random);
    const Envelope envelope = bench.envelope(
        {FeedVerb::start, id_of(1), 0, canonical_bytes(feed.feed.terms)}, seal.public_key());
    const Bytes bytes = to_wire_bytes(
        security::sign_body(bench.both.envelope_key, kFeedOrderContext, canonical_bytes(envelope)));
    const auto first = bench.hear(seal, FeedVerb::start, bytes);
    const auto before = bench.spent();
    const auto second = bench.hear(seal, FeedVerb::start, bytes);
    REQUIRE(first.good());
    REQUIRE(second.good());
    CHECK(second.answer->release == first.answer->release);
    CHECK(second.answer->charged.empty());
    CHECK(bench.spent() == before);
    CHECK_FALSE(bench.start(bench.planned(kMean, days_of(4)), id_of(1)).good());
    CHECK(bench.spent() == before);
  }

  TEST_CASE("a tick waits for its close and its lateness and is the same bytes ever after") {
    FeedBench bench;
    REQUIRE(bench.start(bench.planned(kMean, days_of(3)), id_of(1)).good());
    const auto reserved = bench.spent();
    const auto early = bench.pull(id_of(1), 0);
    CHECK(early.refusal.code == ErrorCode::window_open);
    CHECK(early.refusal.retry_after == hours(15) + minutes(30));  // midnight and two hours
    bench.clock.advance(hours(15) + minutes(29));
    CHECK(bench.pull(id_of(1), 0).refusal.code == ErrorCode::window_open);
    CHECK(bench.twins.folds == 0);
    bench.clock.advance(minutes(1));
    const auto first = bench.pull(id_of(1), 0);
    REQUIRE(first.good());
    CHECK(bench.pull(id_of(1), 0).answer->release == first.answer->release);
    CHECK(bench.pull(id_of(1), 1).refusal.code == ErrorCode::window_open);
    CHECK(bench.pull(id_of(1), 2).refusal.code == ErrorCode::conflict);
    CHECK(bench.pull(id_of(1), 3).refusal.code == ErrorCode::shape_refused);
    // The bytes outlive the process, late readings and the clock; nothing is charged again.
    bench.twins.value = 90;
    bench.open();
    bench.clock.advance(days(2));
    CHECK(bench.pull(id_of(1), 0).answer->release == first.answer->release);
    CHECK(bench.spent() == reserved);
    CHECK(bench.twins.folds == 1);
  }

  TEST_CASE("a counter goes on after a restart from what was frozen and not from what came late") {
    for (const int restart_before : {0, 1, 3, 5}) {
      CAPTURE(restart_before);
      FeedBench bench;
      bench.noise.silent = true;
      const auto feed = bench.planned(kTotal, days_of(6, FeedKind::cumulative));
      REQUIRE(feed.feed.terms.mechanism == FeedMechanism::toeplitz);
      REQUIRE(bench.start(feed, id_of(1)).good());
      std::vector<Release> releases;
      for (int t = 0; t < 6; ++t) {
        if (t == restart_before) bench.open();
        bench.clock.set_wall(day(t + 1) + hours(3));
        bench.twins.value = 10 * (t + 1);  // what is asked of an earlier day now is another value
        const auto heard = bench.pull(id_of(1), static_cast<std::uint32_t>(t));
        REQUIRE(heard.good());
        releases.push_back(*release_from_bytes(heard.answer->release));
      }
      const auto series = federation::feed_series(feed.feed, bench.both.view, releases);
      REQUIRE(series);
      double total = 0;
      for (int t = 0; t < 6; ++t) {
        total += 30 * 10 * (t + 1);
        CHECK((*series)[static_cast<std::size_t>(t)][0].values[0]->value ==
              doctest::Approx(total).epsilon(0.01));
      }
      CHECK(bench.twins.folds == 6);
    }
  }

  TEST_CASE("due ticks are frozen without a pull and one that is pulled later is the frozen one") {
    FeedBench bench;
    bench.noise.silent = true;
    const auto feed = bench.planned(kMean, days_of(3));
    REQUIRE(bench.start(feed, id_of(1)).good());
    bench.tend();
    CHECK(bench.twins.folds == 0);
    bench.clock.set_wall(day(1) + hours(2));
    bench.tend();
    CHECK(bench.feeds->find(id_of(1))->next == 1);
    bench.twins.value = 90;
    const auto heard = bench.pull(id_of(1), 0);
    REQUIRE(heard.good());
    const auto series = federation::feed_series(feed.feed, bench.both.view,
                                                {*release_from_bytes(heard.answer->release)});
    REQUIRE(series);
    CHECK((*series)[0][0].values[0]->value == doctest::Approx(40).epsilon(0.01));
    // A turn for each tick; then there is nothing left to do.
    bench.clock.set_wall(day(9));
    for (int turn = 0; turn < 4; ++turn) bench.tend();
    CHECK(bench.feeds->find(id_of(1))->next == 3);
    CHECK(bench.feeds->running().empty());
    CHECK(bench.twins.folds == 3);
  }

  TEST_CASE("a cancel gives back what has not begun and nothing else and only once") {
    FeedBench bench;
    const auto feed = bench.planned(kMean, days_of(6));
    REQUIRE(bench.start(feed, id_of(1)).good());
    bench.clock.set_wall(day(2) + hours(1));  // the second day has closed but is not due
    REQUIRE(bench.pull(id_of(1), 0).good());
    const auto heard = bench.cancel(id_of(1));
    REQUIRE(heard.good());
    const auto standing = standing_of(heard);
    CHECK(standing.next == 1);
    CHECK(standing.ended == static_cast<std::uint16_t>(ErrorCode::conflict));
    REQUIRE(standing.returned.size() == 3);  // of days 0 to 5, 0 to 2 have begun
    CHECK(standing.returned.front().start == day(3));
    const auto spent = bench.spent();
    CHECK(spent.size() == 6);
    CHECK(spent.contains({"site", day(2)}));
    CHECK_FALSE(spent.contains({"site", day(3)}));
    CHECK(standing_of(bench.cancel(id_of(1))).returned.empty());
    CHECK(bench.spent() == spent);
    // What was released stays; what comes after is refused with the reason.
    CHECK(bench.pull(id_of(1), 0).good());
    CHECK(bench.pull(id_of(1), 1).refusal.code == ErrorCode::conflict);
    CHECK(bench.feeds->reserved().empty());
    // The returned blocks can be had again.
    CHECK(bench.start(bench.planned(kMean, days_of(4)), id_of(2)).good());
  }

  TEST_CASE("a clock that went back gives no block back of which a tick was released") {
    FeedBench bench;
    REQUIRE(bench.start(bench.planned(kMean, days_of(4)), id_of(1)).good());
    bench.clock.set_wall(day(2) + hours(3));
    REQUIRE(bench.pull(id_of(1), 0).good());
    REQUIRE(bench.pull(id_of(1), 1).good());
    bench.clock.set_wall(day(0) + hours(1));
    const auto standing = standing_of(bench.cancel(id_of(1)));
    REQUIRE(standing.returned.size() == 2);
    CHECK(standing.returned.front().start == day(2));
  }

  TEST_CASE("a terminated agreement ends the feed with its code whoever notices first") {
    for (const bool pulled : {true, false}) {
      CAPTURE(pulled);
      FeedBench bench;
      REQUIRE(bench.start(bench.planned(kMean, days_of(4)), id_of(1)).good());
      bench.clock.set_wall(day(1) + hours(3));
      REQUIRE(bench.pull(id_of(1), 0).good());
      bench.agreed = false;
      if (pulled) {
        CHECK(bench.pull(id_of(1), 1).refusal.code == ErrorCode::agreement_missing);
      } else {
        bench.tend();
      }
      const auto record = bench.feeds->find(id_of(1));
      REQUIRE(record);
      CHECK(record->ended == ErrorCode::agreement_missing);
      CHECK_FALSE(bench.spent().contains({"site", day(2)}));
      CHECK(bench.spent().contains({"site", day(1)}));
      CHECK(bench.pull(id_of(1), 0).refusal.code == ErrorCode::agreement_missing);
      // Not even a new agreement brings it back.
      bench.agreed = true;
      CHECK(bench.pull(id_of(1), 1).refusal.code == ErrorCode::agreement_missing);
      CHECK(bench.pull(id_of(1), 0).good());
    }
  }

  TEST_CASE("a withdrawn or changed export ends the feed and says so to the next pull") {
    for (const bool withdrawn : {true, false}) {
      for (const bool pulled : {true, false}) {
        CAPTURE(withdrawn);
        CAPTURE(pulled);
        FeedBench bench;
        REQUIRE(bench.start(bench.planned(kMean, days_of(4)), id_of(1)).good());
        bench.clock.set_wall(day(1) + hours(3));
        bench.tend();
        const int folds = bench.twins.folds;
        bench.offered = !withdrawn;
        if (!withdrawn) bench.both.view.rho_cap.units += 1;
        if (pulled) {
          CHECK(bench.pull(id_of(1), 1).refusal.code == ErrorCode::agreement_missing);
        } else {
          bench.tend();  // although nothing is due
        }
        const auto record = bench.feeds->find(id_of(1));
        REQUIRE(record);
        CHECK(record->ended == ErrorCode::agreement_missing);
        CHECK_FALSE(bench.spent().contains({"site", day(2)}));
        CHECK(bench.spent().contains({"site", day(1)}));
        CHECK(bench.pull(id_of(1), 1).refusal.code == ErrorCode::agreement_missing);
        CHECK(bench.twins.folds == folds);
      }
    }
  }

  TEST_CASE("an organisation that is cut off for a while keeps its feed") {
    FeedBench bench;
    REQUIRE(bench.start(bench.planned(kMean, days_of(4)), id_of(1)).good());
    bench.clock.set_wall(day(1) + hours(3));
    const auto policy = bench.both.policy;
    bench.both.policy = *security::Policy::from_toml(
        "[user.admin]\nroles = [\"owner\"]\n[cut_off]\n"
        "organisations = [\"" +
        bench.both.consumer.hex() + "\"]\n");
    CHECK(bench.pull(id_of(1), 0).refusal.code == ErrorCode::denied);
    bench.tend();
    CHECK_FALSE(bench.feeds->find(id_of(1))->ended);
    bench.both.policy = policy;
    CHECK(bench.pull(id_of(1), 0).good());
  }

  TEST_CASE("feeds that wait are not priced again however many there are") {
    FeedBench bench;
    bench.prices_kept = 2;
    bench.open();
    constexpr std::uint64_t kFeeds = 6;
    std::string small = kMean;
    small.replace(small.find("epsilon = 1"), 11, "epsilon = 0.2");
    for (std::uint64_t i = 0; i < kFeeds; ++i) {
      REQUIRE(bench.start(bench.planned(small, days_of(3)), id_of(i)).good());
    }
    CHECK(bench.gate->prices_made() == kFeeds);
    for (int turn = 0; turn < 5; ++turn) bench.tend();
    const std::uint64_t waiting = bench.gate->prices_made();
    CHECK(waiting <= 2 * kFeeds);  // once each, to learn when they are due
    bench.clock.set_wall(day(1) + hours(3));
    for (int turn = 0; turn < 5; ++turn) bench.tend();
    // Once for the tick that fell due, once to learn when the next one is.
    CHECK(bench.gate->prices_made() <= waiting + 2 * kFeeds);
    for (std::uint64_t i = 0; i < kFeeds; ++i) CHECK(bench.feeds->find(id_of(i))->next == 1);
    // The control: prices are not kept for all of them.
    for (std::uint64_t i = 0; i < kFeeds; ++i) CHECK(bench.pull(id_of(i), 0).good());
    const std::uint64_t before = bench.gate->prices_made();
    for (std::uint64_t i = 0; i < kFeeds; ++i) CHECK(bench.pull(id_of(i), 0).good());
    CHECK(bench.gate->prices_made() > before);
  }

  TEST_CASE("a feed counts a unit in as many groups as the domain says and no more") {
    for (const std::uint32_t groups : {1u, 2u}) {
      CAPTURE(groups);
      FeedBench bench;
      bench.both.view.unit = "property:owner";
      bench.both.view.groups_per_unit = groups;
      bench.both.agreement.exports = {bench.both.view};
      bench.both.sign();
      bench.twins.owner = "Ann";
      bench.noise.silent = true;
      const auto feed = bench.planned(
          "SELECT sum(sum(pm25)) FROM air GROUP BY county OVER 1d "
          "WITH (epsilon = 1, purpose = 'planning')",
          days_of(3));
      REQUIRE(bench.start(feed, id_of(1)).good());
      bench.clock.set_wall(day(1) + hours(3));
      const auto heard = bench.pull(id_of(1), 0);
      REQUIRE(heard.good());
      const auto release = release_from_bytes(heard.answer->release);
      REQUIRE(release);
      REQUIRE(release->cells.size() == 2);
      const double step = std::ldexp(1.0, release->statistics.front().exponent);
      double sum = 0;
      for (const ReleasedCell& cell : release->cells) {
        sum += static_cast<double>(cell.mantissas.front()) * step;
      }
      // Noiseless: 30 units of 40 each, and Ann's 40 in as many groups as she may be counted in.
      CHECK(sum == doctest::Approx(40.0 * (30 + groups)));
    }
  }

  TEST_CASE("orders of others and for other methods and in another context are refused") {
    FeedBench bench;
    const auto feed = bench.planned(kMean, days_of(2));
    const FeedOrder order{FeedVerb::start, id_of(1), 0, canonical_bytes(feed.feed.terms)};
    CHECK(bench.send(order, security::contexts::kEnvelope).refusal.code ==
          ErrorCode::verification_failed);
    const auto seal = security::SealPair::generate(bench.both.random);
    const Bytes bytes = to_wire_bytes(
        security::sign_body(bench.both.envelope_key, kFeedOrderContext,
                            canonical_bytes(bench.envelope(order, seal.public_key()))));
    CHECK(bench.hear(seal, FeedVerb::cancel, bytes).refusal.code == ErrorCode::verification_failed);
    CHECK(bench.spent().empty());
    REQUIRE(bench.hear(seal, FeedVerb::start, bytes).good());
    CHECK(bench.pull(id_of(2), 0).refusal.code == ErrorCode::not_found);
    // A horizon beyond the agreement, groups that are too small, aggregates that are not agreed.
    CHECK(bench.start(bench.planned(kMean, days_of(400)), id_of(3)).refusal.code ==
          ErrorCode::shape_refused);
    CHECK(bench
              .start(bench.planned("SELECT sum(pm25) FROM air WHERE county = 'Chelan' OVER 1d "
                                   "WITH (epsilon = 1, purpose = 'planning')",
                                   days_of(2)),
                     id_of(4))
              .good());
    bench.both.agreement.min_units = 12;
    bench.both.sign();
    CHECK(bench
              .start(bench.planned("SELECT mean(pm25) FROM air WHERE county = 'Chelan' OVER 1d "
                                   "WITH (epsilon = 1, purpose = 'planning')",
                                   days_of(2)),
                     id_of(5))
              .refusal.code == ErrorCode::group_too_small);
  }

  TEST_CASE("a restored backup releases no tick a second time before or after it is reconciled") {
    FeedBench bench;
    REQUIRE(bench.start(bench.planned(kMean, days_of(6)), id_of(1)).good());
    const std::filesystem::path backup = bench.folder / "backup";
    bench.copy_to(backup);
    bench.open();
    bench.clock.set_wall(day(1) + hours(3));
    const auto first = bench.pull(id_of(1), 0);
    REQUIRE(first.good());
    bench.restore_from(backup);
    const int folds = bench.twins.folds;
    bench.receipt = first.answer->receipt;
    CHECK(bench.pull(id_of(1), 0).refusal.code == ErrorCode::reconcile_needed);
    bench.tend();
    CHECK(bench.feeds->find(id_of(1))->next == 0);
    CHECK(bench.start(bench.planned(kMean, days_of(2)), id_of(2)).refusal.code ==
          ErrorCode::reconcile_needed);
    bench.clock.advance(minutes(1));
    bool reconciled = false;
    bench.ledger->reconcile(bench.ledger->plan({}), {"ann", "", ""},
                            [&](Result<Reconciliation> done) { reconciled = done.has_value(); });
    REQUIRE(bench.store->run<int>([](Database&) -> Result<int> { return 0; }));
    bench.loop.run(bench.loop.after(milliseconds(1)));
    REQUIRE(reconciled);
    CHECK(bench.pull(id_of(1), 0).refusal.code == ErrorCode::reconcile_needed);
    CHECK(bench.feeds->find(id_of(1))->ended == ErrorCode::reconcile_needed);
    CHECK(bench.feeds->find(id_of(1))->next == 0);
    CHECK(bench.twins.folds >= folds);
    // A new feed has the days that have not begun, and no other.
    CHECK(bench.start(bench.planned(kMean, days_of(2)), id_of(3)).refusal.code ==
          ErrorCode::budget_exhausted);
  }

  TEST_CASE("the control: a tick whose reservation was taken away would be seen") {
    FeedBench bench;
    REQUIRE(bench.start(bench.planned(kMean, days_of(3)), id_of(1)).good());
    const auto within = [&] {
      // released <= recorded: what feeds reserve, and used, is in the ledger's rows.
      std::map<Instant, std::uint64_t> reserved;
      for (const LedgerRow& row : bench.feeds->reserved()) reserved[row.block] += row.spent.units;
      const auto spent = bench.spent();
      for (const auto& [block, rho] : reserved) {
        const auto found = spent.find({"site", block});
        if (found == spent.end() || found->second < rho) return false;
      }
      return true;
    };
    CHECK(within());
    REQUIRE(bench.store->run<int>([](Database& database) -> Result<int> {
      database.exec("UPDATE ledger SET spent = 0 WHERE scope = 'site'");
      return 0;
    }));
    CHECK_FALSE(within());
  }
}
