#include "security/identity/enrolment.h"

#include <doctest/doctest.h>
#include <sodium.h>

#include <algorithm>
#include <functional>
#include <set>

#include "schemas/base/hash.h"
#include "security/identity/certificate.h"
#include "security/identity/enrolment_wire.h"
#include "security/identity/limits.h"
#include "tests/unit/security/identity/organisations.h"

using namespace entente;
using namespace entente::security;
using test::kNow;

namespace {

// One organisation with a site that has a certificate.
struct Site {
  Site(Random& random, const std::string& name)
      : org(test::make_organisation(random, name)),
        ca(*make_ca_certificate(org.keys.ca, org.pinned.id(), {kNow - days(1), kNow + days(300)},
                                random)),
        leaf(*issue_leaf(org.keys.ca, ca, {org.pinned.id(), name + "-site",
                                           {kNow - minutes(5), kNow + hours(24)}}, random)),
        name_(name) {}
  EnrolmentSelf self() const {
    return {org.pinned, name_ + "-site", leaf.chain_der, {name_ + ".example.org:7400"},
            &org.keys.agreement};
  }
  test::Organisation org;
  Bytes ca;
  LeafCredential leaf;
  std::string name_;
};

struct World {
  explicit World(std::uint64_t seed) : random(seed) {}
  SeededRandom random;
  Site washington{random, "washington"};  // invites
  Site oregon{random, "oregon"};          // accepts
  Site mallory{random, "mallory"};
  InvitationBook book;
  Invitation invitation = invite();

  Invitation invite() {
    return *book.invite({washington.org.pinned.id(), {"127.0.0.1:7400"}, {"127.0.0.1:7401"}, {}},
                        random, kNow);
  }
  AcceptingSide accepting() {
    return *AcceptingSide::create(invitation, oregon.self(), random, kNow);
  }
  InvitingSide inviting() {
    return *InvitingSide::create(book, washington.self(), random, kNow);
  }
  int wrong_proofs() const { return book.records().at(invitation.id).wrong_proofs; }
};

struct Ends {
  std::optional<Enrolled> accepting;
  std::optional<Enrolled> inviting;
  std::optional<Error> error;
};

// Moves messages between both sides; `between(index, message)` may replace the index-th (0 to 5).
using Between = std::function<Bytes(int, Bytes)>;
Ends converse(AcceptingSide& accepting, InvitingSide& inviting, const Between& between,
              Instant now = kNow) {
  Ends ends;
  Bytes message = accepting.first_message();
  for (int index = 0; index < 6; ++index) {
    message = between(index, std::move(message));
    const bool to_inviter = index % 2 == 0;
    auto step = to_inviter ? inviting.receive(message, now) : accepting.receive(message, now);
    if (!step) {
      ends.error = step.error();
      return ends;
    }
    if (step->enrolled) (to_inviter ? ends.inviting : ends.accepting) = *step->enrolled;
    if (!step->send) break;
    message = *step->send;
  }
  return ends;
}
Bytes untouched(int, Bytes message) { return message; }

// Opens and seals messages as a holder of the token can; written from the header's description, so
// that it also checks the format.
class Forger {
 public:
  explicit Forger(const Invitation& invitation)
      : id_(invitation.id), secret_(to_bytes(invitation.secret.view())) {}
  EnrolBody open(ByteView bytes, int index) const {
    const EnrolMessage message = *enrol_message_from_bytes(bytes);
    const Bytes key = key_of(index), place = place_of(index);
    Bytes plain(message.sealed.size() - 16);
    REQUIRE(crypto_aead_xchacha20poly1305_ietf_decrypt(
                plain.data(), nullptr, nullptr, message.sealed.data(), message.sealed.size(),
                place.data(), place.size(), message.nonce.bytes.data(), key.data()) == 0);
    return *enrol_body_from_bytes(plain);
  }
  Bytes seal(const EnrolBody& body, int index) const {
    const Bytes key = key_of(index), place = place_of(index), plain = canonical_bytes(body);
    EnrolMessage message{id_, {}, Bytes(plain.size() + 16)};
    randombytes_buf(message.nonce.bytes.data(), message.nonce.bytes.size());
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        message.sealed.data(), nullptr, plain.data(), plain.size(), place.data(), place.size(),
        nullptr, message.nonce.bytes.data(), key.data());
    return canonical_bytes(message);
  }

 private:
  Bytes key_of(int index) const {
    Bytes text = to_bytes(std::string("entente enrolment v1 from ") +
                          (index % 2 == 0 ? "accepting" : "inviting"));
    text.insert(text.end(), id_.bytes.begin(), id_.bytes.end());
    Bytes out(32);
    crypto_generichash(out.data(), 32, text.data(), text.size(), secret_.data(), secret_.size());
    return out;
  }
  Bytes place_of(int index) const {
    Bytes out = {static_cast<std::uint8_t>(index % 2 == 0 ? 'a' : 'i'),
                 static_cast<std::uint8_t>(index / 2)};
    out.insert(out.end(), id_.bytes.begin(), id_.bytes.end());
    return out;
  }
  InvitationId id_;
  Bytes secret_;
};

Hash256 commitment(char role, const EnrolReveal& reveal) {
  const std::string text(1, role);
  return hash_parts("entente enrolment commitment v1",
                    {bytes_of(text), reveal.nonce.view(), reveal.identity});
}

}  // namespace

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

  TEST_CASE("nothing but the invitation's id can be read on the way") {
    World world(2);
    auto accepting = world.accepting();
    auto inviting = world.inviting();
    const std::string_view names[] = {"washington", "oregon", "example.org"};
    const auto holds = [](ByteView bytes, ByteView part) {
      return std::search(bytes.begin(), bytes.end(), part.begin(), part.end()) != bytes.end();
    };
    const Forger holder(world.invitation);
    converse(accepting, inviting, [&](int index, Bytes message) {
      CHECK(holds(message, world.invitation.id.view()));
      for (const std::string_view name : names) CHECK_FALSE(holds(message, bytes_of(name)));
      CHECK_FALSE(holds(message, world.invitation.secret.view()));
      if (index == 2) {  // the control: a holder of the token reads them
        CHECK(holds(canonical_bytes(holder.open(message, index)), bytes_of("oregon")));
      }
      return message;
    });
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

  TEST_CASE("who holds the token still cannot stand in for the inviter") {
    World world(10);
    InvitationBook stolen;
    stolen.restore({world.invitation.id, world.invitation.secret.copy(),
                    world.invitation.expires, 0, false});
    auto accepting = world.accepting();
    auto mallory = *InvitingSide::create(stolen, world.mallory.self(), world.random, kNow);
    const Ends ends = converse(accepting, mallory, untouched);
    REQUIRE(ends.error);
    CHECK(ends.error->what.find("token names another") != std::string::npos);
    CHECK_FALSE(ends.accepting);
    CHECK_FALSE(ends.inviting);
  }

  TEST_CASE("a man in the middle with the token changes nothing unseen: charter, nonce, address") {
    using Change = std::function<void(World&, EnrolReveal&)>;
    const std::pair<const char*, Change> changes[] = {
        {"nonce", [](World& w, EnrolReveal& r) { r.nonce = w.random.id<Hash256>(); }},
        {"charter",
         [](World& w, EnrolReveal& r) {
           const EnrolmentSelf own = w.mallory.self();
           r.identity = canonical_bytes(EnrolIdentity{own.organisation.chain(), own.site,
                                                      own.certificates, own.addresses});
         }},
        {"address",
         [](World&, EnrolReveal& r) {
           EnrolIdentity identity = *enrol_identity_from_bytes(r.identity);
           identity.addresses = {"evil.example.org:1"};
           r.identity = canonical_bytes(identity);
         }},
        {"leaf", [](World& w, EnrolReveal& r) {
           EnrolIdentity identity = *enrol_identity_from_bytes(r.identity);
           identity.certificates = w.mallory.leaf.chain_der;
           r.identity = canonical_bytes(identity);
         }}};
    for (const auto& [name, change] : changes) {
      CAPTURE(std::string(name));
      for (const bool fix_commitments : {false, true}) {
        CAPTURE(fix_commitments);
        for (const int target : {2, 3}) {
          CAPTURE(target);
          World world(11);
          const Forger forger(world.invitation);
          auto accepting = world.accepting();
          auto inviting = world.inviting();
          // With fixed commitments the attacker must choose before anything is revealed, so it
          // rewrites the commitment from what it will put there: known here from a seed's rerun.
          std::optional<EnrolReveal> planned;
          if (fix_commitments) {
            World twin(11);
            auto a = twin.accepting();
            auto i = twin.inviting();
            converse(a, i, [&](int index, Bytes message) {
              const Forger reader(twin.invitation);
              if (index == 2) {
                auto reveal = std::get<EnrolReveal>(reader.open(message, index));
                if (target == 2) planned = reveal;
              }
              if (index == 3 && target == 3) {
                planned = std::get<EnrolAnswer>(reader.open(message, index)).reveal;
              }
              return message;
            });
            REQUIRE(planned);
            change(world, *planned);
          }
          const Ends ends = converse(accepting, inviting, [&](int index, Bytes message) {
            if (fix_commitments && index == target - 2) {
              return forger.seal(
                  EnrolCommitment{commitment(target == 2 ? 'a' : 'i', *planned)}, index);
            }
            if (index != target) return message;
            EnrolBody body = forger.open(message, index);
            EnrolReveal& reveal = target == 2 ? std::get<EnrolReveal>(body)
                                              : std::get<EnrolAnswer>(body).reveal;
            if (fix_commitments) {
              reveal = *planned;
            } else {
              change(world, reveal);
            }
            return forger.seal(body, index);
          });
          CHECK(ends.error);
          CHECK_FALSE(ends.accepting);
          CHECK_FALSE(ends.inviting);
        }
      }
    }
  }

  TEST_CASE("a forger that changes nothing passes, so the refusals above mean something") {
    World world(12);
    const Forger forger(world.invitation);
    auto accepting = world.accepting();
    auto inviting = world.inviting();
    const Ends ends = converse(accepting, inviting, [&](int index, Bytes message) {
      return forger.seal(forger.open(message, index), index);
    });
    REQUIRE(ends.accepting);
    CHECK(ends.accepting->words == ends.inviting->words);
  }

  TEST_CASE("the key of the charter must take part: another's charter cannot be enrolled") {
    World world(13);
    const Forger forger(world.invitation);
    const SigningKey other = SigningKey::generate(world.random);
    for (const int target : {3, 4}) {
      CAPTURE(target);
      world.invitation = world.invite();
      const Forger holder(world.invitation);
      auto accepting = world.accepting();
      auto inviting = world.inviting();
      const Ends ends = converse(accepting, inviting, [&](int index, Bytes message) {
        if (index != target) return message;
        EnrolBody body = holder.open(message, index);
        EnrolProof& proof =
            target == 3 ? std::get<EnrolAnswer>(body).proof : std::get<EnrolProof>(body);
        proof.signature = other.sign("entente enrolment signature v1", proof.proof.view());
        return holder.seal(body, index);
      });
      REQUIRE(ends.error);
      CHECK(ends.error->what.find("key of the charter") != std::string::npos);
      CHECK_FALSE(ends.accepting);
      CHECK_FALSE(ends.inviting);
    }
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
    self.certificates = issue_leaf(world.washington.org.keys.ca, world.washington.ca,
                                   {world.washington.org.pinned.id(), "tacoma",
                                    {kNow - minutes(5), kNow + hours(1)}},
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
