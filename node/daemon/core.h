// The assembled node: everything the daemon owns, in the order in which it is made.
//
// Only daemon.cpp builds one; the API's handlers get a reference. Threads: loop, but for what says
// otherwise. Destruction goes upwards: edges, RPC, jobs, stores.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "federation/agree/agreement_exchange.h"
#include "federation/ask/asker.h"
#include "federation/ask/disclosure_gate.h"
#include "federation/compose/relay.h"
#include "federation/feed/feed_caller.h"
#include "federation/feed/feed_gate.h"
#include "federation/link/enrolment_port.h"
#include "federation/link/link_manager.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "node/config/declarations.h"
#include "node/config/settings.h"
#include "node/daemon/access_register.h"
#include "node/daemon/agreement_register.h"
#include "node/daemon/approvals.h"
#include "node/daemon/ask_service.h"
#include "node/daemon/audit_keeper.h"
#include "node/daemon/backup_service.h"
#include "node/daemon/break_glass.h"
#include "node/daemon/charter_keeper.h"
#include "node/daemon/collectors.h"
#include "node/daemon/composite_register.h"
#include "node/daemon/feed_service.h"
#include "node/daemon/invitation_register.h"
#include "node/daemon/keyring.h"
#include "node/daemon/link_register.h"
#include "node/daemon/node_metrics.h"
#include "node/daemon/passwords.h"
#include "node/history/fold_source.h"
#include "node/history/history.h"
#include "node/quality/quality_gate.h"
#include "node/service/health.h"
#include "node/limits.h"
#include "node/store/answer_shelf.h"
#include "node/store/ballast.h"
#include "node/store/feed_ledger.h"
#include "node/store/feed_shelf.h"
#include "node/store/head_file.h"
#include "node/store/receipt_shelf.h"
#include "node/store/release_ledger.h"
#include "node/store/store.h"
#include "node/twin/twin_registry.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "security/identity/certificate.h"
#include "security/identity/certificate_verifier.h"
#include "security/identity/invitation.h"
#include "security/policy/policy.h"
#include "security/privacy/noise_pool.h"
#include "security/vault/vault.h"

namespace entente::node {

struct Core {
  Settings settings;
  SystemClock clock;
  SystemRandom random;  // libsodium's, safe from any thread
  Instant started;
  Declarations declarations;  // its rules move to `quality` and `retention` when those are made
  security::Vault vault;
  Keyring keyring;
  security::Policy policy;

  federation::Loop loop;
  Ballast ballast{settings.path("ballast"), limits::kBallastBytes};
  std::unique_ptr<Store> store;          // entente.db
  std::unique_ptr<Store> history_store;  // history.db
  std::unique_ptr<TwinRegistry> twins;
  std::unique_ptr<History> history;
  std::unique_ptr<QualityGate> quality;             // has the rules of quality in force
  std::shared_ptr<const RetentionRules> retention;  // in force; another one after a reload
  bool reloads_rules = false;                       // one reload at a time
  std::unique_ptr<UnitRegister> units;
  std::unique_ptr<FoldSource> folds;
  std::unique_ptr<ReleaseLedger> ledger;
  std::unique_ptr<HeadFile> head_file;  // on a worker, one job at a time; at start and stop alone
  std::unique_ptr<ReceiptShelf> receipts;
  std::unique_ptr<AnswerShelf> answers;
  std::unique_ptr<FeedLedger> given_feeds;
  std::unique_ptr<FeedShelf> followed_feeds;
  // The store's thread alone takes from it; the workers, which go first, refill it.
  security::NoisePool noise{random, {security::kNoisePoolDraws, [this] { return refill_noise(); }}};
  std::unique_ptr<federation::Workers> workers;

  std::unique_ptr<AccessRegister> access;
  std::unique_ptr<Passwords> passwords;
  std::unique_ptr<BreakGlass> break_glass;
  std::unique_ptr<Approvals> approvals;
  std::unique_ptr<LinkRegister> links;
  std::unique_ptr<AgreementRegister> agreements;
  std::unique_ptr<CompositeRegister> composites;
  std::shared_ptr<const federation::SiteSnapshot> site;

  security::PinnedVerifier verifier;
  std::unique_ptr<security::CertificateIssuer> certificates;
  security::InvitationBook invitations;
  std::unique_ptr<InvitationRegister> invited;
  std::unique_ptr<CharterKeeper> charters;

  NodeMetrics metrics;
  std::unique_ptr<federation::DisclosureGate> gate;
  std::unique_ptr<federation::Relay> relay;
  std::unique_ptr<federation::FeedGate> feed_gate;
  std::unique_ptr<federation::LinkManager> link_manager;
  std::unique_ptr<federation::EnrolmentPort> enrolment;
  std::unique_ptr<federation::Asker> asker;
  std::unique_ptr<AskService> ask;
  std::unique_ptr<federation::FeedCaller> feed_caller;
  std::unique_ptr<FeedService> feeds;
  std::unique_ptr<Collectors> collectors;
  std::unique_ptr<AuditKeeper> audit;
  std::unique_ptr<BackupService> backups;

  std::uint16_t http_port = 0;
  std::uint16_t federation_port = 0;
  std::uint16_t enrolment_port = 0;

  std::function<void()> stop;   // ends the serving loop in order; empty when nothing serves
  std::optional<Error> failed;  // why this node cannot go on: what its process ends with

  Core(Settings given, security::Vault opened, Keyring keys)
      : settings(std::move(given)),
        started(clock.now()),
        vault(std::move(opened)),
        keyring(std::move(keys)),
        policy(security::Policy::initial("admin")) {}

  const OrgId& organisation() const { return keyring.self.id(); }
  // host:port at which partners reach `port` of this node.
  std::string public_address(std::uint16_t port) const;
  security::EnrolmentSelf enrolment_self() const;
  std::vector<HealthCheck> checks() const;
  // Any thread. False when no worker takes it, then the store's thread asks again.
  bool refill_noise();
};

// host:port, an IPv6 literal in brackets; `host` as it is when it names a port already, since that
// is what the outside dials.
std::string address_with_port(const std::string& host, std::uint16_t port);

}  // namespace entente::node
