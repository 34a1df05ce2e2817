// How long a question to several organisations takes: p50 and p99 of a sentence parsed, planned,
// asked and merged, over real processes and mutual TLS on loopback, without and with the durable
// charge, against an empty fan-out over the same links and the disk's own sync in the same run.
//
//   tests/bench/run ask [--rounds N] [--questions N] [--pin no] [--alone repeated|charged|ping]
// `--pin no` lets the scheduler place the processes; otherwise the asker has the first core and the
// sites take the cores in turn from the second on. `--alone` runs one kind over four sites only,
// for a profiler.
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>

#include "federation/ask/questions_desk.h"
#include "federation/link/link_manager.h"
#include "federation/query/parser.h"
#include "tests/bench/ask_federation.h"
#include "tests/bench/report.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::bench {
namespace {

using namespace federation;

constexpr int kSizes[] = {3, 4, 8};
constexpr double kAim = 1.5;  // times the floor
constexpr int kSites = 8, kSitesOnGrid = 3;

struct Options {
  int rounds = 5;
  int questions = 100;
  bool pin = true;
  std::string alone;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--rounds") {
      options.rounds = std::atoi(value.c_str());
    } else if (name == "--questions") {
      options.questions = std::atoi(value.c_str());
    } else if (name == "--pin") {
      options.pin = value != "no";
    } else if (name == "--alone") {
      options.alone = value;
    } else {
      throw std::invalid_argument("unknown option " + name);
    }
  }
  if (options.rounds < 1 || options.questions < 1) throw std::invalid_argument("nothing to run");
  return options;
}

double now_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::micro>(now).count();
}

// CPU of another process so far, in microseconds.
double cpu_us_of(pid_t process) {
  clockid_t clock{};
  timespec spent{};
  if (::clock_getcpuclockid(process, &clock) != 0) return 0;
  ::clock_gettime(clock, &spent);
  return static_cast<double>(spent.tv_sec) * 1e6 + static_cast<double>(spent.tv_nsec) / 1e3;
}

void pin_to(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

struct Series {
  std::vector<double> us;
  double asker_cpu_us = 0, sites_cpu_us = 0;  // sums

  double at(double quantile) {
    std::sort(us.begin(), us.end());
    const auto last = static_cast<double>(us.size() - 1);
    return us.at(static_cast<std::size_t>(quantile * last + 0.5));
  }
  double asker_cpu() const { return asker_cpu_us / static_cast<double>(us.size()); }
  double sites_cpu() const { return sites_cpu_us / static_cast<double>(us.size()); }
};

// Kept in memory: a node writes them in its own time, and answers do not wait for it.
class KeptReceipts final : public ReceiptBook {
 public:
  Bytes newest(const OrgId& organisation, const std::string&) const override {
    const auto found = newest_.find(organisation);
    return found == newest_.end() ? Bytes{} : found->second;
  }
  void keep(const LedgerReceipt& receipt, Bytes signed_bytes) override {
    newest_[receipt.organisation] = std::move(signed_bytes);
  }

 private:
  std::map<OrgId, Bytes> newest_;
};

// The process that asks, as a node asks.
class AskingNode {
 public:
  explicit AskingNode(const Federation& federation)
      : federation_(federation),
        snapshot_(federation.snapshot_of_asker()),
        credentials_(federation.asker_authority.leaf("main")),
        links_(loop_, clock_, random_, credentials_, pinned(federation), hooks(),
               generous_limits()),
        asker_({loop_, clock_, random_, federation.envelope_key, [this] { return snapshot_; },
                send_over(links_), receipts_}) {
    for (const auto& site : federation.sites) {
      Partner partner;
      partner.organisation = site->authority.organisation();
      partner.name = site->name;
      partner.dial = DialAddress{"127.0.0.1", site->port};
      partner.serve = false;
      links_.set_partner(partner);
    }
    for (const auto& site : federation.sites) {
      const OrgId organisation = site->authority.organisation();
      loop_.run(links_.when_connected(organisation, Direction::we_call));
      sessions_.push_back(links_.session(organisation).wait(loop_.wait_scope()));
    }
  }

  // An empty call to each of the sites [from, from + count), all at once.
  double ping(std::size_t from, std::size_t count) {
    const double began = now_us();
    auto answers = kj::heapArrayBuilder<kj::Promise<void>>(count);
    for (std::size_t i = from; i < from + count; ++i) {
      answers.add(sessions_.at(i).pingRequest().send().then([](auto response) {
        if (!response.getOutcome().isNowNs()) throw std::runtime_error("a ping was refused");
      }));
    }
    loop_.run(kj::joinPromises(answers.finish()));
    return now_us() - began;
  }

  // From the sentence to the merged rows.
  double ask(const std::string& text, std::size_t from, std::size_t count, bool repeated) {
    const double began = now_us();
    auto sentence = parse_question(text);
    if (!sentence) throw std::runtime_error(sentence.error().text());
    std::vector<AskTarget> targets;
    std::vector<MemberView> views;
    for (std::size_t i = from; i < from + count; ++i) {
      auto found = find_target(snapshot_, kExport, federation_.sites[i]->name);
      if (!found) throw std::runtime_error(found.error().text());
      targets.push_back(std::move(*found));
      views.push_back({targets.back().view, targets.back().partner.name});
    }
    PlanOptions options;
    options.now = clock_.now();
    options.default_epsilon = 0.5;
    auto planned = plan(*sentence, views, options);
    if (!planned) throw std::runtime_error(planned.error().text());
    plan_us += now_us() - began;
    const FederatedAnswer answer =
        asker_.ask(std::move(*planned), std::move(targets), seconds(10)).wait(loop_.wait_scope());
    const double took = now_us() - began;
    ++plans;
    for (const MemberCoverage& member : answer.coverage) {
      if (member.state != MemberState::answered) {
        throw std::runtime_error(member.name + " did not answer: " + member.reason);
      }
      if (member.reused != repeated) {
        throw std::runtime_error(
            member.name + (repeated ? " charged a repetition" : " did not charge a new question"));
      }
    }
    return took;
  }

  void rest(Duration time) { loop_.run(loop_.after(time)); }

  double plan_us = 0;  // of that, the sentence until it is planned
  int plans = 0;

 private:
  const security::PeerVerifier& pinned(const Federation& federation) {
    for (const auto& site : federation.sites) verifier_.pin(site->authority);
    return verifier_;
  }
  static LinkHooks hooks() {
    LinkHooks hooks;
    hooks.admit = [](const security::PeerIdentity&) -> Outcome { return {}; };
    return hooks;
  }

  const Federation& federation_;
  SystemClock clock_;
  SystemRandom random_;
  std::shared_ptr<const SiteSnapshot> snapshot_;
  Loop loop_;
  test::SwappableCredentials credentials_;
  test::PinnedVerifier verifier_;
  LinkManager links_;
  KeptReceipts receipts_;
  Asker asker_;
  std::vector<wire::Session::Client> sessions_;
};

enum class Kind { ping, repeated, charged };

class Bench {
 public:
  Bench(const Options& options, Federation& federation, const std::string& folder)
      : options_(options), federation_(federation), node_(federation), folder_(folder) {}

  void measure(Series& series, Kind kind, std::size_t from, std::size_t count, int times) {
    // What a repetition notes is written in its own time; it shall not fall into the next series.
    node_.rest(milliseconds(30));
    const auto sites_cpu = [&] {
      double sum = 0;
      for (std::size_t i = from; i < from + count; ++i) {
        sum += cpu_us_of(federation_.sites[i]->process);
      }
      return sum;
    };
    const std::string again = next_question();
    if (kind == Kind::repeated) node_.ask(again, from, count, false);
    const double asker_before = cpu_us(), sites_before = sites_cpu();
    for (int i = 0; i < times; ++i) {
      if (kind == Kind::ping) series.us.push_back(node_.ping(from, count));
      if (kind == Kind::repeated) series.us.push_back(node_.ask(again, from, count, true));
      if (kind == Kind::charged) {
        series.us.push_back(node_.ask(next_question(), from, count, false));
      }
    }
    series.asker_cpu_us += cpu_us() - asker_before;
    series.sites_cpu_us += sites_cpu() - sites_before;
  }

  // A write of one page and its fdatasync, as a commit to a WAL that has its size already.
  void measure_sync(Series& series, int times) {
    const std::string path = folder_ + "/sync";
    const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) throw std::runtime_error("cannot write " + path);
    const std::string page(4'096, 'x');
    for (int i = 0; i < times; ++i) {
      const double began = now_us();
      const off_t at = static_cast<off_t>(page.size()) * (i % 64);
      if (::pwrite(file, page.data(), page.size(), at) < 0 || ::fdatasync(file) != 0) {
        throw std::runtime_error("cannot sync " + path);
      }
      series.us.push_back(now_us() - began);
    }
    ::close(file);
  }

  double plan_us() const { return node_.plan_us / node_.plans; }

 private:
  // Another constant, another question: never asked before, so it is charged.
  std::string next_question() {
    char text[160];
    std::snprintf(text, sizeof text,
                  "SELECT count(pm25 > %.6f) FROM air GROUP BY state "
                  "OVER '2015-08-23' .. '2015-08-24'",
                  1.0 + 1e-4 * ++questions_);
    return text;
  }

  const Options& options_;
  Federation& federation_;
  AskingNode node_;
  const std::string folder_;
  int questions_ = 0;
};

struct Results {
  Series sync, grid;
  std::map<int, std::map<Kind, Series>> of;  // by number of sites
};

// `aim` is 0 where nothing is aimed at.
void print_row(const char* call, int sites, Series& series, double floor, double aim) {
  std::printf("%5d  %-34s %9.0f %9.0f", sites, call, series.at(0.5), series.at(0.99));
  if (floor > 0) {
    std::printf(" %7.2f %9.0f", series.at(0.5) / floor, aim);
  } else {
    std::printf(" %7s %9s", "", "");
  }
  std::printf(" %10.0f %12.0f\n", series.asker_cpu(), series.sites_cpu() / sites);
}

void print(const Options& options, Results& results, double plan_us) {
  const double sync = results.sync.at(0.5);
  std::printf(
      "sentence to merged rows; %d sites a process each, 50 twins, mutual TLS 1.3, loopback;\n"
      "%d rounds of %d questions; %s; answer grid 0 but for the last row\n\n",
      kSites, options.rounds, options.questions,
      options.pin ? "asker on core 0, sites in turn from core 1" : "not pinned");
  std::printf("%5s  %-34s %9s %9s %7s %9s %10s %12s\n", "sites", "call", "p50 us", "p99 us",
              "ratio", "aim us", "CPU asker", "CPU a site");
  Report report("ask");
  double ratio = 0;
  for (auto& [sites, kinds] : results.of) {
    const double floor = kinds[Kind::ping].at(0.5);
    print_row("empty fan-out (the floor)", sites, kinds[Kind::ping], 0, 0);
    print_row("question, released before", sites, kinds[Kind::repeated], floor, kAim * floor);
    print_row("question, durably charged", sites, kinds[Kind::charged], floor, kAim * floor + sync);
    const std::string of = "_" + std::to_string(sites) + "_sites_";
    const std::pair<const char*, Kind> names[] = {
        {"floor", Kind::ping}, {"repeated", Kind::repeated}, {"charged", Kind::charged}};
    for (const auto& [name, kind] : names) {
      report.figure(name + of + "p50_us", kinds[kind].at(0.5));
      report.figure(name + of + "p99_us", kinds[kind].at(0.99));
      report.figure(name + of + "asker_cpu_us", kinds[kind].asker_cpu());
      report.figure(name + of + "cpu_us_per_site", kinds[kind].sites_cpu() / sites);
    }
    if (sites == 4) ratio = kinds[Kind::repeated].at(0.5) / floor;
  }
  print_row("charged, on the 50 ms grid", kSitesOnGrid, results.grid, 0, 0);
  std::printf(
      "\nfdatasync of a page: p50 %.0f us, p99 %.0f us; parsing and planning: %.0f us\n"
      "ratio: p50 to the floor of as many sites; aim: 1.5 floors, with the charge and one "
      "fdatasync; 1,000 us for 4 sites\n",
      sync, results.sync.at(0.99), plan_us);
  report.figure("grid_3_sites_p50_us", results.grid.at(0.5));
  report.figure("grid_3_sites_p99_us", results.grid.at(0.99));
  report.figure("fdatasync_p50_us", sync);
  report.figure("fdatasync_p99_us", results.sync.at(0.99));
  report.figure("parse_and_plan_us", plan_us);
  report.floor("empty fan-out to 4 sites, p50_us", results.of[4][Kind::ping].at(0.5), ratio);
  report.print();
}

void run_alone(const Options& options, Bench& bench) {
  const std::map<std::string, Kind> kinds = {
      {"ping", Kind::ping}, {"repeated", Kind::repeated}, {"charged", Kind::charged}};
  Series series;
  for (int i = 0; i < options.rounds; ++i) {
    bench.measure(series, kinds.at(options.alone), 0, 4, options.questions);
  }
  std::printf(
      "4 sites: p50 %.0f us, p99 %.0f us, CPU %.0f us asker, %.0f us a site; planning "
      "%.0f us\n",
      series.at(0.5), series.at(0.99), series.asker_cpu(), series.sites_cpu() / 4, bench.plan_us());
}

int run(const Options& options) {
  const node::test::TemporaryFolder folder;
  Federation federation(kSites, kSitesOnGrid);
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const bool pin = options.pin && cores > 1;
  for (std::size_t i = 0; i < federation.sites.size(); ++i) {
    SiteSpec& site = *federation.sites[i];
    const int core = pin ? (static_cast<int>(i) + 1) % cores : -1;
    start_site(federation, site, folder / site.name, core);
  }
  if (pin) pin_to(0);
  Bench bench(options, federation, folder / "");
  if (!options.alone.empty()) {
    run_alone(options, bench);
    return 0;
  }
  Series warm;
  for (const Kind kind : {Kind::ping, Kind::repeated, Kind::charged}) {
    bench.measure(warm, kind, 0, kSites, std::min(options.questions, 50));
  }
  Results results;
  for (int round = 0; round < options.rounds; ++round) {
    for (const int sites : kSizes) {
      for (const Kind kind : {Kind::ping, Kind::repeated, Kind::charged}) {
        bench.measure(results.of[sites][kind], kind, 0, static_cast<std::size_t>(sites),
                      options.questions);
      }
      // In between, so that a disk shared with others is seen as the questions see it.
      bench.measure_sync(results.sync, options.questions);
    }
    bench.measure(results.grid, Kind::charged, kSites, kSitesOnGrid,
                  std::max(1, options.questions / 10));
  }
  print(options, results, bench.plan_us());
  return 0;
}

}  // namespace
}  // namespace entente::bench

int main(int argc, char** argv) {
  entente::ensure_sodium();
  try {
    return entente::bench::run(entente::bench::parse(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ask: %s\n", e.what());
  } catch (const kj::Exception& e) {
    std::fprintf(stderr, "ask: %s\n", e.getDescription().cStr());
  }
  return 2;
}
