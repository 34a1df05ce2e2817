// What a hostile peer costs the others: the same attacks as in the other files, again and again for
// a while, and beside them an honest neighbour that asks without pause. Printed as a table; memory
// and service are asserted, times are not, since the machine may be busy with other things.
//
//   ENTENTE_ATTACK_SECONDS=5 faults_tests -ts="faults/figures"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/faults/hostile.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

using Attack = std::function<void(Stage&)>;  // one connection's worth, on the foe's thread

Duration attack_time() {
  const char* asked = std::getenv("ENTENTE_ATTACK_SECONDS");
  return milliseconds(asked == nullptr ? 400 : std::max(1, std::atoi(asked)) * 1'000);
}

// The neighbour, asking one question after the other.
class Prober {
 public:
  explicit Prober(Stage& stage)
      : stage_(stage), desk_(stage.neighbour.manager.questions(stage.node.id())) {}

  // Runs until `ending` says so; milliseconds of each call.
  std::vector<double> until(const std::function<bool()>& ending) {
    std::vector<double> taken;
    while (!ending()) {
      const Duration began = clock_.steady();
      CHECK(ask(stage_.loop, desk_, "prober") == "prober");
      taken.push_back((clock_.steady() - began).seconds() * 1e3);
    }
    return taken;
  }
  std::vector<double> for_a_time(Duration time) {
    const Duration end = clock_.steady() + time;
    return until([this, end] { return clock_.steady() > end; });
  }

 private:
  Stage& stage_;
  wire::Questions::Client desk_;
  SystemClock clock_;
};

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}

// Nobody's rate is the matter here but in the attack on it.
LinkLimits unpaced() {
  LinkLimits limits = eager_limits();
  limits.ask_rate = limits.ask_burst = 100'000;
  return limits;
}

// The foe holds a desk, then acts.
void with_desk(Stage& stage, const std::function<void(RawPeer&, std::uint32_t)>& act) {
  RawPeer foe(stage.node.port, stage.options());
  const auto gate = foe.open_gate();
  const auto session = gate ? foe.open_session(*gate) : std::nullopt;
  const auto desk = session ? foe.open_questions(*session) : std::nullopt;
  if (!desk) return;
  act(foe, *desk);
  foe.closed_by_peer();
}

void open_calls(Stage& stage) {
  with_desk(stage, [](RawPeer& foe, std::uint32_t desk) {
    for (std::uint32_t id = 3; id < 200'003; ++id) {
      if (!foe.ask(id, desk, std::string(100, 'x'))) break;
    }
  });
}

void never_finished(Stage& stage) {
  with_desk(stage, [](RawPeer& foe, std::uint32_t desk) {
    for (std::uint32_t id = 3; id < 100'003; ++id) {
      if (!foe.ask(id, desk, "x")) break;
    }
  });
}

void never_released(Stage& stage) {
  RawPeer foe(stage.node.port, stage.options());
  const auto gate = foe.open_gate();
  for (std::uint32_t i = 0; gate && i < 1'000; ++i) {
    if (!foe.open_session(*gate) || !foe.finish(1)) break;
  }
  foe.closed_by_peer();
}

void never_reads(Stage& stage) {
  with_desk(stage, [](RawPeer& foe, std::uint32_t desk) {
    for (std::uint32_t i = 0; i < 30; ++i) {
      if (!foe.ask(3 + i, desk, std::string(200'000, 'x')) || !foe.finish(3 + i)) return;
    }
  });
}

void calls_in_a_loop(Stage& stage) {
  with_desk(stage, [](RawPeer& foe, std::uint32_t desk) {
    for (std::uint32_t i = 0; i < 50'000; ++i) {
      const std::uint32_t id = 3 + i % 64;
      if (!foe.ask(id, desk, "x") || !foe.finish(id) || !foe.receive()) break;
    }
  });
}

void lying_headers(Stage& stage) {
  RawPeer foe(stage.node.port, stage.options());
  foe.send_words({0xffffffff});
  foe.closed_by_peer();
}

void handshakes(Stage& stage) {
  std::vector<int> sockets;
  for (int i = 0; i < 40; ++i) sockets.push_back(connect_tcp(stage.node.port));
  ::poll(nullptr, 0, 20);
  for (const int socket : sockets) ::close(socket);
}

struct Figures {
  double before = 0;  // p99 of the neighbour's calls, milliseconds
  double during = 0;  // likewise
  std::size_t calls = 0;
  double memory = 0;    // the process's growth at its highest, MiB
  double recovery = 0;  // from the attack's end to the next answer, milliseconds
  int attacks = 0;
};

Figures measure(const LinkLimits& limits, const Attack& attack) {
  Stage stage(limits);
  Prober prober(stage);
  prober.for_a_time(milliseconds(50));  // warm
  Figures figures;
  figures.before = percentile(prober.for_a_time(attack_time()), 0.99);
  std::atomic<bool> done{false};
  std::thread foe([&] {
    const SystemClock clock;
    const Duration end = clock.steady() + attack_time();
    do {
      attack(stage);
      ++figures.attacks;
    } while (clock.steady() < end);
    done = true;
  });
  const auto during = prober.until([&] { return done.load(); });
  foe.join();
  const SystemClock clock;
  const Duration ended = clock.steady();
  prober.until([calls = 0]() mutable { return calls++ == 1; });
  figures.recovery = (clock.steady() - ended).seconds() * 1e3;
  figures.during = percentile(during, 0.99);
  figures.calls = during.size();
  figures.memory = static_cast<double>(memory_kib("VmHWM") - stage.memory_before) / 1'024;
  CHECK(memory_kib("VmHWM") - stage.memory_before <= kMemoryKib);
  CHECK_FALSE(during.empty());
  return figures;
}

}  // namespace

TEST_SUITE("faults/figures") {
  TEST_CASE("what floods cost a neighbour in time and the node in memory") {
    const struct {
      const char* name;
      LinkLimits limits;
      Attack attack;
    } kAttacks[] = {
        {"200,000 open calls", unpaced(), open_calls},
        {"calls never finished", unpaced(), never_finished},
        {"sessions never released", unpaced(), never_released},
        {"answers never read", unpaced(), never_reads},
        {"call and finish in a loop, unpaced", unpaced(), calls_in_a_loop},
        {"header 0xFFFFFFFF", unpaced(), lying_headers},
        {"handshakes begun and left", unpaced(), handshakes},
    };
    std::printf("%-36s %10s %10s %8s %10s %12s %9s\n", "attack", "p99 before", "during", "calls",
                "memory MiB", "recovery ms", "attacks");
    for (const auto& one : kAttacks) {
      CAPTURE(one.name);
      const Figures figures = measure(one.limits, one.attack);
      std::printf("%-36s %10.2f %10.2f %8zu %10.1f %12.2f %9d\n", one.name, figures.before,
                  figures.during, figures.calls, figures.memory, figures.recovery, figures.attacks);
    }
    std::fflush(stdout);
  }
}
