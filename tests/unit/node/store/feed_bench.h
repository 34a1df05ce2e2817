// A site with a feed gate over a real store, and the partner that follows it, in one thread.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "federation/feed/feed_gate.h"
#include "federation/feed/feed_plan.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "federation/query/parser.h"
#include "node/store/audit_log.h"
#include "node/store/feed_ledger.h"
#include "node/store/store_run.h"
#include "security/privacy/noise.h"
#include "tests/support/two_organisations.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {

// 20 units in King and 10 in Chelan, each of which reads `value` in every tick.
class SteadyTwins final : public federation::TwinSource {
 public:
  double value = 40;
  mutable int folds = 0;
  std::string owner;  // of a unit beside these, with twins in both counties
  Result<federation::FoldedTable> fold(const federation::FoldRequest& request) const override {
    ++folds;
    federation::FoldedTable table{request.ticks.size(), request.columns.size(), {}};
    for (std::uint32_t u = 0; u < 30; ++u) {
      federation::FoldedUnit unit{u < 20 ? 0U : 1U, {}};
      unit.values.assign(table.ticks * table.columns, value);
      if (!owner.empty()) unit.unit = "unit " + std::to_string(u);
      table.units.push_back(std::move(unit));
    }
    for (std::uint32_t cell = 0; cell < 2 && !owner.empty(); ++cell) {
      federation::FoldedUnit unit{cell, {}, owner};
      unit.values.assign(table.ticks * table.columns, value);
      table.units.push_back(std::move(unit));
    }
    return table;
  }
};

// Exact noise, or none.
class SwitchedNoise final : public security::NoiseSource {
 public:
  bool silent = false;
  std::int64_t gaussian(std::uint64_t variance) override {
    return silent ? 0 : exact_.gaussian(variance);
  }
  std::int64_t laplace(std::uint64_t scale) override { return silent ? 0 : exact_.laplace(scale); }

 private:
  SeededRandom random_{99};
  security::ExactNoise exact_{random_};
};

struct FeedBench {
  entente::test::TwoOrganisations both;
  TemporaryFolder folder;
  ManualClock clock{*parse_instant("2026-01-01T10:30")};
  security::SigningKey answer_key = security::SigningKey::generate(both.random);
  SteadyTwins twins;
  SwitchedNoise noise;
  bool agreed = true;   // the agreement is active
  bool offered = true;  // the export is declared
  std::size_t prices_kept = federation::limits::kFeedsPriced;
  Bytes receipt;  // shown with every order
  federation::Loop loop;
  std::unique_ptr<Store> store;
  std::unique_ptr<ReleaseLedger> ledger;
  std::unique_ptr<FeedLedger> feeds;
  std::unique_ptr<federation::Workers> workers;
  std::unique_ptr<federation::FeedGate> gate;

  FeedBench() {
    both.view.cells = {{{"WA", "King"}, 20}, {{"WA", "Chelan"}, 10}};
    both.view.measures.front().bounds.push_back({Reducer::sum, 0, 100});
    both.view.lateness = hours(2);
    both.agreement.exports = {both.view};
    both.agreement.aggregates = {Aggregate::count, Aggregate::mean, Aggregate::sum};
    both.agreement.expires = both.now + days(400);
    both.sign();
    open();
  }
  ~FeedBench() { close(); }

  void close() {
    gate.reset();
    workers.reset();
    feeds.reset();
    ledger.reset();
    store.reset();
  }
  void open() {
    close();
    Store::Options options;
    options.path = folder / "entente.db";
    options.migrations = {audit_migration(), ReleaseLedger::migration(),
                          ledger_standing_migration(), audit_tree_migration(),
                          FeedLedger::migration()};
    options.deliver = [this](std::function<void()> work) { loop.post(std::move(work)); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    store = std::move(*opened);
    ledger = std::make_unique<ReleaseLedger>(*store, clock);
    feeds = std::make_unique<FeedLedger>(*store, *ledger, clock);
    workers = std::make_unique<federation::Workers>(2);
    gate = std::make_unique<federation::FeedGate>(
        federation::FeedGate::Parts{loop,
                                    *workers,
                                    clock,
                                    twins,
                                    *feeds,
                                    answer_key,
                                    noise,
                                    [this] { return site(); },
                                    {},
                                    prices_kept});
  }

  // The files as they are, closed: a backup, and back from it.
  void copy_to(const std::filesystem::path& other) {
    close();
    std::filesystem::create_directory(other);
    for (const char* file : kFiles) {
      if (std::filesystem::exists(folder / file)) {
        std::filesystem::copy(folder / file, other / file);
      }
    }
  }
  void restore_from(const std::filesystem::path& other) {
    close();
    for (const char* file : kFiles) {
      std::filesystem::remove(folder / file);
      if (std::filesystem::exists(other / file)) {
        std::filesystem::copy(other / file, folder / file);
      }
    }
    open();
  }
  static constexpr const char* kFiles[] = {"entente.db", "entente.db-wal"};

  std::shared_ptr<const federation::SiteSnapshot> site() const {
    auto snapshot = both.site();
    if (!agreed) snapshot->agreements.clear();
    if (!offered) snapshot->exports.clear();
    snapshot->answer_key = answer_key.public_key();
    return snapshot;
  }

  template <class T>
  T wait(kj::Promise<T> promise) {
    std::optional<T> out;
    loop.run(promise.then([&](T value) { out.emplace(std::move(value)); }));
    return std::move(*out);
  }
  void tend() { loop.run(gate->tend()); }

  // The terms that the partner's planner makes of a sentence.
  federation::PlannedFeed planned(const std::string& text, federation::FeedWish wish) const {
    const auto sentence = federation::parse_question(text);
    REQUIRE(sentence);
    wish.now = clock.now();
    auto made = federation::plan_feed(*sentence, {&both.view, "washington"}, wish);
    if (!made) FAIL(made.error().what);
    return *std::move(made);
  }

  struct Heard {
    std::optional<Answer> answer;
    Refusal refusal;
    bool good() const { return answer.has_value(); }
  };
  Envelope envelope(const FeedOrder& order, const SealKey& key) {
    Envelope out;
    out.origin = both.consumer;
    out.audience = both.provider;
    out.audience_site = "main";
    out.query_id = order.verb == FeedVerb::start ? order.feed : both.random.id<QueryId>();
    out.issued = clock.now();
    out.deadline = clock.now() + seconds(10);
    out.agreement = both.agreement_id;
    out.purpose = "planning";
    out.seal_key = key;
    out.question = canonical_bytes(order);
    out.receipt = receipt;
    return out;
  }
  // Sends one order as the partner would, and opens what comes back.
  Heard send(const FeedOrder& order, std::string_view context = kFeedOrderContext) {
    const auto seal = security::SealPair::generate(both.random);
    const Envelope out = envelope(order, seal.public_key());
    return hear(
        seal, order.verb,
        to_wire_bytes(security::sign_body(both.envelope_key, context, canonical_bytes(out))));
  }
  Heard hear(const security::SealPair& seal, FeedVerb verb, const Bytes& bytes) {
    auto outcome = wait(gate->handle(both.peer(), verb, bytes));
    Heard heard;
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
      heard.refusal = *refusal;
      return heard;
    }
    const auto opened = seal.open(std::get<Bytes>(outcome));
    REQUIRE(opened);
    const auto outer = signed_from_bytes(*opened);
    REQUIRE(outer);
    REQUIRE(security::verify(answer_key.public_key(), security::contexts::kAnswer, *outer));
    auto answer = answer_from_bytes(outer->body);
    REQUIRE(answer);
    heard.answer = std::move(*answer);
    return heard;
  }
  Heard start(const federation::PlannedFeed& feed, const QueryId& id) {
    return send({FeedVerb::start, id, 0, canonical_bytes(feed.feed.terms)});
  }
  Heard pull(const QueryId& id, std::uint32_t sequence) {
    return send({FeedVerb::pull, id, sequence, {}});
  }
  Heard cancel(const QueryId& id) { return send({FeedVerb::cancel, id, 0, {}}); }

  // Spent by scope and block.
  std::map<std::pair<std::string, Instant>, std::uint64_t> spent() const {
    std::map<std::pair<std::string, Instant>, std::uint64_t> out;
    for (const LedgerRow& row : ledger->rows()) {
      if (row.spent.units > 0) out[{row.scope, row.block}] = row.spent.units;
    }
    return out;
  }
};

}  // namespace entente::node::test
