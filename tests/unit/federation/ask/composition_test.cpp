#include "federation/ask/composition.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "federation/query/fold.h"
#include "schemas/base/random.h"

#include "federation/ask/limits.h"  // hides those of schemas, which fold.h uses

using namespace entente;
using namespace entente::federation;

namespace {

const Instant kBegin = *parse_instant("2026-01-05");

ExportView loads_view() {
  ExportView view;
  view.name = "load";
  view.site = "main";
  view.domain = "load";
  view.type = "dtmi:test:Meter;1";
  view.keys = {"district"};
  view.cells = {{{"north"}, 50}, {{"south"}, 60}};
  view.measures = {{"load", "kWh", Reducer::sum, {{Reducer::sum, 0, 4}}}};
  view.rho_cap = {std::uint64_t{1} << 42};
  view.delta = {std::uint64_t{1} << 40};
  return view;
}

// Sums of loads from one hour to another, in cells of `every` hours (0: one), for so much rho.
Question sums(const ExportView& view, int from, int to, int every, std::uint64_t rho) {
  Question question;
  question.export_name = view.name;
  question.export_hash = export_hash(view);
  question.columns = {{"load", Reducer::sum, 0, 4, {}}};
  Item item;
  item.aggregate = Aggregate::sum;
  item.column = std::uint16_t{0};
  question.items = {item};
  question.group_keys = {"district"};
  question.groups = {{{"north"}, {0}}, {{"south"}, {1}}};
  question.window = {kBegin + hours(from), kBegin + hours(to)};
  if (every > 0) question.every = hours(every);
  question.rho_per_block = rho;
  return question;
}

constexpr std::uint64_t kRho = std::uint64_t{1} << 36;

struct Stored {
  Question question;
  Price price;
  Release release;
  Bytes bytes;
  bool paid = true;
  StoredRelease stored() const { return {bytes, question.window, question.every, paid}; }
};

Stored release_of(const ExportView& view, const Question& question, Random& random,
                  bool paid = true) {
  Stored out{question, *price_of(question, view), {}, {}, paid};
  out.release.site = view.site;
  out.release.domain = view.domain;
  out.release.unit = view.unit;
  out.release.charges = out.price.charges;
  out.release.statistics = out.price.statistics;
  for (std::uint32_t group = 0; group < 2; ++group) {
    for (std::uint32_t tick = 0; tick < question.tick_count(); ++tick) {
      out.release.cells.push_back(
          {group, tick, {static_cast<std::int64_t>(random.below(2'000'000)) - 1'000'000}});
    }
  }
  out.bytes = canonical_bytes(out.release);
  return out;
}

double value(std::int64_t mantissa, const Statistic& statistic) {
  return std::ldexp(static_cast<double>(mantissa), statistic.exponent);
}
double variance(const Statistic& statistic) {
  return std::ldexp(static_cast<double>(statistic.variance), 2 * statistic.exponent);
}

std::optional<Composition> composed(const ExportView& view, const Question& question,
                                    const std::vector<Stored>& all) {
  std::vector<StoredRelease> stored;
  for (const Stored& one : all) stored.push_back(one.stored());
  return compose(question, view, *price_of(question, view), stored);
}

}  // namespace

TEST_SUITE("ask/composition") {
  TEST_CASE("only sums of sums whose bounds hold zero are additive") {
    const ExportView view = loads_view();
    const Question good = sums(view, 0, 24, 0, kRho);
    CHECK(is_additive(good));
    for (const Reducer reducer : {Reducer::mean, Reducer::delta, Reducer::last, Reducer::min,
                                  Reducer::max, Reducer::median, Reducer::duration}) {
      Question other = good;
      other.columns[0].reducer = reducer;
      CHECK_FALSE(is_additive(other));
    }
    for (const Aggregate aggregate : {Aggregate::mean, Aggregate::count, Aggregate::max}) {
      Question other = good;
      other.items[0].aggregate = aggregate;
      CHECK_FALSE(is_additive(other));
    }
    Question lifted = good;
    lifted.columns[0].lower = 0.5;
    CHECK_FALSE(is_additive(lifted));
    Question mixed = good;
    mixed.items.push_back({});  // count(*)
    CHECK_FALSE(is_additive(mixed));
  }

  TEST_CASE("sums of hours are the day's sum where rises of hours are not the day's rise") {
    const TimeWindow day{kBegin, kBegin + days(1)};
    // A counter read once an hour, that rises by ten.
    const auto folded = [&](Reducer reducer, Duration every) {
      const Column column{"load", reducer, 0, 1'000, {}};
      double sum = 0;
      for (Instant from = day.from; from < day.to; from = from + every) {
        Fold fold(column, {from, from + every});
        for (int hour = 0; hour < 24; ++hour) fold.add(kBegin + hours(hour), 10.0 * hour);
        sum += fold.value();
      }
      return sum;
    };
    CHECK(folded(Reducer::sum, hours(1)) == folded(Reducer::sum, hours(24)));
    CHECK(folded(Reducer::delta, hours(24)) == 230);
    CHECK(folded(Reducer::delta, hours(1)) == 0);
  }

  TEST_CASE("cells are found by everything but window and ticks and charge") {
    const ExportView view = loads_view();
    const Question day = sums(view, 0, 24, 0, kRho);
    CHECK(cells_key(day, 0) == cells_key(sums(view, 5, 9, 2, 7), 0));
    CHECK(cells_key(day, 0) != cells_key(day, 1));
    Question other = day;
    other.columns[0].upper = 3;
    CHECK(cells_key(day, 0) != cells_key(other, 0));
    other = day;
    other.groups.pop_back();
    CHECK(cells_key(day, 0) != cells_key(other, 0));
    ExportView changed = view;
    changed.rho_cap.units += 1;
    CHECK(cells_key(day, 0) != cells_key(sums(changed, 0, 24, 0, kRho), 0));
  }

  TEST_CASE("of any releases the exact cover of least variance is added up and nothing else") {
    const ExportView view = loads_view();
    int made = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      std::vector<Stored> all;
      for (auto n = 1 + random.below(8); n > 0; --n) {
        const int from = static_cast<int>(random.below(8));
        const int every = 1 + static_cast<int>(random.below(3));
        const int to = from + every * (1 + static_cast<int>(random.below(3)));
        all.push_back(release_of(
            view, sums(view, from, to, to - from == every ? 0 : every, kRho << random.below(6)),
            random));
      }
      const int from = static_cast<int>(random.below(6));
      const int to = from + 1 + static_cast<int>(random.below(6));
      const Question question = sums(view, from, to, 0, kRho);
      // By hand: the least variance to every hour, then of all covers that have it the sum.
      struct Best {
        double variance = INFINITY;
        std::vector<double> sums;  // of the first group, by every cover as good
      };
      std::map<int, Best> best{{from, {0, {0}}}};
      for (int hour = from; hour < to; ++hour) {
        const auto here = best.find(hour);
        if (here == best.end()) continue;
        for (const Stored& one : all) {
          const auto ticks = one.question.tick_count();
          for (std::size_t tick = 0; tick < ticks; ++tick) {
            const TimeWindow cell = one.question.tick(tick);
            if (cell.from != kBegin + hours(hour)) continue;
            const int end = static_cast<int>((cell.to - kBegin).ns / hours(1).ns);
            const double sum = here->second.variance + variance(one.release.statistics[0]);
            const double add =
                value(one.release.cells[tick].mantissas[0], one.release.statistics[0]);
            Best& there = best[end];
            if (sum < there.variance * (1 - 1e-12)) there = {sum, {}};
            if (sum > there.variance * (1 + 1e-12)) continue;
            for (const double before : here->second.sums) there.sums.push_back(before + add);
          }
        }
      }
      const auto got = composed(view, question, all);
      const auto expected = best.find(to);
      REQUIRE(got.has_value() == (expected != best.end()));
      if (!got) continue;
      ++made;
      CHECK(got->charges.empty());
      CHECK(variance(got->statistics[0]) == doctest::Approx(expected->second.variance));
      const double sum = value(got->cells[0].mantissas[0], got->statistics[0]);
      const auto& sums_of_best = expected->second.sums;
      CHECK(std::any_of(sums_of_best.begin(), sums_of_best.end(), [&](double one) {
        return std::fabs(one - sum) <= 1e-9 * (1 + std::fabs(one));
      }));
      CHECK(got->composed_of.front().window.from == question.window.from);
      CHECK(got->composed_of.back().window.to == question.window.to);
    }
    CHECK(made > 40);
  }

  TEST_CASE("what a release of others costs is charged only where its cells are used") {
    const ExportView view = loads_view();
    SeededRandom random(5);
    const Stored week = release_of(view, sums(view, 0, 7 * 24, 24, kRho), random, false);
    const auto day = composed(view, sums(view, 48, 72, 0, kRho), {week});
    REQUIRE(day);
    REQUIRE(day->charges.size() == 1);
    CHECK(day->charges[0] == BlockAmount{kBegin + days(2), {kRho}});
    // Dearer than the question, or less exact than its own noise: not used.
    CHECK_FALSE(composed(view, sums(view, 48, 72, 0, kRho - 1), {week}));
    CHECK_FALSE(composed(view, sums(view, 48, 72, 0, 2 * kRho), {week}));
    // The control: paid for, it is used and free whatever the question would cost.
    Stored own = week;
    own.paid = true;
    for (const std::uint64_t rho : {kRho - 1, 2 * kRho}) {
      const auto free = composed(view, sums(view, 48, 72, 0, rho), {own});
      REQUIRE(free);
      CHECK(free->charges.empty());
    }
  }

  TEST_CASE("ticks that would differ in variance and composed or broken releases are left alone") {
    const ExportView view = loads_view();
    SeededRandom random(6);
    const Stored fine = release_of(view, sums(view, 0, 12, 1, kRho), random);
    const Stored coarse = release_of(view, sums(view, 12, 24, 12, 16 * kRho), random);
    CHECK_FALSE(composed(view, sums(view, 0, 24, 12, kRho), {fine, coarse}));
    CHECK(composed(view, sums(view, 0, 24, 0, kRho), {fine, coarse}));  // in one it is stated
    Stored again = fine;
    again.release.charges.clear();
    again.release.composed_of = {{release_hash(fine.bytes), fine.question.window}};
    again.bytes = canonical_bytes(again.release);
    CHECK_FALSE(composed(view, sums(view, 0, 12, 0, kRho), {again}));
    Stored broken = fine;
    broken.bytes.resize(broken.bytes.size() - 8);
    CHECK_FALSE(composed(view, sums(view, 0, 12, 0, kRho), {broken}));
    CHECK(composed(view, sums(view, 0, 12, 0, kRho), {broken, again, fine}));
  }

  TEST_CASE("what is looked at ends by number and by bytes and begins with what was paid for") {
    CellsReach few;
    for (std::size_t i = 0; i < federation::limits::kComposedReleases; ++i) REQUIRE(few.admits(1));
    CHECK_FALSE(few.admits(1));
    CellsReach large;
    const std::size_t half = federation::limits::kComposedBytes / 2;
    CHECK(large.admits(half));
    CHECK(large.admits(half));
    CHECK_FALSE(large.admits(1));
    CHECK_FALSE(large.admits(1));

    const auto stored = [](int from, int to, bool paid) {
      return StoredRelease{{}, {kBegin + hours(from), kBegin + hours(to)}, {}, paid};
    };
    const StoredRelease day = stored(0, 24, true), late = stored(24, 48, true),
                        hour = stored(0, 1, true), others = stored(0, 48, false);
    CHECK(looked_at_before(day, late));
    CHECK(looked_at_before(late, hour));
    CHECK(looked_at_before(hour, others));
    CHECK_FALSE(looked_at_before(day, day));
  }
}
