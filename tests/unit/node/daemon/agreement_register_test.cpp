// Two registers on databases of their own, against each other: what is on the disks is what counts.
#include "node/daemon/agreement_register.h"

#include <doctest/doctest.h>

#include <mutex>

#include "node/store/audit_log.h"
#include "tests/unit/federation/agree/two_sides.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::node;
using federation::AgreementState;
using federation::Told;
using Step = AgreementStep;

namespace {

std::vector<const char*> migrations() {
  return {audit_migration(), AgreementRegister::migration(), audit_tree_migration(),
          AgreementRegister::threads_migration()};
}

// A side's database and register; reports of the store run when the test says so.
struct Node {
  Node(entente::test::AgreeingSide given, const std::string& file, const Clock& at)
      : side(std::move(given)), path(file), clock(at) {
    open();
  }

  void open() {
    Store::Options options;
    options.path = path;
    options.migrations = migrations();
    options.deliver = [this](std::function<void()> report) {
      const std::lock_guard lock(mutex);
      reports.push_back(std::move(report));
    };
    store = std::move(*Store::open(std::move(options)));
    book = std::make_unique<AgreementRegister>(AgreementRegister::Parts{
        *store, clock, *side.key,
        [this] { return std::shared_ptr<const federation::SiteSnapshot>(side.site); }, [] {}});
    REQUIRE(book->load());
  }

  // What was posted is on the disk; what is reported is known.
  void pump() {
    REQUIRE(store->run<int>([](Database&) -> Result<int> { return 0; }));
    std::vector<std::function<void()>> due;
    {
      const std::lock_guard lock(mutex);
      due.swap(reports);
    }
    for (auto& report : due) report();
  }

  // The process ends: before its jobs are reported, after they are durable.
  void restart() {
    book.reset();
    store.reset();
    reports.clear();
    open();
  }

  const AgreementEntry& entry(const AgreementId& id) const { return book->entries().at(id); }

  entente::test::AgreeingSide side;
  std::string path;
  const Clock& clock;
  std::mutex mutex;
  std::vector<std::function<void()>> reports;
  std::unique_ptr<Store> store;
  std::unique_ptr<AgreementRegister> book;
};

struct TestClock final : Clock {
  Instant at;
  Instant now() const override { return at; }
  Duration steady() const override { return at - Instant{}; }
};

struct Two {
  Two() {
    clock.at = sides.now;
    provider = std::make_unique<Node>(sides.provider, folder / "provider.db", clock);
    consumer = std::make_unique<Node>(sides.consumer, folder / "consumer.db", clock);
  }

  Node& of(bool provides) { return provides ? *provider : *consumer; }
  OrgId self(bool provides) const { return provides ? sides.both.provider : sides.both.consumer; }

  // Tells the other side what waits; the answer comes back unless it is lost.
  void deliver(bool from_provider, const AgreementId& id, bool answer_lost = false) {
    Node& from = of(from_provider);
    Node& to = of(!from_provider);
    auto delivery = from.book->begin_delivery(id);
    if (!delivery) return;
    Told told{make_error(ErrorCode::peer_unreachable, "lost"), {}};
    to.book->on_message(self(from_provider), delivery->signed_message,
                        [&](federation::AgreementBook::Reply reply) {
                          if (answer_lost) return;
                          told = {};
                          if (!reply.refusal) return;
                          told.outcome = make_error(reply.refusal->code, "refused");
                          told.subject = reply.refusal->subject;
                        });
    to.pump();
    from.book->delivered(id, delivery->number, told);
    from.pump();
  }

  Outcome take(bool by_provider, const AgreementId& id, Step step) {
    Outcome outcome = make_error(ErrorCode::internal, "not reported");
    of(by_provider).book->take("user:ann", id, step, "because", [&](Result<AgreementEntry> done) {
      outcome = done ? Outcome{} : Outcome(done.error());
    });
    of(by_provider).pump();
    return outcome;
  }

  AgreementId propose() {
    AgreementId id;
    provider->book->propose("user:ann", sides.both.agreement,
                            [&](Result<AgreementEntry> done) { id = done.value().id; });
    provider->pump();
    return id;
  }

  void settle_all() {
    for (int i = 0; i < 6; ++i) {
      for (const bool provides : {true, false}) {
        for (const auto& [id, entry] : std::map(of(provides).book->entries())) {
          deliver(provides, id);
        }
      }
    }
  }

  entente::test::TwoSides sides;
  entente::node::test::TemporaryFolder folder;
  TestClock clock;
  std::unique_ptr<Node> provider, consumer;
};

}  // namespace

TEST_SUITE("node/daemon/agreement_register") {
  TEST_CASE("what is agreed is read back from the disk as it was with its outbox") {
    Two two;
    const AgreementId id = two.propose();
    const AgreementEntry before = two.provider->entry(id);
    REQUIRE(before.outbox);
    two.provider->restart();
    CHECK(two.provider->entry(id) == before);
    two.settle_all();
    REQUIRE(two.take(false, id, Step::settle));
    two.consumer->restart();
    CHECK(two.consumer->entry(id).standing.state == AgreementState::agreed);
    two.settle_all();
    for (const bool provides : {true, false}) {
      two.of(provides).restart();
      CHECK(two.of(provides).entry(id).standing.state == AgreementState::active);
      CHECK_FALSE(two.of(provides).entry(id).outbox);
    }
    CHECK(two.provider->entry(id).signed_bytes == two.consumer->entry(id).signed_bytes);
    CHECK(two.provider->book->find("smoke")->id == id);
    CHECK(two.provider->book->find(id.hex().substr(0, 6))->id == id);
  }

  TEST_CASE("an answer that is lost is asked for anew and nothing happens twice") {
    Two two;
    const AgreementId id = two.propose();
    two.deliver(true, id, true);
    const AgreementEntry heard = two.consumer->entry(id);
    CHECK(two.provider->entry(id).last_error == "lost");
    two.deliver(true, id);
    CHECK(two.consumer->entry(id) == heard);
    CHECK(two.provider->entry(id).last_error.empty());
    REQUIRE(two.take(false, id, Step::settle));
    two.deliver(false, id, true);
    CHECK(two.provider->entry(id).standing.state == AgreementState::active);
    CHECK(two.consumer->entry(id).standing.state == AgreementState::agreed);
    two.consumer->restart();
    two.settle_all();
    CHECK(two.consumer->entry(id).standing.state == AgreementState::active);
  }

  TEST_CASE("with restarts and lost answers at random both disks end alike") {
    std::size_t steps = 0, restarts = 0, in_force = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      Two two;
      std::vector<AgreementId> ids;
      for (int turn = 0; turn < 60; ++turn) {
        const bool provides = random.below(2) == 0;
        const auto what = random.below(10);
        if (ids.empty() || what == 0) {
          two.clock.at = two.clock.at + seconds(1);
          ids.push_back(two.propose());
          continue;
        }
        const AgreementId id = ids[random.below(ids.size())];
        if (what < 4 && two.of(provides).book->entries().contains(id)) {
          const auto open = steps_open(two.of(provides).entry(id).standing);
          if (open.empty()) continue;
          const Step step = open[random.below(open.size())];
          const bool ends = step == Step::terminate || step == Step::withdraw;
          if (step == Step::counter || (ends && random.below(4) != 0)) continue;
          (void)two.take(provides, id, step);
          ++steps;
        } else if (what < 9) {
          two.deliver(provides, id, random.below(3) == 0);
        } else {
          two.of(provides).restart();
          ++restarts;
        }
      }
      two.settle_all();
      for (const AgreementId& id : ids) {
        const AgreementEntry here = two.provider->entry(id), there = two.consumer->entry(id);
        CAPTURE(to_text(here.standing.state));
        CAPTURE(to_text(there.standing.state));
        CHECK_FALSE(here.outbox);
        CHECK_FALSE(there.outbox);
        CHECK(is_over(here.standing.state) == is_over(there.standing.state));
        if (is_over(here.standing.state)) continue;
        CHECK(here.standing.state == there.standing.state);
        CHECK(here.standing.held_here == there.standing.held_there);
        CHECK(here.terms == there.terms);
        in_force += here.standing.state == AgreementState::active;
      }
    }
    MESSAGE("12 seeds: " << steps << " steps, " << restarts << " restarts, " << in_force
                         << " agreements in force");
    CHECK(steps > 24);
    CHECK(restarts > 20);
  }

  TEST_CASE("time ends what nobody answered and begins what was to begin later") {
    Two two;
    two.sides.both.agreement.starts = two.clock.at + hours(3);
    const AgreementId id = two.propose();
    two.settle_all();
    two.clock.at = two.clock.at + days(31);
    for (const bool provides : {true, false}) {
      two.of(provides).book->tend(two.clock.at);
      two.of(provides).pump();
      CHECK(two.of(provides).entry(id).standing.state == AgreementState::expired);
    }
  }

  TEST_CASE("agreements of an older database keep their state") {
    Two two;
    const AgreementId id = two.propose();
    two.settle_all();
    const AgreementEntry entry = two.provider->entry(id);
    const std::string path = two.folder / "older.db";
    {
      Store::Options options;
      options.path = path;
      options.migrations = {audit_migration(), AgreementRegister::migration(),
                            audit_tree_migration()};
      options.deliver = [](std::function<void()> report) { report(); };
      auto store = std::move(*Store::open(std::move(options)));
      REQUIRE(store->run<int>([&](Database& database) -> Result<int> {
        database.prepare("INSERT INTO agreements VALUES (?, ?, 1, 'active', 0, 5, '', '', 'why')")
            .bind(1, id.view())
            .bind(2, ByteView(entry.signed_bytes))
            .run();
        return 0;
      }));
    }
    Node older(two.sides.provider, path, two.clock);
    CHECK(older.entry(id).standing.state == AgreementState::active);
    CHECK(older.entry(id).terms == id);
    CHECK(older.entry(id).provides);
  }
}
