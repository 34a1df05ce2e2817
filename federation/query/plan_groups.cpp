#include <algorithm>
#include <map>
#include <set>

#include "federation/query/plan_parts.h"
#include "federation/query/suggest.h"

namespace entente::federation::planning {
namespace {

// Keys that every export has without declaring them: public facts about the member itself.
constexpr std::string_view kOrganisation = "organisation";
constexpr std::string_view kSite = "site";

std::optional<std::size_t> key_index(const ExportView& view, std::string_view key) {
  const auto found = std::find(view.keys.begin(), view.keys.end(), key);
  if (found == view.keys.end()) return std::nullopt;
  return static_cast<std::size_t>(found - view.keys.begin());
}

bool is_private(const ExportView& view, std::string_view key) {
  return std::find(view.private_keys.begin(), view.private_keys.end(), key) !=
         view.private_keys.end();
}

// Empty for a private key: its values are the site's to name.
const std::string& key_value(const MemberView& member, const PublicCell& cell,
                             std::string_view key) {
  static const std::string kUnknown;
  if (const auto index = key_index(*member.view, key)) return cell.values[*index];
  if (is_private(*member.view, key)) return kUnknown;
  return key == kSite ? member.view->site : member.label;
}

std::vector<std::string> known_keys(std::span<const MemberView> members) {
  std::vector<std::string> names;
  for (const MemberView& member : members) {
    for (const std::string& key : member.view->keys) {
      if (std::find(names.begin(), names.end(), key) == names.end()) names.push_back(key);
    }
  }
  names.emplace_back(kSite);
  names.emplace_back(kOrganisation);
  return names;
}

enum class Clause { where, group_by };

Outcome check_private_key(const Sentence& sentence, const Name& key, const MemberView& member,
                          bool alone, Clause clause) {
  const std::string what = "'" + key.text + "' is a private key of " + member_name(member);
  if (clause == Clause::where) {
    return refuse_at(sentence, key.at, ErrorCode::shape_refused,
                     what + "; WHERE reads public keys only",
                     "write GROUP BY " + key.text + ": values that enough units share are named");
  }
  if (alone) return {};
  return refuse_at(sentence, key.at, ErrorCode::shape_refused,
                   what + "; groups by private keys come from one site and are not merged",
                   "ask that export alone");
}

Outcome check_key(const Sentence& sentence, const Name& key, std::span<const MemberView> members,
                  Clause clause) {
  const bool anyone = std::any_of(members.begin(), members.end(), [&](const MemberView& member) {
    return is_private(*member.view, key.text);
  });
  if (!anyone && (key.text == kOrganisation || key.text == kSite)) return {};
  for (const MemberView& member : members) {
    if (key_index(*member.view, key.text)) continue;
    if (is_private(*member.view, key.text)) {
      auto fits = check_private_key(sentence, key, member, members.size() == 1, clause);
      if (!fits) return fits;
      continue;
    }
    if (member.view->measure(key.text) != nullptr) {
      return refuse_at(sentence, key.at, ErrorCode::shape_refused,
                       "'" + key.text +
                           "' is a signal; WHERE and GROUP BY read public keys only, "
                           "because whom they pick must not depend on readings",
                       "test it inside an aggregate, as in count(" + key.text +
                           " > 55.5); the public keys are " + listed(known_keys(members)));
    }
    const auto known = known_keys(members);
    const auto near = nearest(key.text, known);
    const bool elsewhere = std::find(known.begin(), known.end(), key.text) != known.end();
    const std::string what = "'" + key.text + "' is no public key of " + member_name(member);
    return refuse_at(sentence, key.at, ErrorCode::query_unknown_name, what,
                     near.empty() || elsewhere
                         ? "the public keys are " + listed(known_keys(std::span(&member, 1)))
                         : did_you_mean(near));
  }
  return {};
}

Outcome check_values(const Sentence& sentence, const KeyTest& test,
                     std::span<const MemberView> members) {
  std::set<std::string> values;
  for (const MemberView& member : members) {
    for (const PublicCell& cell : member.view->cells) {
      values.insert(key_value(member, cell, test.key.text));
    }
  }
  const std::vector<std::string> known(values.begin(), values.end());
  for (const Name& value : test.values) {
    if (values.contains(value.text)) continue;
    const auto near = nearest(value.text, known);
    return refuse_at(sentence, value.at, ErrorCode::query_unknown_name,
                     "'" + value.text + "' is no declared value of '" + test.key.text + "'",
                     near.empty() ? "the values are " + listed(known) : did_you_mean(near));
  }
  return {};
}

Outcome check_where(const Sentence& sentence, const Tree<KeyTest>& tree,
                    std::span<const MemberView> members) {
  if (tree.kind == Tree<KeyTest>::Kind::leaf) {
    auto valid = check_key(sentence, tree.leaf.key, members, Clause::where);
    return valid ? check_values(sentence, tree.leaf, members) : valid;
  }
  for (const Tree<KeyTest>& child : tree.children) {
    if (auto valid = check_where(sentence, child, members); !valid) return valid;
  }
  return {};
}

bool satisfies(const Tree<KeyTest>& tree, const MemberView& member, const PublicCell& cell) {
  using Kind = Tree<KeyTest>::Kind;
  const auto child = [&](const Tree<KeyTest>& c) { return satisfies(c, member, cell); };
  switch (tree.kind) {
    case Kind::all:
      return std::all_of(tree.children.begin(), tree.children.end(), child);
    case Kind::any:
      return std::any_of(tree.children.begin(), tree.children.end(), child);
    case Kind::negation:
      return !child(tree.children.front());
    case Kind::leaf:
      break;
  }
  const std::string& value = key_value(member, cell, tree.leaf.key.text);
  const bool listed_value = std::any_of(tree.leaf.values.begin(), tree.leaf.values.end(),
                                        [&](const Name& wanted) { return wanted.text == value; });
  return listed_value != tree.leaf.differs;
}

// The member's cells that satisfy WHERE, by their values of the group keys; adds to the global
// list.
MemberGroups group_member(const Sentence& sentence, const MemberView& member, Grouping& grouping,
                          std::map<std::vector<std::string>, std::size_t>& global) {
  MemberGroups out;
  const auto asked = [&](const std::string& key) {
    return std::any_of(sentence.group_by.begin(), sentence.group_by.end(),
                       [&](const Name& name) { return name.text == key; });
  };
  std::copy_if(member.view->keys.begin(), member.view->keys.end(), std::back_inserter(out.keys),
               asked);
  std::copy_if(member.view->private_keys.begin(), member.view->private_keys.end(),
               std::back_inserter(out.private_keys), asked);
  std::map<std::vector<std::string>, std::size_t> seen;
  for (std::uint32_t c = 0; c < member.view->cells.size(); ++c) {
    const PublicCell& cell = member.view->cells[c];
    if (sentence.where && !satisfies(*sentence.where, member, cell)) continue;
    std::vector<std::string> values;
    for (const Name& key : sentence.group_by) values.push_back(key_value(member, cell, key.text));
    const auto [at, fresh] = seen.emplace(values, out.groups.size());
    if (fresh) {
      Group group;
      for (const std::string& key : out.keys) group.values.push_back(key_value(member, cell, key));
      out.groups.push_back(std::move(group));
      const auto [place, is_new] = global.emplace(values, grouping.groups.size());
      out.global.push_back(place->second);
      if (is_new) grouping.groups.push_back(std::move(values));
    }
    out.groups[at->second].cells.push_back(c);
  }
  return out;
}

}  // namespace

Result<Grouping> plan_groups(const Sentence& sentence, std::span<const MemberView> members) {
  if (sentence.where) {
    auto valid = check_where(sentence, *sentence.where, members);
    if (!valid) return std::move(valid).error();
  }
  for (const Name& key : sentence.group_by) {
    auto valid = check_key(sentence, key, members, Clause::group_by);
    if (!valid) return std::move(valid).error();
  }
  Grouping grouping;
  std::map<std::vector<std::string>, std::size_t> global;
  for (const MemberView& member : members) {
    grouping.members.push_back(group_member(sentence, member, grouping, global));
  }
  if (grouping.groups.empty()) {
    return make_error(ErrorCode::shape_refused, "no public cell of any member satisfies WHERE",
                      "the values exist, but not together; ask with fewer conditions");
  }
  return grouping;
}

}  // namespace entente::federation::planning
