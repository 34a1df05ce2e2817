#include "tests/integration/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is ended leaves nothing behind
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
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(150);
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

// The port in "… http=127.0.0.1:4711 …".
std::uint16_t port_after(const std::string& line, const std::string& word) {
  const std::size_t at = line.find(':', line.find(word));
  REQUIRE(at != std::string::npos);
  return static_cast<std::uint16_t>(std::stoi(line.substr(at + 1)));
}

}  // namespace

json::value Finished::json() const {
  return out.empty() ? json::value{} : json::parse(out);
}

std::string text_at(const json::value& object, std::string_view name) {
  const json::value& member = object.at(name);
  return member.is_null() ? std::string() : std::string(member.as_string());
}

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

TestNode::~TestNode() {
  kill();
}

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
  json({"init", "--org", name_, "--title", "Test " + name_, "--http-port", "0", "--federation-port",
        "0"});
}

void TestNode::spawn_serve(const Launch& launch) {
  int out[2];
  REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
  const std::string log = home_.string() + ".log";
  const int err = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::vector<std::string> command = {ENTENTE_BIN, "--home", home_.string(), "serve"};
  if (federation_port_ != 0) {
    command.insert(command.end(), {"--federation-port", std::to_string(federation_port_)});
  }
  command.insert(command.end(), launch.arguments.begin(), launch.arguments.end());
  pid_ = spawn(command, launch.environment, out[1], err);
  ::close(out[1]);
  ::close(err);
  out_ = out[0];
}

bool TestNode::says(std::string_view word) {
  std::string line;
  for (char c = 0; ::read(out_, &c, 1) == 1 && c != '\n';) line += c;
  if (!line.starts_with(word)) {
    reap();
    return false;
  }
  http_port_ = port_after(line, "http=");
  if (line.find("federation=") != std::string::npos) {
    federation_port_ = port_after(line, "federation=");
  }
  return true;
}

bool TestNode::start(const Launch& launch) {
  spawn_serve(launch);
  return says("ready");
}

bool TestNode::start_sealed(const Launch& launch) {
  spawn_serve(launch);
  return says("sealed");
}

bool TestNode::until_open() {
  return says("ready");
}

int TestNode::reap() {
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, 0) != pid_) return -1;
  pid_ = -1;
  ::close(out_);
  return ended_ = exit_code_of(status);
}

int TestNode::stop() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
  return reap();
}

void TestNode::freeze() const {
  ::kill(pid_, SIGSTOP);
}
void TestNode::hang_up() const {
  ::kill(pid_, SIGHUP);
}
void TestNode::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  reap();
}

int TestNode::wait() {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  REQUIRE(process >= 0);
  pollfd ended{process, POLLIN, 0};
  const bool in_time = ::poll(&ended, 1, 60'000) == 1;
  ::close(process);
  INFO(name_, " still runs; its log:\n", log());
  REQUIRE(in_time);
  return reap();
}

std::string TestNode::token() const {
  std::ifstream stream(home_ / "admin.token");
  std::string token;
  stream >> token;
  return token;
}

std::string TestNode::log() const {
  std::ifstream stream(home_.string() + ".log");
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void until(const std::string& what, const std::function<bool()>& ready) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!ready()) {
    INFO("waited in vain until ", what);
    REQUIRE(std::chrono::steady_clock::now() < end);
  }
}

json::value listed_link(const TestNode& node, const std::string& partner) {
  const json::value all = node.json({"link", "list"});
  for (const json::value& item : all.at("items").as_array()) {
    if (text_at(item.at("organisation"), "name") == partner) return item;
  }
  return {};
}

bool is_connected(const TestNode& node, const std::string& partner) {
  const json::value item = listed_link(node, partner);
  return !item.is_null() && text_at(item, "state") == "active" && item.at("connected").as_bool();
}

void until_connected(const TestNode& one, const TestNode& other) {
  until(one.name() + " and " + other.name() + " are connected",
        [&] { return is_connected(one, other.name()) && is_connected(other, one.name()); });
}

void link_nodes(TestNode& inviter, TestNode& accepter) {
  const json::value invitation = inviter.json({"link", "invite", accepter.name()});
  const std::string token(invitation.at("token").as_string());
  const json::value accepted = accepter.json({"link", "accept", token});
  const std::string words(accepted.at("words").as_string());
  until("the inviter has the enrolment", [&] {
    const json::value item = listed_link(inviter, accepter.name());
    return !item.is_null() && text_at(item, "state") == "pending" &&
           text_at(item, "words") == words;
  });
  accepter.json({"link", "confirm", inviter.name(), "--words", words});
  inviter.json({"link", "confirm", accepter.name(), "--words", words});
  until_connected(accepter, inviter);
}

std::string agree(TestNode& provider, TestNode& consumer, const std::filesystem::path& text) {
  const json::value proposed = provider.json({"agreement", "propose", text.string()});
  const std::string id(proposed.at("id").as_string());
  const auto in_state = [&](const TestNode& node, const char* state) {
    const json::value all = node.json({"agreement", "list"});
    for (const json::value& item : all.at("items").as_array()) {
      if (text_at(item, "id") == id && (*state == 0 || text_at(item, "state") == state))
        return true;
    }
    return false;
  };
  until("the proposal has arrived", [&] { return in_state(consumer, ""); });
  consumer.json({"agreement", "sign", id});
  until("both say active",
        [&] { return in_state(consumer, "active") && in_state(provider, "active"); });
  return id;
}

HttpAnswer http_get(const TestNode& node, const std::string& target, const std::string& token) {
  return http_call(node, "GET", target, token, "");
}

HttpAnswer http_call(const TestNode& node, const std::string& method, const std::string& target,
                     const std::string& token, const std::string& body) {
  const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(file >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(node.http_port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(file, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  std::string request =
      method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  if (!token.empty()) request += "Authorization: Bearer " + token + "\r\n";
  if (!body.empty()) {
    request +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  request += "\r\n" + body;
  REQUIRE(::send(file, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size()));
  std::string all;
  char buffer[65536];
  for (ssize_t got = 0; (got = ::recv(file, buffer, sizeof buffer, 0)) > 0;) {
    all.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(file);
  HttpAnswer answer;
  const std::size_t end = all.find("\r\n\r\n");
  REQUIRE(end != std::string::npos);
  answer.head = all.substr(0, end);
  answer.body = all.substr(end + 4);
  answer.status = std::stoi(all.substr(all.find(' ') + 1));
  return answer;
}

}  // namespace entente::tests
