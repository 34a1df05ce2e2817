#include "node/store/ledger_standing.h"

#include <doctest/doctest.h>

#include "node/store/head_file.h"
#include "security/privacy/blocks.h"
#include "tests/unit/node/store/ledger_bench.h"

using namespace entente;
using namespace entente::node;
using federation::ReleaseInquiry;
using test::inquiry_of;
using test::partner_of;
using test::receipt_of;
using Bench = test::LedgerBench;

namespace {

ReleaseInquiry showing(ReleaseInquiry inquiry, const LedgerReceipt& receipt) {
  inquiry.shown = receipt;
  return inquiry;
}

// A question about another day.
ReleaseInquiry about(ReleaseInquiry inquiry, Instant start) {
  inquiry.charges[0].start = start;
  return inquiry;
}

Reconciliation reconcile(Bench& bench, std::vector<std::string> domains = {"air"}) {
  std::promise<Result<Reconciliation>> promise;
  bench.ledger->reconcile(bench.ledger->plan(std::move(domains)), {"admin", "", ""},
                          [&](Result<Reconciliation> done) { promise.set_value(done); });
  auto done = promise.get_future().get();
  REQUIRE(done);
  return *done;
}

// One release before the backup and one after it; then the backup is restored.
struct RestoredBench : Bench {
  test::TemporaryFolder backup;
  LedgerReceipt before, after;
  RestoredBench() {
    auto first = commit(inquiry_of(1, 1, 30));
    REQUIRE(first);
    before = receipt_of(*first, clock.now());
    copy_to(backup / "copy");
    open();
    clock.advance(hours(1));
    auto second = commit(inquiry_of(2, 2, 30));
    REQUIRE(second);
    after = receipt_of(*second, clock.now());
    restore_from(backup / "copy");
    clock.advance(hours(1));
  }
};

}  // namespace

TEST_SUITE("node/ledger_standing") {
  TEST_CASE("receipts that the log holds change nothing also when newer records follow") {
    Bench bench;
    const auto first = bench.commit(inquiry_of(1, 1, 10));
    REQUIRE(first);
    CHECK(first->audit_head.count == 1);
    const LedgerReceipt receipt = receipt_of(*first, bench.clock.now());
    REQUIRE(bench.commit(showing(inquiry_of(2, 1, 10), receipt)));
    bench.open();
    CHECK(bench.ledger->inquire(showing(inquiry_of(3, 2, 10), receipt)));
    CHECK_FALSE(bench.ledger->restored());
  }

  TEST_CASE("a restored backup is told by one receipt and then answers no partner at all") {
    RestoredBench bench;
    const auto told = bench.ledger->inquire(showing(inquiry_of(3, 2, 10), bench.after));
    REQUIRE_FALSE(told);
    CHECK(told.error().code == ErrorCode::reconcile_needed);
    CHECK(told.error().what.find("restored") != std::string::npos);
    // Another partner that shows nothing, and what was released and paid long ago.
    CHECK(bench.ledger->inquire(inquiry_of(4, 5, 10)).error().code == ErrorCode::reconcile_needed);
    CHECK(bench.commit(inquiry_of(4, 5, 10)).error().code == ErrorCode::reconcile_needed);
    CHECK(bench.ledger->inquire(inquiry_of(1, 1, 30)).error().code == ErrorCode::reconcile_needed);
    // Also after the next start, and though nobody shows anything then.
    bench.settle();
    bench.open();
    REQUIRE(bench.ledger->restored());
    CHECK(bench.commit(inquiry_of(5, 6, 10)).error().code == ErrorCode::reconcile_needed);
    CHECK(bench.spent("site") == 30);
  }

  TEST_CASE("the control: without the receipt the restored backup gives its budget out again") {
    RestoredBench bench;
    CHECK(bench.commit(inquiry_of(3, 2, 60)));
    // 30 before, 30 forgotten, 60 now: beyond the cap of 100.
    CHECK(bench.spent("site") == 90);
  }

  TEST_CASE("a restored backup that went on is told by the link at the receipt's place") {
    RestoredBench bench;
    REQUIRE(bench.commit(inquiry_of(3, 1, 5)));
    REQUIRE(bench.commit(inquiry_of(4, 1, 5)));
    REQUIRE(bench.ledger->head().count > bench.after.head.count);
    CHECK(bench.ledger->inquire(showing(inquiry_of(5, 2, 1), bench.after)).error().code ==
          ErrorCode::reconcile_needed);
  }

  TEST_CASE("reconciling spends what had begun in every scope and opens later blocks") {
    RestoredBench bench;
    CHECK_FALSE(bench.ledger->inquire(showing(inquiry_of(3, 2, 10), bench.after)));
    bench.settle();
    const auto head = bench.ledger->head();
    const auto plan = bench.ledger->plan({"air", "water"});
    CHECK(plan.restored);
    CHECK(plan.domains == std::vector<std::string>{"air", "water"});
    CHECK(bench.ledger->head() == head);  // a plan changes nothing
    const auto done = reconcile(bench, {"air", "water"});
    CHECK(done.head.count == head.count + 1);
    CHECK_FALSE(bench.ledger->restored());
    const Instant now = bench.clock.now();
    for (const bool again : {false, true}) {
      CAPTURE(again);
      if (again) bench.open();
      const std::uint64_t q = again ? 100 : 0;
      const ReleaseInquiry old = inquiry_of(q + 10, 7, 1);
      CHECK(bench.commit(old).error().code == ErrorCode::budget_exhausted);
      CHECK(bench.ledger->left(old)[0].rho.units == 0);
      CHECK(bench.commit(about(inquiry_of(q + 11, 7, 1), now - hours(1))).error().code ==
            ErrorCode::budget_exhausted);
      CHECK(bench.commit(about(inquiry_of(q + 12, 7, 1), security::kLifetimeBlock)).error().code ==
            ErrorCode::budget_exhausted);
      ReleaseInquiry unknown = inquiry_of(q + 13, 7, 1);
      unknown.domain = "soil";
      CHECK(bench.commit(unknown).error().code == ErrorCode::budget_exhausted);
      CHECK(bench.commit(about(inquiry_of(q + 14, 7, 40), now + hours(1))));
      // What the partner still shows is excused: its charges lie in blocks that are spent.
      CHECK(bench.commit(showing(about(inquiry_of(q + 15, 2, 1), now + hours(1)), bench.after)));
      // What it had paid for before the backup stays free.
      CHECK(bench.ledger->inquire(inquiry_of(1, 1, 30))->paid);
    }
    // A receipt issued later that the log does not hold is another restored backup.
    LedgerReceipt later = bench.after;
    later.issued = now + seconds(1);
    CHECK(bench.ledger->inquire(showing(inquiry_of(30, 2, 1), later)).error().code ==
          ErrorCode::reconcile_needed);
    auto reader = bench.store->reader();
    REQUIRE(reader);
    CHECK_FALSE(verify_audit(*reader, {}).first_bad);
  }

  TEST_CASE("whose receipt was compared is known since the start who has none to show too") {
    RestoredBench bench;
    CHECK_FALSE(bench.ledger->compared(partner_of(1)));
    CHECK(bench.ledger->inquire(inquiry_of(20, 1, 1)));
    CHECK_FALSE(bench.ledger->compared(partner_of(1)));  // it was released something: it hides
    CHECK(bench.ledger->inquire(showing(inquiry_of(21, 1, 1), bench.before)));
    CHECK(bench.ledger->compared(partner_of(1)));
    CHECK(bench.ledger->inquire(inquiry_of(22, 9, 1)));
    CHECK(bench.ledger->compared(partner_of(9)));
    // Also while the ledger is closed.
    CHECK_FALSE(bench.ledger->inquire(showing(inquiry_of(23, 2, 1), bench.after)));
    CHECK(bench.ledger->compared(partner_of(2)));
    CHECK_FALSE(bench.ledger->inquire(inquiry_of(24, 8, 1)));
    CHECK(bench.ledger->compared(partner_of(8)));
  }

  TEST_CASE("a head kept off the database tells at the start and one of this log does not") {
    RestoredBench bench;
    HeadFile file(bench.backup / "ledger.head");
    CHECK_FALSE(*file.read());
    REQUIRE(file.write(bench.before.head, bench.before.issued));
    auto kept = file.read();
    REQUIRE((kept && *kept));
    REQUIRE(bench.ledger->compare(**kept));
    CHECK_FALSE(bench.ledger->restored());
    REQUIRE(file.write(bench.after.head, bench.after.issued));
    kept = file.read();
    REQUIRE((kept && *kept));
    CHECK((*kept)->head == bench.after.head);
    REQUIRE(bench.ledger->compare(**kept));
    REQUIRE(bench.ledger->restored());
    CHECK(bench.ledger->restored()->evidence.find("ledger.head") != std::string::npos);
    reconcile(bench);
    REQUIRE(bench.ledger->compare(**kept));
    CHECK_FALSE(bench.ledger->restored());
  }

  TEST_CASE("a head file that does not read is refused with what to do") {
    test::TemporaryFolder folder;
    // A disk that is not there is no missing file.
    CHECK(HeadFile(folder / "disk/head").read().error().code == ErrorCode::config_invalid);
    CHECK(HeadFile(folder / "head").read());
    for (const char* text : {"", "x", "5 abc 7\n", "5\n"}) {
      CAPTURE(text);
      std::FILE* out = std::fopen((folder / "head").c_str(), "wb");
      std::fputs(text, out);
      std::fclose(out);
      const auto read = HeadFile(folder / "head").read();
      REQUIRE_FALSE(read);
      CHECK(read.error().code == ErrorCode::verification_failed);
      CHECK(read.error().advice().find("delete it") != std::string::npos);
    }
  }
}
