#include "node/daemon/daemon.h"

#include <array>
#include <utility>

#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <filesystem>
#include <ostream>

#include "federation/agree/agreements_desk.h"
#include "federation/ask/questions_desk.h"
#include "federation/feed/feed_desk.h"
#include "node/daemon/api_models.h"
#include "node/daemon/api_signals.h"
#include "node/daemon/domain_register.h"
#include "node/daemon/home_lock.h"
#include "node/daemon/limits.h"
#include "node/daemon/opening.h"
#include "node/daemon/policy_authenticator.h"
#include "node/daemon/question_counts.h"
#include "node/daemon/rule_reload.h"
#include "node/daemon/upkeep.h"
#include "node/limits.h"
#include "node/service/http_server.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"
#include "security/identity/limits.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;

// Roles, grants and organisations cut off; without the file there is one owner, "admin".
Result<security::Policy> load_policy(const std::string& path) {
  if (!fs::exists(path)) return security::Policy::initial("admin");
  auto text = read_file(path, limits::kMappingBytes);
  if (!text) return std::move(text).error();
  auto policy = security::Policy::from_toml(text_of(*text));
  if (!policy) {
    return make_error(policy.error().code, path + ": " + policy.error().what,
                      policy.error().remedy);
  }
  return policy;
}

// Left behind by a node whose disk failed: the next start reads its files through.
constexpr const char* kDiskFailed = "run/disk-failed";

Result<std::unique_ptr<Store>> open_store(Core& core, const char* name, const char* prefix,
                                          std::vector<const char*> migrations) {
  Store::Options options;
  options.path = core.settings.path(name);
  options.migrations = std::move(migrations);
  options.deliver = [&loop = core.loop](std::function<void()> work) { loop.post(std::move(work)); };
  options.crash_prefix = prefix;
  // The ledger always; the history, which may be large, after its disk failed.
  options.always_checked =
      std::string_view(prefix) == "ledger" || fs::exists(core.settings.path(kDiskFailed));
  options.on_broken = [&core](const Error& error) {
    core.failed = error;
    // Best effort, on a disk that fails.
    (void)write_private(core.settings.path(kDiskFailed), bytes_of(error.what));
    if (core.stop) core.stop();
  };
  options.on_full = [&core] {
    if (!core.ballast.release()) return;
    log::warn("store", "the disk is full: the ballast was given up; free space");
  };
  return Store::open(std::move(options));
}

// Rules may be there before their types: that is no error, but worth a word.
void warn_of_idle_rules(const Core& core) {
  const auto state = core.twins->state();
  for (const auto& [type, signal] : idle_rules(*core.quality->book(), state->graph.types())) {
    log::warn("quality", "a rule for what is not known", {{"type", type}, {"signal", signal}});
  }
}

// The ledger, compared with the head that was kept off the database.
Outcome open_ledger(Core& core) {
  // Before the ledger reads whether it is closed.
  auto mark = finished_restore(core.settings.home);
  if (!mark) return std::move(mark).error();
  if (auto closed = close_restored(*core.store, core.clock, core.settings.home, *mark); !closed) {
    return closed;
  }
  core.ledger = std::make_unique<ReleaseLedger>(*core.store, core.clock);
  core.receipts = std::make_unique<ReceiptShelf>(*core.store);
  if (auto loaded = core.receipts->load(); !loaded) return loaded;
  core.answers = std::make_unique<AnswerShelf>(*core.store);
  core.given_feeds = std::make_unique<FeedLedger>(*core.store, *core.ledger, core.clock);
  core.followed_feeds = std::make_unique<FeedShelf>(*core.store);
  if (auto loaded = core.followed_feeds->load(); !loaded) return loaded;
  core.system_shelf = std::make_unique<SystemShelf>(*core.store);
  const std::string& chosen = core.settings.head_file;
  core.head_file =
      std::make_unique<HeadFile>(chosen.empty() ? core.settings.path("keys/ledger.head") : chosen);
  auto kept = core.head_file->read();
  if (!kept) return std::move(kept).error();
  if (*kept) {
    if (auto compared = core.ledger->compare(**kept); !compared) return compared;
  } else if (core.ledger->head().count > 0) {
    log::warn("ledger", "no head was kept off the database: a restored backup would not be told",
              {{"path", core.head_file->path()}});
  }
  if (const auto restored = core.ledger->restored()) {
    log::error("ledger", "this ledger was restored from a backup: no partner is answered",
               {{"evidence", restored->evidence}});
  }
  return {};
}

// What open_data made.
DerivedHistory& derived_history(Core& core) {
  return static_cast<DerivedHistory&>(*core.history);
}

// The export that measures a signal of this name; empty: none does.
std::string export_of(const Core& core, const std::string& signal) {
  for (const auto& [name, view] : core.declarations.exports) {
    for (const Measure& measure : view->measures) {
      if (measure.signal == signal) return name;
    }
  }
  return {};
}

Outcome open_data(Core& core) {
  if (!core.ballast.keep()) log::warn("store", "no room for the ballast; free space");
  auto store = open_store(core, "entente.db", "ledger",
                          {audit_migration(),
                           ReleaseLedger::migration(),
                           LinkRegister::migration(),
                           AgreementRegister::migration(),
                           domain_migration(),
                           CollectorRegister::migration(),
                           ledger_standing_migration(),
                           audit_tree_migration(),
                           checkpoint_migration(),
                           AccessRegister::migration(),
                           UnitRegister::migration(),
                           ReleaseLedger::cells_migration(),
                           AnswerShelf::migration(),
                           FeedLedger::migration(),
                           FeedShelf::migration(),
                           AnswerShelf::delta_migration(),
                           LinkRegister::trust_migration(),
                           AccessRegister::steps_migration(),
                           AgreementRegister::threads_migration(),
                           question_counts_migration(),
                           model_migration(),
                           CompositeRegister::migration(),
                           DerivedSignals::migration(),
                           proposal_migration(),
                           SystemShelf::migration()});
  if (!store) return std::move(store).error();
  core.store = std::move(*store);
  auto complete = core.store->run<int>([](Database& database) -> Result<int> {
    complete_audit_tree(database);
    return 0;
  });
  if (!complete) return std::move(complete).error();
  auto history_store = open_store(core, "history.db", "history", history_migrations());
  if (!history_store) return std::move(history_store).error();
  core.history_store = std::move(*history_store);
  std::error_code gone;
  fs::remove(core.settings.path(kDiskFailed), gone);
  auto twins = TwinRegistry::load(*core.history_store);
  if (!twins) return std::move(twins).error();
  core.twins = std::move(*twins);
  auto history = open_history(*core.history_store, core.clock);
  if (!history) return std::move(history).error();
  auto derived = std::make_unique<DerivedSignals>(DerivedSignals::Parts{
      *core.store, core.clock, [&core] { return core.twins->state(); },
      [&core](const std::string& signal) { return export_of(core, signal); }});
  if (auto loaded = derived->load(); !loaded) return loaded;
  core.history = std::make_unique<DerivedHistory>(std::move(*history), std::move(derived));
  core.quality = std::make_unique<QualityGate>(std::move(core.declarations.quality));
  core.retention = std::make_shared<const RetentionRules>(std::move(core.declarations.retention));
  warn_of_idle_rules(core);
  core.units = std::make_unique<UnitRegister>(*core.store, core.clock);
  core.folds = std::make_unique<FoldSource>([&core] { return core.twins->state(); },
                                            derived_history(core).measured(), core.units.get());
  const auto state = core.twins->state();
  if (auto bound = bind_domains(*core.store, core.declarations, state->graph.types()); !bound) {
    return bound;
  }
  if (auto opened = open_ledger(core); !opened) return opened;
  core.workers = std::make_unique<federation::Workers>(2);
  return {};
}

// Whether an owner who stays has a way in that stays: the administrator's token or a password.
bool has_entrance(const Core& core, const security::Policy& policy) {
  for (const auto& [name, user] : policy.users()) {
    const bool stays = user.roles.contains(security::Role::owner) && !user.disabled &&
                       !user.role_ends.contains(security::Role::owner);
    if (stays && (name == "admin" || (core.passwords && core.passwords->has(name)))) return true;
  }
  return false;
}

Outcome open_registers(Core& core) {
  const auto changed = [&core] { refresh_site(core); };
  core.links =
      std::make_unique<LinkRegister>(LinkRegister::Parts{*core.store, core.clock, changed});
  core.agreements = std::make_unique<AgreementRegister>(AgreementRegister::Parts{
      *core.store, core.clock, core.keyring.keys.agreement, [&core] { return core.site; }, changed,
      [&core](const OrgId& partner, std::string_view verb) {
        return core.charters->allows(partner, verb);
      }});
  core.access = std::make_unique<AccessRegister>(AccessRegister::Parts{
      *core.store, core.clock, core.random, core.settings.path("policy.toml"), core.policy, changed,
      [&core](const security::Policy& next) { return has_entrance(core, next); }});
  if (auto loaded = core.access->load(); !loaded) return loaded;
  core.passwords =
      std::make_unique<Passwords>(Passwords::Parts{*core.store, core.clock, core.loop});
  if (auto loaded = core.passwords->load(); !loaded) return loaded;
  core.break_glass = std::make_unique<BreakGlass>(*core.store, core.clock);
  if (auto loaded = core.break_glass->load(); !loaded) return loaded;
  core.approvals = std::make_unique<Approvals>(Approvals::Parts{
      *core.store, core.clock, core.random, core.loop, core.policy, *core.break_glass});
  if (auto loaded = core.approvals->load(); !loaded) return loaded;
  if (auto loaded = core.links->load(); !loaded) return loaded;
  if (auto loaded = core.agreements->load(); !loaded) return loaded;
  core.systems = std::make_unique<SystemRegister>(
      *core.system_shelf, core.clock, core.settings.site, [&core] {
        core.declarations.systems = *core.systems->twins();
        if (core.site) refresh_site(core);
      });
  if (auto loaded = core.systems->load(core.declarations.systems); !loaded) return loaded;
  core.composites = std::make_unique<CompositeRegister>(*core.store);
  if (auto loaded = core.composites->load(); !loaded) return loaded;
  security::IssuerTerms terms;
  terms.organisation = core.organisation();
  terms.site = core.settings.site;
  const Charter& charter = core.keyring.self.current();
  terms.charter_validity = {charter.issued, charter.expires};
  auto ca = security::SigningKey::from_seed(core.keyring.keys.ca.seed().view());
  if (!ca) return std::move(ca).error();
  auto issuer =
      security::CertificateIssuer::create(std::move(*ca), terms, core.random, core.clock.now());
  if (!issuer) return std::move(issuer).error();
  core.certificates = std::move(*issuer);
  core.charters = std::make_unique<CharterKeeper>(core);
  core.invited = std::make_unique<InvitationRegister>(InvitationRegister::Parts{
      *core.store, core.clock, core.random, core.vault, core.invitations});
  if (auto loaded = core.invited->load(); !loaded) return loaded;
  core.collectors = std::make_unique<Collectors>(core);
  return core.collectors->load();
}

// Empty when the organisation is no partner any more.
std::vector<SignedCharter> charters_of(const Core& core, const OrgId& organisation) {
  if (organisation == core.organisation()) return core.keyring.self.chain();
  const auto link = core.links->entries().find(organisation);
  return link == core.links->entries().end() ? std::vector<SignedCharter>{} : link->second.chain;
}

Outcome open_asking(Core& core) {
  const auto site = [&core] { return core.site; };
  auto rates = open_question_counts(*core.store, core.clock.now());
  if (!rates) return std::move(rates).error();
  core.gate = std::make_unique<federation::DisclosureGate>(federation::DisclosureGate::Parts{
      core.loop, *core.workers, core.clock, *core.folds, *core.ledger, core.keyring.keys.answer,
      core.noise, site, core.metrics, core.settings.grid, *rates});
  core.feed_gate = std::make_unique<federation::FeedGate>(
      federation::FeedGate::Parts{core.loop, *core.workers, core.clock, *core.folds,
                                  *core.given_feeds, core.keyring.keys.answer, core.noise, site,
                                  core.settings.grid, federation::limits::kFeedsPriced, *rates});
  core.link_manager = std::make_unique<federation::LinkManager>(
      core.loop, core.clock, core.random, *core.certificates, core.verifier, link_hooks(core));
  core.audit = std::make_unique<AuditKeeper>(core);
  core.backups = std::make_unique<BackupService>(
      BackupService::Parts{core.settings, core.vault, *core.store, *core.history_store, core.clock,
                           core.random, core.organisation()});
  core.enrolment = std::make_unique<federation::EnrolmentPort>(federation::EnrolmentPort::Parts{
      core.loop, core.clock, core.random, core.invitations,
      [&core] { return core.enrolment_self(); },
      [&core](security::Enrolled enrolled, std::function<void(Outcome)> stored) {
        store_enrolment(core, std::move(enrolled), std::move(stored));
      }});
  core.relay = std::make_unique<federation::Relay>(
      federation::Relay::Parts{core.loop, *core.workers, core.clock, core.random, *core.ledger,
                               core.keyring.keys.answer, core.keyring.keys.envelope, site,
                               question_sender(core), *core.receipts, core.metrics, *rates});
  core.asker = std::make_unique<federation::Asker>(
      federation::Asker::Parts{core.loop, core.clock, core.random, core.keyring.keys.envelope, site,
                               question_sender(core), *core.receipts, core.answers.get()});
  core.ask = std::make_unique<AskService>(AskService::Parts{
      core.loop, *core.workers, core.clock, *core.asker, *core.folds, *core.answers,
      [&core] {
        auto state = core.twins->state();
        return std::shared_ptr<const TwinGraph>(state, &state->graph);
      },
      site, [&core] { return core.systems->twins(); }, core.settings.default_epsilon,
      core.settings.ask_timeout,
      [&core](const OrgId& organisation) { return charters_of(core, organisation); }});
  core.system_keeper = std::make_unique<SystemKeeper>(
      SystemKeeper::Parts{core.clock, *core.ask, *core.system_shelf, *core.systems, site});
  core.system_keeper->load();
  core.feed_caller = std::make_unique<federation::FeedCaller>(federation::FeedCaller::Parts{
      core.loop, core.clock, core.random, core.keyring.keys.envelope, site,
      federation::send_feeds_over(*core.link_manager), *core.receipts});
  core.feeds = std::make_unique<FeedService>(FeedService::Parts{
      core.loop, *core.workers, core.clock, core.random, *core.feed_caller, *core.followed_feeds,
      *core.given_feeds, site, core.settings.default_epsilon, core.settings.ask_timeout});
  return {};
}

// Lets every job of the stores be reported while what the reports speak to still stands: twice,
// since a report may note something more.
void drain_stores(Core& core) {
  for (int i = 0; i < 2; ++i) {
    for (Store* store : {core.store.get(), core.history_store.get()}) {
      auto idle = store->run<int>([](Database&) -> Result<int> { return 0; });
      if (!idle) log::warn("store", "the last jobs failed", {{"reason", idle.error().what}});
    }
    core.loop.run(core.loop.after(milliseconds(1)));
  }
}

Outcome write_port(const Core& core, const char* name, std::uint16_t port) {
  return write_private(core.settings.path(std::string("run/") + name),
                       bytes_of(std::to_string(port)));
}

// The hash of the token in a file of this node; nothing without the file.
Result<std::optional<Hash256>> secret_in(const std::string& path) {
  if (!fs::exists(path)) return std::optional<Hash256>();
  auto token = read_file(path, 4'096);
  if (!token) return std::move(token).error();
  std::string text(text_of(*token));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return std::optional(token_hash(text));
}

Result<PolicyAuthenticator::Secrets> load_secrets(const Settings& settings) {
  PolicyAuthenticator::Secrets secrets;
  auto admin = secret_in(settings.path("admin.token"));
  if (!admin) return std::move(admin).error();
  if (!*admin)
    return make_error(ErrorCode::not_found, "there is no admin.token in the node's folder");
  secrets.admin_token = **admin;
  auto emergency = secret_in(settings.path("break-glass.secret"));
  if (!emergency) return std::move(emergency).error();
  secrets.break_glass = *emergency;
  const std::string keys = settings.path("oidc.jwks.json");
  if (!fs::exists(keys)) return secrets;
  auto text = read_file(keys, 65'536);
  if (!text) return std::move(text).error();
  auto provider = security::BearerKeys::from_jwks(text_of(*text));
  if (!provider) {
    return make_error(provider.error().code, keys + ": " + provider.error().what,
                      provider.error().remedy);
  }
  secrets.provider = std::move(*provider);
  return secrets;
}

// Everything that listens, and what it needs; destroyed in the order of design section 3.
Result<int> serve(Core& core, std::ostream& out) {
  auto models = std::make_unique<ModelService>(ModelRegister::Parts{
      *core.store, *core.history, core.clock, [&core] { return core.twins->state(); }});
  if (auto loaded = models->load(); !loaded) return std::move(loaded).error();
  RouteTable routes;
  add_all_routes(routes, core);
  add_model_routes(routes, core, models);
  add_proposal_routes(routes, core, models);
  add_signal_routes(routes, core, derived_history(core));
  auto secrets = load_secrets(core.settings);
  if (!secrets) return std::move(secrets).error();
  const PolicyAuthenticator authenticator(core, std::move(*secrets));
  core.approvals->serve(routes, authenticator);
  HttpMetrics http_metrics(core.metrics.registry());

  core.audit->begin();
  auto federation_port =
      core.link_manager->listen(core.settings.federation_address, core.settings.federation_port);
  if (!federation_port) return std::move(federation_port).error();
  core.federation_port = *federation_port;
  if (auto opened = core.collectors->refresh(); !opened) return std::move(opened).error();
  reopen_enrolment(core);
  refresh_site(core);
  HttpConfig http_config;
  http_config.address = core.settings.http_address;
  http_config.port = core.settings.http_port;
  auto http = HttpServer::start(
      core.loop.io(), http_config,
      {routes, authenticator, http_metrics, core.clock, core.random, core.approvals.get()});
  if (!http) return std::move(http).error();
  core.http_port = (*http)->port();
  for (const auto& [name, port] :
       {std::pair{"http.port", core.http_port}, std::pair{"federation.port", *federation_port}}) {
    if (auto written = write_port(core, name, port); !written) return std::move(written).error();
  }

  auto stop = kj::newPromiseAndFulfiller<void>();
  boost::asio::signal_set signals(core.loop.io(), SIGINT, SIGTERM);
  signals.async_wait([&stop, &signals](boost::system::error_code failed, int) {
    if (failed) return;
    // A second signal ends the process at once: whatever was acknowledged is durable.
    signals.clear();
    stop.fulfiller->fulfill();
  });
  core.stop = [&stop] { stop.fulfiller->fulfill(); };
  boost::asio::signal_set hangups(core.loop.io(), SIGHUP);
  reload_on(hangups, core);
  auto chores = upkeep(core).eagerlyEvaluate([](kj::Exception&& fault) {
    log::error("node", "upkeep ended", {{"reason", fault.getDescription().cStr()}});
  });
  auto model_turns = models->tend_for_ever(core.loop).eagerlyEvaluate([](kj::Exception&& fault) {
    log::error("models", "turns ended", {{"reason", fault.getDescription().cStr()}});
  });
  out << "ready http=" << core.settings.http_address << ":" << (*http)->port()
      << " federation=" << core.settings.federation_address << ":" << *federation_port << std::endl;
  log::info(
      "node", "serving",
      {{"organisation", core.settings.organisation}, {"id", core.organisation().short_hex()}});
  core.loop.run(kj::mv(stop.promise));
  core.stop = {};
  hangups.cancel();

  log::info("node", "stopping");
  core.backups->stop();
  auto drained = kj::newPromiseAndFulfiller<void>();
  (*http)->stop(limits::kStopCallers, [&drained] { drained.fulfiller->fulfill(); });
  core.enrolment->close();
  core.link_manager->stop_listening();
  // Questions that still wait for partners after the grace are answered without them.
  auto cut = core.loop.after(limits::kStopPartners)
                 .then([&core] {
                   for (const auto& [partner, link] : core.links->entries()) {
                     core.link_manager->suspend(partner, "this node stops");
                   }
                 })
                 .eagerlyEvaluate(nullptr);
  core.loop.run(kj::mv(drained.promise));
  model_turns = nullptr;
  chores = nullptr;  // it speaks to what goes now, and the loop runs on while the stores drain
  core.feeds->stop();
  core.system_keeper->stop();
  core.feed_gate->stop();
  core.ask.reset();
  core.asker.reset();
  core.enrolment.reset();
  core.link_manager.reset();
  core.collectors->stop();
  core.passwords->stop();
  core.workers->stop();
  models->stop();
  drain_stores(core);
  core.feeds.reset();
  core.system_keeper.reset();
  core.feed_caller.reset();
  core.feed_gate.reset();
  // The stores' last reports speak to registers and twins: those go after them. The history has a
  // thread of its own that writes: it goes before.
  core.folds.reset();
  models.reset();
  core.history.reset();
  core.history_store.reset();
  keep_head(core);
  core.store.reset();
  core.loop.run(core.loop.after(milliseconds(1)));
  core.collectors.reset();
  if (!core.failed) return 0;
  log::error("node", "the disk failed: start again, which verifies the files",
             {{"code", code_text(core.failed->code)}, {"reason", core.failed->what}});
  return limits::kDiskFailedExit;
}

}  // namespace

void add_all_routes(RouteTable& routes, Core& core) {
  add_twin_routes(routes, core);
  add_reading_routes(routes, core);
  add_deletion_routes(routes, core);
  add_quality_routes(routes, core);
  add_ingest_routes(routes, write_parts(core));
  add_agreement_routes(routes, core);
  add_link_routes(routes, core);
  add_key_routes(routes, core);
  add_collector_routes(routes, core);
  add_question_routes(routes, core);
  add_system_routes(routes, core);
  add_feed_routes(routes, core);
  add_audit_routes(routes, core);
  add_backup_routes(routes, core);
  add_access_routes(routes, core);
  add_user_routes(routes, core);
  add_approval_routes(routes, core);
  add_budget_routes(routes, core);
  add_health_routes(routes, core.checks());
  add_metrics_route(routes, core.metrics.registry());
}

Result<int> run_daemon(const DaemonOptions& options, std::ostream& out) {
  auto settings = load_settings(options.home);
  if (!settings) return std::move(settings).error();
  if (options.http_port) settings->http_port = *options.http_port;
  if (options.federation_port) settings->federation_port = *options.federation_port;
  log::configure(options.log_level.value_or(settings->log_level),
                 options.log_format.value_or(settings->log_format));
  auto lock = HomeLock::take(options.home);
  if (!lock) return std::move(lock).error();
  if (auto whole = finished_restore(options.home); !whole) return std::move(whole).error();
  auto vault = open_for_daemon(*settings, options.passphrase_file, out);
  if (!vault) return std::move(vault).error();
  if (!*vault) return 0;  // told to end while it was sealed
  auto keyring = load_keyring(options.home, **vault);
  if (!keyring) return std::move(keyring).error();
  auto core = std::make_unique<Core>(std::move(*settings), std::move(**vault), std::move(*keyring));
  if (auto policy = load_policy(core->settings.path("policy.toml")); !policy) {
    return std::move(policy).error();
  } else {
    core->policy = std::move(*policy);
  }
  auto declared = read_declared(core->settings);
  if (!declared) return std::move(declared).error();
  core->declarations = std::move(*declared);
  try {
    if (auto opened = open_data(*core); !opened) return std::move(opened).error();
    if (auto opened = open_registers(*core); !opened) return std::move(opened).error();
    refresh_site(*core);
    if (auto opened = open_asking(*core); !opened) return std::move(opened).error();
    return serve(*core, out);
  } catch (const StoreFault& fault) {
    return fault.error();
  }
}

Result<InitOutcome> init_node(const InitRequest& request) {
  const Settings& settings = request.settings;
  if (auto name = checked_local_id(settings.organisation, "organisation"); !name) {
    return std::move(name).error();
  }
  if (auto name = checked_local_id(settings.site, "site"); !name) return std::move(name).error();
  InitOutcome outcome;
  outcome.config_path = settings.path("entente.toml");
  outcome.token_path = settings.path("admin.token");
  if (fs::exists(outcome.config_path) || fs::exists(settings.path("vault.key")) ||
      fs::exists(settings.path("vault.sealed"))) {
    return make_error(ErrorCode::conflict, "there is a node in " + settings.home + " already",
                      "start it with 'entente serve', or name another place with --home");
  }
  if (request.dry_run) return outcome;
  const bool existed = fs::exists(settings.home);
  SystemRandom random;
  SystemClock clock;
  const auto undo = [&](Error error) {
    std::error_code ignored;
    for (const char* made : {"vault.key", "keys", "charter.bin", "admin.token",
                             "break-glass.secret", "entente.toml"}) {
      fs::remove_all(settings.path(made), ignored);
    }
    if (!existed) fs::remove(settings.home, ignored);
    return error;
  };
  std::error_code failure;
  fs::create_directories(settings.home, failure);
  if (failure) {
    return make_error(ErrorCode::store_failed,
                      "cannot make " + settings.home + ": " + failure.message());
  }
  auto made =
      create_keyring(settings.home, {settings.organisation, settings.title, clock.now()}, random);
  if (!made) return undo(std::move(made).error());
  std::array<std::uint8_t, 32> emergency{};
  random.fill(emergency);
  if (auto kept = write_private(settings.path("break-glass.secret"),
                                bytes_of("ENTB1." + to_base64url(emergency)));
      !kept) {
    return undo(std::move(kept).error());
  }
  auto keyring = load_keyring(settings.home);
  if (!keyring) return undo(std::move(keyring).error());
  if (auto written = write_private(outcome.config_path, bytes_of(settings_text(settings)));
      !written) {
    return undo(std::move(written).error());
  }
  fs::create_directories(settings.path("provision.d"), failure);
  outcome.organisation = keyring->self.id();
  return outcome;
}

}  // namespace entente::node
