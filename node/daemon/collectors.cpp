#include "node/daemon/collectors.h"

#include "node/collect/collector_bundle.h"
#include "node/daemon/core.h"
#include "node/limits.h"
#include "schemas/base/log.h"

namespace entente::node {

Collectors::Collectors(Core& core)
    : core_(core),
      register_({*core.store, core.clock,
                 [this] {
                   if (auto done = refresh(); !done) {
                     log::error("collect", "the port did not open", {{"why", done.error().what}});
                   }
                 }}),
      verifier_(core.keyring.self),
      workers_(limits::kCollectorWorkers),
      parts_{
          core.loop,
          workers_,
          core.random,
          *core.history,
          [this](std::string_view twin, std::string_view signal) { return resolve(twin, signal); },
          [&core](Batch& batch, Instant now) { core.quality->judge(batch, now); },
          [&core](const std::string&, const AppendReport& report) {
            core.metrics.readings(report.added + report.corrected, 0);
          }} {
  port_ = std::make_unique<CollectorPort>(CollectorPort::Parts{
      core.clock, *core.certificates, verifier_,
      [this](const security::PeerIdentity& peer) {
        return register_.admit(peer, core_.clock.now());
      },
      parts_, CollectorPort::default_limits(),
      [this]() -> const security::PinnedOrganisation& { return core_.keyring.self; }});
}

Outcome Collectors::load() {
  return register_.load();
}

Result<SeriesId> Collectors::resolve(std::string_view twin, std::string_view signal) {
  const auto state = core_.twins->state();
  const Twin* found = state->graph.find(twin);
  if (found == nullptr) {
    return make_error(ErrorCode::not_found, "no twin \"" + std::string(twin) + "\" is known");
  }
  const auto* type = state->graph.type_of(*found);
  const auto* known = type->signal(signal);
  if (known == nullptr) {
    return make_error(ErrorCode::not_found,
                      type->id + " has no signal \"" + std::string(signal) + "\"");
  }
  if (!known->numeric) {
    return make_error(ErrorCode::unsupported,
                      "the signal \"" + std::string(signal) + "\" is no number");
  }
  auto series = core_.history->open_series(twin, signal);
  if (series && core_.quality->watch(*series, *type, *known, found->id)) {
    if (const auto newest = core_.history->latest(*series)) core_.quality->prime(*series, *newest);
  }
  return series;
}

Outcome Collectors::open() {
  if (port_->port() != 0) return {};
  const Settings& settings = core_.settings;
  auto port = port_->open(settings.collect_address, settings.collect_port);
  if (!port) return std::move(port).error();
  log::info("collect", "listening",
            {{"address", settings.collect_address + ":" + std::to_string(*port)}});
  return write_private(settings.path("run/collect.port"), bytes_of(std::to_string(*port)));
}

Outcome Collectors::refresh() {
  if (!port_) return {};  // being made, or stopped
  if (register_.any_active(core_.clock.now())) return open();
  port_->close();
  return {};
}

void Collectors::charter_changed() {
  verifier_.replace(core_.keyring.self);
}

void Collectors::stop() {
  port_.reset();
  workers_.stop();
}

Result<Collectors::Made> Collectors::make(const std::string& name, Duration life) {
  const Instant now = core_.clock.now();
  auto leaf = core_.certificates->issue_collector(name, now, life);
  if (!leaf) return std::move(leaf).error();
  // What a collector will be believed to be, by the very verifier that will see it.
  auto identity = verifier_.verify(leaf->chain_der, now, nullptr);
  if (!identity) return std::move(identity).error();
  if (auto opened = open(); !opened) return std::move(opened).error();
  auto key = security::SigningKey::generate(core_.random);
  Made made;
  made.entry.name = name;
  made.entry.leaf_key = identity->leaf_key;
  made.entry.batch_key = key.public_key();
  made.entry.expires = identity->certificate_expires;
  const std::string& elsewhere = core_.settings.collect_public;
  const std::string host = elsewhere.empty() ? core_.settings.collect_address : elsewhere;
  made.bundle = bundle_bytes({name, address_with_port(host, port_->port()), core_.keyring.self,
                              std::make_shared<const security::LeafCredential>(*std::move(leaf)),
                              std::move(key)});
  return made;
}

std::string Collectors::bundle_path(const std::string& name) const {
  return core_.settings.path("collectors/" + name + ".bundle");
}

}  // namespace entente::node
