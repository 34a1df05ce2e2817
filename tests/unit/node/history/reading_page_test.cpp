#include "node/history/reading_page.h"

#include <doctest/doctest.h>

#include <random>

#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

struct Kept {
  test::TemporaryFolder folder;
  SystemClock clock;
  std::unique_ptr<History> history;
  std::unique_ptr<Store> store;
  SeriesId series{};

  Kept() {
    Store::Options options;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    store = std::move(*Store::open(std::move(options)));
    history = std::move(*open_history(*store, clock));
    series = *history->open_series("a", "x");
  }
  ~Kept() { store.reset(); }
};

// Bursts, gaps of years, readings that are not good.
std::vector<Reading> random_readings(std::mt19937& random) {
  std::vector<Reading> all;
  std::int64_t time = -1'000'000'000'000'000'000;
  const std::size_t count = random() % 3'000;
  for (std::size_t i = 0; i < count; ++i) {
    const bool far = random() % 200 == 0;
    time += far ? 10'000'000'000'000'000 : 1 + static_cast<std::int64_t>(random() % 2'000'000'000);
    const Quality quality = random() % 5 == 0 ? Quality::spike : Quality::good;
    all.push_back({{time}, static_cast<double>(random() % 1'000), quality});
  }
  return all;
}

// All pages of the window, one after another.
std::vector<Reading> paged(const Kept& kept, TimeWindow window, std::size_t limit, Keep keep) {
  std::vector<Reading> all;
  while (true) {
    const auto page = read_page(*kept.history, kept.series, window, limit, keep);
    REQUIRE(page.size() <= limit);
    all.insert(all.end(), page.begin(), page.end());
    if (page.size() < limit) return all;
    window.from = page.back().time + nanoseconds(1);
  }
}

}  // namespace

TEST_SUITE("node/history/reading_page") {
  TEST_CASE("pages of any size hold every reading of the window once and in order") {
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      Kept kept;
      const auto all = random_readings(random);
      for (std::size_t i = 0; i < all.size();) {
        Batch batch;
        const std::size_t to = std::min(all.size(), i + 700);
        for (; i < to; ++i) batch.add(kept.series, all[i]);
        REQUIRE(kept.history->append_now(std::move(batch)).has_value());
        if (random() % 2 == 0) REQUIRE(kept.history->seal().has_value());
      }
      TimeWindow window = kAllTime;
      if (!all.empty() && seed % 3 == 0) {
        window = {all[all.size() / 4].time, all[all.size() * 3 / 4].time};
      }
      for (const Keep keep : {Keep::all, Keep::good}) {
        std::vector<Reading> wanted;
        for (const Reading& one : all) {
          if (!window.contains(one.time)) continue;
          if (keep == Keep::all || one.quality == Quality::good) wanted.push_back(one);
        }
        const auto got = paged(kept, window, 1 + random() % 400, keep);
        REQUIRE(got.size() == wanted.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
          REQUIRE(got[i].time == wanted[i].time);
          REQUIRE(got[i].value == wanted[i].value);
          REQUIRE(got[i].quality == wanted[i].quality);
        }
      }
    }
  }

  TEST_CASE("an empty window and an empty series have no page") {
    Kept kept;
    CHECK(read_page(*kept.history, kept.series, kAllTime, 10, Keep::all).empty());
    Batch batch;
    batch.add(kept.series, {{5}, 1, Quality::good});
    REQUIRE(kept.history->append_now(std::move(batch)).has_value());
    CHECK(read_page(*kept.history, kept.series, {{5}, {5}}, 10, Keep::all).empty());
    CHECK(read_page(*kept.history, kept.series, {{5}, {6}}, 10, Keep::all).size() == 1);
    CHECK(read_page(*kept.history, kept.series, {{6}, {9}}, 10, Keep::all).empty());
  }
}

}  // namespace entente::node
