// Small worlds of readings with questions about them, drawn from a seed, for tests of what a
// question computes and costs. Values lie at and beyond the bounds as often as between them, so
// that sensitivities are reached and not only respected.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "federation/query/fold.h"
#include "federation/query/twin_source.h"
#include "schemas/agreement.h"
#include "schemas/base/random.h"
#include "schemas/question.h"

namespace entente::test {

inline constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

struct Reading {
  Instant time;
  double value = 0;
};

struct WorldUnit {
  std::uint32_t cell = 0;
  std::vector<std::vector<Reading>> signals;  // by column of the question
};

struct World {
  ExportView view;
  Question question;
  std::vector<WorldUnit> units;
};

inline double uniform(Random& random, double low, double high) {
  return low + (high - low) * (static_cast<double>(random.u64() >> 11) * 0x1p-53);
}

// The units' values, folded as a site folds them. `without` drops one unit's readings in a window.
struct Without {
  std::size_t unit = 0;
  TimeWindow window;
};

inline federation::FoldedTable fold(const World& world, const Without* without = nullptr) {
  federation::FoldedTable table{world.question.tick_count(), world.question.columns.size(), {}};
  for (std::size_t u = 0; u < world.units.size(); ++u) {
    federation::FoldedUnit unit{world.units[u].cell, {}};
    for (std::size_t tick = 0; tick < table.ticks; ++tick) {
      for (std::size_t c = 0; c < table.columns; ++c) {
        federation::Fold fold(world.question.columns[c], world.question.tick(tick));
        for (const Reading& reading : world.units[u].signals[c]) {
          if (without != nullptr && without->unit == u && without->window.contains(reading.time)) {
            continue;
          }
          fold.add(reading.time, reading.value);
        }
        unit.values.push_back(fold.value());
      }
    }
    table.units.push_back(std::move(unit));
  }
  return table;
}

inline Column random_column(Random& random, std::size_t index) {
  static constexpr Reducer kReducers[] = {Reducer::mean,  Reducer::last,    Reducer::min,
                                          Reducer::max,   Reducer::median,  Reducer::sum,
                                          Reducer::delta, Reducer::duration};
  Column column;
  column.signal = "s" + std::to_string(index);
  column.reducer = kReducers[random.below(std::size(kReducers))];
  column.lower = uniform(random, -300, 300);
  column.upper =
      column.lower + std::ldexp(uniform(random, 1, 2), static_cast<int>(random.below(16)) - 5);
  if (column.reducer == Reducer::duration) {
    column.lower = 0;
    column.upper = uniform(random, 60, 36'000);
    column.predicate = {Compare{0, Comparison::greater, uniform(random, 0, 36'000)}};
  }
  return column;
}

inline Predicate random_predicate(Random& random, const std::vector<Column>& columns) {
  const auto compare = [&] {
    const auto index = random.below(columns.size());
    return Compare{static_cast<std::uint16_t>(index), static_cast<Comparison>(random.below(4)),
                   uniform(random, columns[index].lower, columns[index].upper)};
  };
  Predicate predicate = {compare()};
  if (random.below(3) == 0) predicate.emplace_back(Connective::not_);
  if (random.below(2) == 0) {
    predicate.emplace_back(compare());
    predicate.emplace_back(random.below(2) == 0 ? Connective::and_ : Connective::or_);
  }
  return predicate;
}

inline Item random_item(Random& random, const std::vector<Column>& columns) {
  Item item;
  const auto column = static_cast<std::uint16_t>(random.below(columns.size()));
  switch (random.below(8)) {
    case 0:
      break;  // count(*)
    case 1:
      item.predicate = random_predicate(random, columns);
      break;
    case 2:
      item.aggregate = Aggregate::share;
      item.predicate = random_predicate(random, columns);
      break;
    case 3:
      item.aggregate = Aggregate::sum;
      item.column = column;
      break;
    case 4:
      item.aggregate = Aggregate::mean;
      item.column = column;
      break;
    case 5:
      item.aggregate = random.below(2) == 0 ? Aggregate::variance : Aggregate::stddev;
      item.column = column;
      break;
    case 6: {
      // From within the bounds to beyond them, so that some values are in no bin.
      item.aggregate = Aggregate::histogram;
      item.column = column;
      const double width = columns[column].upper - columns[column].lower;
      item.edges.push_back(columns[column].lower + width * uniform(random, -0.5, 0.5));
      for (auto bins = 1 + random.below(6); bins > 0; --bins) {
        item.edges.push_back(item.edges.back() + width * uniform(random, 0.05, 0.5));
      }
      break;
    }
    default: {
      static constexpr Aggregate kRanks[] = {Aggregate::min, Aggregate::max, Aggregate::median,
                                             Aggregate::quantile};
      item.aggregate = kRanks[random.below(4)];
      item.column = column;
      if (item.aggregate == Aggregate::quantile) item.rank = uniform(random, 0.01, 0.99);
    }
  }
  return item;
}

inline Question random_question(Random& random, const ExportView& view) {
  Question question;
  question.export_name = view.name;
  const auto columns = 1 + random.below(3);
  for (std::size_t c = 0; c < columns; ++c) question.columns.push_back(random_column(random, c));
  const auto items = 1 + random.below(3);
  for (std::size_t i = 0; i < items; ++i) {
    question.items.push_back(random_item(random, question.columns));
    if (is_rank(question.items.back().aggregate)) {
      question.tree_height = 1 + static_cast<std::uint8_t>(random.below(2));
    }
  }
  // Cells are dealt to at most two groups; some belong to none.
  std::vector<Group> groups(1 + random.below(2));
  for (std::uint32_t cell = 0; cell < view.cells.size(); ++cell) {
    const auto g = random.below(groups.size() + 1);
    if (g < groups.size()) groups[g].cells.push_back(cell);
  }
  for (Group& group : groups) {
    if (!group.cells.empty()) question.groups.push_back(std::move(group));
  }
  if (question.groups.empty()) question.groups.push_back({{}, {0}});
  const Instant begin = *parse_instant("2015-10-30T00:00:00Z");
  question.window.from = begin + hours(static_cast<std::int64_t>(random.below(48)));
  const Duration every = hours(static_cast<std::int64_t>(1) << random.below(5));
  const auto ticks = static_cast<std::int64_t>(1 + random.below(6));
  question.window.to = question.window.from + every * ticks;
  if (random.below(4) != 0) question.every = every;
  question.rho_per_block = 1 + random.below(std::uint64_t{1} << (20 + random.below(22)));
  return question;
}

inline World random_world(Random& random) {
  World world;
  world.view.name = "air";
  world.view.keys = {"county"};
  const auto cells = 1 + random.below(4);
  for (std::size_t c = 0; c < cells; ++c) {
    world.view.cells.push_back({{"c" + std::to_string(c)}, 4});
  }
  const Duration blocks[] = {hours(6), days(1), days(1), Duration{}};
  world.view.block = blocks[random.below(std::size(blocks))];
  world.view.zone = random.below(2) == 0 ? "UTC" : "America/Los_Angeles";
  world.question = random_question(random, world.view);
  const auto count = 1 + random.below(6);
  for (std::size_t u = 0; u < count; ++u) {
    WorldUnit unit{static_cast<std::uint32_t>(random.below(cells)), {}};
    for (const Column& column : world.question.columns) {
      std::vector<Reading> readings;
      double value = 0;
      for (Instant t = world.question.window.from; t < world.question.window.to; t = t + hours(1)) {
        if (random.below(3) == 0) continue;
        const double width = column.upper - column.lower;
        // Often the same extreme for a while, so that whole cells lie at a bound.
        if (readings.empty() || random.below(3) == 0) {
          const double choices[] = {column.lower - width, column.upper + width,
                                    uniform(random, column.lower, column.upper)};
          value = choices[random.below(3)];
        }
        readings.push_back({t, value});
      }
      if (random.below(8) == 0) readings.clear();
      unit.signals.push_back(std::move(readings));
    }
    world.units.push_back(std::move(unit));
  }
  return world;
}

}  // namespace entente::test
