#include "security/identity/invitation.h"

#include <doctest/doctest.h>

#include "security/identity/limits.h"

using namespace entente;
using namespace entente::security;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};

InvitationBook::Terms terms(Random& random) {
  return {random.id<OrgId>(), {"127.0.0.1:7400"}, {"[::1]:7401", "node.example.org:7401"}, {}};
}

std::string refusal(std::string_view token, Instant now = kNow) {
  const auto result = parse_token(token, now);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::token_invalid);
  return result.error().what;
}

bool mentions(const std::string& text, const char* word) {
  return text.find(word) != std::string::npos;
}

}  // namespace

TEST_SUITE("security/invitation") {
  TEST_CASE("a token gives back the invitation, pasted spaces forgiven") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      InvitationBook book;
      const auto made = book.invite(terms(random), random, kNow);
      REQUIRE(made);
      const std::string token = to_token(*made);
      CHECK(token.starts_with("ENTL1."));
      for (const std::string& text : {token, "  " + token + "\r\n"}) {
        const auto read = parse_token(text, kNow);
        if (!read) FAIL(read.error().text());
        CHECK(read->organisation == made->organisation);
        CHECK(read->addresses == made->addresses);
        CHECK(read->enrolment == made->enrolment);
        CHECK(read->id == made->id);
        CHECK(read->secret.equals(made->secret.view()));
        CHECK(read->expires == kNow + hours(24));
      }
    }
  }

  TEST_CASE("cut, mistyped, foreign and expired tokens say what they are") {
    SeededRandom random(3);
    InvitationBook book;
    const std::string token = to_token(*book.invite(terms(random), random, kNow));
    CHECK(mentions(refusal(""), "begin with"));
    CHECK(mentions(refusal("hello"), "begin with"));
    CHECK(mentions(refusal("ENTL2" + token.substr(5)), "begin with"));
    CHECK(mentions(refusal("ENTL1."), "cut off"));
    CHECK(mentions(refusal(token, kNow + hours(24)), "expired"));
    CHECK(mentions(refusal(token + std::string(3000, 'A')), "too long"));
    for (std::size_t size = 6; size < token.size(); ++size) {
      CAPTURE(size);
      CHECK(mentions(refusal(token.substr(0, size)), "cut off"));
    }
    for (std::size_t at = 6; at < token.size(); ++at) {
      CAPTURE(at);
      for (const char wrong : {'A', 'z', '-', '*', ' '}) {
        if (token[at] == wrong || (wrong == ' ' && at + 1 == token.size())) continue;
        std::string typo = token;
        typo[at] = wrong;
        CHECK(mentions(refusal(typo), "mistyped"));
      }
    }
  }

  TEST_CASE("addresses are host and port, nothing else") {
    for (const char* good : {"127.0.0.1:7400", "node.example.org:1", "localhost:65535",
                             "[::1]:7400", "[2001:db8::7]:443"}) {
      CAPTURE(std::string(good));
      CHECK(is_address(good));
    }
    for (const char* bad : {"", ":", "host", "host:", ":7400", "host:0", "host:65536", "host:07",
                            "host:-1", "host:+1", "host:7a", "a b:1", "a/b:1", "::1:7400",
                            "[::1]", "[]:1", "[host]:1", "-a:1", ".a:1", "user@host:1",
                            "host:100000", "h\xC3\xB6st:1"}) {
      CAPTURE(std::string(bad));
      CHECK_FALSE(is_address(bad));
    }
  }

  TEST_CASE("an invitation is open until it is used, burnt by the fifth wrong proof, or expired") {
    SeededRandom random(4);
    InvitationBook book;
    const auto id = [&] { return book.invite(terms(random), random, kNow)->id; };
    const InvitationId used = id(), burnt = id(), expired = id();
    CHECK(book.state(used, kNow) == InvitationState::open);
    CHECK(book.secret_of(used, kNow) != nullptr);
    CHECK(book.use(used, kNow));
    CHECK(book.state(used, kNow) == InvitationState::used);
    CHECK(book.secret_of(used, kNow) == nullptr);
    CHECK_FALSE(book.use(used, kNow));
    for (int n = 1; n <= 4; ++n) {
      CHECK(book.count_wrong_proof(burnt, kNow) == InvitationState::open);
    }
    CHECK(book.count_wrong_proof(burnt, kNow) == InvitationState::burnt);
    CHECK(book.secret_of(burnt, kNow) == nullptr);
    CHECK_FALSE(book.use(burnt, kNow));
    CHECK(book.state(expired, kNow + hours(24) - nanoseconds(1)) == InvitationState::open);
    CHECK(book.state(expired, kNow + hours(24)) == InvitationState::expired);
    CHECK_FALSE(book.use(expired, kNow + hours(24)));
    CHECK(book.any_open(kNow));
    CHECK_FALSE(book.any_open(kNow + hours(24)));
    CHECK(book.state(random.id<InvitationId>(), kNow) == InvitationState::unknown);
    CHECK(book.withdraw(expired));
    CHECK_FALSE(book.withdraw(expired));
    CHECK_FALSE(book.any_open(kNow));
  }

  TEST_CASE("the book outlives a restart with its counts") {
    SeededRandom random(5);
    InvitationBook book, again;
    const InvitationId id = book.invite(terms(random), random, kNow)->id;
    for (int n = 0; n < 4; ++n) (void)book.count_wrong_proof(id, kNow);
    const InvitationRecord& record = book.records().at(id);
    again.restore({record.id, record.secret.copy(), record.expires, record.wrong_proofs,
                   record.used});
    CHECK(again.state(id, kNow) == InvitationState::open);
    CHECK(again.count_wrong_proof(id, kNow) == InvitationState::burnt);
  }

  TEST_CASE("invitations that nobody could use, or too many, are not made") {
    SeededRandom random(6);
    InvitationBook book;
    auto bad = terms(random);
    bad.enrolment.clear();
    CHECK_FALSE(book.invite(bad, random, kNow));
    bad = terms(random);
    bad.addresses = {"nowhere"};
    CHECK_FALSE(book.invite(bad, random, kNow));
    bad = terms(random);
    bad.life = hours(25);
    CHECK_FALSE(book.invite(bad, random, kNow));
    bad.life = hours(-1);
    CHECK_FALSE(book.invite(bad, random, kNow));
    for (std::size_t n = 0; n < security::limits::kInvitationsOpen; ++n) {
      REQUIRE(book.invite(terms(random), random, kNow));
    }
    const auto full = book.invite(terms(random), random, kNow);
    REQUIRE_FALSE(full);
    CHECK(full.error().code == ErrorCode::overloaded);
    CHECK(book.invite(terms(random), random, kNow + hours(24)));
    CHECK(book.records().size() == 1);
  }
}
