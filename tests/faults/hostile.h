// The stage for hostile peers: a node under test, an honest neighbour whose link must live on, and
// a bound on the memory of the whole process.
#pragma once

#include <doctest/doctest.h>

#include <poll.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "tests/faults/raw_peer.h"
#include "tests/support/link_node.h"

namespace entente::test {

// A field of /proc/self/status, in KiB.
inline long memory_kib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(field + ":")) return std::stol(line.substr(field.size() + 1));
  }
  return -1;
}

// Makes VmHWM start again from the present.
inline void reset_high_water() { std::ofstream("/proc/self/clear_refs") << "5"; }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr long kMemoryKib = 1'048'576;  // a sanitizer keeps freed memory for a while
#else
inline constexpr long kMemoryKib = 65'536;
#endif

// Watchdogs a hundred times as eager as in production, so that nobody waits for minutes.
inline federation::LinkLimits eager_limits() {
  federation::LinkLimits limits;
  limits.watch = milliseconds(20);
  limits.body = milliseconds(300);
  limits.idle = milliseconds(1'500);
  limits.ping = milliseconds(300);
  limits.no_read = milliseconds(300);
  limits.outgoing_stall = milliseconds(1'000);
  limits.handshake = milliseconds(2'000);
  limits.backoff_least = milliseconds(20);
  limits.backoff_most = milliseconds(200);
  return limits;
}

struct Stage {
  explicit Stage(federation::LinkLimits limits = eager_limits())
      : node(loop, "node", limits), neighbour(loop, "neighbour", limits), foe("foe") {
    LinkNode::link(neighbour, node);
    loop.run(neighbour.manager.when_connected(node.id(), federation::Direction::we_call));
    node.verifier.pin(foe);
    federation::Partner partner;
    partner.organisation = foe.organisation();
    partner.name = "foe";
    node.manager.set_partner(partner);
    leaf = foe.leaf("main");
    memory_before = memory_kib("VmRSS");
    reset_high_water();
  }

  RawPeer::Options options() const {
    RawPeer::Options o;
    o.leaf = leaf.get();
    return o;
  }

  // Runs the foe on its own thread while the loop goes on.
  void play(const std::function<void()>& foe_acts) {
    std::atomic<bool> done{false};
    std::thread thread([&] {
      foe_acts();
      done = true;
    });
    const auto watched = [&] {
      for (const auto& event : node.events) {
        if (event.organisation == foe.organisation()) foe_ended = foe_ended || ends(event);
      }
      return done.load();
    };
    const bool in_time = run_until(loop, watched, seconds(60));
    thread.join();
    REQUIRE(in_time);
  }

  // For a foe that must not read: until the node has closed its link.
  void wait_for_end() const {
    for (int i = 0; i < 4'000 && !foe_ended; ++i) ::poll(nullptr, 0, 5);
  }
  static bool ends(const federation::LinkEvent& event) {
    return event.kind == federation::LinkEvent::Kind::violation ||
           event.kind == federation::LinkEvent::Kind::closed;
  }

  // The foe's link must have ended for this reason, and nobody else's.
  void expect_end(const std::string& reason, federation::LinkEvent::Kind kind) {
    CAPTURE(reason);
    const auto found = [&] {
      for (const auto& event : node.events) {
        if (event.organisation == foe.organisation() && event.kind == kind) return event.reason;
      }
      return std::string();
    };
    run_until(loop, [&] { return !found().empty(); });
    CHECK(found() == reason);
    expect_health();
  }
  void expect_violation(const std::string& reason) {
    expect_end(reason, federation::LinkEvent::Kind::violation);
  }

  // The neighbour's link still answers and memory stayed within its bound.
  void expect_health() {
    node.answer = nullptr;
    CHECK(test::ask(loop, neighbour.manager.questions(node.id()), "still there?") ==
          "still there?");
    for (const auto& event : node.events) {
      if (event.organisation == neighbour.id()) {
        CHECK(event.kind == federation::LinkEvent::Kind::connected);
      }
    }
    const long high = memory_kib("VmHWM");
    CAPTURE(memory_before);
    CAPTURE(high);
    CHECK(high - memory_before <= kMemoryKib);
  }

  federation::Loop loop;
  LinkNode node;
  LinkNode neighbour;
  TestAuthority foe;
  std::shared_ptr<const security::LeafCredential> leaf;
  long memory_before = 0;
  std::atomic<bool> foe_ended{false};
};

}  // namespace entente::test
