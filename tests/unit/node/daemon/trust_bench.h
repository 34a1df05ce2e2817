// A store with the tables of links, charters and invitations; reports come on the store's thread.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "node/daemon/link_register.h"
#include "node/store/audit_log.h"
#include "node/store/checkpoint_shelf.h"
#include "node/store/store_run.h"
#include "schemas/base/clock.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {

struct TrustBench {
  TemporaryFolder folder;
  ManualClock clock{*parse_instant("2026-01-01")};
  std::unique_ptr<Store> store;

  TrustBench() { open(); }
  ~TrustBench() { settle(); }

  void open() {
    settle();
    store.reset();
    Store::Options options;
    options.path = folder / "entente.db";
    options.migrations = {audit_migration(), audit_tree_migration(), LinkRegister::migration(),
                          checkpoint_migration(), LinkRegister::trust_migration()};
    options.deliver = [](std::function<void()> work) { work(); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    store = std::move(*opened);
  }
  // Runs what is queued, and what its reports queue.
  void settle() {
    for (int i = 0; store && i < 4; ++i) {
      CHECK(store->run<int>([](Database&) -> Result<int> { return 0; }));
    }
  }
  // The actions of the audit log, oldest first; the chain must verify.
  std::vector<std::string> actions() {
    auto read = store->run<std::vector<std::string>>(
        [](Database& database) -> Result<std::vector<std::string>> {
          CHECK_FALSE(verify_audit(database, {}).first_bad);
          std::vector<std::string> out;
          Statement rows = database.prepare("SELECT record FROM audit ORDER BY seq");
          while (rows.step()) {
            const auto record = security::audit_record_from_bytes(rows.blob(0));
            CHECK(record);
            if (record) out.push_back(record->action);
          }
          return out;
        });
    REQUIRE(read);
    return *read;
  }
};

}  // namespace entente::node::test
