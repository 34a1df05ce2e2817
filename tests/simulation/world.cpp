#include "tests/simulation/world.h"

#include <sodium.h>
#include <sqlite3.h>

#include <algorithm>

#include "schemas/base/log.h"
#include "security/privacy/rho.h"

namespace entente::simulation {
namespace {

constexpr Duration kStorm = seconds(80);  // then everything heals
constexpr Duration kCalm = seconds(30);
constexpr Duration kDecide = seconds(10);  // of the calm, in which people still take steps
constexpr std::int64_t kQuestionMs = 3'500, kReadingsMs = 4'000, kFaultMs = 3'000,
                       kMisuseMs = 5'000, kBackupMs = 6'000, kTendMs = 700,
                       kAgreementMs = 5'000;  // on average, at each node; faults: of the federation

class World {
 public:
  explicit World(const RunOptions& options);
  ~World();
  RunResult run();

 private:
  void agree();
  void propose(std::size_t provider, std::size_t consumer);
  void decide(Node& node);
  void change_agreements();
  void restore(Node& node);
  void reconcile(Node& node);
  void back_up(Node& node);
  void begin(Node& node);
  void crash(Node& node);
  void fault();
  void break_clock(Node& node);
  void ingest(Node& node);
  void settle();
  // Again and again, at random times, `mean` apart, as long as the storm lasts or for ever.
  void often(std::int64_t mean_ms, bool in_storm_only, std::function<void()> work);
  Node& any() { return *nodes_[random_.below(nodes_.size())]; }
  std::int64_t up_to(std::int64_t most) {
    return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most)));
  }
  bool storm() const { return queue_.now() < kStorm; }

  const RunOptions options_;
  SeededRandom random_;
  EventQueue queue_;
  federation::Loop loop_;
  Trace trace_;
  Context context_;
  Referee referee_;
  std::vector<std::unique_ptr<Node>> nodes_;
  Network network_;
  Users users_;
  struct Backup {
    std::map<std::string, Bytes> files;   // of entente.db; empty: none was taken
    std::uint64_t records = 0;            // of its audit log
    std::optional<node::ShownHead> head;  // the newest, as the head file has it
    bool used = false;
  };
  std::vector<Backup> backups_;
  std::uint64_t proposed_ = 0;
  RunResult result_;
};

// Caps of domains, from a few questions to many; computed once.
RhoUnits cap_of(std::size_t choice) {
  static const auto caps = [] {
    std::vector<RhoUnits> list;
    const DeltaUnits delta = organisation(0).view.delta;
    for (const double epsilon : {0.5, 1.0, 2.0}) {
      list.push_back(*security::rho_cap_of(epsilon, delta));
    }
    return list;
  }();
  return caps.at(choice % caps.size());
}

std::size_t nodes_of(std::uint64_t seed) {
  return 3 + seed % 4;
}

World::World(const RunOptions& options)
    : options_(options),
      random_(options.seed),
      queue_(options.seed ^ 0x7175657565),
      trace_(options.keeps_trace),
      context_{queue_, loop_, trace_, options.mutation, options.seed, nodes_of(options.seed)},
      referee_(context_),
      network_(queue_, context_.nodes, options.seed ^ 0x6e6574,
               [this](std::size_t at, std::size_t from, Method method, const Bytes& request) {
                 if (method == Method::ask) users_.overheard(at, request);
                 return nodes_[at]->serve(from, method, request);
               }),
      users_(context_, nodes_) {
  context_.noisy = random_.below(2) == 0;
  context_.grid = random_.below(2) == 0 ? Duration{} : milliseconds(50);
  context_.network = &network_;
  context_.referee = &referee_;
  for (std::size_t i = 0; i < context_.nodes; ++i)
    context_.caps.push_back(cap_of(random_.below(3)));
  for (std::size_t i = 0; i < context_.nodes; ++i) {
    nodes_.push_back(std::make_unique<Node>(context_, i));
  }
  backups_.resize(context_.nodes);
  referee_.lives = [this](std::size_t node) { return nodes_[node]->starts(); };
  if (options.mutation == Mutation::answers_after_deadline) {
    queue_.timer = [](Duration wait) { return wait * 3; };
  }
}

World::~World() {
  network_.clear();
  nodes_.clear();
  queue_.clear();
}

// Terms that a provider would offer, a little different each time.
void World::propose(std::size_t provider, std::size_t consumer) {
  Node& node = *nodes_[provider];
  if (!node.running() || provider == consumer) return;
  const RhoUnits cap = context_.caps[provider];
  Agreement terms;
  terms.provider = organisation(provider).id();
  terms.consumer = organisation(consumer).id();
  terms.name = "air-" + organisation(consumer).name + "-" + std::to_string(++proposed_);
  terms.exports = {node.view()};
  if (random_.below(2) == 0) terms.purposes = {"planning", "reporting"};
  if (random_.below(3) == 0) {
    terms.aggregates = {Aggregate::count, Aggregate::mean, Aggregate::sum, Aggregate::share};
  }
  terms.min_units = 1 + static_cast<std::uint32_t>(random_.below(5));
  terms.rho_per_block = {cap.units >> random_.below(3)};
  if (random_.below(3) == 0) terms.rho_guaranteed = {terms.rho_per_block.units / 2};
  if (random_.below(5) == 0) terms.questions_per_hour = 12;
  terms.issued = kBeginning - hours(1);
  terms.expires = kBeginning + days(200);
  node.agreements().propose("user:ann", std::move(terms), [](auto) {});
}

void World::agree() {
  for (std::size_t provider = 0; provider < context_.nodes; ++provider) {
    for (std::size_t consumer = 0; consumer < context_.nodes; ++consumer) {
      if (consumer == provider || random_.below(4) == 0) continue;
      queue_.after(milliseconds(1 + up_to(400)),
                   [this, provider, consumer] { propose(provider, consumer); });
    }
  }
}

// What people do about offers that wait for them.
void World::decide(Node& node) {
  for (const auto& [id, entry] : node.agreements().entries()) {
    const auto state = entry.standing.state;
    const bool offered = state == federation::AgreementState::proposed ||
                         state == federation::AgreementState::countered;
    if (!offered || turn_of(entry.standing) != federation::Turn::ours) continue;
    const auto reply = [](auto) {};
    if (random_.below(8) == 0 && entry.value.round < 2) {
      Agreement terms = entry.value;
      terms.rho_per_block.units = terms.rho_per_block.units / 4 * 3;
      terms.rho_guaranteed = {};
      return node.agreements().counter("user:bo", id, std::move(terms), reply);
    }
    const auto step = random_.below(20) == 0 ? AgreementStep::terminate : AgreementStep::settle;
    return node.agreements().take("user:bo", id, step, "", reply);
  }
}

// Somebody suspends, resumes or ends one, or offers another.
void World::change_agreements() {
  Node& node = any();
  if (!node.running()) return;
  const auto& entries = node.agreements().entries();
  if (entries.empty() || random_.below(4) == 0) {
    return propose(node.number(), random_.below(nodes_.size()));
  }
  auto entry = std::next(entries.begin(), up_to(static_cast<std::int64_t>(entries.size())));
  const auto open = steps_open(entry->second.standing);
  if (open.empty()) return;
  const auto step = open[random_.below(open.size())];
  if (step == AgreementStep::propose || step == AgreementStep::counter) return;
  context_.note(node.name(),
                "takes the step " + std::string(to_text(step)) + " of " + entry->second.value.name);
  node.agreements().take("user:ann", entry->first, step, "", [](auto) {});
}

// The ledger's database as it was some time ago, the rest as it is now.
void World::restore(Node& node) {
  auto image = node.disk().durable_image();
  std::erase_if(image,
                [](const auto& one) { return one.first.find("entente.db") != one.first.npos; });
  for (const auto& [path, bytes] : backups_[node.number()].files) image[path] = bytes;
  node.disk().put_image(image);
  context_.note(node.name(), "is restored from a backup");
}

void World::begin(Node& node) {
  if (node.starts() > 0) node.disk().restart(random_);
  Backup& backup = backups_[node.number()];
  const bool restores = !backup.files.empty() && !backup.used && random_.below(4) == 0;
  if (restores) {
    backup.used = true;
    restore(node);
    referee_.restored(node, backup.records);
  }
  if (auto started = node.start(); !started) {
    return referee_.violate(node.name() + " does not start: " + started.error().what);
  }
  context_.note(node.name(), "starts");
  network_.started(node.number());
  if (options_.mutation == Mutation::disk_lies_about_syncs) node.disk().lie_about_syncs();
  // The head that was kept off the disk tells an older ledger; sometimes it is gone as well.
  const bool kept =
      options_.mutation != Mutation::receipt_forgotten && !(restores && random_.below(2) == 0);
  if (kept && backup.head) (void)node.ledger().compare(*backup.head);
  referee_.started(node);
  if (restores) {
    queue_.after(seconds(5 + up_to(30)), [this, &node] { reconcile(node); });
  }
}

void World::reconcile(Node& node) {
  if (!node.running()) return queue_.after(seconds(5), [this, &node] { reconcile(node); });
  context_.note(node.name(), "is reconciled");
  node.ledger().reconcile(node.ledger().plan({"air"}), {"admin", "", ""},
                          [this, &node](Result<node::Reconciliation> done) {
                            if (done) return referee_.reconciled(node);
                            reconcile(node);
                          });
}

void World::back_up(Node& node) {
  Backup& backup = backups_[node.number()];
  const AuditHead head = node.ledger().head();
  if (head.count == 0) return;
  backup.head = node::ShownHead{head, node.clock().now(), "file:head"};
  if (!backup.files.empty() || random_.below(4) != 0) return;
  for (auto& [path, bytes] : node.disk().durable_image()) {
    if (path.find("entente.db") != path.npos) backup.files.emplace(path, std::move(bytes));
  }
  backup.records = backup.head->head.count;
  context_.note(node.name(), "is backed up");
}

void World::crash(Node& node) {
  if (!node.running()) return;
  ++result_.crashes;
  context_.note(node.name(), "crashes");
  if (options_.mutation == Mutation::release_rewritten && !node.lost_power()) {
    node.rewrite_a_release();
  }
  referee_.gave_up(node.number());
  network_.crashed(node.number());
  node.crash();
  if (options_.mutation == Mutation::synced_page_lost) node.disk().lose_synced_page(random_);
  queue_.after(milliseconds(10 + up_to(storm() ? 15'000 : 500)), [this, &node] { begin(node); });
}

void World::break_clock(Node& node) {
  constexpr std::int64_t kBy[] = {200, 5'000, 29'000, 45'000, 600'000, 7'200'000};
  const auto by = milliseconds(kBy[random_.below(std::size(kBy))]);
  switch (random_.below(3)) {
    case 0:
      node.clock().wrong_by = node.clock().wrong_by + by;
      break;
    case 1:
      node.clock().wrong_by = node.clock().wrong_by - by;
      break;
    default:
      node.clock().wrong_by = {};
  }
  context_.note(node.name(), "has its clock wrong by " + to_text(node.clock().wrong_by));
}

void World::fault() {
  ++result_.faults;
  Node& node = any();
  const auto other = random_.below(nodes_.size());
  switch (random_.below(10)) {
    case 0:
      return crash(node);
    case 1:
    case 2: {
      const auto writes = static_cast<int>(random_.below(60));
      context_.note(node.name(), "will lose power in " + std::to_string(writes) + " writes");
      node.disk().cut_power_after(writes, [&node] { node.lose_power(); });
      return;
    }
    case 3:
      if (other == node.number()) return;
      context_.note("network", "cuts " + node.name() + " and " + organisation(other).name);
      return network_.cut(node.number(), other);
    case 4: {
      const auto until = queue_.now() + milliseconds(up_to(25'000));
      context_.note("network", "isolates " + node.name() + " until " + to_text(until));
      const bool from_all = random_.below(2) == 0;
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (i != node.number() && (from_all || i == other)) {
          network_.partition(node.number(), i, until);
        }
      }
      return;
    }
    case 5:
      context_.note("network", "slows " + node.name());
      return network_.slow(node.number(), 20, queue_.now() + milliseconds(up_to(20'000)));
    case 6:
    case 7:
      return break_clock(node);
    case 8: {
      context_.note(node.name(), "has its disk full");
      node.disk().set_full(true);
      queue_.after(milliseconds(up_to(6'000)), [&node] { node.disk().set_full(false); });
      return;
    }
    default: {
      context_.note(node.name(), "will fail a sync");
      return node.disk().fail_next_sync();
    }
  }
}

void World::ingest(Node& node) {
  std::vector<std::pair<std::size_t, node::Reading>> readings;
  const auto count = 1 + random_.below(8);
  for (std::size_t i = 0; i < count; ++i) {
    node::Reading reading;
    reading.time = kBeginning + queue_.now() + microseconds(static_cast<std::int64_t>(i));
    reading.value = static_cast<double>(random_.below(100'000)) / 331.0;
    readings.emplace_back(random_.below(node.organisation().twins.size()), reading);
  }
  node.ingest(std::move(readings));
  if (random_.below(60) == 0) node.seal_history();
}

void World::often(std::int64_t mean_ms, bool in_storm_only, std::function<void()> work) {
  queue_.after(milliseconds(1 + up_to(2 * mean_ms)), [this, mean_ms, in_storm_only, work] {
    if (in_storm_only && !storm()) return;
    work();
    often(mean_ms, in_storm_only, work);
  });
}

// The storm is over: what is broken is mended, and what is asked now must come to its end.
void World::settle() {
  context_.note("world", "everything heals");
  network_.heal();
  for (auto& node : nodes_) {
    node->clock().wrong_by = {};
    node->disk().set_full(false);
    node->disk().cut_power_after(-1, {});
  }
}

RunResult World::run() {
  for (auto& node : nodes_) begin(*node);
  agree();
  for (auto& node : nodes_) {
    often(kQuestionMs, false, [this, &one = *node] {
      if (one.running()) users_.ask(one, random_);
    });
    often(kTendMs, false, [this, &one = *node] {
      if (!one.running()) return;
      one.tend();
      if (queue_.now() < kStorm + kDecide) decide(one);
    });
    often(kBackupMs, true, [this, &one = *node] {
      if (one.running()) back_up(one);
    });
    often(kReadingsMs, false, [this, &one = *node] {
      if (one.running()) ingest(one);
    });
  }
  Node& dishonest = any();
  often(kMisuseMs, true, [this, &dishonest] {
    if (!dishonest.running()) return;
    ++result_.misuses;
    users_.misuse(dishonest, random_);
  });
  often(kAgreementMs, true, [this] { change_agreements(); });
  often(kFaultMs, true, [this] { fault(); });
  queue_.after(kStorm, [this] { settle(); });
  while (!referee_.violation() && queue_.step(kStorm + kCalm)) {
    loop_.wait_scope().poll();
    for (auto& node : nodes_) {
      if (node->lost_power()) crash(*node);
    }
  }
  for (auto& node : nodes_) {
    if (node->running() && !referee_.violation()) referee_.started(*node);
  }
  for (auto& a : nodes_) {
    for (auto& b : nodes_) {
      if (a->running() && b->running() && a != b) referee_.judge_agreements(*a, *b);
    }
  }
  result_.violation = referee_.violation();
  result_.trace_hash = trace_.hash();
  result_.trace = trace_.lines();
  result_.events = queue_.events();
  result_.messages = network_.messages();
  result_.bytes = network_.bytes();
  result_.simulated = queue_.now();
  result_.counts = referee_.counts();
  return result_;
}

}  // namespace

RunResult run_federation(const RunOptions& options) {
  Node::make_first_images();
  sqlite3_randomness(0, nullptr);  // begins anew, so that no run depends on those before it
  World world(options);
  return world.run();
}

}  // namespace entente::simulation
