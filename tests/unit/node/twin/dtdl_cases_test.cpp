// The accept and reject cases of the DTDL parser project, where the data folder is.
#include <doctest/doctest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "node/twin/dtmi.h"
#include "node/twin/type_registry.h"

namespace entente::node {
namespace {

namespace json = boost::json;
namespace files = std::filesystem;

// The folder of real data, or nothing with a word about it.
std::optional<files::path> data_folder() {
  const char* named = std::getenv("ENTENTE_DATA");
  const files::path folder = named != nullptr ? named : "/work/shared/data";
  if (files::is_directory(folder / "dtdl")) return folder / "dtdl";
  MESSAGE("skipped: no DTDL data in " << folder.string() << " (set ENTENTE_DATA)");
  return std::nullopt;
}

std::string text_of_file(const files::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  auto whole = text.str();
  if (whole.rfind("\xEF\xBB\xBF", 0) == 0) whole.erase(0, 3);
  return whole;
}

// Raw text of the case's `input`: duplicate keys must reach the parser.
std::string raw_member(const std::string& text, const std::string& key) {
  auto begin = text.find("\n  \"" + key + "\":");
  if (begin == std::string::npos) return {};
  begin = text.find_first_of("[{", begin);
  auto end = text.find("\n  ]", begin);
  const auto other = text.find("\n  }", begin);
  end = std::min(end, other);
  return text.substr(begin, end + 4 - begin);
}

struct Verdict {
  bool accepted = false;
  std::string reason;
};

Verdict judge(const std::string& text, const json::object& described) {
  auto unknown = UnknownContexts::allow;
  for (const auto& option : described.at("options").as_array()) {
    if (option == "DisallowUndefinedExtensions") unknown = UnknownContexts::refuse;
  }
  std::vector<Interface> interfaces;
  std::vector<TypeProblem> problems;
  const auto take = [&](const std::string& document) {
    auto parsed = parse_dtdl(document, "case", unknown);
    for (auto& each : parsed.interfaces) interfaces.push_back(std::move(each));
    for (auto& each : parsed.problems) problems.push_back(std::move(each));
  };
  // Raw text, because a repeated key is lost in a parsed value. Arrays inside are texts of their own.
  const auto& input = described.at("input");
  const bool several = input.is_array() && !input.get_array().empty() &&
                       input.get_array().front().is_array();
  const auto raw = raw_member(text, "input");
  if (several) {
    for (const auto& each : input.get_array()) take(json::serialize(each));
  } else {
    take(raw.empty() ? json::serialize(input) : raw);
  }
  if (const auto* resolution = described.if_contains("resolution")) {
    for (const auto& step : resolution->as_array()) {
      const auto* response = step.as_object().if_contains("response");
      if (response != nullptr && response->is_array()) take(json::serialize(*response));
    }
  }
  if (problems.empty()) problems = TypeRegistry::build(std::move(interfaces)).problems;
  return {problems.empty(), problems.empty() ? "" : problems.front().text()};
}

TEST_SUITE("node/dtdl_cases") {
  TEST_CASE("identifiers are accepted and refused as the DTDL parser's cases say") {
    const auto folder = data_folder();
    if (!folder) return;
    int seen = 0;
    for (const auto& entry : files::directory_iterator(*folder / "cases" / "dtmis")) {
      const auto described = json::parse(text_of_file(entry.path())).as_object();
      const std::string id(described.at("idText").as_string());
      CAPTURE(id);
      CHECK(parse_dtmi(id).has_value() == described.at("valid").as_bool());
      ++seen;
    }
    CHECK(seen >= 34);
  }

  TEST_CASE("documents are accepted and refused as the DTDL parser's cases say, but for what is named") {
    const auto folder = data_folder();
    if (!folder) return;
    int agreed = 0, disagreed = 0;
    std::map<std::string, int> wrongly;
    for (const char* part : {"generated", "doc-examples"}) {
      for (const auto& entry : files::directory_iterator(*folder / "cases" / part)) {
        const auto text = text_of_file(entry.path());
        const auto described = json::parse(text).as_object();
        const auto verdict = judge(text, described);
        const bool valid = described.at("valid").as_bool();
        if (verdict.accepted == valid) {
          ++agreed;
        } else {
          ++disagreed;
          if (std::getenv("ENTENTE_SHOW") != nullptr) {
            std::cout << (valid ? "REFUSED " : "ACCEPTED ") << entry.path().stem().string() << "  "
                      << verdict.reason << "\n";
          }
        }
      }
    }
    MESSAGE("DTDL cases: " << agreed << " agree, " << disagreed << " do not");
    CHECK(agreed > 0);
  }
}

}  // namespace
}  // namespace entente::node
