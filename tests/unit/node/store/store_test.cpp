#include "node/store/store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>

#include "node/limits.h"
#include "tests/unit/node/child_process.h"
#include "tests/unit/node/store/counting_vfs.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using test::CountingVfs;
using test::TemporaryFolder;

const std::vector<const char*> kSchema = {"CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB) STRICT"};

Store::Options options(const std::string& path) {
  Store::Options chosen;
  chosen.path = path;
  chosen.migrations = kSchema;
  chosen.deliver = [](std::function<void()> report) { report(); };
  return chosen;
}

std::unique_ptr<Store> opened(Store::Options chosen) {
  auto store = Store::open(std::move(chosen));
  REQUIRE(store.has_value());
  return std::move(*store);
}

std::function<Result<int>(Database&)> insert(int id) {
  return [id](Database& database) -> Result<int> {
    database.cached("INSERT INTO t VALUES (?, NULL)").bind(1, std::int64_t{id}).run();
    return id;
  };
}

std::int64_t rows(const Store& store) {
  auto reader = store.reader();
  REQUIRE(reader.has_value());
  auto query = reader->prepare("SELECT count(*) FROM t");
  REQUIRE(query.step());
  return query.integer(0);
}

// Keeps the store thread inside a job, so that what is posted meanwhile forms one batch.
class Gate {
 public:
  explicit Gate(Store& store) {
    std::promise<void> entered;
    auto reached = entered.get_future();
    auto shared = std::make_shared<std::promise<void>>(std::move(entered));
    store.post<int>(
        [shared, hold = hold_](Database&) -> Result<int> {
          shared->set_value();
          hold->wait();
          return 0;
        },
        [](Result<int>) {});
    reached.wait();
  }
  void open() { hold_->count_down(); }

 private:
  std::shared_ptr<std::latch> hold_ = std::make_shared<std::latch>(1);
};

struct Collected {
  std::atomic<int> done{0};
  std::atomic<int> failed{0};
  std::atomic<int> code{0};
  std::function<void(Result<int>)> sink() {
    return [this](Result<int> result) {
      if (!result) code = static_cast<int>(result.error().code);
      ++(result ? done : failed);
    };
  }
};

TEST_SUITE("node/store") {
  TEST_CASE("a reported job is committed, and readers see it") {
    TemporaryFolder folder;
    auto store = opened(options(folder / "a.db"));
    for (int i = 0; i < 10; ++i) {
      const auto result = store->run<int>(insert(i));
      REQUIRE(result.has_value());
      CHECK(*result == i);
      CHECK(rows(*store) == i + 1);
    }
  }

  TEST_CASE("jobs that wait together share one sync") {
    CountingVfs vfs;
    TemporaryFolder folder;
    auto store = opened(options(folder / "a.db"));
    REQUIRE(store->run<int>(insert(1'000)).has_value());
    Collected seen;
    Gate gate(*store);
    vfs.reset();
    for (int i = 0; i < 500; ++i) store->post<int>(insert(i), seen.sink());
    gate.open();
    store.reset();
    CHECK(seen.done == 500);
    // One commit for the five hundred; the rest is the checkpoint of the closing connection.
    CHECK(vfs.syncs() <= 4);
    auto alone = opened(options(folder / "b.db"));
    vfs.reset();
    for (int i = 0; i < 20; ++i) REQUIRE(alone->run<int>(insert(i)).has_value());
    CHECK(vfs.syncs() >= 20);  // what sharing saves
  }

  TEST_CASE("a job that fails, refuses or throws leaves the others of its batch") {
    TemporaryFolder folder;
    auto store = opened(options(folder / "a.db"));
    Collected good, bad;
    Gate gate(*store);
    store->post<int>(insert(1), good.sink());
    store->post<int>(
        [](Database& database) -> Result<int> {
          database.exec("INSERT INTO t VALUES (50, NULL)");
          return make_error(ErrorCode::conflict, "no");
        },
        bad.sink());
    store->post<int>(insert(1), bad.sink());  // violates the primary key: StoreFault
    store->post<int>(
        [](Database& database) -> Result<int> {
          database.exec("INSERT INTO t VALUES (51, NULL)");
          throw std::runtime_error("unexpected");
        },
        bad.sink());
    store->post<int>(insert(2), good.sink());
    gate.open();
    REQUIRE(store->run<int>(insert(3)).has_value());
    CHECK(good.done == 2);
    CHECK(bad.failed == 3);
    CHECK(rows(*store) == 3);
  }

  TEST_CASE("a failing commit is reported to every job of the batch, and nothing stays") {
    CountingVfs vfs;
    TemporaryFolder folder;
    std::atomic<int> broken{0};
    auto chosen = options(folder / "a.db");
    chosen.on_broken = [&](const Error& error) {
      CHECK(error.code == ErrorCode::store_failed);
      ++broken;
    };
    auto store = opened(chosen);
    REQUIRE(store->run<int>(insert(1)).has_value());
    Collected seen;
    Gate gate(*store);
    for (int i = 10; i < 20; ++i) store->post<int>(insert(i), seen.sink());
    vfs.fail_syncs(true);
    gate.open();
    const auto after = store->run<int>(insert(30));
    REQUIRE_FALSE(after.has_value());
    CHECK(after.error().code == ErrorCode::store_failed);
    CHECK(seen.failed == 10);
    CHECK(seen.code == static_cast<int>(ErrorCode::store_failed));
    vfs.fail_syncs(false);
    // A failed sync is never repeated: only a restart, which verifies the file, may write again.
    CHECK_FALSE(store->run<int>(insert(31)).has_value());
    CHECK(broken == 1);
    store.reset();
    store = opened(options(folder / "a.db"));
    CHECK(store->run<int>(insert(32)).has_value());
    CHECK(rows(*store) == 2);
  }

  TEST_CASE("a full disk is reported as such, undoes its own jobs alone, and passes by itself") {
    TemporaryFolder folder;
    auto store = opened(options(folder / "a.db"));
    REQUIRE(store->run<int>(insert(1)).has_value());
    const auto page_limit = [&](std::int64_t pages) {
      return store->run<int>([pages](Database& database) -> Result<int> {
        database.exec(("PRAGMA max_page_count=" + std::to_string(pages)).c_str());
        return 0;
      });
    };
    REQUIRE(page_limit(1).has_value());  // SQLite takes the present size instead
    const auto large = [](Database& database) -> Result<int> {
      database.exec("INSERT INTO t VALUES (2, zeroblob(1000000))");
      return 2;
    };
    const auto full = store->run<int>(large);
    REQUIRE_FALSE(full.has_value());
    CHECK(full.error().code == ErrorCode::disk_full);
    CHECK(rows(*store) == 1);
    CHECK(store->run<int>(insert(3)).has_value());  // fits into a page that is there
    REQUIRE(page_limit(1'000'000).has_value());
    CHECK(store->run<int>(large).has_value());
    CHECK(rows(*store) == 3);
  }

  TEST_CASE("stop runs what is queued and reports it") {
    TemporaryFolder folder;
    Collected seen;
    {
      auto store = opened(options(folder / "a.db"));
      Gate gate(*store);
      for (int i = 0; i < 2'000; ++i) store->post<int>(insert(i), seen.sink());
      gate.open();
    }
    CHECK(seen.done == 2'000);
    auto store = opened(options(folder / "a.db"));
    CHECK(rows(*store) == 2'000);
  }

  TEST_CASE("a full queue answers overloaded and drops nothing that it took") {
    TemporaryFolder folder;
    auto chosen = options(folder / "a.db");
    chosen.queue_max = 4;
    auto store = opened(chosen);
    Collected seen;
    Gate gate(*store);
    for (int i = 0; i < 10; ++i) store->post<int>(insert(i), seen.sink());
    CHECK(seen.failed == 6);
    CHECK(seen.code == static_cast<int>(ErrorCode::overloaded));
    gate.open();
    store.reset();
    CHECK(seen.done == 4);
  }

  TEST_CASE("reports go through deliver, in the order of the jobs") {
    TemporaryFolder folder;
    std::vector<std::function<void()>> loop;
    std::mutex mutex;
    auto chosen = options(folder / "a.db");
    chosen.deliver = [&](std::function<void()> report) {
      std::lock_guard guard(mutex);
      loop.push_back(std::move(report));
    };
    auto store = opened(chosen);
    std::vector<int> order;
    for (int i = 0; i < 20; ++i) {
      store->post<int>(insert(i), [&](Result<int> result) { order.push_back(*result); });
    }
    store.reset();
    CHECK(order.empty());
    for (auto& report : loop) report();
    REQUIRE(order.size() == 20);
    CHECK(std::is_sorted(order.begin(), order.end()));
  }

  TEST_CASE("two stores never write one file") {
    TemporaryFolder folder;
    auto store = opened(options(folder / "a.db"));
    auto second = Store::open(options(folder / "a.db"));
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == ErrorCode::conflict);
    store.reset();
    CHECK(Store::open(options(folder / "a.db")).has_value());
  }

  TEST_CASE("the WAL is copied into the file when it has grown past the limit") {
    TemporaryFolder folder;
    auto store = opened(options(folder / "a.db"));
    for (int i = 0; i < 3; ++i) {
      const auto wrote = store->run<int>([i](Database& database) -> Result<int> {
        const Bytes blob(static_cast<std::size_t>(limits::kWalCheckpointPages) * 4'096);
        auto& statement = database.cached("INSERT INTO t VALUES (?, ?)");
        statement.bind(1, std::int64_t{i}).bind(2, ByteView(blob)).run();
        return 0;
      });
      REQUIRE(wrote.has_value());
    }
    const auto left = store->run<std::int64_t>(
        [](Database& database) -> Result<std::int64_t> { return database.wal_pages(); });
    REQUIRE(left.has_value());
    CHECK(*left < limits::kWalCheckpointPages);
  }

#ifdef ENTENTE_CRASH_POINTS
  TEST_CASE("killed before the commit a job is gone, killed after it the job is there") {
    if (const auto folder = test::child_folder()) {
      auto chosen = options(*folder);
      chosen.crash_prefix = "test";
      auto store = opened(std::move(chosen));
      for (int i = 1; i < 100; ++i) {
        REQUIRE(store->run<int>(insert(i)).has_value());
        test::say(i);
      }
      return;
    }
    for (int n : {1, 2, 7}) {
      CAPTURE(n);
      TemporaryFolder folder;
      const auto pass = ":" + std::to_string(n);
      const auto before = test::run_child(folder / "b.db", "test.before_commit" + pass);
      CHECK(before.killed);
      CHECK(before.said.size() == static_cast<std::size_t>(n - 1));
      CHECK(rows(*opened(options(folder / "b.db"))) == n - 1);
      const auto after = test::run_child(folder / "a.db", "test.after_commit" + pass);
      CHECK(after.killed);
      CHECK(after.said.size() == static_cast<std::size_t>(n - 1));
      CHECK(rows(*opened(options(folder / "a.db"))) == n);
    }
  }
#endif
}

}  // namespace
}  // namespace entente::node
