#include "tests/integration/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace entente::tests {
namespace {

namespace json = boost::json;

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Starts a program with its output on `out` and `err`; both belong to the caller.
int spawn(const std::vector<std::string>& command, const Environment& extra, int out, int err) {
  const int pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid != 0) return pid;
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  for (const auto& [name, value] : extra) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

// Reads both pipes to their ends; false when that takes longer than a minute.
bool read_both(int out, int err, Finished& into) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  pollfd waits[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string* texts[2] = {&into.out, &into.words};
  int open = 2;
  while (open > 0) {
    if (std::chrono::steady_clock::now() > end) return false;
    if (::poll(waits, 2, 1000) < 0) return false;
    for (int i = 0; i < 2; ++i) {
      if (waits[i].fd < 0 || waits[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = ::read(waits[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        texts[i]->append(buffer, static_cast<std::size_t>(got));
      } else {
        waits[i].fd = -1;
        --open;
      }
    }
  }
  return true;
}

}  // namespace

json::value Finished::json() const { return out.empty() ? json::value{} : json::parse(out); }

Finished run_program(const std::vector<std::string>& command, const Environment& extra) {
  int out[2], err[2];
  REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(err, O_CLOEXEC) == 0);
  const int pid = spawn(command, extra, out[1], err[1]);
  ::close(out[1]);
  ::close(err[1]);
  Finished finished;
  if (!read_both(out[0], err[0], finished)) ::kill(pid, SIGKILL);
  ::close(out[0]);
  ::close(err[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  finished.exit_code = exit_code_of(status);
  return finished;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "entente-test-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TestNode::TestNode(std::string name, const std::filesystem::path& root)
    : name_(std::move(name)), home_(root / name_) {}

TestNode::~TestNode() { kill(); }

Finished TestNode::run(std::vector<std::string> arguments, const Environment& extra) const {
  std::vector<std::string> command = {ENTENTE_BIN, "--home", home_.string(), "-o", "json"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_program(command, extra);
}

json::value TestNode::json(std::vector<std::string> arguments) const {
  const Finished finished = run(std::move(arguments));
  INFO(name_, ": ", finished.words, finished.out);
  REQUIRE(finished.exit_code == 0);
  return finished.json();
}

void TestNode::init() {
  json({"init", "--org", name_, "--title", "Test " + name_, "--http-port", "0",
        "--federation-port", "0"});
}

bool TestNode::start(const Environment& extra) {
  int out[2];
  REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
  const int err = ::open((home_.string() + ".log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = spawn({ENTENTE_BIN, "--home", home_.string(), "serve"}, extra, out[1], err);
  ::close(out[1]);
  ::close(err);
  out_ = out[0];
  std::string line;
  for (char c = 0; ::read(out_, &c, 1) == 1 && c != '\n';) line += c;
  if (line.starts_with("ready")) return true;
  reap();
  return false;
}

int TestNode::reap() {
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, 0) != pid_) return -1;
  pid_ = -1;
  ::close(out_);
  return exit_code_of(status);
}

int TestNode::stop() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
  return reap();
}

void TestNode::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  reap();
}

int TestNode::wait() { return reap(); }

std::string TestNode::log() const {
  std::ifstream stream(home_.string() + ".log");
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void until(const std::string& what, const std::function<bool()>& ready) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!ready()) {
    INFO("waited in vain until ", what);
    REQUIRE(std::chrono::steady_clock::now() < end);
  }
}

namespace {

// The link of this node with `partner` as listed, or null.
json::value listed_link(const TestNode& node, const std::string& partner) {
  const json::value all = node.json({"link", "list"});
  for (const json::value& item : all.at("items").as_array()) {
    if (item.at("organisation").at("name").as_string() == partner) return item;
  }
  return {};
}

bool is_connected(const TestNode& node, const std::string& partner) {
  const json::value item = listed_link(node, partner);
  return !item.is_null() && item.at("state") == "active" && !item.at("round_trip_ms").is_null();
}

}  // namespace

void link_nodes(TestNode& inviter, TestNode& accepter) {
  const json::value invitation = inviter.json({"link", "invite", accepter.name()});
  const std::string token(invitation.at("token").as_string());
  const json::value accepted = accepter.json({"link", "accept", token});
  const std::string words(accepted.at("words").as_string());
  until("the inviter has the enrolment", [&] {
    const json::value item = listed_link(inviter, accepter.name());
    return !item.is_null() && item.at("state") == "pending" && item.at("words") == words;
  });
  accepter.json({"link", "confirm", inviter.name(), "--words", words});
  inviter.json({"link", "confirm", accepter.name(), "--words", words});
  until("both are connected", [&] {
    return is_connected(accepter, inviter.name()) && is_connected(inviter, accepter.name());
  });
}

std::string agree(TestNode& provider, TestNode& consumer, const std::filesystem::path& text) {
  const json::value proposed = provider.json({"agreement", "propose", text.string()});
  const std::string id(proposed.at("id").as_string());
  const auto in_state = [&](const TestNode& node, const char* state) {
    const json::value all = node.json({"agreement", "list"});
    for (const json::value& item : all.at("items").as_array()) {
      if (item.at("id") == id && (*state == 0 || item.at("state") == state)) return true;
    }
    return false;
  };
  until("the proposal has arrived", [&] { return in_state(consumer, ""); });
  consumer.json({"agreement", "sign", id});
  until("both say active",
        [&] { return in_state(consumer, "active") && in_state(provider, "active"); });
  return id;
}

}  // namespace entente::tests
