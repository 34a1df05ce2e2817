// A disk that stalls, fails or is full under the history: refusals with a reason, nothing lost that
// was acknowledged.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>

#include "node/history/history.h"
#include "node/limits.h"
#include "node/store/ballast.h"
#include "tests/unit/node/store/counting_vfs.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

std::unique_ptr<Store> store_at(const std::string& path, std::function<void()> on_full = {}) {
  Store::Options options;
  options.path = path;
  options.migrations = history_migrations();
  options.on_full = std::move(on_full);
  auto store = Store::open(std::move(options));
  REQUIRE(store.has_value());
  return std::move(*store);
}

std::unique_ptr<History> history_of(Store& store) {
  static const SystemClock clock;
  auto history = open_history(store, clock);
  REQUIRE(history.has_value());
  return std::move(*history);
}

Batch batch_of(SeriesId id, int n, int readings) {
  Batch batch;
  for (int i = 0; i < readings; ++i) {
    batch.add(id, {{(std::int64_t{n} * readings + i) * 1'000'000}, 1.0 * i, Quality::good});
  }
  return batch;
}

std::size_t count_of(const History& history, SeriesId id) {
  std::size_t count = 0;
  history.scan(id, kAllTime, [&](const History::Block& block) { count += block.times.size(); });
  return count;
}

}  // namespace

TEST_SUITE("node/history disk faults") {
  // How long the stall lasts makes no difference: nothing here counts time.
  TEST_CASE(
      "while the disk stalls nothing is acknowledged and what is too much is told when to come "
      "back") {
    test::CountingVfs vfs;
    test::TemporaryFolder folder;
    constexpr int kReadings = 50'000;
    std::atomic<int> acknowledged{0};
    int refused = 0;
    int sent = 0;
    std::atomic<int> failed{0};
    {
      auto store = store_at(folder / "h.db");
      auto history = history_of(*store);
      const auto id = *history->open_series("t", "x");
      REQUIRE(history->append_now(batch_of(id, 0, kReadings)).has_value());
      vfs.hold_syncs(true);
      const int most = static_cast<int>(limits::kPendingReadings / kReadings) + 10;
      for (int n = 1; n <= most; ++n) {
        history->append(batch_of(id, n, kReadings), [&](Result<AppendReport> done) {
          if (done) {
            ++acknowledged;
          } else if (done.error().code == ErrorCode::overloaded) {
            CHECK(done.error().remedy.find("again") != std::string::npos);
            ++refused;
          } else {
            ++failed;
          }
        });
        ++sent;
      }
      CHECK(acknowledged == 0);
      CHECK(refused >= 8);
      CHECK(history->latest(id)->time.ns == (kReadings - 1) * std::int64_t{1'000'000});
      vfs.hold_syncs(false);
      // Behind them all: when this is answered, so are they.
      REQUIRE(history->append_now(batch_of(id, 100'000'000, 1)).has_value());
      CHECK(failed == 0);
      CHECK(acknowledged + refused == sent);
    }
    auto store = store_at(folder / "h.db");
    auto history = history_of(*store);
    const auto id = *history->find("t", "x");
    CHECK(count_of(*history, id) == std::size_t(1 + acknowledged) * kReadings + 1);
  }

  TEST_CASE(
      "after a failed sync nothing more is tried and a restart has all that was acknowledged") {
    test::CountingVfs vfs;
    test::TemporaryFolder folder;
    {
      auto store = store_at(folder / "h.db");
      auto history = history_of(*store);
      const auto id = *history->open_series("t", "x");
      for (int n = 0; n < 20; ++n) {
        REQUIRE(history->append_now(batch_of(id, n, 100)).has_value());
      }
      vfs.fail_syncs(true);
      const auto failed = history->append_now(batch_of(id, 20, 100));
      REQUIRE_FALSE(failed.has_value());
      CHECK(failed.error().code == ErrorCode::store_failed);
      vfs.fail_syncs(false);
      vfs.reset();
      const auto later = history->append_now(batch_of(id, 21, 100));
      REQUIRE_FALSE(later.has_value());
      CHECK(later.error().code == ErrorCode::store_failed);
      CHECK(vfs.syncs() == 0);  // not tried
    }
    auto store = store_at(folder / "h.db");
    auto history = history_of(*store);
    const auto id = *history->find("t", "x");
    const auto count = count_of(*history, id);
    CHECK((count == 2'000 || count == 2'100));  // the refused batch whole or not at all
    CHECK(history->append_now(batch_of(id, 22, 100)).has_value());
  }

  TEST_CASE("the ballast is blocks on the disk, given back once and made again") {
    test::TemporaryFolder folder;
    const auto path = folder / "ballast";
    Ballast ballast(path, 1 << 20);
    CHECK_FALSE(ballast.release());
    CHECK(ballast.keep());
    struct stat there {};
    REQUIRE(::stat(path.c_str(), &there) == 0);
    CHECK(there.st_blocks * 512 >= 1 << 20);
    CHECK(ballast.keep());
    CHECK(ballast.release());
    CHECK_FALSE(ballast.release());
    CHECK(::stat(path.c_str(), &there) != 0);
    CHECK(ballast.keep());
    // More than the disk has is not begun.
    Ballast huge(folder / "huge", std::size_t{1} << 60);
    CHECK_FALSE(huge.keep());
    CHECK(::stat((folder / "huge").c_str(), &there) != 0);
  }
}

}  // namespace entente::node
