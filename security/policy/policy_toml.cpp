#include <toml++/toml.h>

#include <algorithm>

#include "security/policy/bearer_token.h"
#include "security/policy/policy.h"

namespace entente::security {
namespace {

constexpr std::size_t kPolicyBytes = 1'048'576;

Error wrong(const toml::node* node, const std::string& why) {
  std::string place = "policy";
  if (node != nullptr) {
    place += ", line " + std::to_string(node->source().begin.line) + " column " +
             std::to_string(node->source().begin.column);
  }
  return make_error(ErrorCode::config_invalid, place + ": " + why);
}

// A word that is none of those allowed here.
Error unknown(const toml::node* node, const std::string& kind, std::string_view word,
              const std::string& allowed) {
  return wrong(node, "unknown " + kind + " '" + std::string(word) + "'; allowed are " + allowed);
}

// The node at `key`, or the table itself, to point at.
const toml::node* at(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  return node == nullptr ? &table : node;
}

// Refuses the first key that is not among `known`.
Outcome only_known(const toml::table& table, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    std::string words;
    for (const auto word : known) words += (words.empty() ? "" : ", ") + std::string(word);
    return unknown(&value, "key", key.str(), words);
  }
  return {};
}

Result<std::vector<std::string>> texts(const toml::table& table, std::string_view key) {
  std::vector<std::string> out;
  const toml::node* node = table.get(key);
  if (node == nullptr) return wrong(&table, "'" + std::string(key) + "' is missing");
  const toml::array* items = node->as_array();
  if (items == nullptr) return wrong(node, "'" + std::string(key) + "' must be a list of texts");
  for (const toml::node& item : *items) {
    const auto* text = item.as_string();
    if (text == nullptr) return wrong(&item, "'" + std::string(key) + "' must hold texts");
    out.push_back(text->get());
  }
  return out;
}

// The text at `key`; empty when it is absent.
Result<std::string> text_at(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return std::string();
  const auto* text = node->as_string();
  if (text == nullptr || text->get().empty()) {
    return wrong(node, "'" + std::string(key) + "' must be a text");
  }
  return text->get();
}

// The tables below [name], by their keys; none when it is absent.
Result<std::vector<std::pair<std::string, const toml::table*>>> tables_of(const toml::table& root,
                                                                          const std::string& name) {
  std::vector<std::pair<std::string, const toml::table*>> out;
  const toml::node* node = root.get(name);
  if (node == nullptr) return out;
  const toml::table* table = node->as_table();
  if (table == nullptr) return wrong(node, "it is written as [" + name + ".NAME]");
  for (const auto& [key, value] : *table) {
    if (!is_local_id(key.str())) return wrong(&value, "a " + name + "'s name must be a local id");
    const toml::table* one = value.as_table();
    if (one == nullptr) return wrong(&value, "a " + name + " must be a table [" + name + ".NAME]");
    out.emplace_back(std::string(key.str()), one);
  }
  return out;
}

Result<Verb> read_verb(const toml::node* where, const std::string& word) {
  const auto verb = verb_from_text(word);
  if (verb && is_partner_verb(*verb)) {
    return wrong(where, "'" + word + "' comes from links and agreements, not from grants");
  }
  if (!verb) return unknown(where, "verb", word, verb_words());
  return *verb;
}

Result<AnyRole> read_role(const toml::node* where, const std::string& word, const OwnRoles& own) {
  if (const auto role = role_from_text(word)) return AnyRole(*role);
  if (own.contains(word)) return AnyRole(OwnRole{word});
  std::string names = role_words();
  for (const auto& [name, verbs] : own) names += ", " + name;
  return unknown(where, "role", word, names);
}

Result<Instant> read_instant(const toml::node* where, const std::string& text) {
  auto instant = parse_instant(text);
  if (!instant) return wrong(where, instant.error().what);
  return *instant;
}

Result<OwnRoles> read_own_roles(const toml::table& root) {
  auto tables = tables_of(root, "role");
  if (!tables) return std::move(tables).error();
  OwnRoles out;
  for (const auto& [name, table] : *tables) {
    if (role_from_text(name)) return wrong(table, "the role " + name + " is built in");
    if (auto done = only_known(*table, {"verbs"}); !done) return std::move(done).error();
    auto words = texts(*table, "verbs");
    if (!words) return std::move(words).error();
    std::set<Verb>& verbs = out[name];
    for (const std::string& word : *words) {
      auto verb = read_verb(at(*table, "verbs"), word);
      if (!verb) return std::move(verb).error();
      verbs.insert(*verb);
    }
    if (verbs.empty()) return wrong(table, "the role " + name + " allows nothing");
  }
  return out;
}

Result<User> read_user(const toml::table& table, const OwnRoles& own) {
  if (auto done = only_known(table, {"roles", "until", "disabled"}); !done) {
    return std::move(done).error();
  }
  auto names = texts(table, "roles");
  if (!names) return std::move(names).error();
  User out;
  for (const std::string& name : *names) {
    auto role = read_role(table.get("roles"), name, own);
    if (!role) return std::move(role).error();
    out.roles.insert(*std::move(role));
  }
  if (const toml::node* node = table.get("disabled")) {
    if (!node->is_boolean()) return wrong(node, "'disabled' must be true or false");
    out.disabled = node->as_boolean()->get();
  }
  const toml::node* until = table.get("until");
  if (until == nullptr) return out;
  if (!until->is_table()) return wrong(until, "'until' must be { ROLE = \"INSTANT\" }");
  for (const auto& [name, value] : *until->as_table()) {
    auto role = read_role(&value, std::string(name.str()), own);
    if (!role) return std::move(role).error();
    if (!out.roles.contains(*role)) return wrong(&value, "'until' names a role not held");
    auto text = text_at(*until->as_table(), name.str());
    if (!text) return std::move(text).error();
    auto end = read_instant(&value, *text);
    if (!end) return std::move(end).error();
    out.role_ends.emplace(*std::move(role), *end);
  }
  return out;
}

Result<Users> read_users(const toml::table& root, const OwnRoles& own) {
  auto tables = tables_of(root, "user");
  if (!tables) return std::move(tables).error();
  Users out;
  for (const auto& [name, table] : *tables) {
    auto user = read_user(*table, own);
    if (!user) return std::move(user).error();
    out.emplace(name, *std::move(user));
  }
  return out;
}

Result<Resource> read_resource(const toml::table& grant) {
  auto text = text_at(grant, "resource");
  if (!text) return std::move(text).error();
  auto resource = resource_from_text(*text);
  if (!resource) {
    const Error& error = resource.error();
    return wrong(at(grant, "resource"), "'resource': " + error.what + ": " + error.remedy);
  }
  return resource;
}

Result<Grant> read_grant(const toml::table& table, const OwnRoles& own) {
  if (auto done = only_known(table, {"user", "role", "verb", "resource", "expires"}); !done) {
    return std::move(done).error();
  }
  auto user = text_at(table, "user");
  if (!user) return std::move(user).error();
  auto role_name = text_at(table, "role");
  if (!role_name) return std::move(role_name).error();
  if (user->empty() == role_name->empty()) {
    return wrong(&table, "a grant names either a user or a role");
  }
  auto word = text_at(table, "verb");
  if (!word) return std::move(word).error();
  auto verb = read_verb(at(table, "verb"), *word);
  if (!verb) return std::move(verb).error();
  auto resource = read_resource(table);
  if (!resource) return std::move(resource).error();
  auto expires = text_at(table, "expires");
  if (!expires) return std::move(expires).error();
  Grant out{*std::move(user), *verb, *std::move(resource)};
  if (!expires->empty()) {
    auto end = read_instant(table.get("expires"), *expires);
    if (!end) return std::move(end).error();
    out.expires = *end;
  }
  if (!role_name->empty()) {
    auto role = read_role(table.get("role"), *role_name, own);
    if (!role) return std::move(role).error();
    out.to = *std::move(role);
  }
  return out;
}

Result<std::vector<Grant>> read_grants(const toml::table& root, const PolicyParts& parts) {
  std::vector<Grant> out;
  const toml::node* node = root.get("grant");
  if (node == nullptr) return out;
  const toml::array* items = node->as_array();
  if (items == nullptr) return wrong(node, "grants are written as [[grant]]");
  for (const toml::node& item : *items) {
    const toml::table* table = item.as_table();
    if (table == nullptr) return wrong(&item, "grants are written as [[grant]]");
    auto grant = read_grant(*table, parts.own_roles);
    if (!grant) return std::move(grant).error();
    const auto* user = std::get_if<std::string>(&grant->to);
    if (user != nullptr && !parts.users.contains(*user)) {
      return wrong(at(*table, "user"), "there is no user '" + *user + "'");
    }
    out.push_back(*std::move(grant));
  }
  return out;
}

// The table [name]; nothing when it is absent.
Result<const toml::table*> table_at(const toml::table& root, const std::string& name) {
  const toml::node* node = root.get(name);
  const toml::table* none = nullptr;
  if (node == nullptr) return none;
  const toml::table* table = node->as_table();
  if (table == nullptr) return wrong(node, "'" + name + "' must be a table");
  return table;
}

Result<Duration> read_duration(const toml::table& table, std::string_view key, Duration otherwise) {
  auto text = text_at(table, key);
  if (!text) return std::move(text).error();
  if (text->empty()) return otherwise;
  auto duration = parse_duration(*text);
  if (!duration) return wrong(table.get(key), duration.error().what);
  return *duration;
}

Result<TwoPersons> read_two_persons(const toml::table& table) {
  if (auto done = only_known(table, {"steps", "life"}); !done) return std::move(done).error();
  auto words = texts(table, "steps");
  if (!words) return std::move(words).error();
  TwoPersons out;
  for (const std::string& word : *words) {
    const auto step = step_from_text(word);
    if (!step) return unknown(table.get("steps"), "step", word, step_words());
    out.steps.insert(*step);
  }
  auto life = read_duration(table, "life", out.life);
  if (!life) return std::move(life).error();
  if (*life < minutes(1) || *life > days(30)) {
    return wrong(table.get("life"), "'life' must be 1m to 30d");
  }
  out.life = *life;
  return out;
}

Outcome read_oidc_users(const toml::table& table, const Users& users, OidcRules& into) {
  auto mapping = table_at(table, "users");
  if (!mapping) return std::move(mapping).error();
  if (*mapping == nullptr) return wrong(&table, "[oidc.users] is missing: who is who here");
  for (const auto& [claim, value] : **mapping) {
    const auto* user = value.as_string();
    if (user == nullptr || !users.contains(user->get())) {
      return wrong(&value, user == nullptr ? "a user's name must be a text"
                                           : "there is no user '" + user->get() + "'");
    }
    into.users.emplace(std::string(claim.str()), user->get());
  }
  return {};
}

Result<OidcRules> read_oidc(const toml::table& table, const Users& users) {
  if (auto done = only_known(table, {"issuer", "audience", "algorithms", "claim", "skew", "users"});
      !done) {
    return std::move(done).error();
  }
  OidcRules out;
  for (const auto& [key, into] : {std::pair<std::string_view, std::string*>{"issuer", &out.issuer},
                                  {"audience", &out.audience},
                                  {"claim", &out.claim}}) {
    auto text = text_at(table, key);
    if (!text) return std::move(text).error();
    if (!text->empty()) *into = *std::move(text);
    if (into->empty()) return wrong(&table, "'" + std::string(key) + "' is missing");
  }
  auto words = texts(table, "algorithms");
  if (!words) return std::move(words).error();
  std::string known;
  for (const std::string& one : bearer_algorithms()) known += (known.empty() ? "" : ", ") + one;
  for (const std::string& word : *words) {
    const auto& all = bearer_algorithms();
    if (std::find(all.begin(), all.end(), word) == all.end()) {
      return unknown(table.get("algorithms"), "algorithm", word, known);
    }
    out.algorithms.insert(word);
  }
  if (out.algorithms.empty()) return wrong(table.get("algorithms"), "'algorithms' is empty");
  auto skew = read_duration(table, "skew", out.skew);
  if (!skew) return std::move(skew).error();
  if (skew->ns < 0 || *skew > minutes(5)) return wrong(table.get("skew"), "'skew' is 0s to 5m");
  out.skew = *skew;
  if (auto mapped = read_oidc_users(table, users, out); !mapped) return std::move(mapped).error();
  return out;
}

Result<std::set<OrgId>> read_cut_off(const toml::table& table) {
  if (auto done = only_known(table, {"organisations"}); !done) return std::move(done).error();
  auto names = texts(table, "organisations");
  if (!names) return std::move(names).error();
  std::set<OrgId> out;
  for (const std::string& name : *names) {
    auto id = OrgId::from_hex_text(name);
    if (!id) return wrong(table.get("organisations"), "'" + name + "' is no organisation id");
    out.insert(*id);
  }
  return out;
}

// The tables that stand alone.
Outcome read_rest(const toml::table& root, PolicyParts& parts) {
  auto two = table_at(root, "two_person");
  if (!two) return std::move(two).error();
  if (*two != nullptr) {
    auto read = read_two_persons(**two);
    if (!read) return std::move(read).error();
    parts.two_persons = *std::move(read);
  }
  auto oidc = table_at(root, "oidc");
  if (!oidc) return std::move(oidc).error();
  if (*oidc != nullptr) {
    auto read = read_oidc(**oidc, parts.users);
    if (!read) return std::move(read).error();
    parts.oidc = *std::move(read);
  }
  auto cut_off = table_at(root, "cut_off");
  if (!cut_off) return std::move(cut_off).error();
  if (*cut_off != nullptr) {
    auto read = read_cut_off(**cut_off);
    if (!read) return std::move(read).error();
    parts.cut_off = *std::move(read);
  }
  return {};
}

// Texts as a TOML list. None of them needs escaping.
template <class Range, class Text>
std::string list_of(const Range& range, Text text) {
  std::string out;
  for (const auto& one : range)
    out += (out.empty() ? "\"" : ", \"") + std::string(text(one)) + "\"";
  return "[" + out + "]";
}

// Any text as a basic string of TOML.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string user_toml(const std::string& name, const User& user) {
  std::string out = "\n[user." + name + "]\nroles = " + list_of(user.roles, role_text) + "\n";
  std::string ends;
  for (const auto& [role, end] : user.role_ends) {
    ends += (ends.empty() ? "" : ", ") + role_text(role) + " = \"" + to_text(end) + "\"";
  }
  if (!ends.empty()) out += "until = { " + ends + " }\n";
  if (user.disabled) out += "disabled = true\n";
  return out;
}

std::string grant_toml(const Grant& grant) {
  const auto* role = std::get_if<AnyRole>(&grant.to);
  std::string out = "\n[[grant]]\n";
  out += role == nullptr ? "user = \"" + std::get<std::string>(grant.to)
                         : "role = \"" + role_text(*role);
  out += "\"\nverb = \"" + std::string(to_text(grant.verb)) + "\"\nresource = \"" +
         grant.resource.text() + "\"\n";
  if (grant.expires) out += "expires = \"" + to_text(*grant.expires) + "\"\n";
  return out;
}

std::string oidc_toml(const OidcRules& rules) {
  std::string out = "\n[oidc]\nissuer = " + quoted(rules.issuer) +
                    "\naudience = " + quoted(rules.audience) + "\nclaim = " + quoted(rules.claim) +
                    "\nskew = \"" + to_text(rules.skew) + "\"\nalgorithms = " +
                    list_of(rules.algorithms, [](const std::string& name) { return name; }) +
                    "\n\n[oidc.users]\n";
  for (const auto& [claim, user] : rules.users) out += quoted(claim) + " = \"" + user + "\"\n";
  return out;
}

}  // namespace

Result<Policy> Policy::from_toml(std::string_view text) {
  if (text.size() > kPolicyBytes) return wrong(nullptr, "it is over 1 MiB");
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::config_invalid,
                      "policy, line " + std::to_string(error.source().begin.line) + " column " +
                          std::to_string(error.source().begin.column) + ": " +
                          std::string(error.description()));
  }
  if (auto done = only_known(root, {"user", "role", "grant", "two_person", "oidc", "cut_off"});
      !done) {
    return std::move(done).error();
  }
  Policy out;
  auto own = read_own_roles(root);
  if (!own) return std::move(own).error();
  out.parts_.own_roles = *std::move(own);
  auto users = read_users(root, out.parts_.own_roles);
  if (!users) return std::move(users).error();
  out.parts_.users = *std::move(users);
  const toml::node* of_users = root.get("user");
  if (!has_lasting_owner(out.parts_)) {
    return wrong(of_users, "no enabled user has the role owner without an end");
  }
  auto grants = read_grants(root, out.parts_);
  if (!grants) return std::move(grants).error();
  out.parts_.grants = *std::move(grants);
  if (auto rest = read_rest(root, out.parts_); !rest) return std::move(rest).error();
  if (const auto why = united_duties(out.parts_)) return wrong(of_users, *why);
  return out;
}

std::string Policy::to_toml() const {
  std::string out =
      "# Who may do what here. 'entente role' and 'entente access' write this file anew, without "
      "comments.\n";
  for (const auto& [name, user] : parts_.users) out += user_toml(name, user);
  const auto word = [](const auto one) { return to_text(one); };
  for (const auto& [name, verbs] : parts_.own_roles) {
    out += "\n[role." + name + "]\nverbs = " + list_of(verbs, word) + "\n";
  }
  for (const Grant& grant : parts_.grants) out += grant_toml(grant);
  if (parts_.two_persons != TwoPersons{}) {
    out += "\n[two_person]\nsteps = " + list_of(parts_.two_persons.steps, word) + "\nlife = \"" +
           to_text(parts_.two_persons.life) + "\"\n";
  }
  if (parts_.oidc) out += oidc_toml(*parts_.oidc);
  if (!parts_.cut_off.empty()) {
    out += "\n[cut_off]\norganisations = " +
           list_of(parts_.cut_off, [](const OrgId& id) { return id.hex(); }) + "\n";
  }
  return out;
}

}  // namespace entente::security
