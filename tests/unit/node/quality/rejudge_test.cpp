#include "node/quality/rejudge.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "node/limits.h"
#include "node/quality/learn.h"
#include "node/quality/rule_text.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

constexpr Instant kStart{1'000'000'000'000'000'000};

struct Site {
  test::TemporaryFolder folder;
  std::unique_ptr<Store> store;
  std::unique_ptr<History> history;
  SeriesId series{};

  Site() {
    static const SystemClock clock;
    Store::Options options;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    store = std::move(*Store::open(std::move(options)));
    history = std::move(*open_history(*store, clock));
    series = *history->open_series("a", "x");
  }

  void write(const std::vector<Reading>& readings) {
    Batch batch;
    for (const Reading& reading : readings) batch.add(series, reading);
    REQUIRE(history->append_now(std::move(batch)).has_value());
  }
  std::vector<Reading> all() const {
    std::vector<Reading> out;
    history->scan(series, kAllTime, [&](const History::Block& block) {
      for (std::size_t i = 0; i < block.times.size(); ++i) {
        out.push_back({{block.times[i]}, block.values[i], block.qualities[i]});
      }
    });
    return out;
  }
  RejudgeReport judge(const Rule& rule, const RejudgeOptions& options = {}) {
    auto report = rejudge(*history, series, rule, options);
    REQUIRE(report.has_value());
    return *report;
  }
};

Reading at(double second, double value, Quality quality = Quality::good) {
  return {kStart + nanoseconds(std::llround(second * 1e9)), value, quality};
}

}  // namespace

TEST_SUITE("node/rejudge") {
  TEST_CASE("a new rule frees what it allows and catches what it does not, once") {
    Site site;
    site.write({at(0, 1), at(1, 50, Quality::out_of_range),
                at(2, std::nan(""), Quality::not_finite), at(3, 500, Quality::out_of_range),
                at(4, 2, Quality::clock_ahead), at(5, 3, Quality::clock_behind),
                at(6, 3, Quality::stuck), at(7, 400)});
    Rule rule;
    rule.range = Range{0, 100};
    const auto before = site.all();
    const RejudgeReport tried = site.judge(rule, {kAllTime, true});
    CHECK(tried.judged == 8);
    CHECK(tried.changed == 3);
    CHECK(site.all().size() == before.size());
    CHECK(site.all()[1].quality == Quality::out_of_range);
    const RejudgeReport done = site.judge(rule);
    CHECK(done.changes == tried.changes);
    CHECK(done.changes.at({Quality::out_of_range, Quality::good}) == 1);
    CHECK(done.changes.at({Quality::stuck, Quality::good}) == 1);
    CHECK(done.changes.at({Quality::good, Quality::out_of_range}) == 1);
    const auto after = site.all();
    REQUIRE(after.size() == before.size());
    const Quality expected[] = {Quality::good,         Quality::good,        Quality::not_finite,
                                Quality::out_of_range, Quality::clock_ahead, Quality::clock_behind,
                                Quality::good,         Quality::out_of_range};
    for (std::size_t i = 0; i < after.size(); ++i) {
      CAPTURE(i);
      CHECK(after[i].quality == expected[i]);
      CHECK(after[i].time == before[i].time);
      CHECK((after[i].value == before[i].value || std::isnan(before[i].value)));
    }
    CHECK(site.judge(rule).changed == 0);
  }

  TEST_CASE("judging again is idempotent, and a window gets the verdicts of the whole") {
    for (std::uint32_t seed = 0; seed < 25; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      std::vector<Reading> readings;
      for (int i = 0; i < 300; ++i) {
        readings.push_back(
            at(static_cast<double>(i + (i > 150 ? 20 : 0)),
               std::floor(static_cast<double>(random() % 12) / 5) + (random() % 40 == 0 ? 80 : 0),
               random() % 9 == 0 ? Quality::stuck : Quality::good));
      }
      Rule rule;
      rule.range = Range{-5, 81};
      rule.spike = 5;
      rule.spike_floor = 1;
      rule.rate_per_second = 1.5;
      rule.stuck = seconds(3);
      rule.period = seconds(1);
      rule.flat_after_gap = true;
      Site whole, parts;
      whole.write(readings);
      parts.write(readings);
      CHECK(whole.judge(rule).changed > 0);
      CHECK(whole.judge(rule).changed == 0);
      const Instant middle = kStart + seconds(100 + static_cast<std::int64_t>(random() % 100));
      const RejudgeReport late = parts.judge(rule, {{middle, kAllTime.to}, false});
      const RejudgeReport early = parts.judge(rule, {{kAllTime.from, middle}, false});
      CHECK(late.judged + early.judged == readings.size());
      const auto one = whole.all(), two = parts.all();
      for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i].quality == two[i].quality);
    }
  }

  TEST_CASE("more corrections than one batch takes are all written") {
    Site site;
    const std::size_t many = limits::kRejudgeChanges + 1'000;
    std::vector<Reading> readings;
    for (std::size_t i = 0; i < many; ++i) {
      readings.push_back(at(static_cast<double>(i), 5, Quality::out_of_range));
    }
    site.write(readings);
    CHECK(site.judge(Rule{}).changed == many);
    CHECK(quarantine(*site.history, site.series, {}).readings.empty());
    CHECK(site.judge(Rule{}).judged == many);
  }

  TEST_CASE("the quarantine lists what is bad, in order of time and no more than asked") {
    Site site;
    site.write({at(0, 1), at(1, 50, Quality::out_of_range), at(2, 3, Quality::stuck),
                at(3, 60, Quality::spike), at(4, 70, Quality::spike)});
    const auto bad = quarantine(*site.history, site.series, {});
    REQUIRE(bad.readings.size() == 3);
    CHECK(bad.readings[0].quality == Quality::out_of_range);
    CHECK_FALSE(bad.more);
    CHECK(
        quarantine(*site.history, site.series, {kAllTime, Verdict::uncertain, 9}).readings.size() ==
        4);
    const auto two = quarantine(*site.history, site.series, {kAllTime, Verdict::bad, 2});
    CHECK(two.readings.size() == 2);
    CHECK(two.more);
    const TimeWindow window{kStart + seconds(2), kStart + seconds(4)};
    CHECK(quarantine(*site.history, site.series, {window, Verdict::bad, 9}).readings.size() == 1);
  }
}

TEST_SUITE("node/quality_health") {
  TEST_CASE("shares are those of each part and parts without readings are left out") {
    Site site;
    site.write({at(0, 1), at(1, 1, Quality::stuck), at(9, 1), at(10, 1, Quality::spike), at(35, 1),
                at(44, 1)});
    const TimeWindow window{kStart, kStart + seconds(44)};
    auto parts = quality_shares(*site.history, site.series, window, seconds(10));
    REQUIRE(parts.has_value());
    REQUIRE(parts->size() == 3);
    CHECK(*good_share((*parts)[0].counts) == doctest::Approx(2.0 / 3));
    CHECK(*good_share((*parts)[1].counts) == 0);
    CHECK((*parts)[2].window.from == kStart + seconds(30));
    CHECK((*parts)[2].window.to == kStart + seconds(40));
    auto whole = quality_shares(*site.history, site.series, window, {});
    REQUIRE(whole->size() == 1);
    CHECK((*whole)[0].window == window);
    CHECK(sum_of((*whole)[0].counts) == 5);
    CHECK_FALSE(good_share(QualityCounts{}).has_value());
    CHECK_FALSE(quality_shares(*site.history, site.series, window, seconds(-1)).has_value());
    const auto last =
        quality_shares(*site.history, site.series, {kStart, kStart + seconds(37)}, seconds(10));
    CHECK(last->back().window.to == kStart + seconds(37));
    const auto ever = quality_shares(*site.history, site.series, kAllTime, days(365));
    CHECK(sum_of(ever->front().counts) == 6);
  }

  TEST_CASE("too many parts are refused") {
    Site site;
    std::vector<Reading> readings;
    for (std::size_t i = 0; i <= limits::kQualityShares; ++i) {
      readings.push_back(at(static_cast<double>(i), 1));
    }
    site.write(readings);
    CHECK_FALSE(quality_shares(*site.history, site.series, kAllTime, seconds(1)).has_value());
    CHECK(quality_shares(*site.history, site.series, kAllTime, seconds(2)).has_value());
  }
}

TEST_SUITE("node/learn") {
  TEST_CASE("what a sensor usually does becomes rules that flag its faults and little else") {
    std::mt19937 random(11);
    std::normal_distribution<double> noise(0, 0.2);
    Site site;
    std::vector<Reading> readings;
    for (int i = 0; i < 20'000; ++i) {
      const double value = std::round((20 + 5 * std::sin(i / 500.0) + noise(random)) * 100) / 100;
      readings.push_back(at(i * 60.0, i % 5'000 == 17 ? 900 : value));
    }
    site.write(readings);
    const auto learned = learn(*site.history, {site.series}, kAllTime);
    REQUIRE(learned.has_value());
    CHECK(learned->good == 20'000);
    CHECK(learned->median == doctest::Approx(20).epsilon(0.05));
    const RuleKeys& keys = learned->keys;
    REQUIRE(keys.range.has_value());
    CHECK(keys.range->minimum >= 0);
    CHECK(keys.range->minimum < 15);
    CHECK(keys.range->maximum > 25);
    CHECK(keys.range->maximum < 60);
    CHECK(*keys.period == minutes(1));
    REQUIRE(keys.spike.has_value());
    REQUIRE(keys.stuck.has_value());
    CHECK(*keys.stuck >= minutes(3));
    CHECK(*keys.stuck < hours(1));
    std::map<std::string, std::uint64_t> flagged(learned->flagged.begin(), learned->flagged.end());
    CHECK(flagged.at("range") == 4);
    CHECK(flagged.at("spike") >= 4);
    CHECK(flagged.at("spike") < 60);
    CHECK(flagged.at("period") == 0);
    CHECK(flagged.at("rate_per_second") >= 4);
    const std::string text = learned_text(*learned, rule_header_for_twin("a", "x"));
    CAPTURE(text);
    CHECK(text.find("# flags 4 of them") != std::string::npos);
    RuleBook book;
    REQUIRE(read_rule_file(text, "learned.toml", book).has_value());
    Signal signal;
    signal.name = "x";
    Rule expected;
    keys.apply_to(expected);
    CHECK(book.rule_for(ResolvedType{}, signal, "a") == expected);
  }

  TEST_CASE("a value that hardly ever changes gets no stuck rule and too few readings none") {
    Site site;
    std::vector<Reading> readings;
    for (int i = 0; i < 99; ++i) readings.push_back(at(i, i == 50 ? 1 : 0));
    site.write(readings);
    const auto few = learn(*site.history, {site.series}, kAllTime);
    REQUIRE_FALSE(few.has_value());
    CHECK(few.error().code == ErrorCode::not_found);
    site.write({at(99, 0)});
    const auto learned = learn(*site.history, {site.series}, kAllTime);
    REQUIRE(learned.has_value());
    CHECK_FALSE(learned->keys.stuck.has_value());
    CHECK_FALSE(learned->keys.spike.has_value());
    CHECK_FALSE(learn(*site.history, {}, kAllTime).has_value());
  }

  TEST_CASE("times at the ends of what can be said are learned from without harm") {
    Site site;
    std::vector<Reading> readings;
    for (int i = 0; i < 60; ++i) {
      readings.push_back({{kAllTime.from.ns + i}, 1.0 * i, Quality::good});
      readings.push_back({{kAllTime.to.ns - 60 + i}, 1e300 * i, Quality::good});
    }
    site.write(readings);
    const auto learned = learn(*site.history, {site.series}, kAllTime);
    REQUIRE(learned.has_value());
    CHECK_FALSE(learned->keys.period.has_value());
    CHECK(site.judge(Rule{}).changed == 0);
  }
}

}  // namespace entente::node
