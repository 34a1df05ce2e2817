// A node as the command line sees one: a real HTTP server whose handlers answer with fixed JSON in
// the shapes of /api/v1, and a home folder that leads to it.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "node/cli/cli.h"
#include "schemas/base/guarded.h"
#include "tests/unit/node/service/http_fixture.h"

namespace entente::node::test {

class HomeFolder {
 public:
  HomeFolder() {
    char name[] = "/tmp/entente-home-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~HomeFolder() { std::filesystem::remove_all(path); }
  HomeFolder(const HomeFolder&) = delete;
  std::string write(const std::string& name, std::string_view text, mode_t mode = 0600) const {
    const std::string file = path + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << text;
    ::chmod(file.c_str(), mode);
    return file;
  }
  std::string path;
};

struct Canned {
  std::string json;
  std::optional<Error> error;
};

struct Seen {
  std::string line;  // "POST /api/v1/links/invite dry"
  std::string type;
  std::string body;
};

// Replies by "METHOD /template"; a test may change them before it asks.
class FakeNode {
 public:
  FakeNode();

  void reply(const std::string& route, std::string json) {
    replies_.with([&](auto& all) { all[route] = {std::move(json), std::nullopt}; });
  }
  void reply_everything(const std::string& json) {
    replies_.with([&](auto& all) {
      for (auto& [route, canned] : all) canned = {json, std::nullopt};
    });
  }
  void refuse(const std::string& route, Error error) {
    replies_.with([&](auto& all) { all[route] = {"", std::move(error)}; });
  }
  std::vector<Seen> seen() const {
    return seen_.with([](const auto& all) { return all; });
  }

  HomeFolder folder;
  LocalCommands local;

 private:
  void add(RouteTable& table, Method method, const std::string& path, Verb verb, BodyKind body,
           std::string json);
  void fill(RouteTable& table);
  Guarded<std::map<std::string, Canned>> replies_;
  Guarded<std::vector<Seen>> seen_;
  std::unique_ptr<RunningServer> server_;
};

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

struct Terminal {
  std::string input;
  bool people = false;  // in, out and err are terminals
  std::map<std::string, std::string> environment;
};

// Runs `entente ARGUMENTS --home …` as a user would.
Ran run(const FakeNode& node, std::vector<std::string> arguments, const Terminal& terminal = {});
// Without any home of the test's.
Ran run_bare(const LocalCommands& local, const std::vector<std::string>& arguments,
             const Terminal& terminal = {});

}  // namespace entente::node::test
