// The simulator's command line; `run` builds and starts it, README.md says how to use it.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "schemas/base/log.h"
#include "tests/simulation/scale.h"
#include "tests/simulation/world.h"

namespace {

using namespace entente;
using namespace entente::simulation;

constexpr int kProcesses = 2;

struct Totals {
  std::uint64_t seeds = 0, events = 0, questions = 0, answers = 0, crashes = 0, faults = 0,
                misuses = 0, readings = 0, messages = 0;
  void add(const RunResult& run) {
    ++seeds;
    events += run.events;
    questions += run.counts.questions;
    answers += run.counts.members_answered;
    crashes += run.crashes;
    faults += run.faults;
    misuses += run.misuses;
    readings += run.counts.readings;
    messages += run.messages;
  }
  void add(const Totals& other) {
    seeds += other.seeds, events += other.events, questions += other.questions;
    answers += other.answers, crashes += other.crashes, faults += other.faults;
    misuses += other.misuses, readings += other.readings, messages += other.messages;
  }
};

int replay(std::uint64_t seed, Mutation mutation) {
  RunOptions options{seed, mutation, true};
  const RunResult run = run_federation(options);
  for (const std::string& line : run.trace) std::printf("%s\n", line.c_str());
  std::printf("seed %" PRIu64 ": %" PRIu64 " events, %" PRIu64 " questions, %" PRIu64
              " answers, %" PRIu64 " crashes, trace %016" PRIx64 "\n",
              seed, run.events, run.counts.questions, run.counts.members_answered, run.crashes,
              run.trace_hash);
  if (!run.violation) return 0;
  std::printf("VIOLATION: %s\n", run.violation->c_str());
  return 1;
}

// Every kProcesses-th seed from `first` on, in a process of its own; its totals go to `out`.
[[noreturn]] void run_share(std::uint64_t first, std::uint64_t end, int out) {
  Totals totals;
  int status = 0;
  for (std::uint64_t seed = first; seed < end; seed += kProcesses) {
    const RunResult run = run_federation({seed, Mutation::none, false});
    totals.add(run);
    if (!run.violation) continue;
    std::printf("seed %" PRIu64 ": VIOLATION: %s\n", seed, run.violation->c_str());
    std::fflush(stdout);
    status = 1;
  }
  if (::write(out, &totals, sizeof totals) != sizeof totals) status = 1;
  std::fflush(stdout);
  ::_exit(status);
}

int run_seeds(std::uint64_t from, std::uint64_t count) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<pid_t> children;
  std::vector<int> ends;
  for (int i = 0; i < kProcesses; ++i) {
    int pipe[2];
    if (::pipe(pipe) != 0) return 1;
    const pid_t child = ::fork();
    if (child < 0) return 1;
    if (child == 0) run_share(from + static_cast<std::uint64_t>(i), from + count, pipe[1]);
    ::close(pipe[1]);
    children.push_back(child);
    ends.push_back(pipe[0]);
  }
  Totals all;
  int status = 0;
  for (std::size_t i = 0; i < children.size(); ++i) {
    Totals part;
    if (::read(ends[i], &part, sizeof part) == sizeof part) all.add(part);
    int ended = 0;
    ::waitpid(children[i], &ended, 0);
    if (ended != 0) status = 1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " events, %" PRIu64
              " questions, %" PRIu64 " answers, %" PRIu64 " messages, %" PRIu64
              " readings, %" PRIu64 " crashes, %" PRIu64 " faults, %" PRIu64
              " misuses, %.1f s on %d processes: %s\n",
              all.seeds, from, all.events, all.questions, all.answers, all.messages, all.readings,
              all.crashes, all.faults, all.misuses, took.count(), kProcesses,
              status == 0 ? "nothing found" : "FAILED");
  return status;
}

int run_mutations(std::uint64_t seeds_most, const std::string& only) {
  int missed = 0;
  std::printf("%-24s %6s  %s\n", "mutation", "seeds", "caught by");
  for (const MutationInfo& one : all_mutations()) {
    if (!only.empty() && only != one.name) continue;
    std::uint64_t seed = 1;
    std::optional<std::string> caught;
    for (; seed <= seeds_most && !caught; ++seed) {
      caught = run_federation({seed, one.mutation, false}).violation;
    }
    if (!caught) ++missed;
    std::printf("%-24s %6" PRIu64 "  %s\n", std::string(one.name).c_str(), seed - 1,
                caught ? caught->c_str() : "NOT CAUGHT");
    std::fflush(stdout);
  }
  std::printf("%zu mutations, %d not caught within %" PRIu64 " seeds\n", all_mutations().size(),
              missed, seeds_most);
  return missed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  log::configure(log::Level::error, log::Format::plain);
  std::uint64_t seeds = 2'000, from = 1;
  std::optional<std::uint64_t> seed;
  bool mutations = false;
  std::string mutation;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (flag == "--seed") {
      seed = number();
    } else if (flag == "--seeds") {
      seeds = number();
    } else if (flag == "--from") {
      from = number();
    } else if (flag == "--scale") {
      for (const std::string& line : scale_table()) std::printf("%s\n", line.c_str());
      return 0;
    } else if (flag == "--mutations") {
      mutations = true;
    } else if (flag == "--mutation" && i + 1 < argc) {
      mutation = argv[++i];
    } else {
      std::fprintf(stderr,
                   "simulate [--seeds N] [--from S] | --seed S [--mutation NAME] |"
                   " --mutations [--seeds N] [--mutation NAME]\n");
      return 2;
    }
  }
  // Errors of the product are about faults that are made here on purpose.
  if (!seed && std::freopen("/dev/null", "w", stderr) == nullptr) return 1;
  const auto named = mutation_named(mutation);
  if (!mutation.empty() && !named) {
    std::fprintf(stderr, "there is no mutation '%s'\n", mutation.c_str());
    return 2;
  }
  if (mutations) return run_mutations(std::min<std::uint64_t>(seeds, 200), mutation);
  if (seed) return replay(*seed, named.value_or(Mutation::none));
  return run_seeds(from, seeds);
}
