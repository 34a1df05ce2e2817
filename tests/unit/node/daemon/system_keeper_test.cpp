// Kept properties of a system twin over two partners that release, charge and fail as they are
// told.
#include "node/daemon/system_keeper.h"

#include <doctest/doctest.h>

#include <kj/debug.h>

#include <boost/json.hpp>

#include <map>
#include <set>
#include <stdexcept>

#include "federation/ask/sealed_answer.h"
#include "federation/link/loop.h"
#include "node/store/answer_shelf.h"
#include "node/store/audit_log.h"
#include "security/privacy/rho.h"
#include "tests/support/two_organisations.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::node;
namespace json = boost::json;

namespace {

class NoTwins final : public TwinSource {
 public:
  Result<FoldedTable> fold(const FoldRequest&) const override {
    throw std::runtime_error("a kept property touched readings");
  }
};

class NoReceipts final : public ReceiptBook {
 public:
  Bytes newest(const OrgId&, const std::string&) const override { return {}; }
  void keep(const LedgerReceipt&, Bytes) override {}
};

// A partner's site: the same question is the same bytes, and charged once.
struct Site {
  OrgId organisation;
  std::string name;
  ExportView view;
  std::unique_ptr<security::SigningKey> key;
  bool away = false;
  std::map<Hash256, Bytes> released = {};  // by question
  int asked = 0;
};

// The composing node.
struct Office {
  entente::test::TwoOrganisations both;
  ManualClock clock{*parse_instant("2026-01-10T12:00Z")};
  node::test::TemporaryFolder folder;
  Loop loop;
  Workers workers{1};
  NoReceipts receipts;
  NoTwins twins;
  std::shared_ptr<SiteSnapshot> site = std::make_shared<SiteSnapshot>();
  std::map<OrgId, Site> sites;
  std::unique_ptr<Store> store;
  std::unique_ptr<AnswerShelf> answers;
  std::unique_ptr<SystemShelf> shelf;
  std::unique_ptr<SystemRegister> systems;
  std::unique_ptr<Asker> asker;
  std::unique_ptr<AskService> ask;
  std::unique_ptr<SystemKeeper> keeper;

  Office() {
    site->self = both.consumer;
    site->self_name = "office";
    site->site = "main";
    add_site(both.provider, "washington");
    add_site(both.random.id<OrgId>(), "oregon");
    open();
  }
  ~Office() { close(); }

  void add_site(const OrgId& organisation, const char* name) {
    Site one{organisation, name, both.view, nullptr};
    one.view.domain = name;
    one.key = std::make_unique<security::SigningKey>(security::SigningKey::generate(both.random));
    KnownPartner partner;
    partner.organisation = organisation;
    partner.name = name;
    partner.answer_key = one.key->public_key();
    site->partners.emplace(organisation, partner);
    Agreement terms = both.agreement;
    terms.provider = organisation;
    terms.exports = {one.view};
    terms.issued = clock.now() - days(1);
    terms.expires = clock.now() + days(300);
    terms.rho_per_block = one.view.rho_cap;
    const AgreementId id = agreement_id_of(canonical_bytes(terms));
    site->agreements.emplace(id, ActiveAgreement{id, terms});
    sites.emplace(organisation, std::move(one));
  }

  void open() {
    Store::Options options;
    options.path = folder / "entente.db";
    options.migrations = {audit_migration(), audit_tree_migration(), AnswerShelf::migration(),
                          AnswerShelf::delta_migration(), SystemShelf::migration()};
    options.deliver = [this](std::function<void()> work) { loop.post(std::move(work)); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    store = std::move(*opened);
    answers = std::make_unique<AnswerShelf>(*store);
    shelf = std::make_unique<SystemShelf>(*store);
    systems = std::make_unique<SystemRegister>(*shelf, clock, "main", [] {});
    REQUIRE(systems->load({}));
    const SnapshotSource source = [this] { return site; };
    asker = std::make_unique<Asker>(
        Asker::Parts{loop, clock, both.random, both.envelope_key, source,
                     [this](const OrgId& to, Bytes envelope) { return answer(to, envelope); },
                     receipts, answers.get()});
    ask = std::make_unique<AskService>(
        AskService::Parts{loop, workers, clock, *asker, twins, *answers,
                          [] { return std::make_shared<const TwinGraph>(); }, source,
                          [this] { return systems->twins(); }, 0.5, seconds(5)});
    keeper =
        std::make_unique<SystemKeeper>(SystemKeeper::Parts{clock, *ask, *shelf, *systems, source});
    keeper->load();
  }
  void close() {
    keeper->stop();
    settle();
    keeper.reset();
    ask.reset();
    asker.reset();
    systems.reset();
    shelf.reset();
    answers.reset();
    store.reset();
  }
  void restart() {
    close();
    open();
  }

  kj::Promise<MemberReply> answer(const OrgId& to, const Bytes& bytes) {
    Site& one = sites.at(to);
    if (one.away) return KJ_EXCEPTION(DISCONNECTED, "away");
    ++one.asked;
    const auto outer = signed_from_bytes(bytes);
    const auto envelope = envelope_from_bytes(outer->body);
    const auto question = question_from_bytes(envelope->question);
    const auto price = price_of(*question, one.view);
    const Hash256 hash = question_hash(envelope->question);
    Answer told;
    told.reused = one.released.contains(hash);
    if (!told.reused) {
      Release release;
      release.organisation = one.organisation;
      release.site = one.view.site;
      release.question_hash = hash;
      release.domain = one.view.domain;
      release.unit = one.view.unit;
      release.charges = price->charges;
      release.statistics = price->statistics;
      release.released = clock.now();
      for (std::uint32_t tick = 0; tick < question->tick_count(); ++tick) {
        release.cells.push_back({0, tick, std::vector<std::int64_t>(price->layout.size(), 1'000)});
      }
      one.released[hash] = canonical_bytes(release);
      told.charged = price->charges;
    }
    told.release = one.released.at(hash);
    for (const BlockAmount& charge : price->charges) {
      told.left.push_back({charge.start, one.view.rho_cap});
      told.caps.push_back({charge.start, one.view.rho_cap});
    }
    SiteSnapshot self;
    self.self = one.organisation;
    self.site = one.view.site;
    auto sealed = seal_answer(std::move(told), {envelope->seal_key, envelope->origin},
                              envelope_hash(outer->body), {1, {}}, self, *one.key, clock.now());
    REQUIRE(sealed);
    return MemberReply(std::move(*sealed));
  }

  // What was posted is durable and reported, and what follows from it done.
  void settle() {
    for (int i = 0; i < 12; ++i) {
      REQUIRE(store->run<int>([](Database&) -> Result<int> { return 0; }));
      loop.run(loop.after(milliseconds(1)));
    }
  }
  void declare(const std::string& more, const std::string& item = "mean(pm25)") {
    auto twin = systems->read(
        "[system.smoke]\nmembers = [\"air@washington\", \"air@oregon\"]\n"
        "[system.smoke.property.pm25]\nitem = \"" +
        item + "\"\nkeep = true\nepsilon = 0.1\npurpose = \"planning\"\n" + more);
    REQUIRE_MESSAGE(twin, (twin ? "" : twin.error().what));
    bool done = false;
    systems->declare(std::move(*twin), "user:ann", [&](Result<DeclaredSystem> kept) {
      CHECK(kept);
      done = true;
    });
    settle();
    REQUIRE(done);
  }
  // Seconds go by, one turn in each.
  void turns(int count) {
    for (int i = 0; i < count; ++i) {
      clock.advance(seconds(1));
      keeper->tend();
      settle();
    }
  }
  std::vector<SystemRow> rows() const { return shelf->rows("smoke", {}); }
  int charges() const {
    int all = 0;
    for (const auto& [id, one] : sites) all += static_cast<int>(one.released.size());
    return all;
  }
  Site& named(const std::string& name) {
    for (auto& [id, one] : sites) {
      if (one.name == name) return one;
    }
    throw std::logic_error("no such site");
  }
};

}  // namespace

TEST_SUITE("daemon/system_keeper") {
  TEST_CASE("each closed window is asked once and kept with its coverage") {
    Office office;
    office.declare("since = \"2026-01-07\"\n");
    office.turns(6);
    auto rows = office.rows();
    REQUIRE(rows.size() == 3);
    CHECK(office.charges() == 6);
    for (const SystemRow& row : rows) {
      CHECK(row.whole());
      CHECK(row.revision == 0);
      CHECK(row.version == 1);
      REQUIRE(row.values.size() == 1);
      CHECK(row.values[0].estimate());
      CHECK(row.values[0].window() == row.window);
      CHECK(json::parse(row.coverage).as_array().size() == 2);
    }
    CHECK(rows[0].window.to == *parse_instant("2026-01-10"));
    CHECK(office.keeper->outlook({"smoke", "pm25"}).due == *parse_instant("2026-01-11"));
    // A day goes by, a window more; a restart in between asks nothing.
    office.restart();
    office.turns(3);
    CHECK(office.charges() == 6);
    office.clock.advance(days(1));
    office.turns(3);
    CHECK(office.rows().size() == 4);
    CHECK(office.charges() == 8);
  }

  TEST_CASE("a lost member is repaired by a correction that charges nobody twice") {
    Office office;
    office.named("oregon").away = true;
    office.declare("since = \"2026-01-09\"\n");
    office.turns(2);
    REQUIRE(office.rows().size() == 1);
    const SystemRow first = office.rows().front();
    CHECK(first.answered == 1);
    CHECK(first.members == 2);
    office.turns(10);
    CHECK(office.rows().size() == 1);
    const int asked = office.named("washington").asked;
    office.restart();
    office.named("oregon").away = false;
    office.turns(30);
    const auto rows = office.rows();
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].revision == 1);
    CHECK(rows[0].whole());
    CHECK(rows[1].id == first.id);
    CHECK(rows[1].answered == 1);
    CHECK(office.charges() == 2);
    CHECK(office.named("washington").asked > asked);
    // What washington charged for the window is not forgotten because the second time was free.
    CHECK(rows[0].coverage.find("charged_before") != std::string::npos);
    office.turns(90);
    CHECK(office.rows().size() == 2);
  }

  TEST_CASE("who answered is not asked anew when its terms have changed and the row stays") {
    Office office;
    office.named("oregon").away = true;
    office.declare("since = \"2026-01-09\"\n");
    office.turns(2);
    REQUIRE(office.rows().size() == 1);
    office.named("oregon").away = false;
    // Another description is another question: it would be charged again.
    const OrgId washington = office.named("washington").organisation;
    Agreement terms;
    for (const auto& [id, agreement] : office.site->agreements) {
      if (agreement.value.provider == washington) terms = agreement.value;
    }
    terms.exports[0].cells[0].units += 1;
    terms.issued = office.clock.now();
    auto changed = std::make_shared<SiteSnapshot>(*office.site);
    const AgreementId id = agreement_id_of(canonical_bytes(terms));
    changed->agreements.emplace(id, ActiveAgreement{id, terms});
    office.site = changed;
    office.turns(120);
    CHECK(office.rows().size() == 1);
    CHECK(office.charges() == 1);
  }

  TEST_CASE("a window that nobody answers is kept with the reason and the next one comes") {
    Office office;
    for (auto& [id, one] : office.sites) one.away = true;
    office.declare("since = \"2026-01-08\"\nuntil = \"2026-01-10\"\n");
    office.turns(20);
    auto rows = office.rows();
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].answered == 0);
    CHECK_FALSE(rows[0].reason.empty());
    CHECK(rows[0].values.empty());
    for (auto& [id, one] : office.sites) one.away = false;
    office.turns(70);
    rows = office.rows();
    REQUIRE(rows.size() == 4);
    CHECK(rows[0].whole());
    CHECK(rows[1].whole());
    CHECK(office.charges() == 4);
  }

  TEST_CASE("a new version goes on with the next window and a removed system asks no more") {
    Office office;
    office.declare("since = \"2026-01-09\"\n");
    office.turns(3);
    REQUIRE(office.rows().size() == 1);
    office.declare("since = \"2026-01-09\"\n", "count(*)");
    office.clock.advance(days(1));
    office.turns(3);
    REQUIRE(office.rows().size() == 2);
    CHECK(office.rows()[0].version == 2);
    CHECK(office.rows()[1].version == 1);
    office.systems->remove("smoke", "user:ann", [](Result<DeclaredSystem> gone) { CHECK(gone); });
    office.settle();
    office.clock.advance(days(1));
    office.turns(3);
    CHECK(office.rows().size() == 2);
    CHECK_FALSE(office.systems->named("smoke"));
    CHECK(office.shelf->versions("smoke").size() == 3);
    office.restart();
    CHECK_FALSE(office.systems->named("smoke"));
  }

  TEST_CASE("definitions of files and of the API keep to themselves") {
    Office office;
    office.declare("");
    const auto smoke = office.systems->named("smoke")->twin;
    using Existing = SystemRegister::Existing;
    CHECK(office.systems->may_declare(smoke, Existing::refuse, {}));
    auto other = smoke;
    other.title = "another";
    CHECK(office.systems->may_declare(other, Existing::refuse, {}).error().code ==
          ErrorCode::conflict);
    CHECK(office.systems->may_declare(other, Existing::replace, {}));
    CHECK_FALSE(office.systems->may_declare(other, Existing::replace, {"smoke"}));
    SystemTwins files;
    files["haze"] = smoke;
    files["haze"].name = "haze";
    CHECK(office.systems->changed_by(files) == std::vector<std::string>{"haze"});
    office.systems->adopt(files, [](Outcome done) { CHECK(done); });
    office.settle();
    CHECK(office.systems->named("haze")->version.source == kDeclaredInFile);
    CHECK(office.systems->changed_by(files).empty());
    auto haze = files["haze"];
    haze.title = "thick";
    CHECK_FALSE(office.systems->may_declare(haze, Existing::replace, {}));
    office.systems->remove("haze", "user:ann", [](Result<DeclaredSystem> gone) {
      CHECK(gone.error().code == ErrorCode::conflict);
    });
    office.systems->adopt({}, [](Outcome done) { CHECK(done); });
    office.settle();
    CHECK_FALSE(office.systems->named("haze"));
    CHECK(office.systems->named("smoke"));
  }
}
