// Real `entente` processes for tests: started, spoken to through the command line, killed.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace entente::tests {

struct Finished {
  int exit_code = -1;               // 128 + signal when a signal ended it
  std::string out;                  // standard output
  std::string words;                // standard error
  boost::json::value json() const;  // of `out`; null when it is empty
};

// The text of one member of an object; empty when it is null.
std::string text_at(const boost::json::value& object, std::string_view name);

using Environment = std::map<std::string, std::string>;

// Runs a program to its end. Kills it after 150 s: on a busy machine an audit takes a while.
Finished run_program(const std::vector<std::string>& command, const Environment& extra = {});

// How a node is started: what is added to its environment and to `serve`.
struct Launch {
  Environment environment;
  std::vector<std::string> arguments;
};

// A folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// One organisation's node. The binary is ENTENTE_BIN (set by CMake). Dies with the test.
class TestNode {
 public:
  TestNode(std::string name, const std::filesystem::path& root);
  ~TestNode();

  // `entente --home … -o json ARGUMENTS`.
  Finished run(std::vector<std::string> arguments, const Environment& extra = {}) const;
  // The same; fails the test unless it ended with 0.
  boost::json::value json(std::vector<std::string> arguments) const;
  void init();
  // Starts `serve` and waits for its line "ready …"; false when it ended before, see ended(). From
  // the second time on the federation port is the one of the first, where partners dial.
  bool start(const Launch& launch = {});
  // The same for a node whose vault wants a pass phrase: it waits, sealed, until `until_open` sees
  // it serve.
  bool start_sealed(const Launch& launch = {});
  bool until_open();
  // SIGTERM, then waits; returns the exit code.
  int stop();
  void kill();
  // SIGSTOP: alive, but silent to everyone.
  void freeze() const;
  // SIGHUP: reads its rules again.
  void hang_up() const;
  // Waits until the process has ended by itself (at most a minute); returns as Finished::exit_code.
  int wait();
  bool running() const { return pid_ > 0; }
  // How the process ended last.
  int ended() const { return ended_; }

  const std::string& name() const { return name_; }
  const std::filesystem::path& home() const { return home_; }
  int process() const { return pid_; }
  std::uint16_t http_port() const { return http_port_; }
  std::uint16_t federation_port() const { return federation_port_; }
  std::string token() const;
  std::string log() const;

 private:
  void spawn_serve(const Launch& launch);
  // The next line of its standard output starts with `word`, and names its ports.
  bool says(std::string_view word);
  int reap();

  std::string name_;
  std::filesystem::path home_;
  int pid_ = -1;
  int out_ = -1;
  int ended_ = -1;
  std::uint16_t http_port_ = 0;
  std::uint16_t federation_port_ = 0;
};

// Asks again and again (each time a command) until `ready` is true; fails the test after 60 s.
void until(const std::string& what, const std::function<bool()>& ready);

// The link of `node` with `partner` as listed, or null.
boost::json::value listed_link(const TestNode& node, const std::string& partner);
// Active, and with a live connection in both directions.
bool is_connected(const TestNode& node, const std::string& partner);
void until_connected(const TestNode& one, const TestNode& other);

// Links two running nodes by a real invitation; both administrators confirm the same words. The
// accepter dials.
void link_nodes(TestNode& inviter, TestNode& accepter);
// Has the provider propose `text` and the consumer sign; waits until both say active.
std::string agree(TestNode& provider, TestNode& consumer, const std::filesystem::path& text);

struct HttpAnswer {
  int status = 0;
  std::string head;
  std::string body;
};
// One request over a plain socket to a node's own port; `token` empty: none is sent.
HttpAnswer http_get(const TestNode& node, const std::string& target, const std::string& token);
// Any method; a body is sent as JSON.
HttpAnswer http_call(const TestNode& node, const std::string& method, const std::string& target,
                     const std::string& token, const std::string& body);

}  // namespace entente::tests
