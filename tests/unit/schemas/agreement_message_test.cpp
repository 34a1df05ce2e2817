#include "schemas/agreement_message.h"

#include <doctest/doctest.h>

#include <functional>

#include "tests/unit/schemas/random_values.h"

using namespace entente;

namespace {

AgreementMessage random_message(Random& random) {
  AgreementMessage out;
  out.sender = random.id<OrgId>();
  out.receiver = random.id<OrgId>();
  out.thread = random.id<AgreementId>();
  out.terms = random.id<AgreementId>();
  out.step = static_cast<AgreementStep>(random.below(kAgreementSteps));
  out.number = 1 + random.below(1'000'000);
  const bool offers = out.step == AgreementStep::propose || out.step == AgreementStep::counter ||
                      out.step == AgreementStep::settle;
  const bool ends = out.step == AgreementStep::withdraw || out.step == AgreementStep::terminate;
  if (offers || (ends && random.below(2) == 0)) {
    out.agreement = to_bytes("an agreement's bytes");
  }
  if (out.step == AgreementStep::report) {
    out.code = ErrorCode::agreement_invalid;
    out.test = static_cast<std::uint16_t>(random.below(256));
  }
  if (random.below(2) == 0) out.reason = "because";
  return out;
}

}  // namespace

TEST_SUITE("schemas/agreement_message") {
  TEST_CASE("a message survives the wire and has one encoding") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const AgreementMessage message = random_message(random);
      const Bytes bytes = canonical_bytes(message);
      const auto read = agreement_message_from_bytes(bytes);
      REQUIRE(read);
      CHECK(*read == message);
      // One changed byte is another message or none.
      Bytes changed = bytes;
      changed[random.below(changed.size())] ^= 1;
      const auto other = agreement_message_from_bytes(changed);
      if (other) CHECK_FALSE(*other == message);
      if (other) CHECK(canonical_bytes(*other) == changed);
    }
  }

  TEST_CASE("a message that breaks a rule is refused with the field's name") {
    SeededRandom random(7);
    AgreementMessage good = random_message(random);
    good.step = AgreementStep::report;
    good.agreement.clear();
    good.code = ErrorCode::agreement_invalid;
    good.test = 1;
    REQUIRE(agreement_message_from_bytes(canonical_bytes(good)));
    const std::vector<std::pair<const char*, std::function<void(AgreementMessage&)>>> cases = {
        {"sender", [](AgreementMessage& m) { m.sender = {}; }},
        {"receiver", [](AgreementMessage& m) { m.receiver = {}; }},
        {"thread", [](AgreementMessage& m) { m.thread = {}; }},
        {"terms", [](AgreementMessage& m) { m.terms = {}; }},
        {"number", [](AgreementMessage& m) { m.number = 0; }},
        {"code", [](AgreementMessage& m) { m.code.reset(), m.test = 0; }},
        {"code", [](AgreementMessage& m) { m.step = AgreementStep::resume; }},
        {"test", [](AgreementMessage& m) { m.test = 257; }},
        {"reason", [](AgreementMessage& m) { m.reason = "a\nb"; }},
        {"reason", [](AgreementMessage& m) { m.reason = std::string(4'097, 'x'); }},
        {"agreement", [](AgreementMessage& m) { m.agreement = to_bytes("x"); }},
        {"agreement",
         [](AgreementMessage& m) { m.step = AgreementStep::settle, m.code.reset(), m.test = 0; }}};
    for (const auto& [field, change] : cases) {
      CAPTURE(field);
      AgreementMessage bad = good;
      change(bad);
      const auto read = agreement_message_from_bytes(canonical_bytes(bad));
      REQUIRE_FALSE(read);
      CHECK(read.error().code == ErrorCode::agreement_invalid);
      CAPTURE(read.error().what);
      CHECK(read.error().what.find(std::string("'") + field + "'") != std::string::npos);
    }
  }
}
