#include "node/derived/derived_history.h"

#include <numeric>

#include "node/history/fold_source.h"
#include "schemas/base/random.h"
#include "tests/unit/node/derived/derived_site.h"

using namespace entente;
using namespace entente::node;
using test::DerivedSite;
using test::kTankFirst;

TEST_SUITE("node/derived/derived_history") {
  TEST_CASE("a derived signal has a value at each time of an input while the others stand") {
    DerivedSite site;
    REQUIRE(site.tank("net_flow", "flow_in - flow_out", "litrePerSecond").has_value());
    site.put("tank-1", "flow_in", 0, 5);
    site.put("tank-1", "flow_out", 1, 3'600);
    site.put("tank-1", "flow_in", 10, 4);
    site.put("tank-1", "flow_in", 20, 3);  // the outflow is 19 minutes old
    site.put("tank-1", "flow_out", 21, 7'200);
    const auto got = site.readings("tank-1", "net_flow");
    REQUIRE(got.size() == 3);
    CHECK(got[0].time == kTankFirst + minutes(1));
    CHECK(got[0].value == doctest::Approx(4));  // litres an hour were brought to litres a second
    CHECK(got[1].value == doctest::Approx(3));
    CHECK(got[2].value == doctest::Approx(1));
    CHECK(site.readings("tank-2", "net_flow").empty());
  }

  TEST_CASE("a window in the middle and pages of any size give what the whole gives") {
    DerivedSite site;
    REQUIRE(site.tank("net_flow", "flow_in - flow_out", "litrePerSecond", "20m").has_value());
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      for (int i = 0; i < 60; ++i) {
        const bool in = random.below(2) == 0;
        site.put("tank-1", in ? "flow_in" : "flow_out", static_cast<int>(random.below(600)),
                 static_cast<double>(random.below(100)),
                 random.below(8) == 0 ? Quality::spike : Quality::good);
      }
      const auto whole = site.readings("tank-1", "net_flow", 10'000);
      REQUIRE(whole.size() > 20);
      const auto id = *site.history->find("tank-1", "net_flow");
      std::vector<Reading> paged;
      TimeWindow window{kTankFirst, kTankFirst + days(1)};
      while (true) {
        const auto page = site.history->page(id, window, 7, Keep::good);
        paged.insert(paged.end(), page.begin(), page.end());
        if (page.size() < 7) break;
        window.from = page.back().time + nanoseconds(1);
      }
      std::vector<Reading> scanned;
      site.history->scan(id, kAllTime, [&](const History::Block& block) {
        for (std::size_t i = 0; i < block.times.size(); ++i) {
          scanned.push_back({{block.times[i]}, block.values[i]});
        }
      });
      REQUIRE(paged.size() == whole.size());
      REQUIRE(scanned.size() == whole.size());
      for (std::size_t i = 0; i < whole.size(); ++i) {
        CHECK(paged[i].time == whole[i].time);
        CHECK(paged[i].value == whole[i].value);
        CHECK(scanned[i].value == whole[i].value);
      }
      Summary summary;
      site.history->aggregate({&id, 1}, kAllTime, Figures::moments, {&summary, 1});
      CHECK(summary.partial.count == whole.size());
    }
  }

  TEST_CASE("an absent or silent or bad input gives no value and the reason names it") {
    DerivedSite site;
    REQUIRE(site.tank("net_flow", "flow_in - flow_out", "litrePerSecond").has_value());
    CHECK(site.value("tank-1", "net_flow").reason.find("flow_in") != std::string::npos);
    site.clock.set_wall(kTankFirst + minutes(5));
    site.put("tank-1", "flow_in", 0, 5);
    site.put("tank-1", "flow_out", 1, 3'600);
    auto now = site.value("tank-1", "net_flow");
    CHECK(now.reason.empty());
    REQUIRE(now.newest.has_value());
    CHECK(now.newest->value == doctest::Approx(4));
    CHECK(now.own);
    // A bad reading is none: the good one before it stands for as long as it may.
    site.put("tank-1", "flow_in", 3, 900, Quality::spike);
    CHECK(site.value("tank-1", "net_flow").newest->value == doctest::Approx(4));
    site.clock.set_wall(kTankFirst + minutes(17));
    CHECK(site.value("tank-1", "net_flow").reason.find("silent since") != std::string::npos);
    CHECK_FALSE(site.value("tank-1", "net_flow").newest.has_value());
  }

  TEST_CASE("a new reading computes what depends on it and nothing else") {
    DerivedSite site;
    REQUIRE(site.tank("net_flow", "flow_in - flow_out", "litrePerSecond").has_value());
    for (const char* twin : {"tank-1", "tank-2"}) {
      site.put(twin, "flow_in", 0, 5);
      site.put(twin, "flow_out", 0, 3'600);
    }
    const auto first = *site.history->find("tank-1", "net_flow");
    const auto second = *site.history->find("tank-2", "net_flow");
    const auto look = [&] {
      const auto before = site.history->computed();
      (void)site.history->latest(first);
      (void)site.history->latest(second);
      return site.history->computed() - before;
    };
    CHECK(look() == 2);
    CHECK(look() == 0);
    site.put("tank-1", "flow_in", 1, 6);
    CHECK(look() == 1);
    CHECK(site.history->latest(first)->value == doctest::Approx(5));
    site.put("tank-1", "power", 1, 6);
    CHECK(look() == 0);
  }

  TEST_CASE("neighbours are followed as the graph is now and all of them must have a value") {
    DerivedSite site;
    REQUIRE(site.define("twin = \"plant\"", "power", "sum(contains->power)", "watt").has_value());
    REQUIRE(site.tank("drop", "inlet - feeds->inlet", "kelvin").has_value());
    REQUIRE(site.tank("upstream", "max(feeds<-power)", "kilowatt").has_value());
    site.clock.set_wall(kTankFirst + minutes(5));
    site.put("tank-1", "power", 0, 2);
    CHECK(site.value("plant", "power").reason.find("'tank-2'") != std::string::npos);
    site.put("tank-2", "power", 1, 0.5);
    CHECK(site.value("plant", "power").newest->value == doctest::Approx(2'500));
    CHECK_FALSE(site.value("plant", "power").own);
    CHECK(site.value("tank-2", "upstream").newest->value == doctest::Approx(2));
    CHECK(site.value("tank-1", "upstream").reason.find("no neighbour") != std::string::npos);
    site.put("tank-1", "inlet", 0, 30);
    site.put("tank-2", "inlet", 0, 20);
    CHECK(site.value("tank-1", "drop").newest->value == doctest::Approx(10));
    site.twins(
        "[[twin]]\nid = \"plant\"\ntype = \"dtmi:test:Plant;1\"\n"
        "relationships.contains = [\"tank-2\"]\n");
    CHECK(site.value("plant", "power").newest->value == doctest::Approx(500));
  }

  TEST_CASE("deleting what it was computed from deletes the derived value") {
    DerivedSite site;
    REQUIRE(site.tank("double_power", "2 * power", "kilowatt").has_value());
    site.put("tank-1", "power", 0, 2);
    site.put("tank-1", "power", 1, 3);
    REQUIRE(site.readings("tank-1", "double_power").size() == 2);
    std::promise<void> done;
    Erasure erasure;
    erasure.series = {*site.measured->find("tank-1", "power")};
    erasure.window = {kTankFirst, kTankFirst + seconds(1)};
    site.measured->erase(std::move(erasure), [&](const Result<Erased>&) { done.set_value(); });
    done.get_future().wait();
    REQUIRE(site.readings("tank-1", "double_power").size() == 1);
    CHECK(site.readings("tank-1", "double_power")[0].value == 6);
  }

  TEST_CASE("no export and no fold sees a derived signal") {
    DerivedSite site;
    REQUIRE(site.tank("net_flow", "flow_in - flow_out", "litrePerSecond").has_value());
    site.put("tank-1", "flow_in", 0, 5);
    site.put("tank-1", "flow_out", 0, 3'600);
    const FoldSource folds([&] { return site.registry->state(); }, *site.measured);
    federation::FoldRequest request;
    auto view = std::make_shared<ExportView>();
    view->type = "dtmi:test:Tank;1";
    view->cells.emplace_back();
    request.view = view;
    request.columns.emplace_back();
    request.columns.back().signal = "net_flow";
    request.ticks = {{kTankFirst, kTankFirst + hours(1)}};
    auto folded = folds.fold(request);
    REQUIRE_FALSE(folded.has_value());
    CHECK(folded.error().code == ErrorCode::query_unknown_name);
    request.columns.back().signal = "power";  // and a measured one folds
    CHECK(folds.fold(request).has_value());
    // Nor can a name that an export measures become that of a derived signal.
    site.exported = "loss";
    const auto refused = site.tank("loss", "flow_out", "litrePerHour");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::conflict);
    CHECK(refused.error().what.find("not exported") != std::string::npos);
    CHECK(site.history->series("tank-1").size() == 2);
  }
}
