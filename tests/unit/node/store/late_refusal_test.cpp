// A refusal that only the store can decide: somebody else was charged while the sums were folded.
#include <doctest/doctest.h>

#include "tests/unit/node/store/gated_site.h"

using namespace entente;
using namespace entente::node;
using node::test::GatedSite;

namespace {

const std::string kLoads =
    "sum(mean(load)) FROM air GROUP BY state OVER '2025-12-30' .. '2025-12-31' WITH (epsilon = "
    "0.4, "
    "purpose = 'planning')";

// What the question costs, asked of a site of its own.
std::uint64_t cost() {
  GatedSite site;
  REQUIRE(site.ask(kLoads).answered());
  return site.spent_by_site();
}

}  // namespace

TEST_SUITE("node/late_refusal") {
  TEST_CASE("a budget that others used up in the meantime is refused with what is left of it") {
    const std::uint64_t one = cost();
    REQUIRE(one > 0);
    GatedSite site;
    const std::uint64_t cap = site.both.view.rho_cap.units;
    site.raced->rival = cap / one;  // leaves less than one
    const auto late = site.ask(kLoads);
    REQUIRE_FALSE(late.answered());
    CHECK(late.refused == ErrorCode::budget_exhausted);
    REQUIRE(late.left.size() == 1);
    CHECK(late.left.front().rho.units == cap - cap / one * one);
    CHECK(site.meters.folds == 1);  // it had been folded: the refusal came from the transaction
    CHECK(site.spent_by_site() == cap / one * one);
    // What is refused before anything is folded says the same.
    site.raced->rival = 0;
    const auto early = site.ask(kLoads);
    CHECK(early.refused == ErrorCode::budget_exhausted);
    CHECK(early.left == late.left);
    CHECK(site.meters.folds == 1);
  }

  TEST_CASE("the control: with room for both nobody is refused") {
    GatedSite site;
    site.raced->rival = 1;
    CHECK(site.ask(kLoads).answered());
  }
}
