// Units that are no twins and keys that are no public fact, from readings to the sealed answer.
#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "federation/ask/disclosure_gate.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "node/history/fold_source.h"
#include "node/store/audit_log.h"
#include "node/store/ledger_accounts.h"
#include "node/store/ledger_standing.h"
#include "node/store/release_ledger.h"
#include "security/privacy/blocks.h"
#include "security/privacy/rho.h"
#include "tests/support/two_organisations.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using namespace federation;
using entente::test::TwoOrganisations;
using test::TemporaryFolder;

constexpr const char* kTypes = R"json([
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Monitor;1", "@type": "Interface",
   "contents": [
     {"@type": "Property", "name": "county", "schema": "string"},
     {"@type": "Property", "name": "owner", "schema": "string"},
     {"@type": "Telemetry", "name": "pm25", "schema": "double"}]}])json";

constexpr const char* kWindow = " OVER '2015-08-23' .. '2015-08-24' WITH (epsilon = 1)";

// So that a release is what was folded, and every change in it is some unit's.
class Silence final : public security::NoiseSource {
 public:
  std::int64_t gaussian(std::uint64_t) override { return 0; }
  std::int64_t laplace(std::uint64_t) override { return 0; }
};

struct Monitor {
  std::string county;
  std::string owner;
  double pm25 = 0;
};

// A provider with these monitors, a reading each on 2015-08-23.
struct Provider {
  TemporaryFolder folder;
  TwoOrganisations both;
  ManualClock clock{both.now};
  Loop loop;
  Workers workers{1};
  GateObserver observer;
  Silence silence;
  std::unique_ptr<Store> store, history_store;
  std::unique_ptr<TwinRegistry> twins;
  std::unique_ptr<History> history;
  std::unique_ptr<UnitRegister> units;
  std::unique_ptr<FoldSource> folds;
  std::unique_ptr<ReleaseLedger> ledger;
  security::SigningKey answer_key = security::SigningKey::generate(both.random);
  std::shared_ptr<const SiteSnapshot> site;
  std::unique_ptr<DisclosureGate> gate;

  Provider(const std::vector<Monitor>& monitors, const std::function<void(ExportView&)>& change) {
    both.view.keys = {"county"};
    both.view.cells = {{{"King"}, 20}, {{"Chelan"}, 20}};
    both.view.rho_cap = {std::uint64_t{1} << 41};
    change(both.view);
    both.agreement.exports = {both.view};
    both.agreement.aggregates.clear();
    both.agreement.purposes.clear();
    both.agreement.rho_per_block = {std::uint64_t{1} << 41};
    both.sign();
    site = both.site();
    store = open("entente.db", {audit_migration(), ReleaseLedger::migration(),
                                ledger_standing_migration(), audit_tree_migration(),
                                UnitRegister::migration()});
    history_store = open("history.db", history_migrations());
    twins = std::move(*TwinRegistry::load(*history_store));
    history = std::move(*open_history(*history_store, clock));
    units = std::make_unique<UnitRegister>(*store, clock);
    folds = std::make_unique<FoldSource>([this] { return twins->state(); }, *history, units.get());
    ledger = std::make_unique<ReleaseLedger>(*store, clock);
    gate = std::make_unique<DisclosureGate>(DisclosureGate::Parts{loop,
                                                                  workers,
                                                                  clock,
                                                                  *folds,
                                                                  *ledger,
                                                                  answer_key,
                                                                  silence,
                                                                  [this] { return site; },
                                                                  observer,
                                                                  {}});
    fill(monitors);
  }

  std::unique_ptr<Store> open(const std::string& name, std::vector<const char*> migrations) {
    Store::Options options;
    options.path = folder / name;
    options.migrations = std::move(migrations);
    options.deliver = [this](std::function<void()> work) { loop.post(std::move(work)); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    return std::move(*opened);
  }

  void fill(const std::vector<Monitor>& monitors) {
    auto types = twins->plan_types({{"types.json", kTypes}}, TwinRegistry::Missing::refuse);
    REQUIRE(types);
    REQUIRE(twins->commit_now(std::move(*types)));
    std::string text;
    Batch batch;
    const Instant at = *parse_instant("2015-08-23T12:00:00Z");
    for (std::size_t i = 0; i < monitors.size(); ++i) {
      const std::string id = "m" + std::to_string(i);
      text += "[[twin]]\nid = \"" + id + "\"\ntype = \"dtmi:test:Monitor;1\"\n" +
              "properties.county = \"" + monitors[i].county + "\"\n" + "properties.owner = \"" +
              monitors[i].owner + "\"\n";
      batch.add(*history->open_series(id, "pm25"), {at, monitors[i].pm25, Quality::good});
    }
    auto change = twins->plan_twins(text, "twins.toml");
    REQUIRE(change);
    REQUIRE(twins->commit_now(std::move(*change)));
    REQUIRE(history->append_now(std::move(batch)));
  }

  struct Told {
    std::optional<ErrorCode> refused;
    Answer answer;
    Release release;
  };
  Told ask(const std::string& text) {
    const security::SealPair pair = security::SealPair::generate(both.random);
    Envelope envelope = both.envelope(both.question(text));
    envelope.seal_key = pair.public_key();
    Told told;
    loop.run(gate->answer(both.peer(), both.signed_bytes(envelope))
                 .then([&](DisclosureGate::Outcome outcome) {
                   if (const Refusal* refusal = std::get_if<Refusal>(&outcome)) {
                     told.refused = refusal->code;
                     return;
                   }
                   const auto outer = signed_from_bytes(*pair.open(std::get<Bytes>(outcome)));
                   told.answer = *answer_from_bytes(outer->body);
                   told.release = *release_from_bytes(told.answer.release);
                 }));
    return told;
  }
};

// The figures of every cell, in the items' own units.
std::vector<std::vector<double>> figures(const Release& release) {
  std::vector<std::vector<double>> out;
  for (const ReleasedCell& cell : release.cells) {
    out.emplace_back();
    for (std::size_t i = 0; i < cell.mantissas.size(); ++i) {
      out.back().push_back(
          std::ldexp(static_cast<double>(cell.mantissas[i]), release.statistics[i].exponent));
    }
  }
  return out;
}

// Owner x has two monitors in King and one in Chelan, the others one each.
std::vector<Monitor> owners(double of_x) {
  return {{"King", "x", of_x},
          {"King", "x", of_x},
          {"Chelan", "x", of_x},
          {"King", "y", 20},
          {"Chelan", "z", 40}};
}

}  // namespace

TEST_SUITE("node/unit_disclosure") {
  TEST_CASE("an owner is one value in as many counties as it may count in and no further") {
    const std::string asked =
        std::string("SELECT sum(pm25), count(pm25 >= 0) FROM air") + " GROUP BY county" + kWindow;
    for (const std::uint32_t most : {1u, 2u}) {
      CAPTURE(most);
      const auto figures_with = [&](double of_x) {
        Provider provider(owners(of_x), [&](ExportView& view) {
          view.unit = "property:owner";
          view.groups_per_unit = most;
        });
        const auto told = provider.ask(asked);
        REQUIRE_FALSE(told.refused);
        CHECK(told.release.unit == "property:owner");
        return figures(told.release);
      };
      const auto low = figures_with(10), high = figures_with(1e6);  // limited to 200
      REQUIRE(low.size() == 2);
      // y in King, z in Chelan, and x where it counts: once, however many monitors it has there.
      CHECK(low[0][1] + low[1][1] == 2 + most);
      CHECK(low[0][0] + low[1][0] == 60 + 10.0 * most);
      std::uint32_t moved = 0;
      for (std::size_t county = 0; county < 2; ++county) {
        CHECK(high[county][1] == low[county][1]);
        const double by = high[county][0] - low[county][0];
        CHECK((by == 0 || by == 190));
        moved += by != 0 ? 1 : 0;
      }
      CHECK(moved == most);
      // Without counties it is one value over all of them.
      Provider provider(owners(10), [&](ExportView& view) {
        view.unit = "property:owner";
        view.groups_per_unit = most;
      });
      const auto all =
          figures(provider.ask(std::string("SELECT sum(pm25), count(pm25 >= 0) FROM air") + kWindow)
                      .release);
      CHECK(all == std::vector<std::vector<double>>{{70, 3}});
    }
  }

  TEST_CASE("counting an owner in two counties pays for noise twice as wide in variance") {
    std::vector<double> variances;
    for (const std::uint32_t most : {1u, 2u}) {
      Provider provider(owners(10), [&](ExportView& view) {
        view.unit = "property:owner";
        view.groups_per_unit = most;
      });
      const auto told =
          provider.ask(std::string("SELECT count(pm25 >= 0) FROM air GROUP BY county") + kWindow);
      REQUIRE_FALSE(told.refused);
      const Statistic& statistic = told.release.statistics.at(0);
      variances.push_back(
          std::ldexp(static_cast<double>(statistic.variance), 2 * statistic.exponent));
    }
    CHECK(variances[1] / variances[0] > 1.6);
    CHECK(variances[1] / variances[0] < 2.4);
  }

  TEST_CASE(
      "owners are named where enough monitors share them and delta is spent until it is not") {
    std::vector<Monitor> monitors;
    for (int i = 0; i < 120; ++i) monitors.push_back({"King", "acme", 50});
    for (int i = 0; i < 11; ++i) monitors.push_back({"King", "tiny", 90});
    monitors.push_back({"Chelan", "lone", 150});
    const DeltaUnits once = *security::delta_of(1e-8);
    Provider provider(monitors, [&](ExportView& view) {
      view.cells = {{{"King"}, 131}, {{"Chelan"}, 20}};
      view.threshold_delta = {once.units * 2};
      view.private_keys = {"owner"};
      view.private_delta = once;
      view.private_min_units = 10;
    });
    const auto told =
        provider.ask(std::string("SELECT mean(pm25) FROM air GROUP BY owner, county") + kWindow);
    REQUIRE_FALSE(told.refused);
    REQUIRE(told.release.cells.size() == 1);
    CHECK(told.release.cells[0].values == std::vector<std::string>{"acme"});
    CHECK(figures(told.release)[0][2] == 120);
    CHECK(told.answer.delta_charged == once);
    CHECK(told.answer.delta_left == once);
    REQUIRE(told.answer.charged.size() == 2);  // the lifetime, since an owner has no date
    CHECK(told.answer.charged[0].start == security::kLifetimeBlock);
    std::map<std::string, DeltaUnits> spent;
    for (const LedgerRow& row : provider.ledger->rows()) {
      if (row.scope == kSiteScope) spent[to_text(row.block)] = row.delta;
    }
    CHECK(spent.size() == 2);
    for (const auto& [block, delta] : spent) CHECK(delta == once);
    // Asked again it is the same answer, and spends nothing.
    const auto again =
        provider.ask(std::string("SELECT mean(pm25) FROM air GROUP BY owner, county") + kWindow);
    REQUIRE_FALSE(again.refused);
    CHECK(again.answer.release == told.answer.release);
    CHECK(again.answer.delta_charged.units == 0);
    // Another question spends the rest; a third finds none, though there is rho enough.
    CHECK_FALSE(
        provider.ask(std::string("SELECT max(pm25) FROM air GROUP BY owner") + kWindow).refused);
    CHECK(provider.ask(std::string("SELECT sum(pm25) FROM air GROUP BY owner") + kWindow).refused ==
          ErrorCode::budget_exhausted);
    CHECK_FALSE(provider.ask(std::string("SELECT sum(pm25) FROM air") + kWindow).refused);
  }

  TEST_CASE("private keys named from fewer units than were agreed are refused") {
    Provider provider(owners(10), [&](ExportView& view) {
      view.threshold_delta = view.private_delta = *security::delta_of(1e-8);
      view.private_keys = {"owner"};
      view.private_min_units = 9;
    });
    CHECK(provider.ask(std::string("SELECT count(*) FROM air GROUP BY owner") + kWindow).refused ==
          ErrorCode::group_too_small);
  }
}

}  // namespace entente::node
