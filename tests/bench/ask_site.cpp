#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "federation/ask/questions_desk.h"
#include "federation/link/link_manager.h"
#include "federation/link/workers.h"
#include "node/history/fold_source.h"
#include "node/store/audit_log.h"
#include "node/store/ledger_standing.h"
#include "node/store/release_ledger.h"
#include "tests/bench/ask_federation.h"

namespace entente::bench {
namespace {

using namespace federation;

constexpr const char* kTypes = R"json([
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:bench:Monitor;1", "@type": "Interface",
   "contents": [
     {"@type": "Property", "name": "state", "schema": "string"},
     {"@type": "Property", "name": "county", "schema": "string"},
     {"@type": "Telemetry", "name": "pm25", "schema": "double"}]}])json";

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return std::move(*result);
}

void must(Outcome outcome) {
  if (!outcome) throw std::runtime_error(outcome.error().text());
}

std::unique_ptr<node::Store> open_store(Loop& loop, const std::string& path,
                                        std::vector<const char*> migrations) {
  node::Store::Options options;
  options.path = path;
  options.migrations = std::move(migrations);
  options.deliver = [&loop](std::function<void()> work) { loop.post(std::move(work)); };
  return must(node::Store::open(std::move(options)));
}

// A benchmark counts for itself.
class NoObserver final : public GateObserver {};

// Everything that answers a question in a node, in the daemon's order.
struct Site {
  Site(const Federation& federation, const SiteSpec& spec, const std::string& folder)
      : snapshot(federation.snapshot_of(spec)),
        store(open_store(loop, folder + "/entente.db",
                         {node::audit_migration(), node::ReleaseLedger::migration(),
                          node::ledger_standing_migration(), node::audit_tree_migration(),
                          node::ReleaseLedger::cells_migration()})),
        history_store(open_store(loop, folder + "/history.db", node::history_migrations())),
        twins(must(node::TwinRegistry::load(*history_store))),
        history(must(node::open_history(*history_store, clock))),
        folds([this] { return twins->state(); }, *history),
        ledger(*store, clock),
        gate({loop, workers, clock, folds, ledger, spec.answer_key, noise,
              [this] { return snapshot; }, observer, spec.grid}),
        credentials(spec.authority.leaf("main")),
        asker(federation.asker_authority.organisation()) {
    fill(spec);
    verifier.pin(federation.asker_authority);
    links = std::make_unique<LinkManager>(loop, clock, random, credentials, verifier, hooks(),
                                          generous_limits());
    Partner partner;
    partner.organisation = asker;
    partner.name = "asker";
    links->set_partner(std::move(partner));
  }

  void fill(const SiteSpec& spec) {
    must(twins->commit_now(
        must(twins->plan_types({{"types.json", kTypes}}, node::TwinRegistry::Missing::refuse))));
    std::string text;
    node::Batch batch;
    const Instant day = must(parse_instant("2015-08-23T00:00:00Z"));
    for (int i = 0; i < kCounties * kTwinsPerCounty; ++i) {
      const std::string id = "monitor-" + std::to_string(i);
      text += "[[twin]]\nid = \"" + id + "\"\ntype = \"dtmi:bench:Monitor;1\"\n" +
              "properties.state = \"" + spec.name + "\"\nproperties.county = \"county-" +
              std::to_string(i % kCounties) + "\"\n";
      const auto series = must(history->open_series(id, "pm25"));
      for (int hour = 0; hour < kReadingsPerTwin; ++hour) {
        batch.add(series, {day + hours(hour), static_cast<double>((i * 7 + hour * 3) % 150),
                           node::Quality::good});
      }
    }
    must(twins->commit_now(must(twins->plan_twins(text, "twins.toml"))));
    must(history->append_now(std::move(batch)));
  }

  LinkHooks hooks() {
    LinkHooks made;
    const auto decide = [this](const OrgId& organisation) -> Outcome {
      security::DecisionContext context;
      context.now = clock.now();
      context.link_active = snapshot->partners.contains(organisation);
      const auto decision = security::decide(*snapshot->policy, security::Partner{organisation, {}},
                                             security::Verb::partner_session,
                                             {security::ResourceKind::node, ""}, context);
      if (decision.allowed) return {};
      return make_error(decision.code, decision.reason);
    };
    made.admit = [decide](const security::PeerIdentity& peer) { return decide(peer.organisation); };
    made.decide = [decide](const Caller& caller, const MethodRow&) {
      return decide(caller.peer.organisation);
    };
    made.audit_intent = [](const Caller&, const MethodRow&) -> kj::Promise<void> {
      return kj::READY_NOW;
    };
    made.questions = [this](const Caller& caller) {
      return make_questions_desk(caller,
                                 [this](const security::PeerIdentity& peer, ByteView envelope) {
                                   return gate.answer(peer, envelope);
                                 });
    };
    return made;
  }

  SystemClock clock;
  SystemRandom random;
  NoObserver observer;
  security::ExactNoise noise{random};
  std::shared_ptr<const SiteSnapshot> snapshot;
  Loop loop;
  std::unique_ptr<node::Store> store, history_store;
  std::unique_ptr<node::TwinRegistry> twins;
  std::unique_ptr<node::History> history;
  node::FoldSource folds;
  node::ReleaseLedger ledger;
  Workers workers{2};
  DisclosureGate gate;
  test::SwappableCredentials credentials;
  test::PinnedVerifier verifier;
  OrgId asker;
  std::unique_ptr<LinkManager> links;
};

// Serves until the other end of `life` is closed.
void serve(const Federation& federation, const SiteSpec& spec, const std::string& folder, int ready,
           int life) {
  std::filesystem::create_directories(folder);
  Site site(federation, spec, folder);
  const std::uint16_t port = must(site.links->listen("127.0.0.1", 0));
  if (::write(ready, &port, sizeof port) != sizeof port) return;
  ::close(ready);
  auto stop = kj::newPromiseAndFulfiller<void>();
  std::thread watch([&site, &stop, life] {
    char none;
    while (::read(life, &none, 1) > 0) {
    }
    site.loop.post([&stop] { stop.fulfiller->fulfill(); });
  });
  site.loop.run(kj::mv(stop.promise));
  watch.join();
  site.links.reset();
  site.workers.stop();
}

[[noreturn]] void be_site(const Federation& federation, const SiteSpec& spec,
                          const std::string& folder, int core, int ready, int life) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (core >= 0) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    ::sched_setaffinity(0, sizeof cores, &cores);
  }
  // Never back into the caller: what it owns belongs to the parent.
  try {
    serve(federation, spec, folder, ready, life);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ask: %s: %s\n", spec.name.c_str(), e.what());
    ::_exit(2);
  } catch (const kj::Exception& e) {
    std::fprintf(stderr, "ask: %s: %s\n", spec.name.c_str(), e.getDescription().cStr());
    ::_exit(2);
  }
  ::_exit(0);
}

}  // namespace

void start_site(const Federation& federation, SiteSpec& site, const std::string& folder, int core) {
  int ready[2], life[2];
  if (::pipe2(ready, O_CLOEXEC) != 0 || ::pipe2(life, O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe");
  }
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    ::close(ready[0]);
    ::close(life[1]);
    // The lives of its elder siblings are the parent's alone.
    for (const auto& other : federation.sites) {
      if (other->life >= 0) ::close(other->life);
    }
    be_site(federation, site, folder, core, ready[1], life[0]);
  }
  ::close(ready[1]);
  ::close(life[0]);
  site.process = child;
  site.life = life[1];
  const bool listens = ::read(ready[0], &site.port, sizeof site.port) == sizeof site.port;
  ::close(ready[0]);
  if (!listens) throw std::runtime_error(site.name + " did not start");
}

}  // namespace entente::bench
