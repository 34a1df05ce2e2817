#include "node/store/system_shelf.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "node/store/audit_log.h"

using namespace entente;
using namespace entente::node;
using federation::ReleasedValue;

namespace {

struct Shelf {
  std::filesystem::path folder;
  std::unique_ptr<Store> store;
  std::unique_ptr<SystemShelf> shelf;

  Shelf() {
    std::string pattern = (std::filesystem::temp_directory_path() / "entente-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    open();
  }
  ~Shelf() {
    shelf.reset();
    store.reset();
    std::filesystem::remove_all(folder);
  }
  void open() {
    shelf.reset();
    store.reset();
    Store::Options options;
    options.path = (folder / "entente.db").string();
    options.migrations = {audit_migration(), audit_tree_migration(), SystemShelf::migration()};
    options.deliver = [](std::function<void()> work) { work(); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    store = std::move(*opened);
    shelf = std::make_unique<SystemShelf>(*store);
  }
  // All that was posted is durable and reported.
  void settle() {
    REQUIRE(store->run<int>([](Database&) -> Result<int> { return 0; }));
  }
  void keep(SystemRow row) {
    shelf->keep(std::move(row), [](Result<std::int64_t> kept) { CHECK(kept); });
    settle();
  }
};

SystemRow row(int day, std::uint32_t revision, std::uint32_t answered) {
  SystemRow kept;
  kept.system = "smoke";
  kept.property = "pm25";
  kept.window = {Instant{} + days(day), Instant{} + days(day + 1)};
  kept.revision = revision;
  kept.released = kept.window.to + hours(1 + static_cast<int>(revision));
  kept.answered = answered;
  kept.members = 2;
  kept.unit = "ug/m3";
  kept.coverage = "[]";
  return kept;
}

}  // namespace

TEST_SUITE("store/system_shelf") {
  TEST_CASE("rows and versions are the same after the file was closed") {
    Shelf kept;
    REQUIRE(kept.shelf->declare_at_start(
        {{"smoke", 1, Instant{} + days(1), "[system.smoke]", "file", "node"}}));
    kept.shelf->declare({"smoke", 2, Instant{} + days(2), "", "node", "user:ann"},
                        [](Outcome done) { CHECK(done); });
    kept.keep(row(1, 0, 1));
    kept.keep(row(1, 1, 2));
    kept.open();
    const auto versions = kept.shelf->versions("smoke");
    REQUIRE(versions.size() == 2);
    CHECK(versions[0].text == "[system.smoke]");
    CHECK(versions[1].text.empty());
    CHECK(versions[1].actor == "user:ann");
    CHECK(kept.shelf->versions("other").empty());
    const auto rows = kept.shelf->rows("smoke", {});
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].revision == 1);
    CHECK(rows[0].unit == "ug/m3");
    CHECK(kept.shelf->first_released(rows[0]) == row(1, 0, 1).released);
  }

  TEST_CASE("a row is never taken back and a revision is kept once") {
    Shelf kept;
    kept.keep(row(1, 0, 1));
    bool refused = false;
    kept.shelf->keep(row(1, 0, 2), [&](Result<std::int64_t> done) { refused = !done; });
    kept.settle();
    CHECK(refused);
    CHECK(kept.shelf->rows("smoke", {}).front().answered == 1);
  }

  TEST_CASE("the newest revision of the newest window is the state and waits until it is whole") {
    Shelf kept;
    kept.keep(row(1, 0, 1));
    kept.keep(row(2, 0, 1));
    kept.keep(row(1, 1, 2));
    const auto latest = kept.shelf->latest("smoke");
    REQUIRE(latest.size() == 1);
    CHECK(latest[0].window.from == Instant{} + days(2));
    CHECK(kept.shelf->latest("other").empty());
    const auto open = kept.shelf->open_since(Instant{});
    REQUIRE(open.size() == 1);
    CHECK(open[0].window.from == Instant{} + days(2));
    CHECK(kept.shelf->open_since(row(2, 0, 1).released).empty());
    const auto series = kept.shelf->series("smoke", "pm25", {Instant{}, Instant{} + days(9)});
    REQUIRE(series.size() == 2);
    CHECK(series[0].revision == 1);
    CHECK(kept.shelf->series("smoke", "pm25", {Instant{} + days(2), Instant{} + days(9)}).size() ==
          1);
  }

  TEST_CASE("pages go back in time and on in the order of keeping") {
    Shelf kept;
    for (int day = 1; day <= 5; ++day) kept.keep(row(day, 0, 2));
    SystemShelf::Page page;
    page.limit = 2;
    auto rows = kept.shelf->rows("smoke", page);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].window.from == Instant{} + days(5));
    page.before = rows[1].id;
    rows = kept.shelf->rows("smoke", page);
    CHECK(rows[0].window.from == Instant{} + days(3));
    page = {};
    page.after = rows[0].id;
    rows = kept.shelf->rows("smoke", page);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].window.from == Instant{} + days(4));
    page.property = "other";
    CHECK(kept.shelf->rows("smoke", page).empty());
  }
}
