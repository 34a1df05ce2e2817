#include "security/identity/enrolment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "security/identity/enrolment_wire.h"
#include "security/identity/limits.h"
#include "tests/unit/security/identity/enrolment_world.h"

using namespace entente;
using namespace entente::security;
using namespace entente::security::test;

TEST_SUITE("security/enrolment") {
  TEST_CASE("both sides pin each other and see the same eight words") {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      CAPTURE(seed);
      World world(seed);
      auto accepting = world.accepting();
      auto inviting = world.inviting();
      const Ends ends = converse(accepting, inviting, untouched);
      if (ends.error) FAIL(ends.error->text());
      REQUIRE(ends.accepting);
      REQUIRE(ends.inviting);
      CHECK(ends.accepting->words == ends.inviting->words);
      CHECK(ends.accepting->transcript == ends.inviting->transcript);
      CHECK(ends.accepting->partner.id() == world.washington.org.pinned.id());
      CHECK(ends.inviting->partner.id() == world.oregon.org.pinned.id());
      CHECK(ends.inviting->name() == "oregon");
      CHECK(ends.inviting->site == "oregon-site");
      CHECK(ends.accepting->site == "washington-site");
      CHECK(ends.accepting->addresses == std::vector<std::string>{"washington.example.org:7400"});
      CHECK(world.book.state(world.invitation.id, kNow) == InvitationState::used);
      CHECK(world.wrong_proofs() == 0);
    }
  }

  TEST_CASE("two runs never show the same words") {
    World world(1);
    std::set<std::string> seen;
    for (int run = 0; run < 20; ++run) {
      world.invitation = world.invite();
      auto accepting = world.accepting();
      auto inviting = world.inviting();
      seen.insert(to_text(converse(accepting, inviting, untouched).accepting->words));
    }
    CHECK(seen.size() == 20);
  }

  TEST_CASE("a bit flipped in any message ends the run, the receiver never enrols") {
    World world(3);
    for (int target = 0; target < 6; ++target) {
      CAPTURE(target);
      for (int round = 0; round < 12; ++round) {
        world.invitation = world.invite();
        auto accepting = world.accepting();
        auto inviting = world.inviting();
        const Ends ends = converse(accepting, inviting, [&](int index, Bytes message) {
          if (index == target) {
            message[world.random.below(message.size())] ^=
                static_cast<std::uint8_t>(1u << world.random.below(8));
          }
          return message;
        });
        CHECK(ends.error);
        CHECK_FALSE(ends.accepting);
        // Only the last message follows the inviter's own end.
        CHECK(ends.inviting.has_value() == (target == 5));
      }
    }
  }

  TEST_CASE("truncated, empty and oversized messages are refused at every step") {
    World world(4);
    for (int target = 0; target < 6; ++target) {
      CAPTURE(target);
      const std::function<Bytes(const Bytes&)> damages[] = {
          [&](const Bytes& m) { return Bytes(m.begin(), m.begin() + 8); },
          [&](const Bytes& m) { return Bytes(m.begin(), m.end() - 8); },
          [&](const Bytes& m) { return Bytes(m.begin(), m.end() - 1); },
          [&](const Bytes&) { return Bytes{}; },
          [&](const Bytes&) { return Bytes(security::limits::kEnrolmentMessage + 8); },
          [&](const Bytes&) { return Bytes(8'000'000); }};
      for (const auto& damage : damages) {
        world.invitation = world.invite();
        auto accepting = world.accepting();
        auto inviting = world.inviting();
        const Ends ends = converse(accepting, inviting, [&](int index, Bytes message) {
          return index == target ? damage(message) : message;
        });
        REQUIRE(ends.error);
        CHECK(ends.error->code == ErrorCode::enrolment_refused);
        CHECK_FALSE(ends.accepting);
      }
    }
  }

  TEST_CASE("an invitation is good once, the second to come is refused, so is a replay") {
    World world(5);
    auto accepting = world.accepting();
    auto inviting = world.inviting();
    std::vector<Bytes> recorded;
    REQUIRE(converse(accepting, inviting, [&](int, Bytes message) {
              recorded.push_back(message);
              return message;
            }).accepting);
    auto second = world.accepting();
    auto again = world.inviting();
    const Ends ends = converse(second, again, untouched);
    REQUIRE(ends.error);
    CHECK_FALSE(ends.inviting);
    auto replayed = world.inviting();
    CHECK_FALSE(replayed.receive(recorded[0], kNow));
  }

  TEST_CASE("messages recorded in one run open nothing in another") {
    World world(6);
    std::vector<Bytes> recorded;
    {
      auto accepting = world.accepting();
      auto inviting = world.inviting();
      const Ends cut = converse(accepting, inviting, [&](int index, Bytes message) {
        recorded.push_back(message);
        return index == 4 ? Bytes{} : message;
      });
      REQUIRE(cut.error);
    }
    REQUIRE(recorded.size() == 5);
    auto inviting = world.inviting();
    REQUIRE(inviting.receive(recorded[0], kNow));
    REQUIRE(inviting.receive(recorded[2], kNow));
    const auto proof = inviting.receive(recorded[4], kNow);
    REQUIRE_FALSE(proof);
    CHECK(proof.error().what.find("proof") != std::string::npos);
    for (int target : {1, 3}) {
      CAPTURE(target);
      auto accepting = world.accepting();
      auto fresh = world.inviting();
      const Ends ends = converse(accepting, fresh, [&](int index, Bytes message) {
        return index == target ? recorded[static_cast<std::size_t>(target)] : message;
      });
      CHECK(ends.error);
      CHECK_FALSE(ends.accepting);
      CHECK_FALSE(ends.inviting);
    }
    // A message put in another's place is refused as well: its place is authenticated.
    auto misplaced = world.inviting();
    CHECK_FALSE(misplaced.receive(recorded[2], kNow));
    auto reflected = world.inviting();
    CHECK_FALSE(reflected.receive(recorded[1], kNow));
  }

  TEST_CASE("the wrong secret opens nothing, and the fifth try burns the invitation") {
    World world(7);
    Invitation wrong = world.invite();
    wrong.id = world.invitation.id;
    for (int attempt = 1; attempt <= 5; ++attempt) {
      CAPTURE(attempt);
      CHECK(world.book.state(world.invitation.id, kNow) == InvitationState::open);
      auto guess = *AcceptingSide::create(wrong, world.oregon.self(), world.random, kNow);
      auto inviting = world.inviting();
      const Ends ends = converse(guess, inviting, untouched);
      CHECK(ends.error);
      CHECK_FALSE(ends.inviting);
      CHECK(world.wrong_proofs() == attempt);
      // More on the same connection does not count again.
      CHECK_FALSE(inviting.receive(guess.receive({}, kNow) ? Bytes{} : Bytes(8), kNow));
      CHECK(world.wrong_proofs() == attempt);
    }
    CHECK(world.book.state(world.invitation.id, kNow) == InvitationState::burnt);
    auto honest = world.accepting();
    auto inviting = world.inviting();
    CHECK_FALSE(converse(honest, inviting, untouched).inviting);
  }

  TEST_CASE("expired invitations and charters enrol nobody, whenever they expire") {
    World world(8);
    const Instant late = kNow + hours(24);
    const auto expired =
        AcceptingSide::create(world.invitation, world.oregon.self(), world.random, late);
    REQUIRE_FALSE(expired);
    CHECK(expired.error().code == ErrorCode::token_invalid);
    auto accepting = world.accepting();
    auto inviting = world.inviting();
    CHECK_FALSE(converse(accepting, inviting, untouched, late).inviting);
    // In the middle of a run: the invitation expires between message 3 and message 5.
    World other(9);
    auto one = other.accepting();
    auto two = other.inviting();
    auto answer = two.receive(one.first_message(), kNow);
    answer = two.receive(*one.receive(*answer->send, kNow)->send, kNow);
    const auto proof = one.receive(*answer->send, kNow);
    REQUIRE(proof);
    CHECK_FALSE(two.receive(*proof->send, late));
    CHECK(other.book.state(other.invitation.id, late) == InvitationState::expired);
  }

  TEST_CASE("a side whose own identity is unsound does not begin") {
    World world(14);
    const auto refuses = [&](EnrolmentSelf self, Instant now = kNow) {
      const auto result = InvitingSide::create(world.book, std::move(self), world.random, now);
      return !result && result.error().code == ErrorCode::invalid_argument;
    };
    CHECK_FALSE(refuses(world.oregon.self()));
    EnrolmentSelf self = world.oregon.self();
    self.agreement_key = &world.mallory.org.keys.agreement;
    CHECK(refuses(self));
    self = world.oregon.self();
    self.certificates = world.mallory.leaf.chain_der;
    CHECK(refuses(self));
    self = world.oregon.self();
    self.site = "elsewhere";
    CHECK(refuses(self));
    self = world.oregon.self();
    self.addresses = {"nowhere"};
    CHECK(refuses(self));
    CHECK(refuses(world.oregon.self(), kNow + days(2)));
  }

  TEST_CASE("a site does not enrol with itself, but with a sister site") {
    World world(15);
    const auto run = [&](const EnrolmentSelf& self) {
      world.invitation = world.invite();
      auto accepting = *AcceptingSide::create(world.invitation, self, world.random, kNow);
      auto inviting = world.inviting();
      return converse(accepting, inviting, untouched).accepting.has_value();
    };
    EnrolmentSelf self = world.washington.self();
    CHECK_FALSE(run(self));
    self.site = "tacoma";
    self.certificates =
        issue_leaf(
            world.washington.org.keys.ca, world.washington.ca,
            {world.washington.org.pinned.id(), "tacoma", {kNow - minutes(5), kNow + hours(1)}},
            world.random)
            ->chain_der;
    CHECK(run(self));
  }

  TEST_CASE("random bytes and random order never enrol or end the process") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      CAPTURE(seed);
      World world(20 + seed % 4);
      SeededRandom noise(seed);
      auto accepting = world.accepting();
      auto inviting = world.inviting();
      std::vector<Bytes> pool = {accepting.first_message()};
      bool enrolled = false;
      for (int move = 0; move < 12; ++move) {
        Bytes message = pool[noise.below(pool.size())];
        if (noise.below(3) == 0) message.resize(noise.below(message.size() + 9));
        auto step = noise.below(2) == 0 ? inviting.receive(message, kNow)
                                        : accepting.receive(message, kNow);
        if (step && step->send) pool.push_back(*step->send);
        if (step && step->enrolled) enrolled = true;
      }
      // By luck a pool may be played in the right order; then the words are those of an honest run.
      if (enrolled) CHECK(world.book.state(world.invitation.id, kNow) == InvitationState::used);
    }
  }
}
