// The transition function over the full product of standings, events and rounds, against a table
// written out here by hand.
#include "federation/agree/agreement_machine.h"

#include <doctest/doctest.h>

#include <functional>
#include <map>

using namespace entente;
using namespace entente::federation;

namespace {

using Kind = AgreementEvent::Kind;
using Machine =
    std::function<Result<Transition>(const Standing&, const AgreementEvent&, std::uint32_t)>;

// A word for each standing: + offered or held here, - there, * both.
const std::map<std::string, Standing>& standings() {
  using enum AgreementState;
  static const std::map<std::string, Standing> all = {
      {"draft", {draft}},
      {"proposed+", {proposed, true}},
      {"proposed-", {proposed, false}},
      {"countered+", {countered, true}},
      {"countered-", {countered, false}},
      {"agreed", {agreed}},
      {"active", {active}},
      {"suspended+", {suspended, false, true, false}},
      {"suspended-", {suspended, false, false, true}},
      {"suspended*", {suspended, false, true, true}},
      {"expired", {expired}},
      {"terminated", {terminated}}};
  return all;
}

std::string name_of(const Standing& standing) {
  for (const auto& [name, one] : standings()) {
    if (one == standing) return name;
  }
  return "impossible";
}

// Each row: a standing and, for each step that fits, the one it leads to. What is not here refuses.
using Row = std::map<std::string, std::string>;
const std::map<std::string, Row>& taken_table() {
  static const std::map<std::string, Row> table = {
      {"draft", {{"propose", "proposed+"}}},
      {"proposed+", {{"withdraw", "terminated"}, {"terminate", "terminated"}}},
      {"proposed-",
       {{"counter", "countered+"},
        {"settle", "agreed"},
        {"report", "proposed-"},
        {"terminate", "terminated"}}},
      {"countered+", {{"withdraw", "terminated"}, {"terminate", "terminated"}}},
      {"countered-",
       {{"counter", "countered+"},
        {"settle", "agreed"},
        {"report", "countered-"},
        {"terminate", "terminated"}}},
      {"agreed", {{"terminate", "terminated"}}},
      {"active", {{"suspend", "suspended+"}, {"terminate", "terminated"}}},
      {"suspended+", {{"resume", "active"}, {"terminate", "terminated"}}},
      {"suspended-", {{"suspend", "suspended*"}, {"terminate", "terminated"}}},
      {"suspended*", {{"resume", "suspended-"}, {"terminate", "terminated"}}}};
  return table;
}

const std::map<std::string, Row>& told_table() {
  static const std::map<std::string, Row> table = {
      {"draft",
       {{"propose", "proposed-"}, {"withdraw", "terminated"}, {"terminate", "terminated"}}},
      {"proposed+",
       {{"counter", "countered-"},
        {"settle", "active"},
        {"report", "proposed+"},
        {"withdraw", "terminated"},
        {"terminate", "terminated"}}},
      {"proposed-", {{"withdraw", "terminated"}, {"terminate", "terminated"}}},
      {"countered+",
       {{"counter", "countered-"},
        {"settle", "active"},
        {"report", "countered+"},
        {"withdraw", "terminated"},
        {"terminate", "terminated"}}},
      {"countered-", {{"withdraw", "terminated"}, {"terminate", "terminated"}}},
      {"agreed",
       {{"withdraw", "terminated"},
        {"suspend", "suspended-"},
        {"resume", "active"},
        {"terminate", "terminated"}}},
      {"active", {{"suspend", "suspended-"}, {"resume", "active"}, {"terminate", "terminated"}}},
      {"suspended+",
       {{"suspend", "suspended*"}, {"resume", "suspended+"}, {"terminate", "terminated"}}},
      {"suspended-",
       {{"suspend", "suspended-"}, {"resume", "active"}, {"terminate", "terminated"}}},
      {"suspended*",
       {{"suspend", "suspended*"}, {"resume", "suspended+"}, {"terminate", "terminated"}}},
      {"expired", {{"withdraw", "expired"}, {"terminate", "expired"}}},
      {"terminated", {{"withdraw", "terminated"}, {"terminate", "terminated"}}}};
  return table;
}

// What becomes of a step of this side that the partner refuses for good. What is not here leaves
// the standing as it is; nothing is ever refused by the table itself.
std::string refused_to(const std::string& from, const std::string& step, ErrorCode code,
                       std::uint32_t round) {
  const bool over =
      code == ErrorCode::conflict || code == ErrorCode::not_found || code == ErrorCode::replayed;
  if (step == "propose" && from == "proposed+") return "terminated";
  if (step == "counter" && from == "countered+") {
    if (over || round == 0) return "terminated";
    return round == 1 ? "proposed-" : "countered-";
  }
  if (step == "settle" && from == "agreed") {
    return over ? "terminated" : round == 0 ? "proposed-" : "countered-";
  }
  return from;
}

std::string expected_of(const std::string& from, const AgreementEvent& event, std::uint32_t round) {
  const std::string step(to_text(event.step));
  const auto look_up = [&](const std::map<std::string, Row>& table) {
    const auto row = table.find(from);
    if (row == table.end()) return std::string("refused");
    const auto cell = row->second.find(step);
    return cell == row->second.end() ? std::string("refused") : cell->second;
  };
  switch (event.kind) {
    case Kind::taken:
      return look_up(taken_table());
    case Kind::told:
      return look_up(told_table());
    case Kind::acknowledged:
      return step == "settle" && from == "agreed" ? "active" : from;
    case Kind::refused:
      return refused_to(from, step, event.code, round);
    case Kind::lapsed:
      break;
  }
  return from == "draft" || from == "expired" || from == "terminated" ? "refused" : "expired";
}

std::vector<AgreementEvent> all_events() {
  std::vector<AgreementEvent> events;
  for (std::size_t s = 0; s < kAgreementSteps; ++s) {
    const auto step = static_cast<AgreementStep>(s);
    events.push_back({Kind::taken, step});
    events.push_back({Kind::told, step});
    events.push_back({Kind::acknowledged, step});
    for (const ErrorCode code : {ErrorCode::conflict, ErrorCode::not_found, ErrorCode::replayed,
                                 ErrorCode::agreement_invalid, ErrorCode::verification_failed}) {
      events.push_back({Kind::refused, step, code});
    }
    events.push_back({Kind::lapsed, step});
  }
  return events;
}

struct Differences {
  std::size_t cells = 0, allowed = 0, wrong = 0;
};

Differences compare(const Machine& machine) {
  Differences out;
  for (const auto& [name, standing] : standings()) {
    for (const AgreementEvent& event : all_events()) {
      for (const std::uint32_t round : {0u, 1u, 2u}) {
        const auto moved = machine(standing, event, round);
        const std::string got = moved ? name_of(moved->next) : "refused";
        ++out.cells;
        out.allowed += moved.has_value();
        out.wrong += got != expected_of(name, event, round);
      }
    }
  }
  return out;
}

}  // namespace

TEST_SUITE("federation/agree/agreement_machine") {
  TEST_CASE("every standing and event and round leads where the table says or is refused") {
    const Differences found = compare(transition);
    MESSAGE(found.cells << " cells: " << found.allowed << " lead on, "
                        << found.cells - found.allowed << " are refused");
    CHECK(found.cells == 12 * 72 * 3);
    CHECK(found.wrong == 0);
    for (const auto& [name, standing] : standings()) {
      for (const AgreementEvent& event : all_events()) {
        CAPTURE(name);
        CAPTURE(to_text(event.step));
        const auto moved = transition(standing, event, 1);
        if (!moved) {
          CHECK(moved.error().code == ErrorCode::conflict);
          continue;
        }
        CHECK(is_possible(moved->next));
        // Nothing leads out of an end, and nothing back to a draft.
        if (is_over(standing.state)) CHECK(moved->next == standing);
        if (standing.state != AgreementState::draft) {
          CHECK(moved->next.state != AgreementState::draft);
        }
      }
    }
  }

  TEST_CASE("one changed transition is noticed by the table") {
    // Each mutant answers one cell otherwise.
    std::size_t mutants = 0, caught = 0;
    for (const auto& [name, standing] : standings()) {
      for (const AgreementEvent& event : all_events()) {
        const Standing from = standing;
        const Machine mutant = [&](const Standing& at, const AgreementEvent& what,
                                   std::uint32_t round) -> Result<Transition> {
          auto moved = transition(at, what, round);
          const bool here = at == from && what.kind == event.kind && what.step == event.step &&
                            what.code == event.code;
          if (!here) return moved;
          if (!moved) return Transition{{AgreementState::active}};
          return make_error(ErrorCode::conflict, "mutant");
        };
        ++mutants;
        caught += compare(mutant).wrong > 0;
      }
    }
    MESSAGE(caught << " of " << mutants << " mutants were noticed");
    CHECK(caught == mutants);
  }

  TEST_CASE(
      "terms become binding only where they were judged and offers only where they are made") {
    for (const auto& [name, standing] : standings()) {
      for (const AgreementEvent& event : all_events()) {
        CAPTURE(name);
        const auto moved = transition(standing, event, 1);
        if (!moved) continue;
        const bool entering = moved->next.state == AgreementState::active &&
                              standing.state != AgreementState::active &&
                              standing.state != AgreementState::suspended;
        // Either this side judges now, or it did when it signed and hears that the other has.
        if (entering) CHECK((moved->judged || standing.state == AgreementState::agreed));
        CHECK((moved->offer == Offer::replaced) ==
              (event.kind <= Kind::told &&
               (event.step == AgreementStep::propose || event.step == AgreementStep::counter)));
      }
    }
  }

  TEST_CASE(
      "every open standing has an owner and time ends it and both sides agree whose turn it is") {
    for (const auto& [name, standing] : standings()) {
      CAPTURE(name);
      CHECK(is_possible(standing));
      if (is_over(standing.state) || standing.state == AgreementState::draft) continue;
      CHECK(transition(standing, {Kind::lapsed}, 0)->next.state == AgreementState::expired);
      CHECK_FALSE(steps_open(standing).empty());
      if (standing.state != AgreementState::active) CHECK(turn_of(standing) != Turn::nobodys);
    }
    // Seen from the other side the turn is the other's.
    CHECK(turn_of({AgreementState::proposed, true}) == Turn::theirs);
    CHECK(turn_of({AgreementState::proposed, false}) == Turn::ours);
    CHECK(turn_of({AgreementState::suspended, false, false, true}) == Turn::theirs);
  }

  TEST_CASE("every state has a word that reads back") {
    for (std::size_t i = 0; i < kAgreementStates; ++i) {
      const auto state = static_cast<AgreementState>(i);
      CHECK(agreement_state_from_text(to_text(state)) == state);
    }
    CHECK_FALSE(agreement_state_from_text("signed"));
    for (std::size_t i = 0; i < kAgreementSteps; ++i) {
      const auto step = static_cast<AgreementStep>(i);
      CHECK(agreement_step_from_text(to_text(step)) == step);
    }
  }
}
