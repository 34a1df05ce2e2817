// A share of what `tests/simulation/run` does, for every run of the tests.
#include "tests/simulation/world.h"

#include <doctest/doctest.h>

#include "schemas/base/log.h"

namespace entente::simulation {
namespace {

constexpr std::uint64_t kSeeds = 200;
constexpr std::uint64_t kParts = 4;      // run beside each other
constexpr std::uint64_t kCaughtIn = 40;  // seeds; `run --mutations` says how many each takes

void check_part(std::uint64_t part) {
  // Errors of the product are about faults that are made here on purpose.
  log::configure(log::Level::error, log::Format::plain);
  std::uint64_t questions = 0, crashes = 0, answered = 0;
  for (std::uint64_t seed = 1 + part; seed <= kSeeds; seed += kParts) {
    CAPTURE(seed);
    const RunResult run = run_federation({seed, Mutation::none, false});
    const std::string violation = run.violation.value_or("");
    CAPTURE(violation);
    CHECK(violation.empty());
    questions += run.counts.questions;
    crashes += run.crashes;
    answered += run.counts.members_answered;
  }
  MESSAGE((kSeeds / kParts) << " seeds, " << questions << " questions, " << answered << " answers, "
                            << crashes << " crashes");
  // A simulation in which nothing happens finds nothing.
  CHECK(questions > 500);
  CHECK(answered > 200);
  CHECK(crashes > 50);
}

void check_mutations(std::size_t part, std::size_t parts) {
  for (std::size_t i = part; i < all_mutations().size(); i += parts) {
    const MutationInfo& mutation = all_mutations()[i];
    const std::string name(mutation.name);
    CAPTURE(name);
    bool caught = false;
    for (std::uint64_t seed = 1; seed <= kCaughtIn && !caught; ++seed) {
      caught = run_federation({seed, mutation.mutation, false}).violation.has_value();
    }
    CHECK(caught);
  }
}

TEST_SUITE("simulation") {
  TEST_CASE("no invariant breaks in the first quarter of 200 seeds") {
    check_part(0);
  }
  TEST_CASE("no invariant breaks in the second quarter of 200 seeds") {
    check_part(1);
  }
  TEST_CASE("no invariant breaks in the third quarter of 200 seeds") {
    check_part(2);
  }
  TEST_CASE("no invariant breaks in the last quarter of 200 seeds") {
    check_part(3);
  }

  TEST_CASE("one seed gives one trace and another seed another") {
    const RunResult first = run_federation({7, Mutation::none, true});
    const RunResult other = run_federation({8, Mutation::none, true});
    const RunResult again = run_federation({7, Mutation::none, true});
    CHECK(first.trace == again.trace);
    CHECK(first.trace_hash == again.trace_hash);
    CHECK(first.events == again.events);
    CHECK(first.bytes == again.bytes);
    CHECK(first.trace_hash != other.trace_hash);
  }

  TEST_CASE("deliberate faults of the first half are caught") {
    check_mutations(0, 2);
  }
  TEST_CASE("deliberate faults of the second half are caught") {
    check_mutations(1, 2);
  }
}

}  // namespace
}  // namespace entente::simulation
