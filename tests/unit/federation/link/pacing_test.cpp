#include "federation/link/pacing.h"

#include <doctest/doctest.h>

using namespace entente;
using namespace entente::federation;

namespace {

constexpr Duration kStart = hours(5);
const int kBurst = static_cast<int>(limits::kHandshakeBurst);

}  // namespace

TEST_SUITE("link/pacing") {
  TEST_CASE("a source begins a burst at once but for the spacing and then so many a second") {
    HandshakePace pace;
    for (int i = 0; i < kBurst; ++i) {
      CHECK(pace.wait("a", kStart) == limits::kHandshakeSpacing * i);
    }
    for (int i = 1; i <= 20; ++i) CHECK(pace.wait("a", kStart) == milliseconds(100 * i));
    // What it owes is paid by time alone.
    CHECK(pace.wait("a", kStart + seconds(60)).ns == 0);
  }

  TEST_CASE("who reconnects without pause is held to the rate however long it goes on") {
    HandshakePace pace;
    Duration now = kStart;
    int begun = 0;
    while (now < kStart + seconds(100)) {
      now = now + pace.wait("a", now);
      ++begun;
    }
    CHECK(begun <= kBurst + 1 + static_cast<int>(100 * limits::kHandshakeRate));
    CHECK(begun >= static_cast<int>(100 * limits::kHandshakeRate));
  }

  TEST_CASE("a source that waits delays no other") {
    HandshakePace pace;
    for (int i = 0; i < 10 * kBurst; ++i) (void)pace.wait("flood", kStart);
    CHECK(pace.wait("neighbour", kStart + milliseconds(100)).ns == 0);
    // Two sources at one moment are apart all the same.
    CHECK(pace.wait("third", kStart + milliseconds(100)) == limits::kHandshakeSpacing);
  }

  TEST_CASE("no number of sources makes it remember more than its limit or lets them pass") {
    HandshakePace pace;
    for (std::size_t i = 0; i < limits::kPacedSources + 500; ++i) {
      (void)pace.wait(std::to_string(i), kStart);
    }
    CHECK(pace.remembered() == limits::kPacedSources);
    CHECK(pace.wait("late", kStart) > seconds(40));  // behind all the others
    // Once they have paid they are forgotten.
    CHECK(pace.wait("later", kStart + seconds(600)).ns == 0);
    CHECK(pace.remembered() == 1);
  }
}
