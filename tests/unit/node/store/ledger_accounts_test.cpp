#include "node/store/ledger_accounts.h"

#include <doctest/doctest.h>

#include <map>

#include "tests/unit/node/store/ledger_bench.h"

using namespace entente;
using namespace entente::node;
using federation::ReleaseInquiry;
using test::inquiry_of;
using test::partner_of;
using Bench = test::LedgerBench;

TEST_SUITE("node/ledger_accounts") {
  TEST_CASE("what others are guaranteed cannot be eaten and is told as not left") {
    Bench bench;
    const auto ask = [&](std::uint64_t question, std::uint64_t partner, std::uint64_t rho) {
      ReleaseInquiry inquiry = inquiry_of(question, partner, rho);
      if (partner != 2) inquiry.guaranteed_to_others = {{partner_of(2), {30}}};
      return inquiry;
    };
    CHECK(bench.ledger->left(ask(1, 1, 1))[0].rho.units == 70);
    REQUIRE(bench.commit(ask(1, 1, 60)));
    CHECK(bench.ledger->left(ask(2, 3, 1))[0].rho.units == 10);
    const auto refused = bench.commit(ask(2, 3, 11));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::budget_exhausted);
    CHECK(refused.error().what.find("10 units of rho left") != std::string::npos);
    // The control: without the guarantee the same question fits.
    CHECK(bench.ledger->inquire(inquiry_of(2, 3, 11)));
    // Its holder gets all of it and what is free besides.
    REQUIRE(bench.commit(ask(3, 2, 25)));
    CHECK(bench.ledger->left(ask(2, 3, 1))[0].rho.units == 10);
    REQUIRE(bench.commit(ask(4, 3, 10)));
    REQUIRE(bench.commit(ask(5, 2, 5)));
    CHECK(bench.spent("site") == 100);
  }

  TEST_CASE("whoever asks what in whatever order a guarantee can be used up to the last unit") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      Bench bench;
      SeededRandom random(seed);
      const std::map<std::uint64_t, std::uint64_t> guaranteed = {{1, 20}, {2, 35}};
      const auto ask = [&](std::uint64_t question, std::uint64_t partner, std::uint64_t rho) {
        ReleaseInquiry inquiry = inquiry_of(question, partner, rho);
        for (const auto& [other, least] : guaranteed) {
          if (other != partner)
            inquiry.guaranteed_to_others.push_back({partner_of(other), {least}});
        }
        return inquiry;
      };
      std::map<std::uint64_t, std::uint64_t> spent;
      for (std::uint64_t step = 0; step < 30; ++step) {
        const std::uint64_t partner = random.below(4), rho = 1 + random.below(12);
        if (bench.commit(ask(1'000 + step, partner, rho))) spent[partner] += rho;
      }
      for (const auto& [partner, least] : guaranteed) {
        CAPTURE(partner);
        if (spent[partner] >= least) continue;
        CHECK(bench.commit(ask(5'000 + partner, partner, least - spent[partner])));
      }
      CHECK(bench.spent("site") <= 100);
    }
  }

  TEST_CASE("delta is charged beside rho to its own cap and in every scope") {
    Bench bench;
    const auto ask = [](std::uint64_t question, std::uint64_t partner, std::uint64_t delta) {
      ReleaseInquiry inquiry = inquiry_of(question, partner, 1);
      inquiry.delta = {delta};
      inquiry.delta_cap = {10};
      return inquiry;
    };
    const auto first = bench.commit(ask(1, 1, 7));
    REQUIRE(first);
    CHECK(first->delta_charged.units == 7);
    CHECK(first->delta_left.units == 3);
    const auto refused = bench.commit(ask(2, 2, 4));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::budget_exhausted);
    CHECK(refused.error().what.find("3 units of delta left") != std::string::npos);
    CHECK(bench.commit(ask(3, 2, 3)));
    // A domain that declares no cap of delta admits charges of nothing only.
    ReleaseInquiry none = inquiry_of(4, 1, 1);
    CHECK(bench.commit(none));
    none = inquiry_of(5, 1, 1);
    none.delta = {1};
    CHECK_FALSE(bench.commit(none));
    std::map<std::string, std::uint64_t> by_scope;
    for (const LedgerRow& row : bench.ledger->rows()) by_scope[row.scope] += row.delta.units;
    CHECK(by_scope["site"] == 10);
    CHECK(by_scope[partner_of(1).hex()] == 7);
    CHECK(by_scope[partner_of(2).hex()] == 3);
  }

  TEST_CASE("of 64 racing questions exactly one takes what is left beside a guarantee") {
    Bench bench;
    std::vector<std::future<Bench::Reply>> racing;
    for (std::uint64_t i = 0; i < 64; ++i) {
      ReleaseInquiry inquiry = inquiry_of(100 + i, 100 + i, 60);
      inquiry.guaranteed_to_others = {{partner_of(1), {40}}};
      racing.push_back(bench.start(inquiry, {static_cast<std::uint8_t>(i)}));
    }
    int won = 0;
    for (auto& one : racing) won += one.get().has_value() ? 1 : 0;
    CHECK(won == 1);
    CHECK(bench.spent("site") == 60);
    CHECK(bench.commit(inquiry_of(1, 1, 40)));
  }
}
