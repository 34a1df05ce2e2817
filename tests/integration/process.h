// Real `entente` processes for tests: started, spoken to through the command line, killed.
#pragma once

#include <boost/json/value.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace entente::tests {

struct Finished {
  int exit_code = -1;   // 128 + signal when a signal ended it
  std::string out;      // standard output
  std::string words;    // standard error
  boost::json::value json() const;  // of `out`; null when it is empty
};

using Environment = std::map<std::string, std::string>;

// Runs a program to its end. Kills it after 60 s.
Finished run_program(const std::vector<std::string>& command, const Environment& extra = {});

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

// One organisation's node. The binary is ENTENTE_BIN (set by CMake).
class TestNode {
 public:
  TestNode(std::string name, const std::filesystem::path& root);
  ~TestNode();

  // `entente --home … -o json ARGUMENTS`.
  Finished run(std::vector<std::string> arguments, const Environment& extra = {}) const;
  // The same; fails the test unless it ended with 0.
  boost::json::value json(std::vector<std::string> arguments) const;
  void init();
  // Starts `serve` and waits for its line "ready …"; false when it ended before.
  bool start(const Environment& extra = {});
  // SIGTERM, then waits; returns the exit code.
  int stop();
  void kill();
  // Waits until the process has ended by itself; returns as Finished::exit_code.
  int wait();
  bool running() const { return pid_ > 0; }

  const std::string& name() const { return name_; }
  const std::filesystem::path& home() const { return home_; }
  std::string log() const;

 private:
  int reap();

  std::string name_;
  std::filesystem::path home_;
  int pid_ = -1;
  int out_ = -1;
};

// Asks again and again (each time a command) until `ready` is true; fails the test after 20 s.
void until(const std::string& what, const std::function<bool()>& ready);

// Links two running nodes by a real invitation; both administrators confirm the same words.
void link_nodes(TestNode& inviter, TestNode& accepter);
// Has the provider propose `text` and the consumer sign; waits until both say active.
std::string agree(TestNode& provider, TestNode& consumer, const std::filesystem::path& text);

}  // namespace entente::tests
