#include <toml++/toml.h>

#include <algorithm>

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

// Refuses the first key that is not among `known`.
Outcome only_known(const toml::table& table, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : table) {
    if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
      return wrong(&value, "unknown key '" + std::string(key.str()) + "'");
    }
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

Outcome may_be_one(const std::set<Role>& roles) {
  for (const Role one : roles) {
    for (const Role other : roles) {
      if (one < other && roles_exclude(one, other)) {
        return make_error(ErrorCode::conflict, "one person cannot be " + std::string(to_text(one)) +
                                                   " and " + std::string(to_text(other)));
      }
    }
  }
  return {};
}

Result<std::set<Role>> read_roles(const toml::table& user) {
  if (auto done = only_known(user, {"roles"}); !done) return std::move(done).error();
  auto names = texts(user, "roles");
  if (!names) return std::move(names).error();
  std::set<Role> out;
  for (const std::string& name : *names) {
    const auto role = role_from_text(name);
    if (!role) return wrong(user.get("roles"), "unknown role '" + name + "'");
    out.insert(*role);
  }
  if (auto apart = may_be_one(out); !apart) return wrong(user.get("roles"), apart.error().what);
  return out;
}

// Types are named by their DTMI, all else by a local id.
bool is_resource_name(ResourceKind kind, const std::string& name) {
  if (kind != ResourceKind::type) return is_local_id(name);
  return name.starts_with("dtmi:") && name.size() <= 128 &&
         name.find_first_of("\"\\ \n\t") == std::string::npos;
}

Result<Resource> read_resource(const toml::table& grant) {
  auto text = text_at(grant, "resource");
  if (!text) return std::move(text).error();
  const std::size_t colon = text->find(':');
  const auto kind = resource_kind_from_text(text->substr(0, colon));
  if (colon == std::string::npos || !kind) {
    return wrong(&grant, "'resource' must be KIND:NAME or KIND:*, with a known kind");
  }
  const std::string name = text->substr(colon + 1);
  if (name == "*") return Resource{*kind, {}};
  if (!is_resource_name(*kind, name))
    return wrong(&grant, "'" + name + "' is no name of a resource");
  return Resource{*kind, name};
}

Result<Grant> read_grant(const toml::table& table) {
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
  auto verb_name = text_at(table, "verb");
  if (!verb_name) return std::move(verb_name).error();
  const auto verb = verb_from_text(*verb_name);
  if (!verb) return wrong(&table, "unknown verb '" + *verb_name + "'");
  if (is_partner_verb(*verb)) {
    return wrong(&table, "'" + *verb_name + "' comes from links and agreements, not from grants");
  }
  auto resource = read_resource(table);
  if (!resource) return std::move(resource).error();
  auto expires = text_at(table, "expires");
  if (!expires) return std::move(expires).error();
  Grant out{*std::move(user), *verb, *std::move(resource)};
  if (!expires->empty()) {
    const auto instant = parse_instant(*expires);
    if (!instant) return wrong(table.get("expires"), instant.error().what);
    out.expires = *instant;
  }
  if (!role_name->empty()) {
    const auto role = role_from_text(*role_name);
    if (!role) return wrong(&table, "unknown role '" + *role_name + "'");
    out.to = *role;
  }
  return out;
}

Result<std::set<OrgId>> read_cut_off(const toml::table& table) {
  if (auto done = only_known(table, {"organisations"}); !done) return std::move(done).error();
  auto names = texts(table, "organisations");
  if (!names) return std::move(names).error();
  std::set<OrgId> out;
  for (const std::string& name : *names) {
    auto id = OrgId::from_hex_text(name);
    if (!id) return wrong(&table, "'" + name + "' is no organisation id");
    out.insert(*id);
  }
  return out;
}

Result<Users> read_users(const toml::table& root) {
  Users out;
  const toml::node* node = root.get("user");
  const toml::table* table = node == nullptr ? nullptr : node->as_table();
  if (table == nullptr) return wrong(node, "there must be a [user.NAME] with the role owner");
  bool owned = false;
  for (const auto& [name, value] : *table) {
    if (!is_local_id(name.str())) return wrong(&value, "a user's name must be a local id");
    const toml::table* user = value.as_table();
    if (user == nullptr) return wrong(&value, "a user must be a table [user.NAME]");
    auto roles = read_roles(*user);
    if (!roles) return std::move(roles).error();
    owned = owned || roles->contains(Role::owner);
    out.emplace(std::string(name.str()), *std::move(roles));
  }
  if (!owned) return wrong(table, "no user has the role owner");
  return out;
}

Result<std::vector<Grant>> read_grants(const toml::table& root, const Users& users) {
  std::vector<Grant> out;
  const toml::node* node = root.get("grant");
  if (node == nullptr) return out;
  const toml::array* items = node->as_array();
  if (items == nullptr) return wrong(node, "grants are written as [[grant]]");
  for (const toml::node& item : *items) {
    const toml::table* table = item.as_table();
    if (table == nullptr) return wrong(&item, "grants are written as [[grant]]");
    auto grant = read_grant(*table);
    if (!grant) return std::move(grant).error();
    const auto* user = std::get_if<std::string>(&grant->to);
    if (user != nullptr && !users.contains(*user)) {
      return wrong(table, "there is no user '" + *user + "'");
    }
    out.push_back(*std::move(grant));
  }
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
  if (auto done = only_known(root, {"user", "grant", "cut_off"}); !done) {
    return std::move(done).error();
  }
  Policy out;
  auto users = read_users(root);
  if (!users) return std::move(users).error();
  out.users_ = *std::move(users);
  auto grants = read_grants(root, out.users_);
  if (!grants) return std::move(grants).error();
  out.grants_ = *std::move(grants);
  if (const toml::node* node = root.get("cut_off")) {
    const toml::table* table = node->as_table();
    if (table == nullptr) return wrong(node, "'cut_off' must be a table");
    auto cut_off = read_cut_off(*table);
    if (!cut_off) return std::move(cut_off).error();
    out.cut_off_ = *std::move(cut_off);
  }
  return out;
}

std::string Policy::to_toml() const {
  std::string out =
      "# Who may do what here. 'entente role' and 'entente access' write this file anew, without "
      "comments.\n";
  for (const auto& [name, roles] : users_) {
    out += "\n[user." + name + "]\nroles = [";
    for (const Role role : roles) {
      out += (role == *roles.begin() ? "\"" : ", \"") + std::string(to_text(role)) + "\"";
    }
    out += "]\n";
  }
  for (const Grant& grant : grants_) {
    const auto* role = std::get_if<Role>(&grant.to);
    out += "\n[[grant]]\n";
    out += role == nullptr ? "user = \"" + std::get<std::string>(grant.to)
                           : "role = \"" + std::string(to_text(*role));
    out += "\"\nverb = \"" + std::string(to_text(grant.verb)) + "\"\nresource = \"" +
           grant.resource.text() + "\"\n";
    if (grant.expires) out += "expires = \"" + to_text(*grant.expires) + "\"\n";
  }
  if (!cut_off_.empty()) {
    out += "\n[cut_off]\norganisations = [";
    for (const OrgId& id : cut_off_)
      out += (id == *cut_off_.begin() ? "\"" : ", \"") + id.hex() + "\"";
    out += "]\n";
  }
  return out;
}

Result<Policy> Policy::with(Users users, std::vector<Grant> grants) const {
  bool owned = false;
  for (const auto& [name, roles] : users) {
    if (!is_local_id(name)) {
      return make_error(ErrorCode::invalid_argument, "a user's name must be a local id");
    }
    if (auto apart = may_be_one(roles); !apart) return std::move(apart).error();
    owned = owned || roles.contains(Role::owner);
  }
  if (!owned) {
    return make_error(ErrorCode::conflict, "this would leave the node without an owner",
                      "give the role to somebody else first");
  }
  for (const Grant& grant : grants) {
    const auto* user = std::get_if<std::string>(&grant.to);
    if (user != nullptr && !users.contains(*user)) {
      return make_error(ErrorCode::not_found, "there is no user '" + *user + "'",
                        "see 'entente role list'");
    }
  }
  Policy out = *this;
  out.users_ = std::move(users);
  out.grants_ = std::move(grants);
  return out;
}

}  // namespace entente::security
