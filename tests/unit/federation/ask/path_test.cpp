#include "federation/ask/path.h"

#include <doctest/doctest.h>

#include "federation/ask/admission.h"
#include "schemas/composite_answer.h"
#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

// An asker O, whose question the consumer sends on to the provider through its system twin "smoke".
struct Way {
  TwoOrganisations both;
  security::SigningKey asker_key = security::SigningKey::generate(both.random);
  OrgId asker = both.random.id<OrgId>();
  std::shared_ptr<SiteSnapshot> site = both.site();
  Envelope first;  // from the asker to the consumer
  Envelope last;   // from the consumer to the provider

  Way() {
    Question question = both.question(kMeanByState);
    last = both.envelope(question);
    question.export_name = "smoke";
    first = both.envelope(question);
    first.origin = asker;
    first.audience = both.consumer;
    first.query_id = last.query_id;
    first.deadline = last.deadline + seconds(1);
    last.to_origin = true;
  }

  void know_asker() {
    KnownPartner known;
    known.organisation = asker;
    known.name = "asker";
    known.envelope_keys = {asker_key.public_key()};
    site->partners.emplace(asker, known);
  }

  Bytes sealed(const Envelope& envelope, const security::SigningKey& key) const {
    return to_wire_bytes(
        security::sign_body(key, security::contexts::kEnvelope, canonical_bytes(envelope)));
  }

  Result<QuestionPath> path() {
    last.via = sealed(first, asker_key);
    return path_of(*site, last);
  }

  ErrorCode refused() {
    const auto found = path();
    return found ? ErrorCode::internal : found.error().code;
  }
};

}  // namespace

TEST_SUITE("ask/path") {
  TEST_CASE("a question that came directly has no hop and is answered to its partner") {
    Way way;
    way.last.to_origin = false;
    const auto path = path_of(*way.site, way.last);
    REQUIRE(path);
    CHECK(path->hops.empty());
    CHECK(path->origin == way.both.consumer);
    CHECK(path->answer_to.key == way.last.seal_key);
  }

  TEST_CASE("an answer is sealed to the asker only where its charter is pinned") {
    Way way;
    auto path = way.path();
    REQUIRE(path);
    REQUIRE(path->hops.size() == 1);
    CHECK(path->hops.front().organisation == way.both.consumer);
    CHECK(path->hops.front().composite == "smoke");
    CHECK(path->origin == way.asker);
    CHECK(path->answer_to.audience == way.both.consumer);

    way.know_asker();
    path = way.path();
    REQUIRE(path);
    CHECK(path->answer_to.audience == way.asker);
    CHECK(path->answer_to.key == way.first.seal_key);

    // Whoever merges asks for itself.
    way.last.to_origin = false;
    path = way.path();
    REQUIRE(path);
    CHECK(path->answer_to.audience == way.both.consumer);
  }

  TEST_CASE("envelopes that do not belong together are refused") {
    const struct {
      const char* what;
      ErrorCode code;
      void (*change)(Way&);
    } rows[] = {
        {"nothing", ErrorCode::internal, [](Way&) {}},
        {"another query id", ErrorCode::verification_failed,
         [](Way& w) { w.first.query_id = w.both.random.id<QueryId>(); }},
        {"for somebody else", ErrorCode::verification_failed,
         [](Way& w) { w.first.audience = w.both.random.id<OrgId>(); }},
        {"another purpose", ErrorCode::verification_failed,
         [](Way& w) { w.first.purpose = "marketing"; }},
        {"a later deadline", ErrorCode::deadline_exceeded,
         [](Way& w) { w.last.deadline = w.first.deadline + seconds(1); }},
        {"from this very site", ErrorCode::shape_refused,
         [](Way& w) { w.first.origin = w.both.provider; }},
        {"from the partner itself", ErrorCode::verification_failed,
         [](Way& w) { w.first.origin = w.both.consumer; }},
        {"a signature that is not the known asker's", ErrorCode::verification_failed,
         [](Way& w) {
           w.know_asker();
           w.asker_key = security::SigningKey::generate(w.both.random);
         }},
    };
    for (const auto& row : rows) {
      CAPTURE(row.what);
      Way way;
      row.change(way);
      CHECK(way.refused() == row.code);
    }
  }

  TEST_CASE("a question is not sent on more often than the limit says") {
    for (const std::size_t hops : {kPathMost, kPathMost + 1}) {
      CAPTURE(hops);
      Way way;
      Bytes inner;
      OrgId from = way.asker;
      for (std::size_t hop = 0; hop < hops; ++hop) {
        Envelope sent = way.first;
        sent.origin = from;
        sent.audience = hop + 1 == hops ? way.both.consumer : way.both.random.id<OrgId>();
        sent.via = inner;
        from = sent.audience;
        inner = way.sealed(sent, way.asker_key);
      }
      way.last.via = inner;
      const auto path = path_of(*way.site, way.last);
      CHECK(path.has_value() == (hops <= kPathMost));
      if (path) CHECK(path->hops.size() == hops);
    }
  }

  TEST_CASE("an agreement grants onward sharing by the system twin's name") {
    Way way;
    const auto path = way.path();
    REQUIRE(path);
    Agreement terms = way.both.agreement;
    CHECK(check_onward(*path, terms).error().code == ErrorCode::denied);
    terms.onward = {"other"};
    CHECK_FALSE(check_onward(*path, terms));
    terms.onward = {"other", "smoke"};
    CHECK(check_onward(*path, terms));
    CHECK(check_onward(QuestionPath{}, way.both.agreement));
  }
}
