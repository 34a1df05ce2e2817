#include "federation/ask/answer_proof.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "schemas/base/random.h"
#include "security/identity/charter.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::security;

namespace {

const Instant kNow = *parse_instant("2026-02-01");

struct Organisation {
  OrganisationKeys keys;
  std::vector<SignedCharter> chain;

  Organisation(const std::string& name, Random& random) : keys(generate_keys(random)) {
    CharterTerms terms{name, name, kNow - days(30), kNow + days(300), 1};
    chain.push_back(sign_charter(*first_charter(terms, keys), keys.roots));
  }
  PinnedOrganisation pinned() const { return *PinnedOrganisation::from_chain(chain); }
  OrgId id() const { return pinned().id(); }

  // A next charter with other keys for questions and answers.
  void rotate(Random& random, bool revoke_old) {
    Charter next = pinned().current();
    next.version += 1;
    next.previous = charter_hash(chain.back().charter);
    next.issued = next.issued + days(1);
    for (PurposeKey& key : next.keys) {
      if (key.purpose != KeyPurpose::answer && key.purpose != KeyPurpose::envelope) continue;
      if (revoke_old) next.revoked_keys.push_back(hash_public_key(key.key));
      key.key = SigningKey::generate(random).public_key();
    }
    std::sort(next.keys.begin(), next.keys.end());
    std::sort(next.revoked_keys.begin(), next.revoked_keys.end());
    chain.push_back(sign_charter(next, keys.roots));
  }
};

ExportView view() {
  ExportView view;
  view.name = "load";
  view.site = "main";
  view.domain = "load";
  view.type = "dtmi:test:Meter;1";
  view.keys = {"district"};
  view.cells = {{{"north"}, 50}, {{"south"}, 60}};
  view.measures = {{"load", "kWh", Reducer::sum, {{Reducer::sum, 0, 4}, {Reducer::max, 0, 9}}}};
  view.rho_cap = {std::uint64_t{1} << 42};
  view.delta = {std::uint64_t{1} << 40};
  return view;
}

Question question_about(const ExportView& view) {
  Question question;
  question.export_name = view.name;
  question.export_hash = export_hash(view);
  question.columns = {{"load", Reducer::sum, 0, 4, {}}, {"load", Reducer::max, 0, 9, {}}};
  Item sum;
  sum.aggregate = Aggregate::sum;
  sum.column = std::uint16_t{0};
  Item share;
  share.aggregate = Aggregate::share;
  share.predicate = {Compare{1, Comparison::greater, 5.5}, Compare{0, Comparison::less_equal, 2},
                     Connective::or_};
  question.items = {sum, share};
  question.group_keys = {"district"};
  question.groups = {{{"north"}, {0}}, {{"south"}, {1}}};
  question.window = {kNow - days(2), kNow - days(1)};
  question.rho_per_block = std::uint64_t{1} << 36;
  return question;
}

// A site, an asker, and the answer of the one to the other.
struct Asked {
  SeededRandom random{20260201};
  Organisation site{"works", random};
  Organisation asker{"office", random};
  ExportView export_view = view();
  Question question = question_about(export_view);
  AnswerProof proof;

  explicit Asked(const std::function<void(Answer&, Release&)>& change = {}) {
    Envelope envelope;
    envelope.origin = asker.id();
    envelope.audience = site.id();
    envelope.audience_site = "main";
    envelope.query_id = random.id<QueryId>();
    envelope.issued = kNow;
    envelope.deadline = kNow + seconds(10);
    envelope.agreement = random.id<AgreementId>();
    envelope.purpose = "planning";
    envelope.seal_key = SealPair::generate(random).public_key();
    envelope.question = canonical_bytes(question);
    const Signed asked =
        sign_body(asker.keys.envelope, contexts::kEnvelope, canonical_bytes(envelope));
    const Price price = *price_of(question, export_view);
    Release release;
    release.organisation = site.id();
    release.site = "main";
    release.question_hash = question_hash(envelope.question);
    release.domain = "load";
    release.unit = "twin";
    release.charges = price.charges;
    release.statistics = price.statistics;
    std::size_t width = 0;
    for (const Statistic& one : price.statistics) width += one.width;
    for (std::uint32_t group = 0; group < 2; ++group) {
      release.cells.push_back({group, 0, std::vector<std::int64_t>(width, 1'000 + group)});
    }
    release.released = kNow;
    Answer answer;
    answer.envelope_hash = envelope_hash(asked.body);
    answer.audience = asker.id();
    answer.charged = price.charges;
    answer.audit_head = Hash256::from_hex_text(std::string(64, 'a')).value();
    answer.issued = kNow + seconds(1);
    if (change) change(answer, release);
    answer.release = canonical_bytes(release);
    const LedgerReceipt receipt{site.id(), "main", {17, answer.audit_head}, answer.issued};
    answer.receipt =
        to_wire_bytes(sign_body(site.keys.answer, contexts::kReceipt, canonical_bytes(receipt)));
    proof.envelope = to_wire_bytes(asked);
    proof.answer =
        to_wire_bytes(sign_body(site.keys.answer, contexts::kAnswer, canonical_bytes(answer)));
    proof.export_view = canonical_bytes(export_view);
  }
  Result<ProvenAnswer> prove() const {
    return federation::prove(proof, site.pinned(), asker.pinned());
  }
};

}  // namespace

TEST_SUITE("federation/answer_proof") {
  TEST_CASE("a receipt proves who answered whom with which figures at what charge") {
    const Asked asked;
    const auto proven = asked.prove();
    REQUIRE_MESSAGE(proven, proven.error().what);
    CHECK(proven->envelope.purpose == "planning");
    CHECK(proven->answer.charged == proven->release.charges);
    REQUIRE(proven->receipt);
    CHECK(proven->receipt->head.count == 17);
    REQUIRE(proven->plan.items.size() == 2);
    CHECK(proven->plan.items[0].label == "sum(load)");
    CHECK(proven->plan.items[1].label == "share(max(load) > 5.5 OR load <= 2)");
    REQUIRE(proven->rows.size() == 3);  // two groups and their total
    const int exponent = proven->release.statistics.front().exponent;
    CHECK(proven->rows[0].values[0]->value == doctest::Approx(std::ldexp(1'000, exponent)));
    CHECK(proven->rows[0].group == std::vector<std::string>{"north"});
  }

  TEST_CASE("one changed bit anywhere in a receipt is found") {
    Asked asked;
    SeededRandom random(7);
    std::size_t changed = 0;
    for (Bytes* part : {&asked.proof.envelope, &asked.proof.answer, &asked.proof.export_view}) {
      for (std::uint8_t& byte : *part) {
        const auto bit = static_cast<std::uint8_t>(1u << random.below(8));
        byte ^= bit;
        CAPTURE(part == &asked.proof.envelope);
        CAPTURE(part == &asked.proof.answer);
        CAPTURE(&byte - part->data());
        const auto proven = asked.prove();
        CHECK_FALSE(proven.has_value());
        byte ^= bit;
        ++changed;
      }
    }
    MESSAGE(changed << " changed bits");
    CHECK(asked.prove());  // the control: unchanged, it holds
  }

  TEST_CASE("answers of others to others under other keys or for other exports are refused") {
    const Asked asked;
    SeededRandom random(8);
    const Organisation stranger("stranger", random);
    CHECK_FALSE(prove(asked.proof, stranger.pinned(), asked.asker.pinned()));
    CHECK_FALSE(prove(asked.proof, asked.site.pinned(), stranger.pinned()));
    CHECK_FALSE(prove(asked.proof, asked.asker.pinned(), asked.site.pinned()));

    AnswerProof swapped = asked.proof;
    std::swap(swapped.envelope, swapped.answer);
    CHECK_FALSE(prove(swapped, asked.site.pinned(), asked.asker.pinned()));

    AnswerProof other_view = asked.proof;
    ExportView wider = view();
    wider.measures[0].bounds[0].upper = 8;
    other_view.export_view = canonical_bytes(wider);
    const auto wrong = prove(other_view, asked.site.pinned(), asked.asker.pinned());
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == ErrorCode::verification_failed);

    // Signed by the site, and yet not an answer to this.
    CHECK_FALSE(Asked([](Answer& answer, Release&) { answer.audience = OrgId{}; }).prove());
    CHECK_FALSE(Asked([](Answer&, Release& release) { release.site = "other"; }).prove());
    CHECK_FALSE(Asked([](Answer&, Release& release) { release.cells.pop_back(); }).prove());
    CHECK_FALSE(
        Asked([](Answer&, Release& release) { release.statistics[0].variance /= 2; }).prove());
  }

  TEST_CASE("a receipt outlives the rotation of keys but not their revocation") {
    Asked asked;
    asked.site.rotate(asked.random, false);
    asked.asker.rotate(asked.random, false);
    const auto proven = asked.prove();
    REQUIRE_MESSAGE(proven, proven.error().what);
    asked.site.rotate(asked.random, true);  // revokes the newer keys only
    CHECK(asked.prove());

    Asked revoked;
    revoked.site.rotate(revoked.random, true);
    CHECK_FALSE(revoked.prove());
  }
}
