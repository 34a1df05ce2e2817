#include "federation/ask/answer_slot.h"

#include <doctest/doctest.h>

using namespace entente;
using namespace entente::federation;

namespace {

constexpr Duration kGrid = milliseconds(50);

// A question about one day of `units` declared units, all in the group of one cell of two.
struct Asked {
  explicit Asked(std::uint32_t units) {
    view.keys = {"state"};
    view.cells = {{{"WA"}, units}, {{"OR"}, 0}};
    question.columns.resize(1);
    question.groups = {{{"WA"}, {0}}};
    question.window = {Instant{0}, Instant{0} + hours(24)};
  }
  Duration slot() const { return answer_slot(question, view, kGrid); }
  ExportView view;
  Question question;
};

}  // namespace

TEST_SUITE("federation/ask/answer_slot") {
  TEST_CASE("a small question leaves at the first point of the grid") {
    CHECK(Asked(0).slot() == kGrid);
    CHECK(Asked(54).slot() == kGrid);
  }

  TEST_CASE("declared sizes alone decide: all units of the export and ticks and columns") {
    Asked asked(100'000);
    const Duration once = asked.slot();
    CHECK(once.ns % kGrid.ns == 0);
    CHECK(once > kGrid);
    asked.question.every = hours(1);
    CHECK(asked.slot() > Duration{20 * once.ns});
    asked.question.every.reset();
    asked.question.columns.resize(3);
    CHECK(asked.slot() > Duration{2 * once.ns});
    // Another cell's units are folded as well, asked about or not.
    asked.view.cells[1].units = 1'000'000;
    CHECK(asked.slot() > Duration{20 * once.ns});
  }

  TEST_CASE("a reducer that looks at every reading is given time for the whole window") {
    Asked asked(1'000);
    asked.question.window.to = asked.question.window.from + days(30);
    const Duration summed = asked.slot();
    asked.question.columns[0].reducer = Reducer::duration;
    CHECK(asked.slot() > Duration{100 * summed.ns});
  }

  TEST_CASE("no declared size makes a slot beyond what a deadline allows") {
    Asked asked(UINT32_MAX);
    asked.question.every = minutes(1);
    asked.question.columns.resize(200);
    CHECK(asked.slot() <= seconds(121));
  }

  TEST_CASE("an answer that is late waits for twice its slot and then twice that") {
    CHECK(slot_after(kGrid, Duration{0}) == kGrid);
    CHECK(slot_after(kGrid, kGrid - nanoseconds(1)) == kGrid);
    CHECK(slot_after(kGrid, kGrid) == milliseconds(100));
    CHECK(slot_after(kGrid, milliseconds(101)) == milliseconds(200));
    CHECK(slot_after(milliseconds(150), milliseconds(700)) == milliseconds(1'200));
  }
}
