#include "tests/bench/program.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace entente::bench {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto kPause = std::chrono::milliseconds(2);

double seconds_since(Steady::time_point begun) {
  return std::chrono::duration<double>(Steady::now() - begun).count();
}

sockaddr_in local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

std::optional<std::string> installed(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path == nullptr ? "" : path) + ":/usr/sbin:/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const auto file = folder + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return std::nullopt;
}

std::uint16_t free_port() {
  const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = local(0);
  ::socklen_t size = sizeof address;
  const bool bound = ::bind(file, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(file);
  if (!bound) throw std::runtime_error("no port is free");
  return ntohs(address.sin_port);
}

void pin_to(int core) {
  const int count = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int i = 0; i < count; ++i) {
    if (core < 0 || i == core % count) CPU_SET(static_cast<std::size_t>(i), &cores);
  }
  ::sched_setaffinity(0, sizeof cores, &cores);
}

Program::Program(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  ::close(out);
  ::close(nothing);
  if (pid_ < 0) throw std::runtime_error("cannot start " + command[0]);
}

Program::~Program() {
  stop();
}

bool Program::running() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  pid_ = -1;
  ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

int Program::stop() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
  for (const auto begun = Steady::now(); running();) {
    if (seconds_since(begun) > 60) ::kill(pid_, SIGKILL);
    std::this_thread::sleep_for(kPause);
  }
  return ended_;
}

int Program::wait() {
  while (running()) std::this_thread::sleep_for(kPause);
  return ended_;
}

void Program::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  while (running()) std::this_thread::sleep_for(kPause);
}

double Program::peak_mib() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

double Program::cpu_s() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string all;
  std::getline(file, all);
  const auto end = all.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream rest(all.substr(end + 1));
  std::string word;
  double ticks = 0;
  // The state is the first word behind the name; user and system time are the 12th and 13th.
  for (int i = 1; i <= 13 && rest >> word; ++i) {
    if (i >= 12) ticks += std::stod(word);
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void until_listening(Program& program, std::uint16_t port, double seconds) {
  const auto begun = Steady::now();
  while (true) {
    const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = local(port);
    const bool connected =
        ::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(file);
    if (connected) return;
    if (!program.running()) throw std::runtime_error("a server ended at its start: see its log");
    if (seconds_since(begun) > seconds) throw std::runtime_error("a server does not listen");
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace entente::bench
