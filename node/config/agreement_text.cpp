#include "node/config/agreement_text.h"

#include <algorithm>
#include <charconv>

#include "federation/query/suggest.h"
#include "node/config/strict_toml.h"
#include "schemas/base/zone.h"
#include "security/privacy/rho.h"

namespace entente::node {
namespace {

constexpr ErrorCode kInvalid = ErrorCode::agreement_invalid;
constexpr std::int64_t kQuestionsMost = 1'000'000;

std::vector<std::string> aggregate_words() {
  std::vector<std::string> words;
  for (int i = 0; i <= static_cast<int>(Aggregate::histogram); ++i) {
    words.emplace_back(to_text(static_cast<Aggregate>(i)));
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

void read_allowed(StrictTable& table, Agreement& terms) {
  terms.purposes = table.texts("purposes");
  const std::vector<std::string> known = aggregate_words();
  const std::vector<std::string> words = table.texts("aggregates");
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto aggregate = aggregate_from_text(word);
    if (!aggregate) {
      table.fail_in("aggregates", i,
                    "'" + word + "' is no aggregate; known are " + joined(known) +
                        federation::did_you_mean(word, known));
    } else if (std::count(terms.aggregates.begin(), terms.aggregates.end(), *aggregate) > 0) {
      table.fail_in("aggregates", i, "'" + word + "' is named twice");
    } else {
      terms.aggregates.push_back(*aggregate);
    }
  }
  std::sort(terms.aggregates.begin(), terms.aggregates.end());
  terms.onward = table.texts("onward");
  for (std::size_t i = 0; i < terms.onward.size(); ++i) {
    if (is_local_id(terms.onward[i])) continue;
    table.fail_in("onward", i,
                  "'" + terms.onward[i] + "' must be the name of a system twin of the partner's");
  }
}

void read_least(StrictTable& table, Agreement& terms) {
  terms.min_units = static_cast<std::uint32_t>(table.integer("min_units", 1, 1'000'000, 10));
  terms.min_sites = static_cast<std::uint32_t>(table.integer("min_sites", 1, 1'000, 1));
  if (terms.min_sites > 1) {
    table.fail("min_sites", "above 1 needs secure aggregation, which this version does not have");
  }
  terms.tick_least = table.duration("tick_least", Duration{});
  terms.window_least = table.duration("window_least", Duration{});
  if (terms.tick_least.ns < 0) table.fail("tick_least", "must not be negative");
  if (terms.window_least.ns < 0) table.fail("window_least", "must not be negative");
  terms.questions_per_hour =
      static_cast<std::uint32_t>(table.integer("questions_per_hour", 0, kQuestionsMost, 0));
  terms.questions_per_day =
      static_cast<std::uint32_t>(table.integer("questions_per_day", 0, kQuestionsMost, 0));
}

bool is_date(const std::string& text) {
  return text.size() == 10 && text[4] == '-' && text[7] == '-';
}

// Where a date begins in a zone. Steps of n days are counted from 1970-01-01, so the first of them
// ends where the n-th day begins.
Instant local_midnight(Instant utc, const std::string& zone) {
  const std::int64_t day = utc.ns / days(1).ns;
  if (day < 4) return utc;
  return step_end(utc - days(2), days(day), zone);
}

std::optional<Instant> read_time(StrictTable& table, const char* key, const std::string& zone) {
  const std::string text = table.text(key, "");
  if (text.empty()) return {};
  const auto instant = parse_instant(text);
  if (!instant) {
    table.fail(key, "'" + text + "' is no time, such as \"2027-01-01\" or \"2027-01-01T08:00Z\"");
    return {};
  }
  if (zone.empty() || !is_date(text)) return *instant;
  return local_midnight(*instant, zone);
}

void read_validity(StrictTable& table, Agreement& terms) {
  terms.zone = table.text("zone", "");
  if (!terms.zone.empty() && !is_zone(terms.zone)) {
    table.fail("zone",
               "'" + terms.zone +
                   "' is no time zone; a name is one like America/Los_Angeles, Europe/Paris "
                   "or UTC");
    terms.zone.clear();
  }
  terms.starts = read_time(table, "starts", terms.zone);
  const auto expires = read_time(table, "expires", terms.zone);
  if (!expires) table.fail("expires", "must be a time, such as \"2027-01-01\"");
  terms.expires = expires.value_or(Instant{});
  if (terms.starts && expires && *terms.starts >= *expires) {
    table.fail("starts", "must come before expires");
  }
}

void read_section(StrictTable& table, AgreementText& out) {
  out.name = table.text("name");
  if (!is_local_id(out.name))
    table.fail("name", "'" + out.name + "' is no name: use a-z 0-9 . _ -");
  out.partner = table.text("partner");
  out.exports = table.texts("exports");
  if (out.exports.empty()) table.fail("exports", "must name at least one export");
  read_allowed(table, out.terms);
  read_least(table, out.terms);
  out.epsilon_per_block = table.number("epsilon_per_block");
  out.epsilon_guaranteed = table.number("epsilon_guaranteed", 0);
  if (!(out.epsilon_guaranteed >= 0 && out.epsilon_guaranteed <= out.epsilon_per_block)) {
    table.fail("epsilon_guaranteed", "must be from 0 to epsilon_per_block");
  }
  read_validity(table, out.terms);
  for (const char* key : {"partner", "exports", "epsilon_per_block", "epsilon_guaranteed"}) {
    out.places[key] = table.place(key);
  }
}

void read_tests(StrictTable& top, const std::string& file, AgreementText& out) {
  const toml::array* tests = top.array("test");
  if (tests == nullptr) return;
  for (const toml::node& node : *tests) {
    const toml::table* inner = node.as_table();
    if (inner == nullptr) return top.fail("test", "must be [[test]] tables");
    StrictTable test(*inner, file, "test", kInvalid);
    const bool must = test.has("must");
    const bool must_not = test.has("must_not");
    if (must && must_not) test.fail("must", "write either must or must_not");
    // A misspelt key is named by finish(), which knows the line and the words allowed.
    const std::string question =
        test.text(must ? "must" : "must_not", must || must_not ? std::nullopt : std::optional(""));
    if (!must) (void)test.text("must", "");
    if (auto done = test.finish(); !done) return top.adopt(done.error());
    if (!must && !must_not) {
      test.fail("", "a test says must or must_not");
      return top.adopt(test.finish().error());
    }
    out.terms.tests.push_back({must, question});
  }
}

std::string place_of(const AgreementText& text, const char* key) {
  const auto place = text.places.find(key);
  return place == text.places.end() ? "agreement." + std::string(key) : place->second;
}

std::string quoted(const std::vector<std::string>& words) {
  std::string out = "[";
  for (const std::string& word : words) out += (out.size() > 1 ? ", \"" : "\"") + word + "\"";
  return out + "]";
}

std::string digits(double value) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6).ptr;
  return {text, end};
}

// Careful values, where there are none yet: half of the smallest cap, groups of ten.
Agreement careful(const std::vector<std::shared_ptr<const ExportView>>& exports) {
  Agreement terms;
  terms.name = exports.empty() ? "name" : exports.front()->name;
  terms.min_units = 10;
  terms.aggregates = {Aggregate::count, Aggregate::mean};
  return terms;
}

std::string test_lines(const AgreementTest& test) {
  std::string question;
  for (const char c : test.question) {
    if (c == '\n') {
      question += "\\n";
    } else {
      if (c == '"' || c == '\\') question += '\\';
      question += c;
    }
  }
  return std::string("\n[[test]]\n") + (test.must ? "must" : "must_not") + " = \"" + question +
         "\"\n";
}

}  // namespace

Result<AgreementText> read_agreement(std::string_view text, const std::string& file) {
  auto parsed = parse_toml(text, file, kInvalid);
  if (!parsed) return std::move(parsed).error();
  StrictTable top(*parsed, file, "", kInvalid);
  AgreementText out;
  if (const toml::table* section = top.table("agreement")) {
    StrictTable table(*section, file, "agreement", kInvalid);
    read_section(table, out);
    if (auto done = table.finish(); !done) top.adopt(done.error());
  } else {
    top.fail("agreement", "the section [agreement] is missing");
  }
  read_tests(top, file, out);
  if (auto done = top.finish(); !done) return std::move(done).error();
  return out;
}

Result<Agreement> offer_of(const AgreementText& text, const ExportViews& exports) {
  Agreement terms = text.terms;
  terms.name = text.name;
  const auto refuse = [&](const char* key, const std::string& what) {
    return make_error(kInvalid, place_of(text, key) + ": " + what);
  };
  std::vector<std::string> known;
  for (const auto& [name, view] : exports) known.push_back(name);
  for (const std::string& name : text.exports) {
    const auto view = exports.find(name);
    if (view == exports.end()) {
      return refuse("exports", "there is no export '" + name + "' here; there are " +
                                   federation::listed(known) +
                                   federation::did_you_mean(name, known));
    }
    if (!terms.exports.empty() && terms.exports.front().delta != view->second->delta) {
      return refuse("exports", "exports of domains with different delta need an agreement each");
    }
    terms.exports.push_back(*view->second);
  }
  auto quota = security::rho_cap_of(text.epsilon_per_block, terms.exports.front().delta);
  if (!quota) return refuse("epsilon_per_block", quota.error().what);
  terms.rho_per_block = *quota;
  if (text.epsilon_guaranteed > 0) {
    auto least = security::rho_cap_of(text.epsilon_guaranteed, terms.exports.front().delta);
    if (!least) return refuse("epsilon_guaranteed", least.error().what);
    terms.rho_guaranteed = *least;
  }
  return terms;
}

std::string agreement_skeleton(const std::string& partner,
                               const std::vector<std::shared_ptr<const ExportView>>& exports,
                               const Agreement* given) {
  const Agreement terms = given != nullptr ? *given : careful(exports);
  std::vector<std::string> names, aggregates;
  for (const auto& view : exports) names.push_back(view->name);
  for (const Aggregate one : terms.aggregates) aggregates.emplace_back(to_text(one));
  const DeltaUnits delta = exports.empty() ? DeltaUnits{} : exports.front()->delta;
  double quota = exports.empty() ? 1 : security::epsilon_of(exports.front()->rho_cap, delta) / 2;
  double guaranteed = 0;
  if (given != nullptr && !exports.empty()) {
    quota = security::epsilon_of(terms.rho_per_block, delta);
    guaranteed =
        terms.rho_guaranteed.units == 0 ? 0 : security::epsilon_of(terms.rho_guaranteed, delta);
  }
  const auto span = [](Duration least) { return least.ns == 0 ? "0s" : to_text(least); };
  std::string out =
      "# Who asks whom about what, and how much. Check it with 'entente agreement check FILE'.\n"
      "[agreement]\n"
      "name = \"" +
      terms.name +
      "\"   # a-z 0-9 . _ -\n"
      "partner = \"" +
      partner +
      "\"   # a link's name, or an organisation's id\n"
      "exports = " +
      quoted(names) +
      "\n"
      "purposes = " +
      quoted(terms.purposes) +
      "   # what may be given as purpose; [] = any\n"
      "# Of " +
      joined(aggregate_words()) +
      "; [] = all.\n"
      "aggregates = " +
      quoted(aggregates) +
      "\n"
      "min_units = " +
      std::to_string(terms.min_units) +
      "   # declared units of the smallest group that is answered\n"
      "tick_least = \"" +
      span(terms.tick_least) +
      "\"   # the shortest cell of time (EVERY, or the window); 0s = the export's tick\n"
      "window_least = \"" +
      span(terms.window_least) +
      "\"   # the shortest window (OVER); 0s = one tick\n"
      "epsilon_per_block = " +
      digits(quota) +
      "   # what the partner may spend of each block\n"
      "epsilon_guaranteed = " +
      digits(guaranteed) +
      "   # the part that no other partner may use up\n"
      "questions_per_hour = " +
      std::to_string(terms.questions_per_hour) +
      "   # 0 = as many as the budget allows\n"
      "questions_per_day = " +
      std::to_string(terms.questions_per_day) +
      "\n"
      "onward = " +
      quoted(terms.onward) +
      "   # the partner's system twins through which others may be answered; [] = none\n"
      "zone = \"" +
      terms.zone +
      "\"   # whose days bound the validity, such as America/Los_Angeles; \"\" = UTC\n"
      "starts = \"" +
      (terms.starts ? to_text(*terms.starts) : "") +
      "\"   # \"\" = as soon as both have signed\n"
      "expires = \"" +
      (given != nullptr ? to_text(terms.expires) : "") + "\"   # such as \"2027-01-01\"\n";
  if (given == nullptr) {
    const std::string from = names.empty() ? "EXPORT" : names.front();
    out +=
        "\n# Both nodes run these before it becomes active. Questions without epsilon are judged "
        "by\n"
        "# their shape.\n";
    out += test_lines({true, "SELECT count(*) FROM " + from + " OVER 1d"});
    out += "\n# [[test]]\n# must_not = \"SELECT max(SIGNAL) FROM " + from + " OVER 1d\"\n";
  }
  for (const AgreementTest& test : terms.tests) out += test_lines(test);
  return out;
}

}  // namespace entente::node
