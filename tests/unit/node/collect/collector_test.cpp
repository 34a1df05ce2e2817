#include <capnp/schema.h>
#include <doctest/doctest.h>

#include <limits>

#include "federation/link/link_stream.h"

#include "node/limits.h"
#include "schemas/canonical.h"
#include "tests/unit/node/collect/collect_site.h"

namespace entente::node {
namespace {

using test::CollectSite;

UploadColumns readings_of(std::uint32_t number, std::int64_t from, int count) {
  UploadColumns columns;
  for (int i = 0; i < count; ++i) columns.add(number, from + i * 1'000'000'000LL, i % 50);
  return columns;
}

// A session without a network: calls go straight to the choke point.
struct Bare {
  explicit Bare(CollectSite& s) : site(s) {
    auto hooks = std::make_shared<federation::LinkHooks>();
    hooks->decide = [this](const federation::Caller&, const federation::MethodRow&) -> Outcome {
      if (allowed) return {};
      return make_error(ErrorCode::certificate_refused, "revoked");
    };
    hooks->audit_intent = [](const federation::Caller&,
                             const federation::MethodRow&) -> kj::Promise<void> {
      return kj::READY_NOW;
    };
    governor =
        std::make_shared<federation::Governor>(site.loop, site.clock, collect_methods(),
                                               federation::LinkLimits{}, hooks, [](std::string) {});
    security::PeerIdentity peer;
    peer.site = "edge";
    auto gate = make_collect_gate({peer, site.clock.now() + hours(1), governor}, site.parts,
                                  key.public_key());
    auto request = gate.openRequest();
    request.initHello().setProtocolMin(1);
    request.getHello().setProtocolMax(1);
    auto response = site.wait(request.send().then([](auto&& r) { return kj::mv(r); }));
    REQUIRE(response.getOutcome().isOpened());
    session = *UploadSession::from_bytes(view_of(response.getOutcome().getOpened().getSession()));
    collector.emplace(response.getOutcome().getOpened().getCollector());
  }

  std::uint32_t name(const std::string& twin) {
    auto request = collector->seriesRequest();
    auto names = request.initNames(1);
    names[0].setTwin(twin);
    names[0].setSignal("load");
    auto response = site.wait(request.send().then([](auto&& r) { return kj::mv(r); }));
    REQUIRE(response.getOutcome().isSeries());
    REQUIRE(response.getOutcome().getSeries()[0].isNumber());
    return response.getOutcome().getSeries()[0].getNumber();
  }

  // "added N missing M", or the refusal's name.
  kj::Promise<std::string> send(const Bytes& bytes, const Signature& signature) {
    auto request = collector->appendRequest();
    request.setBatch(data_of(bytes));
    request.setSignature(data_of(signature.view()));
    return request.send().then([](auto&& response) -> std::string {
      const auto outcome = response.getOutcome();
      if (outcome.isRefusal()) {
        const auto refusal = outcome.getRefusal();
        return std::string(code_name(code_from_number(refusal.getCode()))) +
               (refusal.getRetryAfterNs() > 0 ? " later" : "");
      }
      const auto report = outcome.getReport();
      return "added " + std::to_string(report.getAdded()) + " missing " +
             std::to_string(report.getMissing());
    });
  }
  std::string append(std::uint64_t sequence, const UploadColumns& columns) {
    const Bytes bytes = encode_upload(session, sequence, columns);
    return site.wait(send(bytes, sign_upload(key, bytes)));
  }

  CollectSite& site;
  security::SigningKey key = security::SigningKey::generate(site.random);
  std::shared_ptr<federation::Governor> governor;
  bool allowed = true;
  UploadSession session;
  std::optional<wire::Collector::Client> collector;
};

}  // namespace

TEST_SUITE("node/collect/collector") {
  TEST_CASE("readings sent over mutual TLS are judged and durable once acknowledged") {
    CollectSite site;
    const CollectorBundle bundle = site.enrol("edge");
    auto client = site.connect(bundle);
    const auto numbers = site.wait(client->series({{"a", "load"}, {"b", "load"}, {"a", "load"}}));
    REQUIRE(numbers.size() == 3);
    REQUIRE(numbers[0]);
    REQUIRE(numbers[1]);
    CHECK(*numbers[0] == *numbers[2]);
    CHECK(*numbers[0] != *numbers[1]);
    UploadColumns columns;
    const std::int64_t from = site.clock.now().ns - hours(1).ns;
    columns.add(*numbers[0], from, 12.5);
    columns.add(*numbers[0], from + 1, 500);  // above the range
    columns.add(*numbers[1], from, std::numeric_limits<double>::quiet_NaN());
    const auto report = site.wait(client->append(columns));
    REQUIRE(report);
    CHECK(report->kept.added == 3);
    CHECK(report->kept.bad == 2);
    CHECK(report->missing == 0);
    const auto latest = site.history->latest(*site.history->find("a", "load"));
    REQUIRE(latest);
    CHECK(latest->value == 500);
    CHECK(latest->quality == Quality::out_of_range);
    const auto again = site.wait(client->append(columns));
    REQUIRE(again);
    CHECK(again->kept.added == 0);
    CHECK(again->kept.repeated == 3);
  }

  TEST_CASE("sixteen batches in flight arrive in their order and are all answered") {
    CollectSite site;
    auto client = site.connect(site.enrol("edge"));
    const auto number = site.wait(client->series({{"a", "load"}})).at(0);
    REQUIRE(number);
    const std::int64_t from = site.clock.now().ns - hours(10).ns;
    std::uint64_t added = 0, missing = 0, answers = 0;
    std::size_t most = 0;
    for (int i = 0; i < 60; ++i) {
      while (!client->has_room()) site.wait(client->next_answer());
      site.loop.keep(client->append(readings_of(*number, from + i * 100'000'000'000LL, 100))
                         .then([&](Result<UploadReport>&& report) {
                           ++answers;
                           if (!report) return;
                           added += report->kept.added;
                           missing += report->missing;
                         }));
      most = std::max(most, client->in_flight());
    }
    while (client->in_flight() > 0) site.wait(client->next_answer());
    site.wait(site.loop.after({1}));
    CHECK(answers == 60);
    CHECK(added == 6'000);
    CHECK(missing == 0);
    CHECK(most >= 8);
    CHECK(most <= limits::kUploadsAhead);
  }

  TEST_CASE("a thousand readings put one by one go in few batches and each has its answer") {
    CollectSite site;
    auto client = site.connect(site.enrol("edge"));
    const auto number = site.wait(client->series({{"a", "load"}})).at(0);
    REQUIRE(number);
    const Instant from = site.clock.now() - hours(10);
    std::size_t answers = 0, refused = 0, most = 0;
    for (int i = 0; i < 1'000; ++i) {
      site.loop.keep(client->put(*number, from + seconds(i), i).then([&](Outcome&& answer) {
        ++answers;
        refused += !answer;
        most = std::max(most, client->in_flight());
      }));
    }
    while (answers < 1'000) site.wait(site.loop.after({1'000}));
    CHECK(refused == 0);
    CHECK(client->in_flight() == 0);
    CHECK(most <= 8);
    std::size_t kept = 0;
    site.history->scan(*site.history->find("a", "load"), kAllTime,
                       [&](const History::Block& block) { kept += block.times.size(); });
    CHECK(kept == 1'000);
  }

  TEST_CASE("readings put while too many wait are refused at once and the others are kept") {
    CollectSite site;
    auto client = site.connect(site.enrol("edge"));
    const auto number = site.wait(client->series({{"a", "load"}})).at(0);
    REQUIRE(number);
    const Instant from = site.clock.now() - hours(10);
    std::size_t durable = 0, overloaded = 0;
    for (int i = 0; i < 10'003; ++i) {
      site.loop.keep(client->put(*number, from + seconds(i), 1).then([&](Outcome&& answer) {
        ++(answer ? durable : overloaded);
      }));
    }
    while (durable + overloaded < 10'003) site.wait(site.loop.after({1'000}));
    CHECK(durable == 10'000);
    CHECK(overloaded == 3);
  }

  TEST_CASE("names that the node does not know are refused one by one") {
    CollectSite site;
    auto client = site.connect(site.enrol("edge"));
    const auto numbers = site.wait(client->series({{"a", "load"}, {"zebra", "load"}}));
    CHECK(numbers.at(0));
    REQUIRE_FALSE(numbers.at(1));
    CHECK(numbers.at(1).error().code == ErrorCode::not_found);
    CHECK(numbers.at(1).error().what == "no twin \"zebra\" is known");
    UploadColumns columns;
    columns.add(7, 1, 1);
    const auto report = site.wait(client->append(columns));
    REQUIRE_FALSE(report);
    CHECK(report.error().code == ErrorCode::not_found);
  }

  TEST_CASE("a batch signed by another key than the enrolled one is refused and nothing kept") {
    CollectSite site;
    const CollectorBundle bundle = site.enrol("edge");
    site.admitted["edge"] = security::SigningKey::generate(site.random).public_key();
    auto client = site.connect(bundle);
    const auto number = site.wait(client->series({{"a", "load"}})).at(0);
    const auto report = site.wait(client->append(readings_of(*number, 0, 10)));
    REQUIRE_FALSE(report);
    CHECK(report.error().code == ErrorCode::verification_failed);
    CHECK_FALSE(site.history->latest(*site.history->find("a", "load")));
  }

  TEST_CASE("a replayed batch is refused and a gap is said") {
    CollectSite site;
    Bare bare(site);
    const std::uint32_t number = bare.name("a");
    const UploadColumns one = readings_of(number, 0, 5);
    const Bytes bytes = encode_upload(bare.session, 0, one);
    const Signature signature = sign_upload(bare.key, bytes);
    CHECK(site.wait(bare.send(bytes, signature)) == "added 5 missing 0");
    CHECK(site.wait(bare.send(bytes, signature)) == "replayed");
    CHECK(bare.append(4, readings_of(number, 1'000'000'000'000, 5)) == "added 5 missing 3");
    CHECK(bare.append(2, readings_of(number, 2'000'000'000'000, 5)) == "replayed");
    CHECK(bare.append(5, readings_of(number, 3'000'000'000'000, 5)) == "added 5 missing 0");
    // A batch of one session says nothing in another.
    Bare other(site);
    CHECK(site.wait(other.send(bytes, sign_upload(other.key, bytes))) == "not_found");
    other.name("a");
    CHECK(site.wait(other.send(bytes, sign_upload(other.key, bytes))) == "replayed");
  }

  TEST_CASE("flipped bytes and a cut signature and a batch too large are refused") {
    CollectSite site;
    Bare bare(site);
    const Bytes bytes = encode_upload(bare.session, 0, readings_of(bare.name("a"), 0, 5));
    const Signature signature = sign_upload(bare.key, bytes);
    Bytes flipped = bytes;
    flipped.back() ^= 1;
    CHECK(site.wait(bare.send(flipped, signature)) == "verification_failed");
    const Bytes large(limits::kUploadBytes + 1, 1);
    CHECK(site.wait(bare.send(large, signature)) == "payload_too_large");
    auto request = bare.collector->appendRequest();
    request.setBatch(data_of(bytes));
    request.setSignature(data_of(signature.view().first(63)));
    auto response = site.wait(request.send().then([](auto&& r) { return kj::mv(r); }));
    CHECK(code_from_number(response.getOutcome().getRefusal().getCode()) ==
          ErrorCode::verification_failed);
    CHECK(site.wait(bare.send(bytes, signature)) == "added 5 missing 0");
  }

  TEST_CASE("more batches at once than the limit are refused with a time to come back") {
    CollectSite site;
    Bare bare(site);
    const std::uint32_t number = bare.name("a");
    std::vector<kj::Promise<std::string>> answers;
    for (std::size_t i = 0; i < limits::kUploadsInFlight + 3; ++i) {
      const Bytes bytes =
          encode_upload(bare.session, i,
                        readings_of(number, static_cast<std::int64_t>(i) * 1'000'000'000'000, 3));
      answers.push_back(bare.send(bytes, sign_upload(bare.key, bytes)).eagerlyEvaluate(nullptr));
    }
    std::size_t kept = 0, late = 0;
    for (auto& answer : answers) {
      const std::string said = site.wait(kj::mv(answer));
      kept += said == "added 3 missing 0";
      late += said == "overloaded later";
    }
    CHECK(kept == limits::kUploadsInFlight);
    CHECK(late == 3);
  }

  TEST_CASE("a revoked collector is refused at the door and at every call and is cut off") {
    CollectSite site;
    const CollectorBundle bundle = site.enrol("edge");
    auto client = site.connect(bundle);
    const auto number = site.wait(client->series({{"a", "load"}})).at(0);
    CHECK(site.port->connected("edge"));
    site.admitted.clear();
    bool refused = false;
    try {
      refused = !site.wait(client->append(readings_of(*number, 0, 3)));
    } catch (const kj::Exception&) {
      refused = true;
    }
    CHECK(refused);
    for (int i = 0; i < 500 && site.port->connected("edge"); ++i) {
      site.wait(site.loop.after(milliseconds(10)));
    }
    CHECK_FALSE(site.port->connected("edge"));
    CHECK_FALSE(site.refusal(bundle).empty());
    CHECK_FALSE(site.history->latest(*site.history->find("a", "load")));

    Bare bare(site);
    const std::uint32_t known = bare.name("a");
    bare.allowed = false;
    CHECK(bare.append(0, readings_of(known, 0, 3)) == "certificate_refused");
  }

  TEST_CASE("a foreign collector and a site of our own are refused by the collectors' port") {
    CollectSite site;
    test::Organisation other(site.random, site.clock.now(), "depot");
    CollectorBundle foreign = site.enrol("edge");
    auto leaf = other.issuer->issue_collector("edge", site.clock.now(), days(1));
    REQUIRE(leaf);
    foreign.leaf = std::make_shared<const security::LeafCredential>(*std::move(leaf));
    CHECK_FALSE(site.refusal(foreign).empty());
    CollectorBundle as_site = site.enrol("edge");
    as_site.leaf = site.organisation.issuer->current();
    CHECK_FALSE(site.refusal(as_site).empty());
    // And a node of another organisation at the address is refused by the collector.
    CollectorBundle misled = site.enrol("edge");
    misled.organisation = other.pinned;
    CHECK(site.refusal(misled).find("certificate") != std::string::npos);
    CHECK(site.refusal(site.enrol("edge")).empty());
  }

  TEST_CASE("whoever offers the links' protocol to the collectors' port gets no handshake") {
    CollectSite site;
    const CollectorBundle bundle = site.enrol("edge");
    struct Credentials final : security::CredentialSource {
      std::shared_ptr<const security::LeafCredential> leaf;
      std::shared_ptr<const security::LeafCredential> current() const override { return leaf; }
    } credentials;
    credentials.leaf = bundle.leaf;
    const security::PinnedVerifier sites({{bundle.organisation.id(), bundle.organisation}});
    using federation::TlsContext;
    TlsContext link(TlsContext::Role::dialler, credentials, sites, site.clock);
    TlsContext collect(TlsContext::Role::dialler, credentials, sites, site.clock,
                       TlsContext::Protocol::collect);
    const auto dial = [&](TlsContext& tls) {
      return site.wait(federation::LinkStream::dial(site.loop, tls, "127.0.0.1", site.listening,
                                                    federation::Direction::we_call,
                                                    bundle.organisation.id(), {}));
    };
    CHECK_THROWS_AS(dial(link), kj::Exception);
    CHECK(dial(collect) != nullptr);
  }

  TEST_CASE("a collector that connects again ends its older connection") {
    CollectSite site;
    const CollectorBundle bundle = site.enrol("edge");
    auto first = site.connect(bundle);
    auto second = site.connect(bundle);
    CHECK(site.wait(second->series({{"a", "load"}})).at(0));
    CHECK_THROWS_AS(site.wait(first->series({{"a", "load"}})), kj::Exception);
    CHECK(site.port->connected("edge"));
  }

  TEST_CASE("every method of the schema has a row") {
    std::size_t methods = 0;
    for (const auto schema : {capnp::InterfaceSchema(capnp::Schema::from<wire::CollectGate>()),
                              capnp::InterfaceSchema(capnp::Schema::from<wire::Collector>())}) {
      for (const auto method : schema.getMethods()) {
        ++methods;
        CAPTURE(std::string(method.getProto().getName().cStr()));
        CHECK(collect_methods().find(schema.getProto().getId(),
                                     static_cast<std::uint16_t>(method.getOrdinal())) != nullptr);
      }
    }
    CHECK(collect_methods().rows().size() == methods);
  }

  TEST_CASE("a bundle comes back from its bytes and anything else is refused") {
    CollectSite site;
    const CollectorBundle bundle = site.enrol("edge");
    const Bytes bytes = bundle_bytes(bundle);
    const auto back = bundle_from_bytes(bytes);
    REQUIRE(back);
    CHECK(back->name == "edge");
    CHECK(back->address == bundle.address);
    CHECK(back->organisation.id() == bundle.organisation.id());
    CHECK(back->leaf->chain_der == bundle.leaf->chain_der);
    CHECK(back->batch_key.public_key() == bundle.batch_key.public_key());
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
      CHECK_FALSE(bundle_from_bytes(ByteView(bytes).first(size)));
    }
  }
}

}  // namespace entente::node
