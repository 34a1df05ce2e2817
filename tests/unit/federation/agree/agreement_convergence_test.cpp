// Two sides with random steps, over a network that drops, duplicates, delays and reorders, on nodes
// that crash between deciding and storing or between storing and answering. When the network is
// whole again both sides stand where the other says, and nothing that comes late changes it.
#include <doctest/doctest.h>

#include "tests/unit/federation/agree/two_sides.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

using Step = AgreementStep;

// A request, or the answer to one.
struct Packet {
  bool to_provider = false;
  AgreementId thread;
  std::uint64_t number = 0;
  Bytes request;  // empty: an answer
  std::optional<Told> answer = {};
};

struct Counts {
  std::size_t steps = 0, requests = 0, dropped = 0, doubled = 0, crashed = 0, late = 0, active = 0;
};

class Storm {
 public:
  Storm(std::uint64_t seed, Counts& counts) : random_(seed), counts_(counts) {}

  void run() {
    for (int i = 0; i < 160; ++i) turn();
    mend();
    check_mirrored();
    late_copies();
    check_mirrored();
  }

 private:
  bool chance(std::uint64_t percent) { return random_.below(100) < percent; }

  void turn() {
    const auto what = random_.below(100);
    if ((what < 4 && !changed_) || threads_.empty()) {
      threads_.push_back(sides_.propose());
      sides_.now = sides_.now + seconds(1);  // another date, another agreement
      ++counts_.steps;
    } else if (what < 30) {
      act(chance(50));
    } else if (what < 60) {
      send(chance(50));
    } else if (what < 95) {
      arrive();
    } else if (what < 98) {
      sides_.now = sides_.now + hours(static_cast<std::int64_t>(random_.below(200)));
      lapse_all();
    } else {
      change_export();
    }
  }

  // What is stored differs from what is decided when the node crashes in between.
  bool crashes() {
    const bool crashed = chance(10);
    counts_.crashed += crashed;
    return crashed;
  }

  void act(bool by_provider) {
    AgreeingSide& side = sides_.of(by_provider);
    const AgreementId id = threads_[random_.below(threads_.size())];
    const AgreementEntry* entry = side.find(id);
    if (entry == nullptr) return;
    const auto open = steps_open(entry->standing);
    if (open.empty()) return;
    const Step step = open[random_.below(open.size())];
    // Ends are rarer than the rest, or little would ever come to be.
    if ((step == Step::terminate || step == Step::withdraw) && chance(80)) return;
    const auto before = side.entries;
    if (step == Step::counter) {
      (void)sides_.counter(by_provider, id, (std::uint64_t{1} << 38) + random_.below(1'000'000));
    } else {
      (void)sides_.take(by_provider, id, step);
    }
    ++counts_.steps;
    if (crashes()) side.entries = before;
  }

  void send(bool from_provider) {
    AgreeingSide& side = sides_.of(from_provider);
    for (const auto& [id, entry] : side.entries) {
      if (!entry.outbox || chance(50)) continue;
      network_.push_back(
          {!from_provider, id, entry.outbox->number, sealed_message(*side.key, *entry.outbox), {}});
      ++counts_.requests;
    }
  }

  void arrive() {
    if (network_.empty()) return;
    const std::size_t at = random_.below(network_.size());
    const Packet packet = network_[at];
    if (chance(15)) {
      ++counts_.doubled;  // it stays and comes again
    } else {
      network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (!packet.request.empty()) seen_.push_back(packet);
    if (chance(20)) {
      ++counts_.dropped;
      return;
    }
    take_in(packet);
  }

  void take_in(const Packet& packet) {
    if (packet.answer) {
      const auto before = sides_.of(packet.to_provider).entries;
      sides_.answer(packet.to_provider, packet.thread, packet.number, *packet.answer);
      if (crashes()) sides_.of(packet.to_provider).entries = before;
      return;
    }
    // Crashed before it is stored: nothing happened. After it: nothing is answered.
    const bool before = crashes();
    const Heard heard = sides_.receive(packet.to_provider, packet.request, !before);
    if (before || crashes()) return;
    network_.push_back(
        {!packet.to_provider, packet.thread, packet.number, {}, TwoSides::told(heard)});
  }

  void change_export() {
    ExportView view = sides_.both.view;
    changed_ = !changed_;
    if (changed_) view.lateness = hours(7);
    sides_.provider.site->exports["air"] = std::make_shared<const ExportView>(view);
  }

  void lapse_all() {
    for (const bool provides : {true, false}) {
      auto& entries = sides_.of(provides).entries;
      for (auto& [id, entry] : entries) {
        if (auto lapsed = lapse(entry, sides_.now)) entry = *lapsed;
      }
    }
  }

  void mend() {
    lapse_all();
    sides_.settle_all();
    lapse_all();
  }

  void late_copies() {
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      const Packet& packet = seen_[random_.below(seen_.size())];
      const auto provider = sides_.provider.entries, consumer = sides_.consumer.entries;
      (void)sides_.receive(packet.to_provider, packet.request);
      ++counts_.late;
      // Only an end of what is over may be taken note of once more.
      for (const auto& [id, entry] : provider) {
        CHECK(sides_.provider.entries.at(id).standing == entry.standing);
        CHECK(sides_.provider.entries.at(id).terms == entry.terms);
      }
      for (const auto& [id, entry] : consumer) {
        CHECK(sides_.consumer.entries.at(id).standing == entry.standing);
        CHECK(sides_.consumer.entries.at(id).terms == entry.terms);
      }
    }
  }

  void check_mirrored() {
    for (const AgreementId& id : threads_) {
      const AgreementEntry* here = sides_.provider.find(id);
      const AgreementEntry* there = sides_.consumer.find(id);
      if (here == nullptr) continue;  // crashed before the proposal was stored
      CHECK_FALSE(here->outbox);
      if (there == nullptr) {
        CHECK(is_over(here->standing.state));
        continue;
      }
      CHECK_FALSE(there->outbox);
      CAPTURE(to_text(here->standing.state));
      CAPTURE(to_text(there->standing.state));
      CHECK(is_over(here->standing.state) == is_over(there->standing.state));
      if (is_over(here->standing.state)) continue;
      CHECK(here->standing.state == there->standing.state);
      CHECK(here->standing.held_here == there->standing.held_there);
      CHECK(here->standing.held_there == there->standing.held_here);
      CHECK(here->terms == there->terms);
      if (here->standing.state == AgreementState::proposed ||
          here->standing.state == AgreementState::countered) {
        CHECK(here->standing.offered_here != there->standing.offered_here);
      } else {
        ++counts_.active;
        CHECK(here->signed_bytes == there->signed_bytes);
        const auto terms = read_terms(here->signed_bytes);
        CHECK(verify_partner(*sides_.provider.site, sides_.both.consumer, terms->wire));
        CHECK(verify_partner(*sides_.consumer.site, sides_.both.provider, terms->wire));
      }
    }
  }

  SeededRandom random_;
  Counts& counts_;
  TwoSides sides_;
  std::vector<AgreementId> threads_;
  std::vector<Packet> network_;
  std::vector<Packet> seen_;  // every request that was ever on its way
  bool changed_ = false;
};

}  // namespace

TEST_SUITE("federation/agree/agreement_convergence") {
  TEST_CASE("whatever is lost or doubled or late or cut off by a crash both sides end alike") {
    Counts counts;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      CAPTURE(seed);
      Storm(seed, counts).run();
    }
    MESSAGE("200 seeds: " << counts.steps << " steps, " << counts.requests << " messages, "
                          << counts.dropped << " dropped, " << counts.doubled << " doubled, "
                          << counts.crashed << " crashes, " << counts.late << " late copies, "
                          << counts.active << " agreements in force at the end");
    CHECK(counts.active > 50);
    CHECK(counts.crashed > 500);
  }
}
