// A release ledger on a real file, and questions to it; reports come on the store's own thread.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "node/store/audit_log.h"
#include "node/store/release_ledger.h"
#include "node/store/store_run.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {

struct LedgerBench {
  TemporaryFolder own;
  std::filesystem::path folder;
  ManualClock clock{*parse_instant("2026-01-01")};
  std::unique_ptr<Store> store;
  std::unique_ptr<ReleaseLedger> ledger;

  LedgerBench() : folder(own / "") { open(); }
  explicit LedgerBench(std::filesystem::path where) : folder(std::move(where)) { open(); }
  ~LedgerBench() { close(); }

  // The ledger goes after the store's last report, which speaks to it.
  void close() {
    if (store) CHECK(store->run<int>([](Database&) -> Result<int> { return 0; }));
    ledger.reset();
    store.reset();
  }
  void open() {
    close();
    Store::Options options;
    options.path = (folder / "entente.db").string();
    options.migrations = {audit_migration(), ReleaseLedger::migration(),
                          ledger_standing_migration(), audit_tree_migration()};
    options.deliver = [](std::function<void()> work) { work(); };
    options.crash_prefix = "ledger";
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    store = std::move(*opened);
    ledger = std::make_unique<ReleaseLedger>(*store, clock);
  }
  // The files as they are, closed: a backup, and back from it.
  void copy_to(const std::filesystem::path& other) {
    close();
    std::filesystem::remove_all(other);
    std::filesystem::copy(folder, other);
  }
  void restore_from(const std::filesystem::path& other) {
    close();
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      std::filesystem::remove_all(file);
    }
    std::filesystem::copy(other, folder);
    open();
  }

  using Reply = Result<federation::CommittedRelease>;
  std::future<Reply> start(const federation::ReleaseInquiry& inquiry, Bytes bytes) {
    auto promise = std::make_shared<std::promise<Reply>>();
    auto result = promise->get_future();
    ledger->commit(
        inquiry, [bytes] { return bytes; },
        [promise](Reply done) { promise->set_value(std::move(done)); });
    return result;
  }
  Reply commit(const federation::ReleaseInquiry& inquiry, Bytes bytes = {1}) {
    return start(inquiry, std::move(bytes)).get();
  }
  // What is queued so far has been done when this returns.
  void settle() {
    REQUIRE(store->run<int>([](Database&) -> Result<int> { return 0; }));
  }
  std::uint64_t spent(std::string_view scope) {
    std::uint64_t sum = 0;
    for (const LedgerRow& row : ledger->rows()) sum += row.scope == scope ? row.spent.units : 0;
    return sum;
  }
};

inline OrgId partner_of(std::uint64_t n) {
  SeededRandom partners(n + 1'000'000);
  return partners.id<OrgId>();
}

// A question about 2015-08-23 in the domain air, under a cap of 100 and a quota of 80.
inline federation::ReleaseInquiry inquiry_of(std::uint64_t question, std::uint64_t partner,
                                             std::uint64_t rho) {
  SeededRandom questions(question);
  static std::uint64_t next_id = 0;
  SeededRandom ids(++next_id);
  federation::ReleaseInquiry inquiry;
  inquiry.partner = partner_of(partner);
  inquiry.query_id = ids.id<QueryId>();
  inquiry.envelope_hash = ids.id<Hash256>();
  inquiry.deadline = *parse_instant("2026-01-01T00:01");
  inquiry.question_hash = questions.id<Hash256>();
  inquiry.release_key = questions.id<Hash256>();
  inquiry.domain = "air";
  inquiry.charges = {{*parse_instant("2015-08-23"), {rho}}};
  inquiry.site_cap = {100};
  inquiry.partner_quota = {80};
  return inquiry;
}

// The receipt a partner shows after this answer.
inline LedgerReceipt receipt_of(const federation::CommittedRelease& committed, Instant issued) {
  return {partner_of(0), "main", committed.audit_head, issued};
}

}  // namespace entente::node::test
