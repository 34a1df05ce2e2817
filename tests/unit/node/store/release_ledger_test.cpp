#include "tests/unit/node/store/ledger_bench.h"

#include <doctest/doctest.h>

#include <map>

using namespace entente;
using namespace entente::node;
using federation::CommittedRelease;
using federation::ReleaseInquiry;
using test::inquiry_of;
using Bench = test::LedgerBench;

TEST_SUITE("node/release_ledger") {
  TEST_CASE("a release is debited once and given again free, the same bytes") {
    Bench bench;
    const auto first = bench.commit(inquiry_of(1, 1, 30), {1, 2, 3});
    REQUIRE(first);
    CHECK_FALSE(first->reused);
    CHECK(first->left[0].rho.units == 50);
    const auto again = bench.commit(inquiry_of(1, 1, 30), {9, 9});
    REQUIRE(again);
    CHECK(again->reused);
    CHECK(again->release == Bytes{1, 2, 3});
    CHECK(again->charged.empty());
    CHECK(bench.spent("site") == 30);
  }

  TEST_CASE("another partner gets the same bytes, free for the site, charged to its own quota") {
    Bench bench;
    REQUIRE(bench.commit(inquiry_of(1, 1, 30), {1, 2, 3}));
    const ReleaseInquiry other = inquiry_of(1, 2, 30);
    const auto second = bench.commit(other, {4});
    REQUIRE(second);
    CHECK(second->release == Bytes{1, 2, 3});
    CHECK(second->charged.size() == 1);
    CHECK(bench.spent("site") == 30);
    CHECK(bench.spent(other.partner.hex()) == 30);
  }

  TEST_CASE("quota and cap refuse, change nothing and say what is left") {
    Bench bench;
    REQUIRE(bench.commit(inquiry_of(1, 1, 60)));
    const ReleaseInquiry beyond_quota = inquiry_of(2, 1, 21);
    const auto quota = bench.ledger->inquire(beyond_quota);
    REQUIRE_FALSE(quota);
    CHECK(quota.error().code == ErrorCode::budget_exhausted);
    CHECK(bench.ledger->left(beyond_quota)[0].rho.units == 20);
    CHECK(bench.commit(beyond_quota).error().code == ErrorCode::budget_exhausted);
    CHECK(bench.commit(inquiry_of(3, 2, 41)).error().code == ErrorCode::budget_exhausted);
    CHECK(bench.spent("site") == 60);
    CHECK(bench.commit(inquiry_of(4, 2, 40)));
    CHECK(bench.spent("site") == 100);
  }

  TEST_CASE("of 64 racing questions for one remaining charge exactly one succeeds") {
    Bench bench;
    REQUIRE(bench.commit(inquiry_of(1, 1, 60)));
    std::vector<std::future<Result<CommittedRelease>>> racing;
    for (std::uint64_t i = 0; i < 64; ++i) {
      racing.push_back(
          bench.start(inquiry_of(100 + i, 100 + i, 40), {static_cast<std::uint8_t>(i)}));
    }
    int won = 0;
    for (auto& one : racing) won += one.get().has_value() ? 1 : 0;
    CHECK(won == 1);
    CHECK(bench.spent("site") == 100);
  }

  TEST_CASE("a query id under another envelope is refused, under its own it is answered again") {
    Bench bench;
    const ReleaseInquiry first = inquiry_of(1, 1, 30);
    REQUIRE(bench.commit(first));
    CHECK(bench.commit(first));
    ReleaseInquiry replay = first;
    replay.envelope_hash = inquiry_of(9, 9, 1).envelope_hash;
    CHECK(bench.ledger->inquire(replay).error().code == ErrorCode::replayed);
    CHECK(bench.commit(replay).error().code == ErrorCode::replayed);
  }

  TEST_CASE("what fails while drawing leaves no debit") {
    Bench bench;
    auto promise = std::make_shared<std::promise<bool>>();
    auto failed = promise->get_future();
    bench.ledger->commit(
        inquiry_of(1, 1, 30), []() -> Bytes { throw StoreFault("the disk is gone", 0); },
        [promise](Result<CommittedRelease> done) { promise->set_value(!done.has_value()); });
    CHECK(failed.get());
    CHECK(bench.spent("site") == 0);
  }

  TEST_CASE("budgets and releases survive reopening, and the audit chain is whole") {
    Bench bench;
    REQUIRE(bench.commit(inquiry_of(1, 1, 30), {7}));
    bench.open();
    CHECK(bench.spent("site") == 30);
    const auto again = bench.commit(inquiry_of(1, 1, 30), {8});
    REQUIRE(again);
    CHECK(again->release == Bytes{7});
    auto reader = bench.store->reader();
    REQUIRE(reader);
    const AuditVerdict whole = verify_audit(*reader, {});
    CHECK_FALSE(whole.first_bad);
    CHECK(whole.head.count == 2);
    // The control: an edited record is found.
    REQUIRE(bench.store->run<int>([](Database& database) -> Result<int> {
      database.exec("UPDATE audit SET record = zeroblob(length(record)) WHERE seq = 1");
      return 0;
    }));
    CHECK(verify_audit(*reader, {}).first_bad == 1);
  }

  TEST_CASE("a composed release charges the asker's quota alone or changes nothing") {
    Bench bench;
    const auto composed = [](std::uint64_t question, std::uint64_t partner, std::uint64_t charge) {
      ReleaseInquiry inquiry = inquiry_of(question, partner, 30);
      inquiry.cells = federation::AdditiveCells{inquiry.question_hash, {}, {}};
      inquiry.composed = {{inquiry.charges[0].start, {charge}}};
      return inquiry;
    };
    const auto first = bench.commit(composed(1, 1, 70), {1, 2, 3});
    REQUIRE(first);
    CHECK(first->reused);
    CHECK(first->charged == std::vector<BlockAmount>{{*parse_instant("2015-08-23"), {70}}});
    CHECK(bench.spent("site") == 0);
    CHECK(bench.spent(test::partner_of(1).hex()) == 70);
    // Beyond the quota nothing is kept, and what costs nothing has room.
    CHECK(bench.commit(composed(2, 1, 20)).error().code == ErrorCode::budget_exhausted);
    CHECK(bench.spent(test::partner_of(1).hex()) == 70);
    ReleaseInquiry free = composed(2, 1, 0);
    free.composed->clear();
    CHECK(bench.commit(free, {4}));
    // Again the same bytes free, with and without a new composition.
    for (const bool anew : {false, true}) {
      ReleaseInquiry again = composed(1, 1, 70);
      if (!anew) again.composed.reset();
      const auto repeated = bench.commit(again, {9});
      REQUIRE(repeated);
      CHECK(repeated->release == Bytes{1, 2, 3});
      CHECK(repeated->charged.empty());
    }
    // For another partner the question is new.
    ReleaseInquiry other = composed(1, 2, 0);
    other.composed.reset();
    const auto drawn = bench.commit(other, {5});
    REQUIRE(drawn);
    CHECK(drawn->release == Bytes{5});
    CHECK(bench.spent("site") == 30);
  }

  TEST_CASE("any sequence of questions stays within every cap, as a naive model says") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      Bench bench;
      SeededRandom random(seed);
      std::map<std::uint64_t, std::uint64_t> released;  // question -> rho
      std::map<std::uint64_t, std::uint64_t> by_partner;
      std::map<std::pair<std::uint64_t, std::uint64_t>, bool> paid;
      std::uint64_t site = 0;
      for (int step = 0; step < 40; ++step) {
        const std::uint64_t question = random.below(6), partner = random.below(3);
        const std::uint64_t rho = 10 + 3 * question;
        const bool has = paid[{question, partner}], known = released.contains(question);
        const bool room = (has || by_partner[partner] + rho <= 80) && (known || site + rho <= 100);
        const auto done =
            bench.commit(inquiry_of(question, partner, rho), {static_cast<std::uint8_t>(question)});
        REQUIRE(done.has_value() == room);
        if (!room) continue;
        if (!has) by_partner[partner] += rho;
        if (!known) site += rho;
        released[question] = rho;
        paid[{question, partner}] = true;
        CHECK(bench.spent("site") == site);
      }
    }
  }
}
