#include "federation/agree/agreement_entry.h"

#include <doctest/doctest.h>

#include <functional>

#include "federation/agree/limits.h"
#include "tests/unit/federation/agree/two_sides.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

using Step = AgreementStep;

// Leads a fresh pair to a standing of one side; what is named is the side that is told next.
struct Reached {
  std::string name;
  bool at_provider = true;
  std::function<AgreementId(TwoSides&)> lead;
};

std::vector<Reached> all_reached() {
  const auto offered = [](TwoSides& sides) {
    const AgreementId id = sides.propose();
    sides.settle_all();
    return id;
  };
  const auto countered = [offered](TwoSides& sides) {
    const AgreementId id = offered(sides);
    CHECK(sides.counter(false, id, std::uint64_t{1} << 38));
    sides.settle_all();
    return id;
  };
  const auto active = [offered](TwoSides& sides) {
    const AgreementId id = offered(sides);
    CHECK(sides.take(false, id, Step::settle));
    sides.settle_all();
    return id;
  };
  const auto then = [](auto before, bool by_provider, Step step) {
    return [=](TwoSides& sides) {
      const AgreementId id = before(sides);
      CHECK(sides.take(by_provider, id, step));
      sides.settle_all();
      return id;
    };
  };
  const auto suspended = then(active, true, Step::suspend);
  return {{"proposed here", true, offered},
          {"proposed there", false, offered},
          {"countered here", false, countered},
          {"countered there", true, countered},
          {"agreed", false,
           [offered](TwoSides& sides) {
             const AgreementId id = offered(sides);
             CHECK(sides.take(false, id, Step::settle));
             return id;
           }},
          {"active", true, active},
          {"active at the consumer", false, active},
          {"suspended here", true, suspended},
          {"suspended there", false, suspended},
          {"suspended by both", true, then(suspended, false, Step::suspend)},
          {"terminated", true, then(active, true, Step::terminate)},
          {"expired", true, [active](TwoSides& sides) {
             const AgreementId id = active(sides);
             sides.now = sides.both.agreement.expires;
             for (const bool provides : {true, false}) {
               auto& entries = sides.of(provides).entries;
               entries.insert_or_assign(id, *lapse(entries.at(id), sides.now));
             }
             return id;
           }}};
}

// A step as the partner of `entry` would tell it, properly signed and numbered.
AgreementMessage well_formed(TwoSides& sides, const AgreementEntry& entry, bool at_provider,
                             Step step) {
  AgreementMessage message;
  message.sender = at_provider ? sides.both.consumer : sides.both.provider;
  message.receiver = at_provider ? sides.both.provider : sides.both.consumer;
  message.thread = entry.id;
  message.terms = entry.terms;
  message.step = step;
  message.number = entry.heard + 1;
  const AgreeingSide& partner = sides.of(!at_provider);
  auto terms = read_terms(entry.signed_bytes);
  const auto sign = [&](SignedAgreement& wire, bool provider) {
    auto& into = provider ? wire.provider_signature : wire.consumer_signature;
    into = (provider == at_provider ? sides.of(at_provider) : partner)
               .key->sign(security::contexts::kAgreement, wire.agreement);
  };
  if (step == Step::settle) {
    sign(terms->wire, true), sign(terms->wire, false);
    message.agreement = to_wire_bytes(terms->wire);
  }
  if (step == Step::propose || step == Step::counter) {
    Agreement value = entry.value;
    value.issued = sides.now;
    value.expires = sides.now + days(30);
    if (step == Step::counter) {
      value.round += 1;
      value.answers = entry.terms;
    } else {
      value.round = 0, value.answers.reset();
    }
    SignedAgreement wire;
    wire.agreement = canonical_bytes(value);
    sign(wire, !at_provider);
    message.agreement = to_wire_bytes(wire);
    message.terms = agreement_id_of(wire.agreement);
  }
  if (step == Step::report) message.code = ErrorCode::agreement_invalid, message.test = 1;
  return message;
}

// Whether the partner's disk is as before and it refused.
bool refused_and_unchanged(TwoSides& sides, bool at_provider, const Bytes& bytes) {
  const auto before = sides.of(at_provider).entries;
  const Heard heard = sides.receive(at_provider, bytes);
  return heard.refusal && !heard.changed && sides.of(at_provider).entries == before;
}

// Breaks a good message in one way; nothing when that way is none for this step.
using Breakage =
    std::function<std::optional<Bytes>(TwoSides&, const AgreementEntry&, bool, AgreementMessage)>;
std::map<std::string, Breakage> breakages() {
  const auto signed_by_partner = [](TwoSides& sides, bool at_provider,
                                    const AgreementMessage& message) {
    return sealed_message(*sides.of(!at_provider).key, message);
  };
  const auto changed = [signed_by_partner](auto change) {
    return [=](TwoSides& sides, const AgreementEntry& entry, bool at_provider,
               AgreementMessage message) -> std::optional<Bytes> {
      change(sides, entry, message);
      return signed_by_partner(sides, at_provider, message);
    };
  };
  std::map<std::string, Breakage> all;
  all["another agreement's id"] = changed([](TwoSides& sides, const auto&, auto& message) {
    message.thread = sides.both.random.id<AgreementId>();
  });
  all["another hash"] = changed([](TwoSides& sides, const auto&, auto& message) {
    message.terms = sides.both.random.id<AgreementId>();
  });
  all["an earlier number"] = changed([](TwoSides&, const AgreementEntry& entry, auto& message) {
    message.number = std::max<std::uint64_t>(entry.heard - 1, 1);
  });
  all["the last number with other content"] =
      changed([](TwoSides&, const AgreementEntry& entry, auto& message) {
        message.number = entry.heard;
        message.reason = "other";
      });
  all["another sender"] = changed([](TwoSides& sides, const auto&, auto& message) {
    message.sender = sides.both.random.id<OrgId>();
  });
  all["another receiver"] = changed([](TwoSides& sides, const auto&, auto& message) {
    message.receiver = sides.both.random.id<OrgId>();
  });
  all["the receiver's own signature"] = [](TwoSides& sides, const auto&, bool at_provider,
                                           AgreementMessage message) -> std::optional<Bytes> {
    return sealed_message(*sides.of(at_provider).key, message);
  };
  all["another key"] = [](TwoSides& sides, const auto&, bool,
                          AgreementMessage message) -> std::optional<Bytes> {
    return sealed_message(sides.both.envelope_key, message);
  };
  all["another context"] = [](TwoSides& sides, const auto&, bool at_provider,
                              AgreementMessage message) -> std::optional<Bytes> {
    return to_wire_bytes(security::sign_body(
        *sides.of(!at_provider).key, security::contexts::kAgreement, canonical_bytes(message)));
  };
  all["a flipped bit"] = [signed_by_partner](TwoSides& sides, const auto&, bool at_provider,
                                             AgreementMessage message) -> std::optional<Bytes> {
    Bytes bytes = signed_by_partner(sides, at_provider, message);
    bytes[sides.both.random.below(bytes.size())] ^= 1;
    return bytes;
  };
  all["other terms inside"] = [signed_by_partner](
                                  TwoSides& sides, const auto&, bool at_provider,
                                  AgreementMessage message) -> std::optional<Bytes> {
    if (message.agreement.empty()) return {};
    auto terms = read_terms(message.agreement);
    terms->value.min_units += 1;
    terms->wire.agreement = canonical_bytes(terms->value);
    message.agreement = to_wire_bytes(terms->wire);
    return signed_by_partner(sides, at_provider, message);
  };
  return all;
}

}  // namespace

TEST_SUITE("federation/agree/agreement_entry") {
  TEST_CASE("a proposal is countered twice and signed and both hold the same two signatures") {
    TwoSides sides;
    const AgreementId id = sides.propose();
    sides.settle_all();
    REQUIRE(sides.consumer.find(id) != nullptr);
    REQUIRE(sides.counter(false, id, std::uint64_t{1} << 40));
    sides.settle_all();
    CHECK(sides.provider.entries.at(id).standing.state == AgreementState::countered);
    CHECK(sides.provider.entries.at(id).value.answers == id);
    const AgreementId second = sides.provider.entries.at(id).terms;
    REQUIRE(sides.counter(true, id, std::uint64_t{3} << 38));
    sides.settle_all();
    CHECK(sides.consumer.entries.at(id).value.round == 2);
    CHECK(sides.consumer.entries.at(id).value.answers == second);
    REQUIRE(sides.take(false, id, Step::settle));
    CHECK(sides.consumer.entries.at(id).standing.state == AgreementState::agreed);
    sides.settle_all();
    const AgreementEntry &here = sides.provider.entries.at(id),
                         &there = sides.consumer.entries.at(id);
    CHECK(here.standing.state == AgreementState::active);
    CHECK(there.standing.state == AgreementState::active);
    CHECK(here.signed_bytes == there.signed_bytes);
    CHECK(here.terms == there.terms);
    const auto terms = read_terms(here.signed_bytes);
    REQUIRE(terms);
    CHECK(verify_partner(*sides.provider.site, sides.both.consumer, terms->wire));
    CHECK(verify_partner(*sides.consumer.site, sides.both.provider, terms->wire));
  }

  TEST_CASE("a good message does what the machine says and each broken one changes nothing") {
    std::size_t good = 0, accepted = 0, broken = 0;
    for (const Reached& reached : all_reached()) {
      CAPTURE(reached.name);
      for (std::size_t s = 0; s < kAgreementSteps; ++s) {
        const auto step = static_cast<Step>(s);
        CAPTURE(to_text(step));
        TwoSides sides;
        const AgreementId id = reached.lead(sides);
        const AgreementEntry entry = *sides.of(reached.at_provider).find(id);
        const AgreementMessage message = well_formed(sides, entry, reached.at_provider, step);
        for (const auto& [how, break_it] : breakages()) {
          CAPTURE(how);
          const auto bytes = break_it(sides, entry, reached.at_provider, message);
          if (!bytes) continue;
          // A counter-offer and an end may name what they bring along.
          const bool first = entry.heard == 0 && how.find("number") != std::string::npos;
          if (first) continue;
          ++broken;
          CHECK(refused_and_unchanged(sides, reached.at_provider, *bytes));
        }
        const auto expected =
            transition(entry.standing, {AgreementEvent::Kind::told, step}, entry.value.round);
        const Bytes bytes = sealed_message(*sides.of(!reached.at_provider).key, message);
        const Heard heard = sides.receive(reached.at_provider, bytes);
        ++good;
        accepted += !heard.refusal;
        CHECK(heard.refusal.has_value() == !expected.has_value());
        if (!expected) {
          CHECK(*sides.of(reached.at_provider).find(id) == entry);
          continue;
        }
        const AgreementEntry after = *sides.of(reached.at_provider).find(id);
        CHECK(after.standing == expected->next);
        // The same bytes again are answered the same and change nothing more.
        const Heard again = sides.receive(reached.at_provider, bytes);
        CHECK_FALSE(again.refusal);
        CHECK(*sides.of(reached.at_provider).find(id) == after);
      }
    }
    MESSAGE(good << " good messages, " << accepted << " of them fit; " << broken
                 << " broken ones, all refused");
    CHECK(good == 12 * kAgreementSteps);
    CHECK(broken > 700);
  }

  TEST_CASE("another partner's message about this agreement is refused") {
    TwoSides sides;
    const AgreementId id = sides.propose();
    sides.settle_all();
    // A third organisation, linked and with a key of its own, that learned the id.
    const auto key = security::SigningKey::generate(sides.both.random);
    const OrgId third = sides.both.random.id<OrgId>();
    KnownPartner partner;
    partner.organisation = third;
    partner.agreement_keys = {{key.public_key()}};
    sides.provider.site->partners.emplace(third, partner);
    AgreementMessage message =
        well_formed(sides, sides.provider.entries.at(id), true, Step::terminate);
    message.sender = third;
    auto opened = open_message(*sides.provider.site, third, sealed_message(key, message));
    REQUIRE(opened);
    const Heard heard = hear(sides.party(sides.provider), third, *opened, sides.provider.find(id));
    REQUIRE(heard.refusal);
    CHECK(heard.refusal->code == ErrorCode::not_found);
    CHECK_FALSE(heard.changed);
  }

  TEST_CASE("a test that fails at the consumer is told to the provider with its number") {
    TwoSides sides;
    const AgreementId id = sides.propose();
    sides.settle_all();
    // The consumer's node comes to judge the second test otherwise, as another version might.
    AgreementEntry& entry = sides.consumer.entries.at(id);
    entry.value.tests[1].must = true;
    const Outcome signing = sides.take(false, id, Step::settle);
    REQUIRE_FALSE(signing);
    CHECK(signing.error().code == ErrorCode::agreement_invalid);
    sides.settle_all();
    CHECK(sides.consumer.entries.at(id).standing.state == AgreementState::proposed);
    const AgreementEntry& here = sides.provider.entries.at(id);
    CHECK(here.standing.state == AgreementState::proposed);
    CHECK(here.last_error.find("ENT-3003") != std::string::npos);
    CHECK(here.last_error.find("test 2, must_not") != std::string::npos);
  }

  TEST_CASE("a proposal whose tests do not hold at the partner ends with the code and the test") {
    TwoSides sides;
    const AgreementId id = sides.propose();
    AgreementEntry& entry = sides.provider.entries.at(id);
    // Signed by a node that does not run them.
    entry.value.tests[0].must = false;
    SignedAgreement wire;
    wire.agreement = canonical_bytes(entry.value);
    wire.provider_signature =
        sides.provider.key->sign(security::contexts::kAgreement, wire.agreement);
    entry.signed_bytes = entry.outbox->agreement = to_wire_bytes(wire);
    const AgreementId other = agreement_id_of(wire.agreement);
    entry.outbox->thread = entry.outbox->terms = entry.id = entry.terms = other;
    AgreementEntry moved = entry;
    sides.provider.entries.clear();
    sides.provider.entries.emplace(other, std::move(moved));
    sides.settle_all();
    CHECK(sides.consumer.entries.empty());
    const AgreementEntry& here = sides.provider.entries.at(other);
    CHECK(here.standing.state == AgreementState::terminated);
    CHECK(here.last_error.find("test 1, must_not") != std::string::npos);
  }

  TEST_CASE("a signature that the provider cannot keep brings the offer back to the consumer") {
    TwoSides sides;
    const AgreementId id = sides.propose();
    sides.settle_all();
    REQUIRE(sides.take(false, id, Step::settle));
    ExportView changed = sides.both.view;
    changed.lateness = hours(9);
    sides.provider.site->exports["air"] = std::make_shared<const ExportView>(changed);
    sides.settle_all();
    const AgreementEntry& there = sides.consumer.entries.at(id);
    CHECK(there.standing == Standing{AgreementState::proposed, false});
    CHECK_FALSE(there.last_error.empty());
    CHECK_FALSE(read_terms(there.signed_bytes)->wire.consumer_signature);
    CHECK(sides.provider.entries.at(id).standing == Standing{AgreementState::proposed, true});
    // Mended, the consumer signs again.
    sides.provider.site->exports["air"] = std::make_shared<const ExportView>(sides.both.view);
    REQUIRE(sides.take(false, id, Step::settle));
    sides.settle_all();
    CHECK(sides.provider.entries.at(id).standing.state == AgreementState::active);
  }

  TEST_CASE("an offer that nobody answers lapses and one that is signed lives to its expiry") {
    TwoSides sides;
    const AgreementId id = sides.propose();
    sides.settle_all();
    AgreementEntry entry = sides.consumer.entries.at(id);
    const Instant end = sides.now + federation::limits::kOfferLife;
    CHECK(lapses_at(entry) == end);
    CHECK_FALSE(lapse(entry, end - nanoseconds(1)));
    CHECK(lapse(entry, end)->standing.state == AgreementState::expired);
    // Later, a signature of what has lapsed is refused on either side.
    sides.now = end;
    CHECK_FALSE(sides.take(false, id, Step::settle));
    entry.standing = {AgreementState::active};
    CHECK(lapses_at(entry) == entry.value.expires);
  }

  TEST_CASE("a step that the partner cannot verify yet is told again and not given up") {
    TwoSides sides;
    const AgreementId id = sides.propose();
    sides.settle_all();
    KnownPartner& pinned = sides.consumer.site->partners.at(sides.both.provider);
    const auto keys =
        std::exchange(pinned.agreement_keys, {{sides.both.envelope_key.public_key()}});
    REQUIRE(sides.take(true, id, Step::withdraw));
    sides.deliver(true, sides.provider.entries.at(id));
    CHECK(sides.provider.entries.at(id).outbox);
    CHECK(sides.consumer.entries.at(id).standing.state == AgreementState::proposed);
    pinned.agreement_keys = keys;
    sides.settle_all();
    CHECK_FALSE(sides.provider.entries.at(id).outbox);
    CHECK(sides.consumer.entries.at(id).standing.state == AgreementState::terminated);
  }

  TEST_CASE("an end that overtakes its proposal keeps a late copy of it out") {
    TwoSides sides;
    const AgreementId id = sides.propose();
    const Bytes late = sealed_message(*sides.provider.key, *sides.provider.entries.at(id).outbox);
    REQUIRE(sides.take(true, id, Step::withdraw));
    sides.settle_all();
    CHECK(sides.consumer.entries.at(id).standing.state == AgreementState::terminated);
    CHECK(refused_and_unchanged(sides, false, late));
  }
}
