#include "tests/simulation/node.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <utility>

#include "federation/ask/questions_desk.h"
#include "federation/link/workers.h"
#include "node/daemon/question_counts.h"
#include "node/history/fold_source.h"
#include "node/store/answer_shelf.h"
#include "node/store/audit_log.h"
#include "node/store/feed_ledger.h"
#include "node/store/feed_shelf.h"
#include "node/store/receipt_shelf.h"
#include "node/twin/twin_registry.h"
#include "schemas/base/check.h"
#include "security/privacy/noise.h"
#include "tests/simulation/envelopes.h"
#include "tests/simulation/referee.h"
#include "tests/simulation/store.h"

namespace entente::simulation {

using namespace federation;

struct Node::Parts {
  std::shared_ptr<int> alive = std::make_shared<int>(0);
  std::unique_ptr<SimulatedStore> store;          // entente.db
  std::unique_ptr<SimulatedStore> history_store;  // history.db
  std::unique_ptr<node::TwinRegistry> twins;
  std::unique_ptr<node::History> history;
  std::unique_ptr<node::FoldSource> folds;
  std::unique_ptr<node::ReleaseLedger> ledger;
  std::unique_ptr<node::ReceiptShelf> receipts;
  std::unique_ptr<node::AnswerShelf> answers;
  std::unique_ptr<node::AgreementRegister> agreements;
  std::optional<node::Database> eye;
  Workers workers{2};
  SeededRandom random;
  SeededRandom noise_seed;
  security::ExactNoise noise{noise_seed};
  NoNoise silence;
  Mutated<ReleaseStore> releases;
  Mutated<const TwinSource> source;
  Mutated<security::NoiseSource> drawn;
  Mutated<ReceiptBook> book;
  std::optional<security::SigningKey> other_key;
  GateObserver observer;
  std::shared_ptr<const SiteSnapshot> site;
  std::unique_ptr<DisclosureGate> gate;
  std::unique_ptr<Asker> asker;
  class Failures final : public kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override {}
  } failures;
  kj::TaskSet tasks{failures};

  Parts(std::uint64_t seed) : random(seed), noise_seed(seed ^ 0x6e6f697365) {}
};

namespace {

constexpr SimulatedStore::Times kDisk{microseconds(200), milliseconds(12)};

// What a first start leaves on the disk, by organisation: the same for every seed.
std::map<std::size_t, std::map<std::string, Bytes>>& first_images() {
  static std::map<std::size_t, std::map<std::string, Bytes>> images;
  return images;
}

Bytes flat(capnp::MallocMessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return Bytes(bytes.begin(), bytes.end());
}

kj::Array<capnp::word> aligned(const Bytes& bytes) {
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::copy(bytes.begin(), bytes.end(), words.asBytes().begin());
  return words;
}

Bytes to_bytes(const DisclosureGate::Outcome& outcome) {
  capnp::MallocMessageBuilder message;
  write_outcome(outcome, message.initRoot<wire::AskOutcome>());
  return flat(message);
}

Bytes to_bytes(const AgreementBook::Reply& reply) {
  capnp::MallocMessageBuilder message;
  auto outcome = message.initRoot<wire::SettleOutcome>();
  if (reply.refusal) {
    write_refusal(*reply.refusal, outcome.initRefusal());
  } else {
    outcome.setState(std::string(to_text(reply.state)));
  }
  return flat(message);
}

Told told_from(const Bytes& bytes) {
  const auto words = aligned(bytes);
  capnp::FlatArrayMessageReader reader(words);
  const auto outcome = reader.getRoot<wire::SettleOutcome>();
  if (outcome.isState()) return {};
  Refusal refusal = read_refusal(outcome.getRefusal());
  return {make_error(refusal.code, "refused"), std::move(refusal.subject)};
}

MemberReply reply_from(const Bytes& bytes) {
  const auto words = aligned(bytes);
  capnp::FlatArrayMessageReader reader(words);
  return read_outcome(reader.getRoot<wire::AskOutcome>());
}

}  // namespace

Node::Node(Context& context, std::size_t number)
    : context_(context),
      number_(number),
      organisation_(simulation::organisation(number)),
      clock_(context.queue),
      disk_(organisation_.name) {
  use_simulated_disks();
}

void Node::make_first_images() {
  if (!first_images().empty()) return;
  use_simulated_disks();
  EventQueue queue(0);
  Loop loop;
  Trace trace(false);
  Context context{queue, loop, trace, Mutation::none, 0, kOrganisations};
  for (std::size_t number = 0; number < kOrganisations; ++number) {
    Node node(context, number);
    ENTENTE_CHECK(node.start().has_value());
  }
  queue.clear();
}

Node::~Node() {
  if (running()) crash();
}

ExportView Node::view() const {
  ExportView view = organisation_.view;
  if (number_ < context_.caps.size()) view.rho_cap = context_.caps[number_];
  return view;
}

Outcome Node::start() {
  ENTENTE_CHECK(!running());
  lost_power_ = false;
  if (starts_ == 0) {
    const auto image = first_images().find(number_);
    if (image != first_images().end()) disk_.put_image(image->second);
  }
  ++starts_;
  auto parts = assemble();
  if (!parts) return std::move(parts).error();
  parts_ = std::move(*parts);
  refresh_site();
  if (auto opened = open_asking(*parts_); !opened) return opened;
  return {};
}

void Node::crash() {
  disk_.cut_power();
  parts_.reset();
  lost_power_ = false;
}

void Node::lose_power() {
  disk_.cut_power();
  lost_power_ = true;
}

Outcome Node::open_stores(Parts& parts) {
  const auto open = [&](const char* name, const char* prefix, std::vector<const char*> migrations) {
    node::Store::Options options;
    options.path = disk_.path(name);
    options.migrations = std::move(migrations);
    options.deliver = [&queue = context_.queue, alive = parts.alive](std::function<void()> work) {
      queue.after(Duration{}, std::weak_ptr<const void>(alive), std::move(work));
    };
    options.crash_prefix = prefix;
    options.on_broken = [this](const Error&) { lose_power(); };  // its process ends
    return SimulatedStore::open(std::move(options), context_.queue, kDisk, [this] {
      if (running() && !lost_power_ && context_.referee != nullptr) {
        context_.referee->committed(*this);
      }
    });
  };
  auto store = open(
      "entente.db", "ledger",
      {node::audit_migration(), node::ReleaseLedger::migration(), node::ledger_standing_migration(),
       node::audit_tree_migration(), node::ReleaseLedger::cells_migration(),
       node::AnswerShelf::migration(), node::FeedLedger::migration(), node::FeedShelf::migration(),
       node::AnswerShelf::delta_migration(), node::question_counts_migration(),
       node::AgreementRegister::migration(), node::AgreementRegister::threads_migration()});
  if (!store) return std::move(store).error();
  parts.store = std::move(*store);
  auto history = open("history.db", "history", node::history_migrations());
  if (!history) return std::move(history).error();
  parts.history_store = std::move(*history);
  return {};
}

// Types, twins and the past's readings, at the very first start.
Outcome Node::load_twins(Parts& parts) {
  auto types = parts.twins->plan_types({{"types.json", Organisation::types()}},
                                       node::TwinRegistry::Missing::refuse);
  if (!types) return std::move(types).error();
  if (auto done = parts.twins->commit_now(std::move(*types)); !done) return done;
  auto twins = parts.twins->plan_twins(organisation_.twins_text(), "twins.toml");
  if (!twins) return std::move(twins).error();
  if (auto done = parts.twins->commit_now(std::move(*twins)); !done) return done;
  node::Batch batch;
  for (const SimulatedTwin& twin : organisation_.twins) {
    const auto series = parts.history->open_series(twin.id, kSignal);
    if (!series) return series.error();
    for (const node::Reading& reading : twin.past) batch.add(*series, reading);
  }
  if (auto added = parts.history->append_now(std::move(batch)); !added) return added.error();
  if (auto sealed = parts.history->seal(); !sealed) return sealed;
  first_images()[number_] = disk_.durable_image();
  return {};
}

Result<std::unique_ptr<Node::Parts>> Node::assemble() {
  auto parts = std::make_unique<Parts>(context_.seed * 1'000'003 + number_ * 1'009 + starts_);
  if (auto opened = open_stores(*parts); !opened) return std::move(opened).error();
  try {
    auto complete = parts->store->run<int>([](node::Database& database) -> Result<int> {
      node::complete_audit_tree(database);
      return 0;
    });
    if (!complete) return std::move(complete).error();
    auto twins = node::TwinRegistry::load(*parts->history_store);
    if (!twins) return std::move(twins).error();
    parts->twins = std::move(*twins);
    auto history = node::open_history(*parts->history_store, clock_);
    if (!history) return std::move(history).error();
    parts->history = std::move(*history);
    if (parts->twins->state()->graph.twins().empty()) {
      if (auto loaded = load_twins(*parts); !loaded) return std::move(loaded).error();
    }
    parts->folds = std::make_unique<node::FoldSource>(
        [twins = parts->twins.get()] { return twins->state(); }, *parts->history);
    parts->ledger = std::make_unique<node::ReleaseLedger>(*parts->store, clock_);
    parts->receipts = std::make_unique<node::ReceiptShelf>(*parts->store);
    if (auto loaded = parts->receipts->load(); !loaded) return std::move(loaded).error();
    parts->answers = std::make_unique<node::AnswerShelf>(*parts->store);
    parts->agreements = std::make_unique<node::AgreementRegister>(node::AgreementRegister::Parts{
        *parts->store, clock_, organisation_.keys.agreement, [this] { return parts_->site; },
        [this] { refresh_site(); }});
    if (auto loaded = parts->agreements->load(); !loaded) return std::move(loaded).error();
    auto eye = parts->store->reader();
    if (!eye) return std::move(eye).error();
    parts->eye.emplace(std::move(*eye));
  } catch (const node::StoreFault& fault) {
    return fault.error();
  }
  return parts;
}

Outcome Node::open_asking(Parts& parts) {
  auto rates = node::open_question_counts(*parts.store, clock_.now());
  if (!rates) return std::move(rates).error();
  const Mutation mutation = context_.mutation;
  parts.releases = mutated(mutation, *parts.ledger, parts.random);
  parts.source = mutated(mutation, *parts.folds);
  parts.drawn = mutated(
      mutation, context_.noisy ? static_cast<security::NoiseSource&>(parts.noise) : parts.silence);
  parts.book = mutated(mutation, *parts.receipts);
  if (mutation == Mutation::other_key_signs) {
    parts.other_key = security::SigningKey::generate(parts.random);
  }
  const auto site = [this] { return parts_->site; };
  parts.gate = std::make_unique<DisclosureGate>(DisclosureGate::Parts{
      context_.loop, parts.workers, clock_, *parts.source.used, *parts.releases.used,
      parts.other_key ? *parts.other_key : organisation_.keys.answer, *parts.drawn.used, site,
      parts.observer, context_.grid, *rates});
  const auto send = [this](const OrgId& partner, Bytes envelope) -> kj::Promise<MemberReply> {
    const Organisation* to = organisation_of(partner);
    context_.referee->sent(number_, to->number, envelope);
    return context_.network->call(number_, to->number, Method::ask, std::move(envelope))
        .then([](Bytes reply) { return reply_from(reply); });
  };
  parts.asker = std::make_unique<Asker>(Asker::Parts{context_.loop, clock_, parts.random,
                                                     organisation_.keys.envelope, site, send,
                                                     *parts.book.used, parts.answers.get()});
  return {};
}

std::shared_ptr<const SiteSnapshot> Node::site() const {
  return parts_->site;
}

void Node::refresh_site() {
  auto site = std::make_shared<SiteSnapshot>();
  site->self = organisation_.id();
  site->self_name = organisation_.name;
  site->site = kSite;
  site->answer_key = organisation_.keys.answer.public_key();
  site->exports["air"] = std::make_shared<const ExportView>(view());
  static const auto policy =
      std::make_shared<const security::Policy>(security::Policy::initial("admin"));
  site->policy = policy;
  for (std::size_t other = 0; other < context_.nodes; ++other) {
    if (other == number_) continue;
    auto partner = simulation::organisation(other).as_partner();
    site->partners.emplace(partner.organisation, std::move(partner));
  }
  for (const auto& [id, entry] : parts_->agreements->entries()) {
    const AgreementState state = entry.standing.state;
    const bool ended = context_.mutation == Mutation::agreement_not_checked && is_over(state);
    const bool waits = state == AgreementState::suspended;
    const bool ignores = context_.mutation == Mutation::suspension_ignored && waits;
    if (state == AgreementState::active || ended || ignores) {
      site->agreements.emplace(entry.terms, ActiveAgreement{entry.terms, entry.value});
    } else if (waits) {
      site->suspended.emplace(entry.terms, ActiveAgreement{entry.terms, entry.value});
    }
  }
  parts_->site = std::move(site);
  if (context_.referee != nullptr && !lost_power_) context_.referee->agreements_changed(*this);
}

node::AgreementRegister& Node::agreements() {
  return *parts_->agreements;
}

void Node::tend() {
  parts_->agreements->tend(clock_.now());
  for (const auto& [id, entry] : parts_->agreements->entries()) {
    auto delivery = parts_->agreements->begin_delivery(id);
    if (!delivery) continue;
    const auto number = delivery->number;
    if (context_.mutation == Mutation::step_not_delivered) {
      parts_->agreements->delivered(id, number, Told{});
      continue;
    }
    const std::size_t to = organisation_of(delivery->partner)->number;
    keep(context_.network->call(number_, to, Method::tell, std::move(delivery->signed_message))
             .then([](Bytes reply) { return told_from(reply); })
             .catch_([](kj::Exception&& fault) {
               return Told{make_error(ErrorCode::peer_unreachable, fault.getDescription().cStr()),
                           {}};
             })
             .then([this, id = id, number](Told told) {
               parts_->agreements->delivered(id, number, told);
             }));
  }
}

kj::Promise<Bytes> Node::hear(std::size_t from, const Bytes& request) {
  auto pair = kj::newPromiseAndFulfiller<Bytes>();
  auto done = std::make_shared<kj::Own<kj::PromiseFulfiller<Bytes>>>(kj::mv(pair.fulfiller));
  parts_->agreements->on_message(
      simulation::organisation(from).id(), request,
      [done](AgreementBook::Reply reply) { (*done)->fulfill(to_bytes(reply)); });
  return kj::mv(pair.promise);
}

kj::Promise<Bytes> Node::serve(std::size_t from, Method method, const Bytes& request) {
  if (method == Method::tell) return hear(from, request);
  security::PeerIdentity peer;
  peer.organisation = simulation::organisation(from).id();
  peer.site = kSite;
  peer.certificate_expires = clock_.now() + hours(12);
  const Referee::Arrival arrival{clock_.now(), context_.queue.now()};
  const Bytes bent =
      bent_envelope(context_.mutation, organisation_, *parts_->site, peer, request, arrival.clock);
  return parts_->gate->answer(peer, bent)
      .then([this, from, request, arrival](DisclosureGate::Outcome outcome) {
        context_.referee->replied(*this, from, request, arrival, outcome);
        return to_bytes(outcome);
      });
}

kj::Promise<FederatedAnswer> Node::ask(Plan plan, std::vector<AskTarget> targets,
                                       Duration timeout) {
  return parts_->asker->ask(std::move(plan), std::move(targets), timeout);
}

void Node::ingest(std::vector<std::pair<std::size_t, node::Reading>> readings) {
  node::Batch batch;
  for (const auto& [twin, reading] : readings) {
    const auto series = parts_->history->open_series(organisation_.twins.at(twin).id, kSignal);
    if (!series) return;
    batch.add(*series, reading);
  }
  node::History::Appended acknowledged = [this, readings](Result<node::AppendReport> report) {
    if (report) context_.referee->acknowledged(*this, readings);
  };
  if (context_.mutation == Mutation::acknowledged_before_commit) {
    acknowledged(node::AppendReport{});
    acknowledged = [](Result<node::AppendReport>) {};
  }
  context_.referee->offered(*this, readings);
  parts_->history->append(std::move(batch), std::move(acknowledged));
}

void Node::seal_history() {
  (void)parts_->history->seal();
}
const node::History& Node::history() const {
  return *parts_->history;
}
node::ReleaseLedger& Node::ledger() {
  return *parts_->ledger;
}
node::Database& Node::eye() {
  return *parts_->eye;
}
Random& Node::random() {
  return parts_->random;
}
void Node::keep(kj::Promise<void> work) {
  parts_->tasks.add(kj::mv(work));
}

void Node::rewrite_a_release() {
  (void)parts_->store->run<int>([](node::Database& database) -> Result<int> {
    database.exec(
        "UPDATE releases SET body = CAST(substr(body, 1, length(body) - 1) || x'77' AS BLOB)"
        " WHERE key = (SELECT key FROM releases ORDER BY key LIMIT 1)");
    return 0;
  });
}

}  // namespace entente::simulation
