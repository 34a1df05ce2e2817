// A site that answers partners for tests: the disclosure gate over a release ledger on a real file,
// two partners with an agreement each, and twins whose readings a test may change at will.
#pragma once

#include <doctest/doctest.h>

#include <kj/async.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "federation/ask/disclosure_gate.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "node/store/audit_log.h"
#include "node/store/release_ledger.h"
#include "schemas/base/clock.h"
#include "tests/support/two_organisations.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {

// 28 meters in two counties of one state; each reads 0.25 every hour, and `late` besides in the
// hours of a window that a test names.
class Meters final : public federation::TwinSource {
 public:
  Result<federation::FoldedTable> fold(const federation::FoldRequest& request) const override {
    if (forbidden) throw std::runtime_error("readings were touched");
    ++folds;
    federation::FoldedTable table{request.ticks.size(), request.columns.size(), {}};
    for (std::uint32_t i = 0; i < 28; ++i) {
      federation::FoldedUnit unit{i < 8 ? 0u : 1u, {}};
      for (const TimeWindow& tick : request.ticks) {
        for (std::size_t c = 0; c < request.columns.size(); ++c) {
          unit.values.push_back(0.25 * static_cast<double>(tick.length().ns / hours(1).ns) +
                                late.load());
        }
      }
      table.units.push_back(std::move(unit));
    }
    return table;
  }
  mutable std::atomic<int> folds{0};
  std::atomic<bool> forbidden{false};
  std::atomic<double> late{0};
};

// The ledger as the gate sees it. With `rival`, another is charged the same between the gate's look
// at the room and its commit, `rival` times as much.
class RacedStore final : public federation::ReleaseStore {
 public:
  explicit RacedStore(ReleaseLedger& ledger) : ledger_(ledger) {}
  std::uint64_t rival = 0;

  Result<federation::ReleaseStanding> inquire(
      const federation::ReleaseInquiry& inquiry) const override {
    return ledger_.inquire(inquiry);
  }
  std::vector<federation::StoredRelease> cells(
      const federation::ReleaseInquiry& inquiry) const override {
    return ledger_.cells(inquiry);
  }
  std::vector<BlockAmount> left(const federation::ReleaseInquiry& inquiry) const override {
    return ledger_.left(inquiry);
  }
  void commit(federation::ReleaseInquiry inquiry, std::function<Bytes()> draw,
              std::function<void(Result<federation::CommittedRelease>)> done) override {
    if (rival > 0) {
      federation::ReleaseInquiry theirs = inquiry;
      theirs.query_id = random_.id<QueryId>();
      theirs.release_key = random_.id<Hash256>();
      theirs.cells.reset();
      theirs.composed.reset();
      for (BlockAmount& charge : theirs.charges) charge.rho.units *= rival;
      ledger_.commit(
          std::move(theirs), [] { return Bytes{1}; }, [](auto) {});
    }
    ledger_.commit(std::move(inquiry), std::move(draw), std::move(done));
  }
  void note(const federation::ReleaseInquiry& inquiry, std::string_view outcome) override {
    ledger_.note(inquiry, outcome);
  }

 private:
  ReleaseLedger& ledger_;
  SeededRandom random_{5};
};

struct Reply {
  ErrorCode refused = ErrorCode::internal;  // when there is no answer
  std::vector<BlockAmount> left;            // likewise
  std::optional<Answer> answer;
  std::optional<Release> release;
  bool answered() const { return answer.has_value(); }
};

class GatedSite {
 public:
  explicit GatedSite(std::vector<Duration> revisions = {}) : clock(both.now) {
    ExportView& view = both.view;
    view.measures = {{"load", "kWh", Reducer::sum, {{Reducer::sum, 0, 30}, {Reducer::mean, 0, 30}}},
                     {"meter", "kWh", Reducer::delta, {{Reducer::delta, 0, 30}}},
                     {"tariff", "", Reducer::sum, {{Reducer::sum, 1, 30}}}};
    view.revisions = std::move(revisions);
    Agreement& terms = both.agreement;
    terms.exports = {view};
    terms.aggregates = {};
    terms.rho_per_block = view.rho_cap;
    terms.expires = both.now + days(365);
    both.sign();
    other_terms = terms;
    other_terms.consumer = other;
    other_id = agreement_id_of(canonical_bytes(other_terms));
    Store::Options options;
    options.path = folder / "entente.db";
    options.migrations = {audit_migration(), ReleaseLedger::migration(),
                          ledger_standing_migration(), audit_tree_migration(),
                          ReleaseLedger::cells_migration()};
    options.deliver = [this](std::function<void()> work) { loop.post(std::move(work)); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    store = std::move(*opened);
    ledger = std::make_unique<ReleaseLedger>(*store, clock);
    raced = std::make_unique<RacedStore>(*ledger);
    gate = std::make_unique<federation::DisclosureGate>(
        federation::DisclosureGate::Parts{loop, workers, clock, meters, *raced, answer_key, noise,
                                          [this] { return site(); }, observer, Duration{}});
  }
  ~GatedSite() {
    gate.reset();
    workers.stop();
    settle();
    raced.reset();
    ledger.reset();
    store.reset();
  }

  // "sum(sum(load)) FROM air …": what one partner asks, by the plan of its own node.
  Reply ask(const std::string& rest, bool by_other = false, bool fresh = false,
            std::optional<QueryId> id = {}) {
    both.now = clock.now();
    const auto seal = security::SealPair::generate(both.random);
    Envelope envelope = both.envelope(both.question("SELECT " + rest));
    envelope.seal_key = seal.public_key();
    envelope.fresh = fresh;
    if (id) envelope.query_id = *id;
    security::PeerIdentity peer = both.peer();
    if (by_other) {
      envelope.origin = peer.organisation = other;
      envelope.agreement = other_id;
    }
    auto outcome = std::make_shared<std::optional<federation::DisclosureGate::Outcome>>();
    loop.run(gate->answer(peer, both.signed_bytes(envelope))
                 .then([outcome](federation::DisclosureGate::Outcome done) {
                   *outcome = std::move(done);
                 }));
    Reply reply;
    if (const auto* refusal = std::get_if<Refusal>(&**outcome)) {
      reply.refused = refusal->code;
      reply.left = refusal->left;
      return reply;
    }
    const auto opened = seal.open(std::get<Bytes>(**outcome));
    REQUIRE(opened);
    reply.answer = *answer_from_bytes(signed_from_bytes(*opened)->body);
    reply.release = *release_from_bytes(reply.answer->release);
    return reply;
  }

  std::uint64_t spent(const std::string& scope) const {
    std::uint64_t sum = 0;
    for (const LedgerRow& row : ledger->rows()) sum += row.scope == scope ? row.spent.units : 0;
    return sum;
  }
  std::uint64_t spent_by_site() const { return spent("site"); }
  std::uint64_t spent_by_other() const { return spent(other.hex()); }
  std::uint64_t spent_by_first() const { return spent(both.consumer.hex()); }
  void settle() {
    REQUIRE(store->run<int>([](Database&) -> Result<int> { return 0; }));
    loop.run(loop.after(milliseconds(1)));
  }

  entente::test::TwoOrganisations both;
  ManualClock clock;
  Meters meters;
  OrgId other = both.random.id<OrgId>();
  Agreement other_terms;
  AgreementId other_id;
  std::unique_ptr<RacedStore> raced;

 private:
  std::shared_ptr<const federation::SiteSnapshot> site() const {
    auto snapshot = both.site();
    snapshot->agreements.emplace(other_id, federation::ActiveAgreement{other_id, other_terms});
    federation::KnownPartner partner = snapshot->partners.at(both.consumer);
    partner.organisation = other;
    partner.name = "second";
    snapshot->partners.emplace(other, partner);
    return snapshot;
  }

  TemporaryFolder folder;
  security::SigningKey answer_key = security::SigningKey::generate(both.random);
  SystemRandom random;
  security::ExactNoise noise{random};
  federation::GateObserver observer;
  federation::Loop loop;
  federation::Workers workers{1};
  std::unique_ptr<Store> store;
  std::unique_ptr<ReleaseLedger> ledger;
  std::unique_ptr<federation::DisclosureGate> gate;
};

}  // namespace entente::node::test
