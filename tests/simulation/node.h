// One node of a federation: the product's parts on a simulated disk, clock and network, that can
// crash at any write and come back with what was durable.
//
// Real: stores with their group commit and page checksums, history, twins, ledger, receipts, the
// answer book, agreements, disclosure gate, asker. Simulated: loop, workers, clock, randomness,
// disk, network. Threads: one.
#pragma once

#include <kj/async.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "federation/ask/asker.h"
#include "federation/ask/disclosure_gate.h"
#include "node/daemon/agreement_register.h"
#include "node/history/history.h"
#include "node/store/release_ledger.h"
#include "node/store/sqlite.h"
#include "tests/simulation/clock.h"
#include "tests/simulation/context.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/network.h"
#include "tests/simulation/organisation.h"

namespace entente::simulation {

class Node {
 public:
  Node(Context& context, std::size_t number);
  ~Node();

  std::size_t number() const { return number_; }
  const std::string& name() const { return organisation_.name; }
  const Organisation& organisation() const { return organisation_; }
  ExportView view() const;  // "air" as this federation offers it
  NodeClock& clock() { return clock_; }
  Disk& disk() { return disk_; }
  bool running() const { return parts_ != nullptr; }
  std::uint64_t starts() const { return starts_; }

  // Makes what a first start leaves on a disk, for every organisation, once a process: afterwards a
  // node's first start is like any other, whatever ran before.
  static void make_first_images();

  // From what the disk holds. Refuses when the product would not start.
  [[nodiscard]] Outcome start();
  // The power goes at once: everything in hand is gone.
  void crash();
  // The same in the middle of what runs: nothing is written any more, and crash() follows.
  void lose_power();
  bool lost_power() const { return lost_power_; }

  // What follows needs a running node.
  std::shared_ptr<const federation::SiteSnapshot> site() const;
  void refresh_site();
  kj::Promise<Bytes> serve(std::size_t from, Method method, const Bytes& request);
  kj::Promise<federation::FederatedAnswer> ask(federation::Plan plan,
                                               std::vector<federation::AskTarget> targets,
                                               Duration timeout);
  // Tells the referee what was acknowledged.
  void ingest(std::vector<std::pair<std::size_t, node::Reading>> readings);
  void seal_history();
  const node::History& history() const;
  node::ReleaseLedger& ledger();
  node::AgreementRegister& agreements();
  // What the node does every second or so: tells partners what they have to learn, and ends what
  // time ends.
  void tend();
  // The referee's own look at entente.db.
  node::Database& eye();
  Random& random();
  // A mutation: changes what is stored of a release.
  void rewrite_a_release();
  // Ends with the node.
  void keep(kj::Promise<void> work);

 private:
  struct Parts;
  Result<std::unique_ptr<Parts>> assemble();
  Outcome open_stores(Parts& parts);
  Outcome open_asking(Parts& parts);
  Outcome load_twins(Parts& parts);
  kj::Promise<Bytes> hear(std::size_t from, const Bytes& request);

  Context& context_;
  const std::size_t number_;
  const Organisation& organisation_;
  NodeClock clock_;
  Disk disk_;
  std::unique_ptr<Parts> parts_;
  std::uint64_t starts_ = 0;
  bool lost_power_ = false;
};

}  // namespace entente::simulation
