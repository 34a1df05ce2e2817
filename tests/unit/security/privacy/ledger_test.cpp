#include "security/privacy/ledger.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>

#include "schemas/base/random.h"
#include "security/privacy/blocks.h"

using namespace entente;
using namespace entente::security;

namespace {

Instant day(std::int64_t n) {
  return Instant{} + days(n);
}

// A ledger of several blocks, as the store keeps one scope.
struct Book {
  RhoUnits cap;
  std::map<std::int64_t, std::uint64_t> spent;

  Account account(const std::vector<BlockAmount>& charges) const {
    Account account{cap, {}};
    for (const BlockAmount& charge : charges) {
      const auto row = spent.find(charge.start.ns);
      account.spent.push_back({charge.start, {row == spent.end() ? 0 : row->second}});
    }
    return account;
  }
  bool has_room(const std::vector<BlockAmount>& charges) const {
    return admit(account(charges), charges).has_value();
  }
  void debit(const std::vector<BlockAmount>& charges) {
    for (const BlockAmount& charge : charges) spent[charge.start.ns] += charge.rho.units;
  }
};

// The rule by its definition, in arithmetic that cannot overflow.
bool naive_room(const Book& book, const std::vector<BlockAmount>& charges) {
  return std::all_of(charges.begin(), charges.end(), [&](const BlockAmount& charge) {
    const auto row = book.spent.find(charge.start.ns);
    const unsigned __int128 before = row == book.spent.end() ? 0 : row->second;
    return before + charge.rho.units <= book.cap.units;
  });
}

}  // namespace

TEST_SUITE("security/ledger") {
  TEST_CASE("a charge is admitted up to the cap to the unit, and not beyond") {
    const std::vector<BlockAmount> charge = {{day(1), {40}}};
    CHECK(admit({{100}, {{day(1), {60}}}}, charge));
    const auto beyond = admit({{100}, {{day(1), {61}}}}, charge);
    REQUIRE_FALSE(beyond);
    CHECK(beyond.error().code == ErrorCode::budget_exhausted);
    CHECK(beyond.error().what.find("1970-01-02") != std::string::npos);
    CHECK(beyond.error().what.find("39 units") != std::string::npos);
    CHECK(beyond.error().what.find("40") != std::string::npos);
  }

  TEST_CASE("delta is admitted by the same rule beside rho") {
    const std::vector<BlockAmount> charge = {{day(1), {1}}, {day(2), {1}}};
    const Account account{{9}, {{day(1), {0}}, {day(2), {0}}}, {10}, {{4}, {7}}};
    CHECK(delta_left_of(account).units == 3);
    CHECK(admit(account, charge, {3}));
    const auto refused = admit(account, charge, {4});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::budget_exhausted);
    CHECK(refused.error().what.find("1970-01-03") != std::string::npos);
    CHECK(refused.error().what.find("3 units of delta") != std::string::npos);
    CHECK_FALSE(admit(account, charge, {UINT64_MAX}));
    // Without an account of delta nothing but nothing is admitted.
    CHECK(admit({{9}, {{day(1), {0}}}}, {{day(1), {1}}}));
    CHECK_FALSE(admit({{9}, {{day(1), {0}}}}, {{day(1), {1}}}, {1}));
  }

  TEST_CASE("one block without room refuses the whole charge and is the one named") {
    const Account account{{100}, {{day(1), {0}}, {day(2), {95}}, {day(3), {99}}}};
    const auto refused = admit(account, {{day(1), {10}}, {day(2), {10}}, {day(3), {10}}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("1970-01-03") != std::string::npos);
    const auto lifetime = admit({{1}, {{kLifetimeBlock, {1}}}}, {{kLifetimeBlock, {1}}});
    REQUIRE_FALSE(lifetime);
    CHECK(lifetime.error().what.find("lifetime") != std::string::npos);
  }

  TEST_CASE("an amount that overflows is refused even under the largest cap") {
    const Account full{{UINT64_MAX}, {{day(1), {UINT64_MAX - 1}}}};
    CHECK(admit(full, {{day(1), {1}}}));
    CHECK_FALSE(admit(full, {{day(1), {2}}}));
    CHECK_FALSE(admit(full, {{day(1), {UINT64_MAX}}}));
  }

  TEST_CASE("what is left is never negative, also above a cap that was lowered") {
    const Account account{{100}, {{day(1), {0}}, {day(2), {100}}, {day(3), {130}}, {day(4), {30}}}};
    const auto left = left_of(account);
    REQUIRE(left.size() == 4);
    CHECK(left[0] == BlockAmount{day(1), {100}});
    CHECK(left[1].rho.units == 0);
    CHECK(left[2].rho.units == 0);
    CHECK(left[3].rho.units == 70);
    CHECK_FALSE(admit({{100}, {{day(3), {130}}}}, {{day(3), {1}}}));
  }

  TEST_CASE("no sequence of charges passes a cap, and a refused one changes nothing") {
    int admitted = 0, refused = 0;
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const bool huge = random.below(4) == 0;
      Book book{{huge ? UINT64_MAX - random.below(1000) : 1 + random.below(1000)}, {}};
      for (int i = 0; i < 60; ++i) {
        std::vector<BlockAmount> charges;
        for (std::int64_t block = 0; block < 5; ++block) {
          if (random.below(2) == 0) continue;
          charges.push_back(
              {day(block), {huge ? random.u64() >> random.below(8) : random.below(200)}});
        }
        const Account account = book.account(charges);
        const auto before = book.spent;
        const bool room = admit(account, charges).has_value();
        REQUIRE(room == naive_room(book, charges));
        CHECK(book.spent == before);
        (room ? admitted : refused) += 1;
        if (room) book.debit(charges);
        for (const auto& [block, spent] : book.spent) CHECK(spent <= book.cap.units);
        const auto left = left_of(book.account(charges));
        for (std::size_t b = 0; b < charges.size(); ++b) {
          CHECK(left[b].rho.units == book.cap.units - book.spent[charges[b].start.ns]);
        }
      }
    }
    CHECK(admitted > 1'000);
    CHECK(refused > 1'000);
  }

  // Each request first inquires and later commits; a commit inquires again, as the store does in
  // its transaction. All orders of the six steps are tried.
  TEST_CASE("no interleaving of three requests overspends, without the second check one does") {
    for (const bool checked_twice : {true, false}) {
      int overspent = 0, orders = 0;
      std::array<int, 6> order = {0, 0, 1, 1, 2, 2};
      do {
        ++orders;
        Book book{{100}, {}};
        std::array<bool, 3> inquired{}, room{};
        int committed = 0;
        for (const int request : order) {
          const std::vector<BlockAmount> charge = {
              {day(1), {40}}, {day(2), {static_cast<std::uint64_t>(20 + 10 * request)}}};
          if (!inquired[request]) {
            inquired[request] = true;
            room[request] = book.has_room(charge);
          } else if (room[request] && (!checked_twice || book.has_room(charge))) {
            book.debit(charge);
            ++committed;
          }
        }
        CHECK(book.spent[day(1).ns] == static_cast<std::uint64_t>(committed) * 40);
        if (book.spent[day(1).ns] > 100 || book.spent[day(2).ns] > 100) ++overspent;
        if (checked_twice) CHECK(committed == 2);
      } while (std::next_permutation(order.begin(), order.end()));
      CHECK(orders == 90);
      if (checked_twice) CHECK(overspent == 0);
      if (!checked_twice) CHECK(overspent > 0);
    }
  }
}
