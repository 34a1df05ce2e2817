#include <doctest/doctest.h>

#include <limits>

#include "schemas/base/hash.h"
#include "schemas/base/limits.h"
#include "schemas/canonical.h"
#include "schemas/wire/answer.capnp.h"
#include "tests/unit/schemas/check_conversion.h"
#include "tests/unit/schemas/random_values.h"

using namespace entente;
using entente::test::check_conversion;
using entente::test::check_rules;

namespace {

ExportView& with_private_key(ExportView& view) {
  view.threshold_delta = {100};
  view.private_keys = {"tenant"};
  view.private_delta = {100};
  view.private_min_units = 5;
  return view;
}

}  // namespace

TEST_SUITE("schemas/conversions") {
  TEST_CASE("charters survive the wire and damage never passes for the same charter") {
    check_conversion<Charter>(ErrorCode::charter_invalid, test::random_charter, charter_from_bytes);
  }
  TEST_CASE("agreements survive the wire and damage never passes for the same agreement") {
    check_conversion<Agreement>(ErrorCode::agreement_invalid, test::random_agreement,
                                agreement_from_bytes);
  }
  TEST_CASE("envelopes survive the wire and damage never passes for the same envelope") {
    check_conversion<Envelope>(ErrorCode::invalid_argument, test::random_envelope,
                               envelope_from_bytes);
  }
  TEST_CASE("releases survive the wire and damage never passes for the same release") {
    check_conversion<Release>(ErrorCode::invalid_argument, test::random_release,
                              release_from_bytes);
  }
  TEST_CASE("answers survive the wire and damage never passes for the same answer") {
    check_conversion<Answer>(ErrorCode::invalid_argument, test::random_answer, answer_from_bytes);
    check_conversion<LedgerReceipt>(ErrorCode::invalid_argument, test::random_receipt,
                                    ledger_receipt_from_bytes);
  }

  TEST_CASE("a charter that breaks a rule is refused with the field's name") {
    SeededRandom random(1);
    Charter good = test::random_charter(random);
    good.version = 2;
    good.previous = random.id<Hash256>();
    check_rules<Charter>(
        good, charter_from_bytes,
        {{"name", [](Charter& c) { c.name = "Not A Name"; }},
         {"title", [](Charter& c) { c.title = "two\nlines"; }},
         {"title", [](Charter& c) { c.title = "\xC3\x28"; }},
         {"title",
          [](Charter& c) {
            c.title =
                "\xE2\x80\xAE"
                "evil";
          }},
         {"version", [](Charter& c) { c.version = 0; }},
         {"previous", [](Charter& c) { c.version = 1; }},
         {"previous", [](Charter& c) { c.previous.reset(); }},
         {"rootKeys", [](Charter& c) { c.root_keys.clear(); }},
         {"rootKeys", [](Charter& c) { c.root_keys.push_back(c.root_keys.front()); }},
         {"rootKeys", [](Charter& c) { c.root_keys.resize(17); }},
         {"threshold", [](Charter& c) { c.threshold = 0; }},
         {"threshold", [](Charter& c) { c.threshold = 200; }},
         {"keys", [](Charter& c) { c.keys.clear(); }},
         {"keys", [](Charter& c) { c.keys[1].key = c.keys[0].key; }},
         {"keys", [](Charter& c) { c.keys[0].key = c.root_keys[0]; }},
         {"revokedKeys", [](Charter& c) { c.revoked_keys.resize(1025); }},
         {"expires", [](Charter& c) { c.expires = c.issued; }}});
  }

  TEST_CASE("a charter without a key for one purpose is refused, whichever purpose it is") {
    SeededRandom random(5);
    const Charter good = test::random_charter(random);
    for (int purpose = 0; purpose < 5; ++purpose) {
      CAPTURE(purpose);
      Charter bad = good;
      std::erase_if(bad.keys, [&](const PurposeKey& key) {
        return key.purpose == static_cast<KeyPurpose>(purpose);
      });
      CHECK_FALSE(charter_from_bytes(canonical_bytes(bad)));
    }
  }

  TEST_CASE("a key with a purpose of a newer version is carried along and used for nothing") {
    SeededRandom random(6);
    Charter charter = test::random_charter(random);
    const Charter known = charter;
    charter.keys.push_back({static_cast<KeyPurpose>(900), random.id<PublicKey>()});
    const auto read = charter_from_bytes(canonical_bytes(charter));
    REQUIRE(read);
    CHECK(*read == charter);
    for (int purpose = 0; purpose < 5; ++purpose) {
      const auto known_purpose = static_cast<KeyPurpose>(purpose);
      CHECK(*read->key_for(known_purpose) == *known.key_for(known_purpose));
    }
  }

  TEST_CASE("an agreement that breaks a rule is refused with the field's name") {
    SeededRandom random(2);
    Agreement good = test::random_agreement(random);
    good.exports = {test::random_export(random, "air")};
    ExportView& view = good.exports[0];
    view.keys = {"state", "county"};
    view.cells = {{{"WA", "King"}, 5}, {{"WA", "Pierce"}, 6}};
    view.block = days(1), view.tick = hours(1);
    check_rules<Agreement>(
        good, agreement_from_bytes,
        {{"provider", [](Agreement& a) { a.provider = {}; }},
         {"consumer", [](Agreement& a) { a.consumer = {}; }},
         {"consumer", [](Agreement& a) { a.consumer = a.provider; }},
         {"name", [](Agreement& a) { a.name = ""; }},
         {"exports", [](Agreement& a) { a.exports.clear(); }},
         {"exports", [](Agreement& a) { a.exports.push_back(a.exports[0]); }},
         {"purposes",
          [](Agreement& a) {
            a.purposes = {"x", "x"};
          }},
         {"onward", [](Agreement& a) { a.onward = {""}; }},
         {"aggregates",
          [](Agreement& a) {
            a.aggregates = {Aggregate::sum, Aggregate::sum};
          }},
         {"minUnits", [](Agreement& a) { a.min_units = 0; }},
         {"minSites", [](Agreement& a) { a.min_sites = 0; }},
         {"rhoGuaranteed", [](Agreement& a) { a.rho_per_block = {7}, a.rho_guaranteed = {8}; }},
         {"expires", [](Agreement& a) { a.expires = a.issued; }},
         {"tests",
          [](Agreement& a) {
            a.tests = {{true, ""}};
          }},
         {"size", [](Agreement& a) {
            a.tests.assign(12, {true, std::string(16'000, 'x')});
          }}});
    const auto first = [](auto change) { return [change](Agreement& a) { change(a.exports[0]); }; };
    check_rules<Agreement>(
        good, agreement_from_bytes,
        {{"name", first([](ExportView& v) { v.name = "-"; })},
         {"site", first([](ExportView& v) { v.site = "a b"; })},
         {"domain", first([](ExportView& v) { v.domain = ""; })},
         {"type", first([](ExportView& v) { v.type = ""; })},
         {"keys", first([](ExportView& v) {
            v.keys = {"state", "state"};
          })},
         {"cells", first([](ExportView& v) { v.cells[0].values.pop_back(); })},
         {"cells", first([](ExportView& v) { v.cells[1] = v.cells[0]; })},
         {"cells", first([](ExportView& v) { v.cells.clear(); })},
         {"cells", first([](ExportView& v) { v.cells[0].units = v.cells[1].units = UINT32_MAX; })},
         {"cells", first([](ExportView& v) { v.keys.clear(); })},
         {"measures", first([](ExportView& v) { v.measures.clear(); })},
         {"measures", first([](ExportView& v) { v.measures.push_back(v.measures[0]); })},
         {"signal", first([](ExportView& v) { v.measures[0].signal = "2x"; })},
         {"bounds", first([](ExportView& v) { v.measures[0].bounds[0].upper = -1e9; })},
         {"bounds", first([](ExportView& v) {
            v.measures[0].bounds[0].upper = std::numeric_limits<double>::infinity();
          })},
         {"bounds", first([](ExportView& v) {
            v.measures[0].bounds[0].lower = std::numeric_limits<double>::quiet_NaN();
          })},
         {"bounds", first([](ExportView& v) { v.measures[0].bounds.clear(); })},
         {"zone", first([](ExportView& v) { v.zone = "../etc"; })},
         {"block", first([](ExportView& v) { v.block = days(-1); })},
         {"tick", first([](ExportView& v) { v.tick = hours(5); })},
         {"tick", first([](ExportView& v) { v.tick = {}; })},
         {"lateness", first([](ExportView& v) { v.lateness = hours(-1); })},
         {"delta", first([](ExportView& v) { v.delta = {std::uint64_t{1} << 60}; })},
         {"revisions", first([](ExportView& v) {
            v.revisions = {days(2), days(2)};
          })},
         {"revisions", first([](ExportView& v) { v.revisions = {Duration{}}; })},
         {"revisions", first([](ExportView& v) {
            v.revisions.clear();
            for (int i = 1; i < 18; ++i) v.revisions.push_back(days(i));
          })},
         {"thresholdDelta",
          first([](ExportView& v) { v.threshold_delta = {std::uint64_t{1} << 60}; })},
         {"unit", first([](ExportView& v) { v.unit = ""; })},
         {"unit", first([](ExportView& v) { v.unit = "owner"; })},
         {"unit", first([](ExportView& v) { v.unit = "property:"; })},
         {"unit", first([](ExportView& v) { v.unit = "ancestor:2x"; })},
         {"groupsPerUnit", first([](ExportView& v) { v.unit = "twin", v.groups_per_unit = 2; })},
         {"groupsPerUnit",
          first([](ExportView& v) { v.unit = "property:a", v.groups_per_unit = 4'097; })},
         {"privateKeys", first([](ExportView& v) { with_private_key(v).private_keys = {"2x"}; })},
         {"privateKeys", first([](ExportView& v) {
            with_private_key(v).private_keys = {"a", "a"};
          })},
         {"privateKeys",
          first([](ExportView& v) { with_private_key(v).private_keys = {v.keys[0]}; })},
         {"privateDelta", first([](ExportView& v) { with_private_key(v).private_delta = {}; })},
         {"privateDelta",
          first([](ExportView& v) { with_private_key(v).private_delta.units = 101; })},
         {"privateDelta", first([](ExportView& v) { with_private_key(v).private_keys.clear(); })},
         {"privateMinUnits",
          first([](ExportView& v) { with_private_key(v).private_min_units = 0; })}});
  }

  TEST_CASE("an envelope that breaks a rule is refused with the field's name") {
    SeededRandom random(3);
    check_rules<Envelope>(
        test::random_envelope(random), envelope_from_bytes,
        {{"origin", [](Envelope& e) { e.origin = {}; }},
         {"audience", [](Envelope& e) { e.audience = {}; }},
         {"audienceSite", [](Envelope& e) { e.audience_site = "A"; }},
         {"queryId", [](Envelope& e) { e.query_id = {}; }},
         {"deadline", [](Envelope& e) { e.deadline = e.issued; }},
         {"deadline", [](Envelope& e) { e.deadline = e.issued + seconds(121); }},
         {"deadline",
          [](Envelope& e) {
            e.issued = {std::numeric_limits<std::int64_t>::min()};
            e.deadline = {std::numeric_limits<std::int64_t>::max()};
          }},
         {"agreement", [](Envelope& e) { e.agreement = {}; }},
         {"purpose",
          [](Envelope& e) {
            e.purpose =
                "a\x01"
                "b";
          }},
         {"purpose", [](Envelope& e) { e.purpose = std::string(5000, 'x'); }},
         {"sealKey", [](Envelope& e) { e.seal_key = {}; }},
         {"question", [](Envelope& e) { e.question.clear(); }},
         {"receipt", [](Envelope& e) { e.receipt.resize(kReceiptBytes + 1); }},
         {"size", [](Envelope& e) { e.question.resize(limits::kEnvelopeBytes); }}});
  }

  TEST_CASE("a release or answer that breaks a rule is refused with the field's name") {
    SeededRandom random(4);
    Release good = test::random_release(random);
    good.charges = {{{1}, {2}}, {{3}, {4}}};
    good.composed_of.clear();
    good.statistics = {{-3, 9}, {0, 1}};
    good.cells = {{0, 0, {1, 2}}, {0, 1, {-3, 4}}};
    check_rules<Release>(
        good, release_from_bytes,
        {{"site", [](Release& r) { r.site = ""; }},
         {"domain", [](Release& r) { r.domain = "A"; }},
         {"unit", [](Release& r) { r.unit = ""; }},
         {"charges", [](Release& r) { std::swap(r.charges[0], r.charges[1]); }},
         {"charges", [](Release& r) { r.charges[1].start = r.charges[0].start; }},
         {"statistics", [](Release& r) { r.statistics.clear(); }},
         {"statistics", [](Release& r) { r.statistics[0].exponent = 961; }},
         {"cells", [](Release& r) { r.cells[0].mantissas.pop_back(); }},
         {"cells", [](Release& r) { r.statistics[0].width = 2; }},
         {"cells", [](Release& r) { r.statistics[0].width = UINT32_MAX; }},
         {"cells", [](Release& r) { std::swap(r.cells[0], r.cells[1]); }},
         {"cells", [](Release& r) { r.cells[1].tick = 0; }},
         {"cells", [](Release& r) { r.cells[0].values = {"b"}; }},
         {"cells", [](Release& r) { r.cells[1].values = {""}; }},
         {"cells", [](Release& r) { r.cells[1].values.assign(9, "a"); }},
         {"charges",
          [](Release& r) {
            r.composed_of = {{r.question_hash, {{1}, {2}}}};
          }},
         {"composedOf",
          [](Release& r) {
            r.charges.clear();
            r.composed_of = {{r.question_hash, {{1}, {2}}}, {r.question_hash, {{3}, {4}}}};
          }},
         {"composedOf", [](Release& r) {
            r.charges.clear();
            r.composed_of = {{r.question_hash, {{1}, {1}}}};
          }}});
    Answer answer = test::random_answer(random);
    answer.caps = {{{1}, {2}}, {{3}, {4}}};
    check_rules<Answer>(answer, answer_from_bytes,
                        {{"release", [](Answer& a) { a.release.clear(); }},
                         {"caps", [](Answer& a) { std::swap(a.caps[0], a.caps[1]); }},
                         {"receipt", [](Answer& a) { a.receipt.resize(kReceiptBytes + 1); }},
                         {"size", [](Answer& a) { a.release.resize(limits::kAnswerBytes); }}});
  }

  TEST_CASE("a release without runs has the bytes it had before there were any") {
    Release release;
    release.site = "a";
    release.domain = "air";
    release.unit = "twin";
    release.charges = {{{1}, {2}}};
    release.statistics = {{-3, 9}, {0, 1}};
    release.cells = {{0, 0, {1, 2}}};
    const Bytes bytes = canonical_bytes(release);
    CHECK(bytes.size() == 256);
    CHECK(hash("test", bytes).hex() ==
          "6a7910978934b6adf340569a9e7aa747c52fc20ba170af383303e4af4d80ead2");
    // A width of one that is written out is a second form of the same value.
    capnp::MallocMessageBuilder message;
    with_canonical<wire::Release>(bytes, ErrorCode::internal, "release", [&](auto reader) {
      message.setRoot(reader);
      return Outcome();
    }).value();
    auto root = message.getRoot<wire::Release>();
    root.getStatistics()[0].setWidth(1);
    CHECK_FALSE(release_from_bytes(canonicalize(root.asReader())));
    root.getStatistics()[0].setWidth(2);
    root.getCells()[0].initMantissas(3);
    const auto wide = release_from_bytes(canonicalize(root.asReader()));
    REQUIRE(wide);
    CHECK(wide->statistics[0].width == 2);
  }

  TEST_CASE("signed wrappers survive the wire and refuse wrong lengths") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      SignedCharter charter{canonical_bytes(test::random_charter(random)), {}};
      for (auto n = random.below(4); n > 0; --n) {
        charter.signatures.push_back({random.id<PublicKey>(), random.id<Signature>()});
      }
      CHECK(*signed_charter_from_bytes(to_wire_bytes(charter)) == charter);
      SignedAgreement agreement{test::random_bytes(random, 1, 99), random.id<Signature>(), {}};
      if (random.below(2) == 0) agreement.consumer_signature = random.id<Signature>();
      CHECK(*signed_agreement_from_bytes(to_wire_bytes(agreement)) == agreement);
      const Signed body{test::random_bytes(random, 1, 99), random.id<Signature>()};
      CHECK(*signed_from_bytes(to_wire_bytes(body)) == body);
    }
    CHECK_FALSE(signed_from_bytes(to_wire_bytes(Signed{})));
    CHECK_FALSE(signed_charter_from_bytes(to_wire_bytes(SignedCharter{})));
    CHECK_FALSE(signed_agreement_from_bytes(to_wire_bytes(SignedAgreement{})));
    SignedCharter crowded{{1}, std::vector<KeySignature>(33)};
    CHECK_FALSE(signed_charter_from_bytes(to_wire_bytes(crowded)));
    for (auto decode : {+[](ByteView b) { return signed_from_bytes(b).has_value(); },
                        +[](ByteView b) { return signed_charter_from_bytes(b).has_value(); },
                        +[](ByteView b) { return signed_agreement_from_bytes(b).has_value(); }}) {
      CHECK_FALSE(decode(Bytes(1'000'000)));
      CHECK_FALSE(decode(Bytes{}));
    }
  }

  TEST_CASE("the same bytes hash differently in every role") {
    const Bytes bytes = to_bytes("the same bytes");
    const std::set<Bytes> hashes = {
        to_bytes(org_id_of(bytes).view()), to_bytes(charter_hash(bytes).view()),
        to_bytes(agreement_id_of(bytes).view()), to_bytes(envelope_hash(bytes).view())};
    CHECK(hashes.size() == 4);
  }
}
