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
  static const std::regex include(
      "^#include \"((schemas|security|federation|node|tests|examples)/.*)\"");
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

// Lines with floating point. In release.cpp pointers to folded values are allowed before add_noise.
std::vector<std::string> floats_in(const SourceFile& file, bool release) {
  static const std::regex floating("\\b(double|float)\\b"), pointer("const double\\* values\\b");
  std::vector<std::string> wrong;
  bool noise = false;
  for (const std::string& line : file.lines) {
    std::string code = line.substr(0, line.find("//"));
    noise = noise || code.find("add_noise(") != std::string::npos;
    if (release && !noise) code = std::regex_replace(code, pointer, "");
    if (std::regex_search(code, floating)) wrong.push_back(file.path + ": " + line);
  }
  return wrong;
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
      const bool guarded =
          std::find(file.lines.begin(), file.lines.end(), "#pragma once") != file.lines.end();
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

  TEST_CASE("names of test cases have nothing that CMake's lists trip over") {
    const std::regex trap("TEST_CASE\\(\"[^\"]*[\\[\\];]");
    for (const SourceFile& file : sources({"tests"})) {
      if (file.path == "tests/unit/tidy_test.cpp") continue;
      for (const std::string& line : file.lines) {
        if (std::regex_search(line, trap)) FAIL_CHECK(file.path << ": " << line);
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
    for (const char* folder :
         {"schemas", "security", "federation", "node", "examples", "tests", "deploy"}) {
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
    // Two places turn a reading into integers: Lattice::quantise in security/privacy/lattice.cpp,
    // which rounds it, and RankTreeShape::leaf in rank_tree.cpp, which says where it counts.
    // release.cpp passes folded values to them, by pointer, and adds noise to what they give.
    const std::set<std::string> integers_only = {
        "security/privacy/blocks.cpp",      "security/privacy/blocks.h",
        "security/privacy/dyadic.cpp",      "security/privacy/dyadic.h",
        "security/privacy/ledger.cpp",      "security/privacy/ledger.h",
        "security/privacy/noise.cpp",       "security/privacy/noise.h",
        "security/privacy/noise_grid.cpp",  "security/privacy/noise_grid.h",
        "security/privacy/noise_pool.cpp",  "security/privacy/noise_pool.h",
        "security/privacy/toeplitz.cpp",    "security/privacy/toeplitz.h",
        "federation/aggregate/masking.cpp", "federation/aggregate/site_part.cpp",
        "federation/aggregate/site_part.h", "federation/aggregate/coordinator.cpp",
        "federation/feed/feed_release.cpp", "federation/feed/feed_release.h",
        "node/store/feed_ledger.cpp",       "node/store/feed_ledger.h",
        "node/store/release_ledger.cpp",    "federation/ask/composition.cpp",
        "federation/ask/composition.h"};
    const std::string release = "federation/query/release.cpp";
    std::set<std::string> seen;
    for (const SourceFile& file : sources({"security", "federation", "node"})) {
      if (!integers_only.contains(file.path) && file.path != release) continue;
      seen.insert(file.path);
      for (const std::string& wrong : floats_in(file, file.path == release)) FAIL_CHECK(wrong);
    }
    CHECK(seen.size() == integers_only.size() + 1);
  }

  TEST_CASE("the check for floating point sees one") {
    CHECK(floats_in({"x.cpp", {"  double rest = 0;  // a sum"}}, false).size() == 1);
    CHECK(floats_in({"x.cpp", {"  int rest = 0;  // no double"}}, false).empty());
    CHECK(floats_in({"x.cpp", {"f(const double* values) {", "add_noise(", "  double x;"}}, true)
              .size() == 1);
    CHECK(floats_in({"x.cpp", {"  const double sum = values[0];"}}, true).size() == 1);
  }
}
