#include "schemas/question.h"

#include <doctest/doctest.h>

#include <functional>
#include <limits>

#include "schemas/base/limits.h"
#include "schemas/base/random.h"
#include "schemas/canonical.h"
#include "schemas/wire/question.capnp.h"

namespace {

using namespace entente;

double number(Random& random) {
  return (static_cast<double>(random.below(2'000'001)) - 1e6) / 64;
}

Predicate predicate(Random& random, std::size_t columns) {
  Predicate nodes;
  std::size_t depth = 0;
  do {
    const auto pick = random.below(4);
    if (depth < 2 ? pick < 3 : pick == 0) {
      nodes.push_back(Compare{static_cast<std::uint16_t>(random.below(columns)),
                              static_cast<Comparison>(random.below(6)), number(random)});
      ++depth;
    } else if (depth > 0 && pick == 3) {
      nodes.push_back(Connective::not_);
    } else if (depth > 1) {
      nodes.push_back(pick == 1 ? Connective::and_ : Connective::or_);
      --depth;
    }
  } while (depth != 1 || (nodes.size() < 20 && random.below(3) == 0));
  return nodes;
}

Item item(Random& random, std::size_t columns) {
  Item made;
  made.aggregate = static_cast<Aggregate>(random.below(11));
  const bool condition = made.aggregate == Aggregate::count || made.aggregate == Aggregate::share;
  if (!condition) {
    made.column = static_cast<std::uint16_t>(random.below(columns));
  } else if (made.aggregate == Aggregate::share || random.below(2) == 0) {
    made.predicate = predicate(random, columns);
  }
  if (made.aggregate == Aggregate::quantile) made.rank = 0.25;
  if (made.aggregate == Aggregate::histogram) {
    made.edges.push_back(number(random));
    for (auto n = 1 + random.below(5); n > 0; --n) made.edges.push_back(made.edges.back() + 0.5);
  }
  return made;
}

Question question(Random& random) {
  Question made;
  made.export_name = "air";
  random.fill(made.export_hash.bytes);
  for (auto n = 1 + random.below(4); n > 0; --n) {
    Column column;
    column.signal = "pm" + std::to_string(random.below(100));
    column.reducer = static_cast<Reducer>(random.below(8));
    column.lower = number(random);
    column.upper = column.lower + 1 + static_cast<double>(random.below(100));
    if (column.reducer == Reducer::duration) column.predicate = predicate(random, 1);
    made.columns.push_back(column);
  }
  for (auto n = 1 + random.below(4); n > 0; --n)
    made.items.push_back(item(random, made.columns.size()));
  const auto keys = random.below(3);
  for (std::uint64_t k = 0; k < keys; ++k) made.group_keys.push_back("key" + std::to_string(k));
  std::uint32_t cell = 0;
  for (auto n = keys == 0 ? 1 : 1 + random.below(5); n > 0; --n) {
    Group group;
    for (std::uint64_t k = 0; k < keys; ++k) group.values.push_back("wert é " + std::to_string(n));
    for (auto c = 1 + random.below(3); c > 0; --c) {
      cell += 1 + static_cast<std::uint32_t>(random.below(5));
      group.cells.push_back(cell);
    }
    made.groups.push_back(group);
  }
  made.window.from = Instant{static_cast<std::int64_t>(random.below(1'000'000))};
  const auto ticks = 1 + static_cast<std::int64_t>(random.below(24));
  made.window.to = made.window.from + hours(1) * ticks;
  if (random.below(2) == 0) made.every = hours(1);
  made.rho_per_block = random.u64();
  for (const Item& item : made.items) {
    if (is_rank(item.aggregate)) made.tree_height = 1 + static_cast<std::uint8_t>(random.below(4));
  }
  return made;
}

Question plain() {
  Question made;
  made.export_name = "air";
  made.columns = {{"pm25", Reducer::mean, 0, 200, {}}};
  made.items = {{Aggregate::mean, 0, {}, 0, {}}};
  made.groups = {{{}, {0, 1}}};
  made.window = {{0}, Instant{0} + hours(24)};
  return made;
}

// The refusal's words for a question spoilt by `spoil`, or "accepted".
std::string refusal(const std::function<void(Question&)>& spoil) {
  Question made = plain();
  spoil(made);
  const auto read = question_from_bytes(canonical_bytes(made));
  if (read) return "accepted";
  CHECK(read.error().code == ErrorCode::invalid_argument);
  return read.error().what;
}

}  // namespace

TEST_SUITE("schemas/question") {
  TEST_CASE("every name of an enumeration reads back as itself and no other text does") {
    for (int i = 0; i < 11; ++i) {
      const auto value = static_cast<Aggregate>(i);
      CHECK(aggregate_from_text(to_text(value)) == value);
    }
    for (int i = 0; i < 8; ++i) {
      const auto value = static_cast<Reducer>(i);
      CHECK(reducer_from_text(to_text(value)) == value);
    }
    CHECK_FALSE(aggregate_from_text("avg").has_value());
    CHECK_FALSE(reducer_from_text("Mean").has_value());
    CHECK(to_text(Comparison::less_equal) == "<=");
    CHECK(to_text(Comparison::not_equal) == "!=");
  }

  TEST_CASE("a question survives the wire unchanged, and its bytes are one form") {
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const Question made = question(random);
      const Bytes bytes = canonical_bytes(made);
      const auto read = question_from_bytes(bytes);
      if (!read) MESSAGE(read.error().what);
      REQUIRE(read.has_value());
      CHECK(*read == made);
      CHECK(canonical_bytes(*read) == bytes);
    }
  }

  TEST_CASE("flipped, cut and lengthened bytes are refused or read as another question") {
    int refused = 0;
    for (std::uint64_t seed = 0; seed < 4000; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const Bytes whole = canonical_bytes(question(random));
      Bytes bytes = whole;
      for (auto n = 1 + random.below(4); n > 0; --n) {
        bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
      }
      if (random.below(4) == 0) bytes.resize(random.below(bytes.size()));
      if (random.below(8) == 0) bytes.resize(bytes.size() + 8);
      const auto read = question_from_bytes(bytes);
      if (!read) {
        ++refused;
      } else {
        CHECK(canonical_bytes(*read) == bytes);
      }
    }
    CHECK(refused > 1000);
  }

  TEST_CASE("random bytes are refused, and so are none") {
    CHECK_FALSE(question_from_bytes({}).has_value());
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      Bytes bytes(8 + 8 * random.below(40));
      random.fill(bytes);
      CHECK_FALSE(question_from_bytes(bytes).has_value());
    }
  }

  TEST_CASE("each rule of the conversion is enforced by name") {
    CHECK(refusal([](Question&) {}) == "accepted");
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double inf = std::numeric_limits<double>::infinity();
    const auto says = [](const std::function<void(Question&)>& spoil, const char* part) {
      const std::string words = refusal(spoil);
      CAPTURE(part);
      CAPTURE(words);
      CHECK(words.find(part) != std::string::npos);
    };
    says([](Question& q) { q.export_name = "Air!"; }, "exportName");
    says([](Question& q) { q.columns[0].signal = ""; }, "columns[0].signal");
    says([](Question& q) { q.columns[0].signal = "a b"; }, "columns[0].signal");
    says([&](Question& q) { q.columns[0].lower = nan; }, "columns[0]");
    says([&](Question& q) { q.columns[0].upper = inf; }, "columns[0]");
    says([](Question& q) { q.columns[0].upper = 0; }, "columns[0]");
    says([](Question& q) { q.columns[0].predicate = {Compare{}}; }, "duration only");
    says([](Question& q) { q.columns[0].reducer = Reducer::duration; }, "one condition");
    says([](Question& q) { q.columns.assign(limits::kColumns + 1, q.columns[0]); }, "columns");
    says([](Question& q) { q.items.clear(); }, "items");
    says([](Question& q) { q.items.assign(limits::kItems + 1, q.items[0]); }, "items");
    says([](Question& q) { q.items[0].column = 1; }, "items[0].column");
    says([](Question& q) { q.items[0].column.reset(); }, "lacks its column");
    says([](Question& q) { q.items[0].aggregate = Aggregate::count; }, "takes a predicate");
    says(
        [](Question& q) {
          q.items[0] = {Aggregate::share, {}, {}, 0, {}};
        },
        "lacks its predicate");
    says([](Question& q) { q.items[0].rank = 0.5; }, "rank");
    says([](Question& q) { q.items[0].aggregate = Aggregate::quantile; }, "rank");
    says([](Question& q) { q.items[0].edges = {1, 2}; }, "edges");
    says([](Question& q) { q.items[0] = {Aggregate::histogram, 0, {}, 0, {2, 1}}; }, "edges");
    says([](Question& q) { q.items[0] = {Aggregate::histogram, 0, {}, 0, {2}}; }, "edges");
    const auto count_of = [](Question& q, Predicate p) {
      q.items[0] = {Aggregate::count, {}, std::move(p), 0, {}};
    };
    says([&](Question& q) { count_of(q, {Compare{1, Comparison::less, 0}}); }, "not there");
    says([&](Question& q) { count_of(q, {Compare{0, Comparison::less, nan}}); }, "not finite");
    says([&](Question& q) { count_of(q, {Connective::not_}); }, "lacks an operand");
    says([&](Question& q) { count_of(q, {Compare{}, Connective::and_}); }, "lacks an operand");
    says([&](Question& q) { count_of(q, {Compare{}, Compare{}}); }, "one condition");
    says([&](Question& q) { count_of(q, Predicate(limits::kPredicateNodes + 1, Compare{})); },
         "nodes");
    says([](Question& q) { q.groups.clear(); }, "groups");
    says([](Question& q) { q.groups[0].cells.clear(); }, "cells");
    says([](Question& q) { q.groups[0].cells = {1, 0}; }, "ascend");
    says([](Question& q) { q.groups[0].cells = {1, 1}; }, "ascend");
    says([](Question& q) { q.groups[0].values = {"WA"}; }, "one for each key");
    const auto two = [](Question& q, std::string a, std::string b, std::uint32_t cell) {
      q.group_keys = {"state"};
      q.groups = {{{std::move(a)}, {0}}, {{std::move(b)}, {cell}}};
    };
    CHECK(refusal([&](Question& q) { two(q, "WA", "OR", 1); }) == "accepted");
    says([&](Question& q) { two(q, "WA", "OR", 0); }, "also in another group");
    says([&](Question& q) { two(q, "WA", "WA", 1); }, "those of another group");
    says([&](Question& q) { two(q, "W\tA", "OR", 1); }, "clean UTF-8");
    says([](Question& q) { q.group_keys = {"a", "a"}; }, "named twice");
    says([](Question& q) { q.group_keys = {"a b"}; }, "groupKeys[0]");
    says([](Question& q) { q.window.to = q.window.from; }, "toNs");
    says([](Question& q) { q.window = {{INT64_MIN}, {INT64_MAX}}; }, "too far");
    says([](Question& q) { q.every = hours(5); }, "everyNs");
    says([](Question& q) { q.every = Duration{-1}; }, "everyNs");
    says([](Question& q) { q.every = seconds(1); }, "too many cells");
    says(
        [&](Question& q) {
          two(q, "WA", "OR", 1), q.every = minutes(24 * 60 / 2880) + seconds(30);
        },
        "many");
  }

  TEST_CASE("an empty list where the one form has none is refused") {
    capnp::MallocMessageBuilder message;
    const auto bytes = canonical_bytes(plain());
    with_canonical<wire::Question>(bytes, ErrorCode::internal, "question", [&](auto reader) {
      message.setRoot(reader);
      return Outcome();
    }).value();
    auto root = message.getRoot<wire::Question>();
    root.initGroupKeys(0);
    const Bytes other = canonicalize(root.asReader());
    REQUIRE(other != bytes);
    CHECK_FALSE(question_from_bytes(other).has_value());
  }

  TEST_CASE("a value of a later version's enumeration is refused") {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<wire::Question>();
    with_canonical<wire::Question>(canonical_bytes(plain()), ErrorCode::internal, "question",
                                   [&](auto reader) { return message.setRoot(reader), Outcome(); })
        .value();
    root = message.getRoot<wire::Question>();
    root.getItems()[0].setAggregate(static_cast<wire::Aggregate>(77));
    const auto read = question_from_bytes(canonicalize(root.asReader()));
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().what.find("aggregate") != std::string::npos);
  }

  TEST_CASE("a question without trees has the bytes it had before there were any") {
    Question made = plain();
    made.items.push_back({Aggregate::median, 0, {}, 0, {}});
    made.rho_per_block = 12'345;
    const Bytes bytes = canonical_bytes(made);
    CHECK(bytes.size() == 232);
    CHECK(question_hash(bytes).hex() ==
          "cfc82bf1fcccd3d898403f2748158f201dfa494436aa7f2d994e5f7ca9d7586e");
    made.tree_height = 2;
    CHECK(canonical_bytes(made) != bytes);
    CHECK(*question_from_bytes(canonical_bytes(made)) == made);
  }

  TEST_CASE("trees of ranks have a height only where an item is answered from one") {
    CHECK(refusal([](Question& q) { q.tree_height = 2; }).find("treeHeight") != std::string::npos);
    const auto with = [](std::uint8_t height) {
      return refusal([height](Question& q) {
        q.items = {{Aggregate::max, 0, {}, 0, {}}};
        q.tree_height = height;
      });
    };
    CHECK(with(0) == "accepted");
    CHECK(with(kTreeHeightMost) == "accepted");
    CHECK(with(kTreeHeightMost + 1).find("treeHeight") != std::string::npos);
  }

  TEST_CASE("the largest allowed question passes the reader's limits") {
    Question made = plain();
    made.group_keys = {"state"};
    made.groups.clear();
    for (std::uint32_t i = 0; i < limits::kCells; ++i)
      made.groups.push_back({{std::to_string(i)}, {i}});
    const auto read = question_from_bytes(canonical_bytes(made));
    REQUIRE(read.has_value());
    CHECK(*read == made);
    made.groups.push_back({{"one more"}, {5000}});
    CHECK_FALSE(question_from_bytes(canonical_bytes(made)).has_value());
  }

  TEST_CASE("ticks cut the window without gap or overlap") {
    Question made = plain();
    CHECK(made.tick_count() == 1);
    CHECK(made.tick(0) == made.window);
    made.every = hours(6);
    REQUIRE(made.tick_count() == 4);
    for (std::size_t i = 0; i + 1 < 4; ++i) CHECK(made.tick(i).to == made.tick(i + 1).from);
    CHECK(made.tick(0).from == made.window.from);
    CHECK(made.tick(3).to == made.window.to);
  }
}
