// What a partner is answered from releases that have left before, through the gate and the ledger
// as a node has them.
#include <doctest/doctest.h>

#include "federation/ask/composition.h"
#include "tests/unit/node/store/gated_site.h"

using namespace entente;
using node::test::GatedSite;
using node::test::Reply;

namespace {

const std::string kDay = "OVER '2025-12-30' .. '2025-12-31'";
const std::string kTwoDays = "OVER '2025-12-29' .. '2025-12-31'";
const std::string kEpsilon = " WITH (epsilon = 0.5, purpose = 'planning')";

std::string loads(const std::string& window, const std::string& with = kEpsilon) {
  return "sum(sum(load)) FROM air GROUP BY state " + window + with;
}

std::int64_t sum_of(const Release& release) {
  std::int64_t sum = 0;
  for (const ReleasedCell& cell : release.cells) sum += cell.mantissas.at(0);
  return sum;
}

}  // namespace

TEST_SUITE("node/release_reuse") {
  TEST_CASE("a query id that a repeat has answered is used up like any other") {
    GatedSite site;
    REQUIRE(site.ask(loads(kDay)).answered());
    const QueryId id = SeededRandom(3).id<QueryId>();
    const Reply repeat = site.ask(loads(kDay), false, false, id);
    REQUIRE(repeat.answered());
    CHECK(repeat.answer->charged.empty());
    // By another way, so under another envelope: counted already.
    CHECK(site.ask(loads(kDay), false, false, id).refused == ErrorCode::replayed);
    CHECK(site.ask(loads(kDay)).answered());
  }

  TEST_CASE("a sum over released cells is their sum without noise or charge or a private read") {
    GatedSite site;
    const Reply hours = site.ask(loads(kDay + " EVERY 1h"));
    REQUIRE(hours.answered());
    const std::uint64_t spent = site.spent_by_site();
    site.meters.forbidden = true;
    const Reply day = site.ask(loads(kDay));
    REQUIRE(day.answered());
    CHECK(day.answer->reused);
    CHECK(day.answer->charged.empty());
    CHECK(site.spent_by_site() == spent);
    CHECK(site.spent_by_first() == spent);
    REQUIRE(day.release->composed_of.size() == 1);
    CHECK(day.release->composed_of[0].release == release_hash(hours.answer->release));
    CHECK(day.release->composed_of[0].window ==
          TimeWindow{*parse_instant("2025-12-30"), *parse_instant("2025-12-31")});
    CHECK(day.release->charges.empty());
    REQUIRE(day.release->cells.size() == 1);
    CHECK(day.release->cells[0].mantissas[0] == sum_of(*hours.release));
    const Statistic& one = hours.release->statistics[0];
    CHECK(day.release->statistics[0] == Statistic{one.exponent, 24 * one.variance, 1});
    // Parts of it and the same in other ticks too.
    CHECK(site.ask(loads("OVER '2025-12-30T06:00Z' .. '2025-12-30T12:00Z'")).answered());
    const Reply quarters = site.ask(loads(kDay + " EVERY 6h"));
    REQUIRE(quarters.answered());
    CHECK(quarters.release->cells.size() == 4);
    CHECK(sum_of(*quarters.release) == sum_of(*hours.release));
    CHECK(site.spent_by_site() == spent);
  }

  TEST_CASE("the same bytes again and also after another paid for noise of the question's own") {
    GatedSite site;
    REQUIRE(site.ask(loads(kDay + " EVERY 1h")).answered());
    const Reply first = site.ask(loads(kDay));
    REQUIRE_FALSE(first.release->composed_of.empty());
    CHECK(site.ask(loads(kDay)).answer->release == first.answer->release);
    // It is this partner's own: another, who has not paid for the hours, gets the question's noise.
    const std::uint64_t spent = site.spent_by_site();
    const Reply other = site.ask(loads(kDay), true);
    REQUIRE(other.answered());
    CHECK(other.release->composed_of.empty());
    CHECK(site.spent_by_site() > spent);
    const Reply again = site.ask(loads(kDay));
    CHECK(again.answer->release == first.answer->release);
    CHECK(again.answer->charged.empty());
    // Who wants it fresh gets what the other was given and pays for it.
    const Reply fresh = site.ask(loads(kDay), false, true);
    CHECK(fresh.answer->release == other.answer->release);
    CHECK(fresh.answer->charged.size() == 1);
    CHECK(site.ask(loads(kDay)).answer->release == other.answer->release);
  }

  TEST_CASE("what was paid for is free also when the block has nothing left") {
    GatedSite site;
    const std::string most = " WITH (epsilon = 7.7, purpose = 'planning')";
    REQUIRE(site.ask(loads(kDay + " EVERY 1h", most)).answered());
    CHECK(site.ask("mean(mean(load)) FROM air GROUP BY state " + kDay +
                   " WITH (epsilon = 2, purpose = 'planning')")
              .refused == ErrorCode::budget_exhausted);
    CHECK(site.ask(loads(kDay, most), false, true).refused == ErrorCode::budget_exhausted);
    const Reply day = site.ask(loads(kDay, most));
    REQUIRE(day.answered());
    CHECK_FALSE(day.release->composed_of.empty());
    CHECK(day.answer->charged.empty());
  }

  TEST_CASE("what was paid for is free also when another has bought the whole before") {
    GatedSite site;
    REQUIRE(site.ask(loads(kDay + " EVERY 1h")).answered());
    REQUIRE(site.ask(loads(kDay), true).answered());
    const std::uint64_t spent = site.spent_by_first();
    const Reply day = site.ask(loads(kDay));
    REQUIRE(day.answered());
    CHECK_FALSE(day.release->composed_of.empty());
    CHECK(day.answer->charged.empty());
    CHECK(site.spent_by_first() == spent);
  }

  TEST_CASE("fresh noise is drawn and charged when it is asked for") {
    GatedSite site;
    REQUIRE(site.ask(loads(kDay + " EVERY 1h")).answered());
    const std::uint64_t spent = site.spent_by_site();
    const Reply day = site.ask(loads(kDay), false, true);
    REQUIRE(day.answered());
    CHECK(day.release->composed_of.empty());
    CHECK_FALSE(day.answer->reused);
    CHECK(site.spent_by_site() == 2 * spent);
  }

  TEST_CASE("what is no sum of the very cells goes the ordinary way") {
    GatedSite site;
    REQUIRE(site.ask(loads(kDay + " EVERY 1h")).answered());
    for (const char* item : {"mean(mean(load))", "sum(delta(meter))", "sum(sum(tariff))"}) {
      REQUIRE(
          site.ask(std::string(item) + " FROM air GROUP BY state " + kDay + " EVERY 1h" + kEpsilon)
              .answered());
    }
    const std::string asked[] = {
        // no cover: an hour before, whole days not released
        loads("OVER '2025-12-29T23:00Z' .. '2025-12-30T02:00Z'"), loads(kTwoDays),
        // other groups, another predicate, other items
        "sum(sum(load)) FROM air " + kDay + kEpsilon,
        "sum(sum(load)) FROM air WHERE county = 'Chelan' GROUP BY state " + kDay + kEpsilon,
        "sum(sum(load)), mean(mean(load)) FROM air GROUP BY state " + kDay + kEpsilon,
        // no sum of sums, a rise, bounds without zero
        "mean(mean(load)) FROM air GROUP BY state " + kDay + kEpsilon,
        "sum(delta(meter)) FROM air GROUP BY state " + kDay + kEpsilon,
        "sum(sum(tariff)) FROM air GROUP BY state " + kDay + kEpsilon};
    for (const std::string& question : asked) {
      CAPTURE(question);
      const int folds = site.meters.folds;
      const std::uint64_t spent = site.spent_by_site();
      const Reply reply = site.ask(question);
      REQUIRE(reply.answered());
      CHECK(reply.release->composed_of.empty());
      CHECK(site.meters.folds == folds + 1);
      CHECK(site.spent_by_site() > spent);
    }
  }

  TEST_CASE(
      "cells that another paid for cost the asker's quota their charge and the site nothing") {
    GatedSite site;
    const Reply daily = site.ask(loads(kTwoDays + " EVERY 1d"));
    REQUIRE(daily.answered());
    const std::uint64_t spent = site.spent_by_site();
    site.meters.forbidden = true;
    // One of its days, at the same epsilon: as exact, and charged what the other was.
    const Reply day = site.ask(loads(kDay), true);
    REQUIRE(day.answered());
    REQUIRE_FALSE(day.release->composed_of.empty());
    CHECK(day.answer->charged.size() == 1);
    CHECK(site.spent_by_site() == spent);
    CHECK(site.spent_by_other() == spent / 2);
    CHECK(day.release->cells[0].mantissas[0] == daily.release->cells[1].mantissas[0]);
    CHECK(site.ask(loads(kDay), true).answer->charged.empty());
    CHECK(site.spent_by_other() == spent / 2);
    // Both days in one cell: a cell over two blocks would have twice the variance.
    const Reply both = site.ask(loads(kTwoDays), true);
    REQUIRE(both.answered());
    CHECK(both.release->composed_of.size() == 1);
    CHECK(both.answer->charged.size() == 2);
    CHECK(site.spent_by_site() == spent);
  }

  TEST_CASE("cells of others are left alone where they would make the answer worse or dearer") {
    GatedSite site;
    // Little was spent on the hours: their sum has far more noise than the day's own.
    REQUIRE(site.ask(loads(kDay + " EVERY 1h")).answered());
    const Reply worse = site.ask(loads(kDay), true);
    REQUIRE(worse.answered());
    CHECK(worse.release->composed_of.empty());
    // Much was spent on these: exact enough, but the quota would pay more than was previewed.
    const std::string eve = "OVER '2025-12-29' .. '2025-12-30'";
    REQUIRE(site.ask(loads(eve, " WITH (epsilon = 2, purpose = 'planning')")).answered());
    const Reply dearer = site.ask(loads(eve), true);
    REQUIRE(dearer.answered());
    CHECK(dearer.release->composed_of.empty());
  }

  TEST_CASE("a window is answered with the same bytes until its next scheduled revision") {
    GatedSite site({days(2), days(30)});
    const std::string question =
        loads("OVER '2025-12-31' .. '2026-01-01'", " WITH (epsilon = 4, purpose = 'planning')");
    const Reply first = site.ask(question);
    REQUIRE(first.answered());
    CHECK(first.release->revision == 0);
    const std::uint64_t charge = site.spent_by_site();
    site.meters.late = 1'000;  // late readings come in
    site.clock.advance(days(2) - nanoseconds(1));
    const Reply before = site.ask(question);
    CHECK(before.answer->release == first.answer->release);
    CHECK(site.spent_by_site() == charge);
    site.clock.advance(nanoseconds(1));
    const Reply second = site.ask(question);
    REQUIRE(second.answered());
    CHECK(second.release->revision == 1);
    CHECK(second.answer->release != first.answer->release);
    CHECK_FALSE(second.answer->reused);
    CHECK(site.spent_by_site() == 2 * charge);
    CHECK(site.spent_by_first() == 2 * charge);
    // 24 kWh of 28 meters at a standard deviation of 38: what came late is in it.
    CHECK(sum_of(*second.release) > sum_of(*first.release));
    // Again the same until the last, which is charged though nothing has changed.
    site.clock.advance(days(20));
    CHECK(site.ask(question).answer->release == second.answer->release);
    site.clock.advance(days(8));
    const Reply third = site.ask(question);
    CHECK(third.release->revision == 2);
    CHECK(site.spent_by_site() == 3 * charge);
    site.clock.advance(days(300));
    CHECK(site.ask(question).answer->release == third.answer->release);
    CHECK(site.spent_by_site() == 3 * charge);
  }

  TEST_CASE("the control: without a schedule changed data never enter and nothing is charged") {
    GatedSite site;
    const std::string question = loads("OVER '2025-12-31' .. '2026-01-01'");
    const Reply first = site.ask(question);
    const std::uint64_t charge = site.spent_by_site();
    site.meters.late = 1'000;
    site.clock.advance(days(300));
    CHECK(site.ask(question).answer->release == first.answer->release);
    CHECK(site.spent_by_site() == charge);
  }

  TEST_CASE("cells of one revision are never added up for another") {
    GatedSite site({days(2)});
    REQUIRE(site.ask(loads("OVER '2025-12-31' .. '2026-01-01' EVERY 1h")).answered());
    const std::string day = loads("OVER '2025-12-31' .. '2026-01-01'");
    site.clock.advance(days(2));
    const Reply later = site.ask(day);
    CHECK(later.release->composed_of.empty());
    CHECK(later.release->revision == 1);
  }

  TEST_CASE("a site looks at the cells of the longest windows first and so does a preview") {
    GatedSite site;
    REQUIRE(site.ask(loads(kTwoDays + " EVERY 1h")).answered());
    for (const char* six : {"12:00", "00:00"}) {
      const Instant from = *parse_instant(std::string("2025-12-30T") + six + "Z");
      const std::string over =
          "OVER '" + to_text(from) + "' .. '" + to_text(from + hours(6)) + "' EVERY 2h";
      REQUIRE(site.ask(loads(over), false, true).answered());
    }
    const Question day = site.both.question("SELECT " + loads(kDay));
    federation::ReleaseInquiry inquiry;
    inquiry.partner = site.both.consumer;
    inquiry.cells = federation::AdditiveCells{federation::cells_key(day, 0), day.window, {}, false};
    const auto stored = site.raced->cells(inquiry);
    REQUIRE(stored.size() == 3);
    CHECK(std::is_sorted(stored.begin(), stored.end(), federation::looked_at_before));
    CHECK(stored[0].window.length() == days(2));
    CHECK(stored[1].window.from < stored[2].window.from);
    // A preview counts the bytes of what it knows of alone: the same but for a few words.
    const Question asked = site.both.question("SELECT " + loads(kTwoDays + " EVERY 1h"));
    const auto known = federation::as_if_paid(asked, site.both.view);
    REQUIRE(known);
    const auto real = static_cast<std::int64_t>(stored[0].release.size());
    CHECK(std::abs(static_cast<std::int64_t>(known->release.size()) - real) <= 64);
  }
}
