// Three concurrent questions with a crash at every named point, in every interleaving: what left
// the site is within what is recorded, what is recorded is within the budget, and a retry gives the
// very bytes that left. A crash is what is on the disk at that moment: at each crash point the
// files are copied, and the copy is opened as the next start would.
#include "schemas/base/crash_point.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <set>

#include "tests/unit/node/store/ledger_bench.h"

#ifdef ENTENTE_CRASH_POINTS

using namespace entente;
using namespace entente::node;
using federation::ReleaseInquiry;
using test::inquiry_of;
using test::partner_of;
using Bench = test::LedgerBench;

namespace {

constexpr std::uint64_t kCap = 100, kQuota = 80;

struct Ask {
  std::uint64_t question, partner, rho;
};
// Two partners ask the same, and one of them something that its quota has no room for besides.
constexpr std::array<Ask, 3> kAsks = {{{1, 1, 30}, {1, 2, 30}, {2, 1, 60}}};

ReleaseInquiry inquiry(const Ask& ask) {
  return inquiry_of(ask.question, ask.partner, ask.rho);
}

// What partners hold: (question, partner) -> bytes.
using Sent = std::map<std::pair<std::uint64_t, std::uint64_t>, Bytes>;

// One state of the disk, and what had left the site by then.
struct Snapshot {
  std::filesystem::path files;
  Sent sent;
  std::string point;
};

// Where copies go while a run is under way; the hook has no place for an owner.
struct Recorder {
  std::filesystem::path live, copies;
  std::vector<Snapshot> snapshots;
  Sent sent;
  bool armed = false;
  std::mutex mutex;  // the store's thread copies, the main one says what left

  void send(const Ask& ask, const Bytes& bytes) {
    std::lock_guard lock(mutex);
    sent[{ask.question, ask.partner}] = bytes;
  }
  void take(std::string_view point) {
    std::lock_guard lock(mutex);
    if (!armed) return;
    const auto to = copies / std::to_string(snapshots.size());
    std::filesystem::create_directory(to);
    for (const char* file : {"entente.db", "entente.db-wal"}) {
      if (std::filesystem::exists(live / file)) std::filesystem::copy(live / file, to / file);
    }
    snapshots.push_back({to, sent, std::string(point)});
  }
};
Recorder* recorder = nullptr;

// How the test breaks the rule, to see that it would be found out.
enum class Fault { none, sent_before_commit, charge_skipped };

// Every draw is other noise: a second one for the same question shows.
Bytes fresh_noise() {
  static std::uint64_t draws = 0;
  const std::string text = std::to_string(++draws);
  return to_bytes(bytes_of(text));
}

class Run {
 public:
  explicit Run(Bench& bench, Fault fault = Fault::none) : bench_(bench), fault_(fault) {}

  void inquire(const Ask& ask) { (void)bench_.ledger->inquire(inquiry(ask)); }
  // Returns when the answer has left.
  void commit(const Ask& ask) {
    auto reply = begin(ask);
    finish(ask, reply.get());
  }
  std::future<Bench::Reply> begin(const Ask& ask) {
    ReleaseInquiry asked = inquiry(ask);
    if (fault_ == Fault::charge_skipped) asked.charges[0].rho.units = 0;
    auto promise = std::make_shared<std::promise<Bench::Reply>>();
    auto result = promise->get_future();
    bench_.ledger->commit(
        asked,
        [this, ask] {
          Bytes bytes = fresh_noise();
          if (fault_ == Fault::sent_before_commit) send(ask, bytes);
          return bytes;
        },
        [promise](Bench::Reply done) { promise->set_value(std::move(done)); });
    return result;
  }
  void finish(const Ask& ask, const Bench::Reply& done) {
    if (!done) return;
    send(ask, done->release);
    // On the store's thread, which writes nothing meanwhile.
    REQUIRE(bench_.store->run<int>([](Database&) -> Result<int> {
      recorder->take("sent");
      return 0;
    }));
  }

 private:
  static void send(const Ask& ask, const Bytes& bytes) {
    if (recorder != nullptr) recorder->send(ask, bytes);
  }
  Bench& bench_;
  const Fault fault_;
};

std::map<std::string, std::uint64_t> spent_by_scope(Bench& bench) {
  std::map<std::string, std::uint64_t> spent;
  for (const LedgerRow& row : bench.ledger->rows()) spent[row.scope] += row.spent.units;
  return spent;
}

std::uint64_t price_of(std::uint64_t question) {
  return question == 1 ? 30 : 60;
}

// released <= recorded <= budget, of a ledger as it was opened after a crash.
bool within(Bench& bench, const Sent& sent) {
  std::map<std::string, std::uint64_t> released;
  std::set<std::uint64_t> questions;
  for (const auto& [key, bytes] : sent) {
    released[partner_of(key.second).hex()] += price_of(key.first);
    questions.insert(key.first);
    const auto standing =
        bench.ledger->inquire(inquiry({key.first, key.second, price_of(key.first)}));
    if (!standing || !standing->release || *standing->release != bytes || !standing->paid) {
      return false;
    }
  }
  for (const std::uint64_t question : questions) released["site"] += price_of(question);
  auto recorded = spent_by_scope(bench);
  for (const auto& [scope, rho] : released) {
    if (rho > recorded[scope]) return false;
  }
  return std::all_of(recorded.begin(), recorded.end(), [](const auto& row) {
    return row.second <= (row.first == "site" ? kCap : kQuota);
  });
}

// The state after the crash, and after everybody asked again, twice.
bool holds(const Snapshot& snapshot) {
  Recorder* const outer = std::exchange(recorder, nullptr);
  bool good = true;
  {
    Bench bench(snapshot.files);
    good = within(bench, snapshot.sent);
    Sent sent = snapshot.sent;
    for (int round = 0; round < 2 && good; ++round) {
      for (const Ask& ask : kAsks) {
        const auto done = bench.commit(inquiry(ask), fresh_noise());
        if (!done) continue;
        const auto [known, first] =
            sent.emplace(std::pair(ask.question, ask.partner), done->release);
        good = good && (first || known->second == done->release);
      }
    }
    good = good && within(bench, sent);
    auto reader = bench.store->reader();
    good = good && reader.has_value() && !verify_audit(*reader, {}).first_bad;
  }
  recorder = outer;
  return good;
}

// Plays one schedule on a fresh ledger; returns the states in which the claim does not hold.
struct Played {
  std::size_t states = 0;
  std::vector<std::string> broken;
};

// In memory where there is such a place: these are thousands of commits, and what a file holds when
// a process dies does not depend on the disk.
std::filesystem::path place() {
  const char* const memory = "/dev/shm";
  return std::filesystem::is_directory(memory) ? std::filesystem::path(memory)
                                               : std::filesystem::temp_directory_path();
}

template <class Schedule>
Played play(Schedule&& schedule, Fault fault, std::string_view name, std::set<std::string>* known) {
  test::TemporaryFolder folder(place());
  Recorder record;
  record.live = folder / "live";
  record.copies = folder / "copies";
  std::filesystem::create_directory(record.live);
  std::filesystem::create_directory(record.copies);
  {
    Bench bench(record.live);
    recorder = &record;
    set_crash_hook([](std::string_view point) { recorder->take(point); });
    Run run(bench, fault);
    schedule(bench, run, record);
    set_crash_hook(nullptr);
    recorder = nullptr;
  }
  Played played;
  for (std::size_t i = 0; i < record.snapshots.size(); ++i) {
    const Snapshot& snapshot = record.snapshots[i];
    const std::string label = std::string(name) + " " + snapshot.point + " " + std::to_string(i);
    if (known != nullptr && !known->insert(label).second) continue;
    ++played.states;
    if (!holds(snapshot)) played.broken.push_back(label);
  }
  return played;
}

// Steps of the three: each inquires, then commits and sends. "aAbBcC", "abcABC", ...
std::vector<std::string> interleavings() {
  std::string steps = "aabbcc";
  std::vector<std::string> out;
  do {
    std::string named = steps;
    for (const char who : {'a', 'b', 'c'}) {
      named[named.rfind(who)] = static_cast<char>(who - 'a' + 'A');
    }
    out.push_back(named);
  } while (std::next_permutation(steps.begin(), steps.end()));
  return out;
}

Played play_interleaving(const std::string& steps, Fault fault, std::set<std::string>* known) {
  return play(
      [&](Bench&, Run& run, Recorder& record) {
        for (const char step : steps) {
          const bool commits = step < 'a';
          const Ask& ask = kAsks[static_cast<std::size_t>(step - (commits ? 'A' : 'a'))];
          record.armed = commits;
          commits ? run.commit(ask) : run.inquire(ask);
        }
      },
      // Of orders with the same commits only the first is looked at: inquiries leave nothing.
      fault,
      [&] {
        std::string order;
        std::copy_if(steps.begin(), steps.end(), std::back_inserter(order),
                     [](char c) { return c < 'a'; });
        return order;
      }(),
      known);
}

}  // namespace

TEST_SUITE("node/ledger_crash") {
  TEST_CASE(
      "in all 90 orders of three questions a crash anywhere leaves released within recorded "
      "within the budget") {
    const auto orders = interleavings();
    REQUIRE(orders.size() == 90);
    std::set<std::string> known;
    std::size_t states = 0;
    for (const std::string& steps : orders) {
      CAPTURE(steps);
      const Played played = play_interleaving(steps, Fault::none, &known);
      states += played.states;
      CHECK(played.broken.empty());
    }
    CHECK(states >= 60);
    MESSAGE(states, " states of the disk looked at");
  }

  TEST_CASE("the same holds when the three share one commit") {
    std::array<std::size_t, 3> order = {0, 1, 2};
    do {
      CAPTURE(order[0]);
      CAPTURE(order[1]);
      const Played played = play(
          [&](Bench& bench, Run& run, Recorder& record) {
            // The store's thread waits in a job, so that all three are in the batch after it.
            std::promise<void> gate;
            auto opened = gate.get_future().share();
            bench.store->post<int>(
                [opened](Database&) -> Result<int> {
                  opened.wait();
                  return 0;
                },
                [](Result<int>) {});
            std::vector<std::future<Bench::Reply>> replies;
            for (const std::size_t i : order) replies.push_back(run.begin(kAsks[i]));
            record.armed = true;
            gate.set_value();
            for (std::size_t i = 0; i < 3; ++i) run.finish(kAsks[order[i]], replies[i].get());
          },
          Fault::none, "batch", nullptr);
      CHECK(played.states >= 10);
      CHECK(played.broken.empty());
    } while (std::next_permutation(order.begin(), order.end()));
  }

  TEST_CASE("the control: bytes sent before the commit and a charge skipped are found out") {
    CHECK_FALSE(play_interleaving("aAbBcC", Fault::sent_before_commit, nullptr).broken.empty());
    CHECK_FALSE(play_interleaving("aAbBcC", Fault::charge_skipped, nullptr).broken.empty());
  }
}

#endif
