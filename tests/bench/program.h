// Programs that a benchmark measures or compares with.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace entente::bench {

// Where a program of this name is, in PATH or where Debian puts servers; nothing: not installed.
std::optional<std::string> installed(const std::string& name);

// A TCP port of 127.0.0.1 that nobody listened on a moment ago.
std::uint16_t free_port();

// The core numbered `core`, counted round the machine's, for the calling thread; and for the
// programs that it starts until the next call. Negative: any core.
void pin_to(int core);

// A running program; ended with it, and when the benchmark dies. Threads: one.
class Program {
 public:
  // The first word is a path; output and errors go to the file `log`. Throws when it cannot start.
  Program(const std::vector<std::string>& command, const std::string& log);
  ~Program();
  Program(const Program&) = delete;

  // SIGTERM, and SIGKILL when that takes longer than a minute. Gives back its exit code.
  int stop();
  // Waits for its own end; gives back its exit code.
  int wait();
  // SIGKILL, and waits.
  void kill();
  bool running();
  // VmHWM: what it has taken of memory at most.
  double peak_mib() const;
  // User and system time so far.
  double cpu_s() const;

 private:
  ::pid_t pid_ = -1;
  int ended_ = -1;
};

// Waits until `port` takes connections. Throws when `program` ends, or after `seconds`.
void until_listening(Program& program, std::uint16_t port, double seconds);

}  // namespace entente::bench
