// The accept and reject cases of the DTDL parser project, where the data folder is.
#include <doctest/doctest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <algorithm>
#include <filesystem>

#include "node/twin/dtmi.h"
#include "node/twin/type_registry.h"
#include "tests/unit/node/real_data.h"

namespace entente::node {
namespace {

namespace json = boost::json;
namespace files = std::filesystem;

std::string text_of(const files::path& path) {
  auto whole = test::text_of_file(path);
  if (whole.starts_with("\xEF\xBB\xBF")) whole.erase(0, 3);
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
    const auto folder = test::real_data("dtdl/cases/dtmis");
    if (!folder) return;
    int seen = 0;
    for (const auto& entry : files::directory_iterator(*folder)) {
      const auto described = json::parse(text_of(entry.path())).as_object();
      const std::string id(described.at("idText").as_string());
      CAPTURE(id);
      CHECK(parse_dtmi(id).has_value() == described.at("valid").as_bool());
      ++seen;
    }
    CHECK(seen >= 34);
  }

  struct Tally {
    int agreed = 0;
    int newer = 0;      // DTDL 4, which is refused with a word
    int layering = 0;   // likewise
    int extension = 0;  // rules of annotation, overriding and mqtt between elements: not checked
    std::vector<std::string> others;
  };

  void judge_case(const files::path& path, Tally& tally) {
    const auto text = text_of(path);
    const auto described = json::parse(text).as_object();
    const auto verdict = judge(text, described);
    const bool valid = described.at("valid").as_bool();
    if (verdict.accepted == valid) {
      ++tally.agreed;
      return;
    }
    const auto name = path.stem().string();
    const auto about = [&](std::initializer_list<const char*> words) {
      return std::any_of(words.begin(), words.end(),
                         [&](const char* word) { return name.find(word) != name.npos; });
    };
    if (verdict.reason.find("DTDL 4") != std::string::npos) {
      ++tally.newer;
    } else if (verdict.reason.find("layering") != std::string::npos) {
      ++tally.layering;
    } else if (!valid && about({"Annotat", "Overrid", "Mqtt", "mqtt", "AdjunctType"})) {
      ++tally.extension;
    } else {
      tally.others.push_back((valid ? "refused " : "accepted ") + name + " " + verdict.reason);
    }
  }

  TEST_CASE("documents are accepted and refused as the DTDL parser's cases say, but for what is named") {
    const auto folder = test::real_data("dtdl/cases");
    if (!folder) return;
    Tally tally;
    int seen = 0;
    for (const char* part : {"generated", "doc-examples"}) {
      for (const auto& entry : files::directory_iterator(*folder / part)) {
        judge_case(entry.path(), tally);
        ++seen;
      }
    }
    std::string others;
    for (const auto& each : tally.others) others += "\n  " + each;
    MESSAGE("DTDL cases: " << tally.agreed << " of " << seen << " agree; not: " << tally.newer
                           << " of DTDL 4, " << tally.layering << " of layering, "
                           << tally.extension << " of rules of extensions, and" << others);
    CHECK(seen >= 1'548);
    CHECK(tally.agreed * 100 >= seen * 92);
    CHECK(tally.others.size() <= 12);
  }

  TEST_CASE("the cases of this tree are accepted and refused as they say") {
    int seen = 0;
    for (const auto& entry : files::directory_iterator(test::vectors() / "dtdl")) {
      if (entry.path().extension() != ".json") continue;
      const auto text = text_of(entry.path());
      const auto described = json::parse(text).as_object();
      const auto verdict = judge(text, described);
      CAPTURE(entry.path().stem().string());
      CAPTURE(verdict.reason);
      CHECK(verdict.accepted == described.at("valid").as_bool());
      ++seen;
    }
    CHECK(seen >= 20);
  }

  TEST_CASE("published ontologies load, but for what nobody publishes") {
    struct Expected {
      const char* name;
      std::size_t files;
    };
    for (const auto& each : {Expected{"smartcities", 63}, Expected{"energygrid", 113},
                             Expected{"manufacturing_isa95", 180}}) {
      const auto folder = test::real_data(std::string("dtdl/ontologies/") + each.name);
      if (!folder) return;
      CAPTURE(each.name);
      std::vector<Interface> interfaces;
      std::vector<TypeProblem> problems;
      for (const auto& entry : files::recursive_directory_iterator(*folder)) {
        if (entry.path().extension() != ".json") continue;
        auto parsed = parse_dtdl(text_of(entry.path()), entry.path().filename().string());
        for (auto& one : parsed.interfaces) interfaces.push_back(std::move(one));
        for (auto& one : parsed.problems) problems.push_back(std::move(one));
      }
      const auto total = interfaces.size();
      auto built = TypeRegistry::build(std::move(interfaces));
      for (auto& one : built.problems) problems.push_back(std::move(one));
      std::size_t faults = 0;
      for (const auto& one : problems) {
        if (one.dangling) continue;
        ++faults;
        MESSAGE(one.text());
      }
      std::string missing;
      for (const auto& id : built.missing) missing += " " + id;
      MESSAGE(each.name << ": " << built.registry->types().size() << " of " << total
                        << " interfaces, missing:" << missing);
      CHECK(total >= each.files);
      CHECK(faults == 0);
    }
  }
}

}  // namespace
}  // namespace entente::node
