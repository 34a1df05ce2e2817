// Reads the tree: the arrows between folders, the sizes of files, the width of lines, the READMEs.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = ENTENTE_SOURCE_DIR;

struct SourceFile {
  std::string path;  // from the root
  std::vector<std::string> lines;
};

std::vector<SourceFile> sources(const std::vector<std::string>& folders) {
  std::vector<SourceFile> files;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".cpp" && extension != ".h") continue;
      SourceFile file{fs::relative(entry.path(), kRoot), {}};
      std::ifstream stream(entry.path());
      for (std::string line; std::getline(stream, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  return files;
}

const std::vector<std::string> kAll = {"schemas", "security", "federation", "node", "tests"};

// schemas <- security <- federation <- node: what each folder may include.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"schemas", {"schemas"}},
    {"security", {"schemas", "security"}},
    {"federation", {"schemas", "security", "federation"}},
    {"node", {"schemas", "security", "federation", "node"}},
};

std::vector<std::string> wrong_arrows(const SourceFile& file) {
  static const std::regex include("^#include \"((schemas|security|federation|node|tests|examples)/.*)\"");
  std::vector<std::string> wrong;
  const auto allowed = kMayInclude.find(file.path.substr(0, file.path.find('/')));
  if (allowed == kMayInclude.end()) return wrong;
  for (const std::string& line : file.lines) {
    std::smatch match;
    if (std::regex_search(line, match, include) && !allowed->second.contains(match[2])) {
      wrong.push_back(file.path + " includes " + match[1].str());
    }
  }
  return wrong;
}

// UTF-8 characters, not bytes.
std::size_t width(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

TEST_SUITE("tidy") {
  TEST_CASE("arrows between folders point one way") {
    for (const SourceFile& file : sources({"schemas", "security", "federation", "node"})) {
      for (const std::string& wrong : wrong_arrows(file)) FAIL_CHECK(wrong);
    }
  }

  TEST_CASE("the arrow check sees a wrong include") {
    CHECK(wrong_arrows({"schemas/x.cpp", {"#include \"node/store/store.h\""}}).size() == 1);
    CHECK(wrong_arrows({"node/x.cpp", {"#include \"schemas/answer.h\""}}).empty());
  }

  TEST_CASE("no file is longer than 800 lines and no line wider than 100 columns") {
    for (const SourceFile& file : sources(kAll)) {
      CAPTURE(file.path);
      CHECK(file.lines.size() <= 800);
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        if (width(file.lines[i]) > 100) FAIL_CHECK(file.path << ":" << i + 1 << " is too wide");
      }
    }
  }

  TEST_CASE("headers guard themselves and nothing unfinished is marked") {
    const std::regex marks(std::string("\\b(TO") + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b");
    for (const SourceFile& file : sources(kAll)) {
      CAPTURE(file.path);
      const bool header = file.path.ends_with(".h");
      const bool guarded = std::find(file.lines.begin(), file.lines.end(), "#pragma once") !=
                           file.lines.end();
      CHECK((!header || guarded));
      for (const std::string& line : file.lines) CHECK_FALSE(std::regex_search(line, marks));
    }
  }

  TEST_CASE("heavy libraries stay out of the headers that everybody includes") {
    const std::regex heavy("^#include <(boost|capnp|openssl|toml\\+\\+|tao)/");
    for (const SourceFile& file : sources({"schemas", "security"})) {
      if (!file.path.ends_with(".h") || file.path == "schemas/canonical.h") continue;
      if (file.path == "security/identity/openssl.h") continue;  // two .cpp files include it
      for (const std::string& line : file.lines) {
        if (std::regex_search(line, heavy)) FAIL_CHECK(file.path << ": " << line);
      }
    }
  }

  TEST_CASE("every test file is built, and every folder of sources has a README") {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / "tests" / "unit")) {
      const std::string name = entry.path().filename();
      if (entry.is_regular_file() && name.ends_with(".cpp") && name != "main.cpp") {
        CHECK_MESSAGE(name.ends_with("_test.cpp"), entry.path().string());
      }
    }
    for (const char* folder : {"schemas", "security", "federation", "node", "examples", "tests",
                               "deploy"}) {
      CHECK_MESSAGE(fs::exists(kRoot / folder / "README.md"), folder);
    }
    for (const char* folder : {"security", "federation", "node"}) {
      for (const auto& entry : fs::directory_iterator(kRoot / folder)) {
        if (!entry.is_directory()) continue;
        CHECK_MESSAGE(fs::exists(entry.path() / "README.md"), entry.path().string());
      }
    }
  }

  TEST_CASE("no floating point lies between the fold's rounding and the release") {
    // security/privacy/lattice.cpp is the one place where a reading becomes an integer.
    const std::regex floating("\\b(double|float)\\b");
    for (const char* path : {"security/privacy/noise.cpp", "security/privacy/ledger.cpp"}) {
      for (const SourceFile& file : sources({"security"})) {
        if (file.path != path) continue;
        for (const std::string& line : file.lines) {
          if (std::regex_search(line.substr(0, line.find("//")), floating)) {
            FAIL_CHECK(path << ": " << line);
          }
        }
      }
    }
  }
}
