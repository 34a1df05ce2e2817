#include "federation/aggregate/site_part.h"

#include <doctest/doctest.h>

#include "tests/unit/federation/aggregate/cohort.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

constexpr RoundPhase kPhases[] = {RoundPhase::keys, RoundPhase::shares, RoundPhase::masked,
                                  RoundPhase::consents, RoundPhase::unmasking};

// Every message of a whole round, in its order, as one site gets and answers it.
struct Script {
  std::vector<Bytes> asked, answered;
};

Script script_of(Cohort& cohort, std::uint32_t site) {
  Script script;
  Coordinator coordinator = cohort.coordinator();
  for (const RoundPhase phase : kPhases) {
    for (const std::uint32_t member : coordinator.members()) {
      const Bytes message = coordinator.message_for(member);
      const auto said = cohort.reply(member, phase, message);
      if (!said) FAIL(said.error().text());
      REQUIRE(coordinator.take(member, *said));
      if (member != site) continue;
      script.asked.push_back(message);
      script.answered.push_back(*said);
    }
    REQUIRE(coordinator.advance());
  }
  return script;
}

Result<Bytes> step(SitePart& part, RoundPhase phase, ByteView message) {
  switch (phase) {
    case RoundPhase::shares:
      return part.share(message);
    case RoundPhase::masked:
      return part.mask(message);
    case RoundPhase::consents:
      return part.consent(message);
    default:
      return part.unmask(message);
  }
}

}  // namespace

TEST_SUITE("federation/site_part") {
  TEST_CASE("a proposal that breaks what the site knows or demands is refused") {
    NoNoise none;
    struct Row {
      const char* what;
      ErrorCode code;
      std::function<void(Cohort&, SiteTerms&)> spoil;
    };
    const Row rows[] = {
        {"another coordinator", ErrorCode::verification_failed,
         [](Cohort&, SiteTerms& terms) { terms.coordinator.bytes[0] ^= 1; }},
        {"another signer", ErrorCode::verification_failed,
         [](Cohort& cohort, SiteTerms& terms) {
           terms.coordinator_key = cohort.sites[0].key.public_key();
         }},
        {"another question", ErrorCode::shape_refused,
         [](Cohort&, SiteTerms& terms) { terms.question.bytes[0] ^= 1; }},
        {"another site", ErrorCode::shape_refused,
         [](Cohort&, SiteTerms& terms) { terms.site = "second"; }},
        {"a key that a partner's charter does not name", ErrorCode::verification_failed,
         [](Cohort& cohort, SiteTerms& terms) {
           terms.pinned[cohort.sites[2].organisation] = {cohort.sites[3].key.public_key()};
         }},
        {"two strangers where one may collude", ErrorCode::shape_refused,
         [](Cohort& cohort, SiteTerms& terms) {
           terms.pinned.erase(cohort.sites[2].organisation);
           terms.pinned.erase(cohort.sites[3].organisation);
         }},
        {"itself a stranger", ErrorCode::shape_refused,
         [](Cohort& cohort, SiteTerms& terms) {
           terms.pinned.erase(cohort.sites[1].organisation);
         }},
        {"fewer members than agreed", ErrorCode::shape_refused,
         [](Cohort&, SiteTerms& terms) { terms.members_least = 5; }},
        {"less noise than is charged for", ErrorCode::shape_refused,
         [](Cohort&, SiteTerms& terms) { ++terms.layout.coordinates[1].variance; }},
        {"another lattice", ErrorCode::shape_refused,
         [](Cohort&, SiteTerms& terms) { ++terms.layout.coordinates[0].exponent; }},
        {"other cells", ErrorCode::shape_refused,
         [](Cohort&, SiteTerms& terms) { ++terms.layout.cells; }},
        {"another width", ErrorCode::shape_refused,
         [](Cohort&, SiteTerms& terms) { ++terms.layout.coordinates[1].width; }},
    };
    for (const Row& row : rows) {
      CAPTURE(std::string(row.what));
      Cohort cohort({4}, none);
      SiteTerms terms = cohort.terms(1);
      row.spoil(cohort, terms);
      const auto joined = cohort.join(1, std::move(terms), cohort.coordinator().message_for(1));
      CHECK(code_of(joined) == row.code);
      // Nothing is remembered of it: the sound one is joined.
      CHECK(cohort.join(1, cohort.coordinator().message_for(1)));
    }
    // One stranger may be: it counts as the one that colludes.
    Cohort cohort({4}, none);
    SiteTerms terms = cohort.terms(1);
    terms.pinned.erase(cohort.sites[2].organisation);
    CHECK(cohort.join(1, std::move(terms), cohort.coordinator().message_for(1)));
  }

  TEST_CASE("a proposal is fresh or refused and so is every later step") {
    NoNoise none;
    struct Row {
      Duration issued, life;
      ErrorCode code;
    };
    for (const Row& row : {Row{seconds(31), seconds(10), ErrorCode::stale},
                           Row{seconds(-60), seconds(60), ErrorCode::deadline_exceeded},
                           Row{seconds(0), seconds(121), ErrorCode::stale}}) {
      CAPTURE(row.life.ns);
      Cohort cohort({3}, none);
      cohort.proposal().issued = cohort.clock.now() + row.issued;
      cohort.proposal().deadline = cohort.proposal().issued + row.life;
      CHECK(code_of(cohort.join(0, cohort.coordinator().message_for(0))) == row.code);
    }
    Cohort cohort({3}, none);
    Coordinator coordinator = cohort.coordinator();
    REQUIRE(cohort.run_until(coordinator, RoundPhase::masked));
    cohort.clock.advance(seconds(61));
    CHECK(code_of(cohort.reply(0, RoundPhase::masked, coordinator.message_for(0))) ==
          ErrorCode::deadline_exceeded);
    CHECK(cohort.sites[0].account->charges == 0);
  }

  TEST_CASE("in every state every other message is refused and changes nothing") {
    NoNoise none;
    Cohort before({4, 1, {{0, 1, 3'200, 0}}, {}, {}, 77}, none);
    const Script foreign = script_of(before, 1);
    Cohort cohort({4, 1, {{0, 1, 3'200, 0}}, {}, {}, 78}, none);
    Coordinator coordinator = cohort.coordinator();
    std::vector<Bytes> asked, answered;
    for (std::size_t state = 0; state < 5; ++state) {
      CAPTURE(state);
      REQUIRE(coordinator.phase() == kPhases[state]);
      const Bytes now = coordinator.message_for(1);
      if (state > 0) {
        SitePart& part = *cohort.sites[1].part;
        for (std::size_t kind = 1; kind < 5; ++kind) {
          CAPTURE(kind);
          // Of another round, whatever the state.
          const auto other = step(part, kPhases[kind], foreign.asked[kind]);
          REQUIRE_FALSE(other);
          CHECK((other.error().code == ErrorCode::conflict ||
                 other.error().code == ErrorCode::verification_failed));
          if (kind < state) {
            // Repeated: the stored answer.
            const auto again = step(part, kPhases[kind], asked[kind]);
            REQUIRE(again);
            CHECK(*again == answered[kind]);
          }
          if (kind > state) {
            // Reordered: too early, whatever it says.
            CHECK(code_of(step(part, kPhases[kind], now)) == ErrorCode::conflict);
          }
          // Cut short, and one of another kind.
          CHECK_FALSE(step(part, kPhases[state], ByteView(now).first(now.size() - 8)));
          if (kind != state) CHECK_FALSE(step(part, kPhases[state], foreign.answered[kind]));
        }
      }
      for (const std::uint32_t member : coordinator.members()) {
        const Bytes message = coordinator.message_for(member);
        const auto said = cohort.reply(member, kPhases[state], message);
        if (!said) FAIL(said.error().text());
        REQUIRE(coordinator.take(member, *said));
        if (member != 1) continue;
        asked.push_back(message);
        answered.push_back(*said);
      }
      REQUIRE(coordinator.advance());
    }
    CHECK(coordinator.sum()->values == cohort.plain_sum({0, 1, 2, 3}));
    CHECK(cohort.sites[1].account->charges == 1);
  }

  TEST_CASE("no byte of what a site is sent can be changed unnoticed") {
    // Three members: all of them must survive, and all must sign.
    NoNoise none;
    Cohort cohort({3, 1, {{0, 1, 3'200, 0}}, {}, {}, 9}, none);
    Coordinator coordinator = cohort.coordinator();
    for (const RoundPhase phase : kPhases) {
      CAPTURE(static_cast<int>(phase));
      const Bytes message = coordinator.message_for(1);
      int taken = 0;
      for (std::size_t at = 0; at < message.size(); ++at) {
        Bytes bad = message;
        bad[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
        taken += cohort.reply(1, phase, bad) ? 1 : 0;
      }
      CHECK(taken == 0);
      REQUIRE(cohort.run_phase(coordinator));
    }
    CHECK(coordinator.sum()->values == cohort.plain_sum({0, 1, 2}));
  }
}
