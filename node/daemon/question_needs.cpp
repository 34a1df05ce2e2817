#include "node/daemon/question_needs.h"

#include <algorithm>

#include "federation/query/parser.h"

namespace entente::node {
namespace {

using federation::FoldedSignal;
using federation::KeyTest;
using federation::Sentence;
using federation::Tree;
using federation::ValueTest;
using security::Resource;
using security::ResourceKind;

template <class Leaf, class Visit>
void each_leaf(const Tree<Leaf>& tree, const Visit& visit) {
  if (tree.kind == Tree<Leaf>::Kind::leaf) visit(tree.leaf);
  for (const auto& child : tree.children) each_leaf(child, visit);
}

// Signals and keys that the sentence reads; nothing when it counts members as well, whose number is
// of no property.
std::set<std::string> names_read(const Sentence& sentence) {
  std::set<std::string> names;
  const auto folded = [&](const FoldedSignal& one) { names.insert(one.signal.text); };
  for (const auto& item : sentence.items) {
    if (std::holds_alternative<federation::Members>(item.argument)) return {};
    if (const auto* one = std::get_if<FoldedSignal>(&item.argument)) folded(*one);
    if (const auto* tree = std::get_if<Tree<ValueTest>>(&item.argument)) {
      each_leaf(*tree, [&](const ValueTest& test) { folded(test.value); });
    }
  }
  if (sentence.where) {
    each_leaf(*sentence.where, [&](const KeyTest& test) { names.insert(test.key.text); });
  }
  for (const auto& key : sentence.group_by) names.insert(key.text);
  return names;
}

bool allowed(const QuestionScene& scene, Verb verb, const Resource& resource) {
  return security::decide(scene.policy, scene.subject, verb, resource, {scene.now, false, {}})
      .allowed;
}

// Whether any grant of asking on such a thing is for this user, so that looking at each is worth
// it.
bool has_grants(const QuestionScene& scene, ResourceKind kind) {
  const auto& grants = scene.policy.grants();
  return std::any_of(grants.begin(), grants.end(), [&](const security::Grant& grant) {
    return grant.resource.kind == kind &&
           security::covers(grant, scene.subject, Verb::ask, grant.resource, scene.now);
  });
}

std::vector<Resource> resources_of_type(const QuestionScene& scene, const Sentence& sentence,
                                        const std::string& dtmi) {
  const Resource whole{ResourceKind::type, dtmi};
  if (allowed(scene, Verb::ask, whole)) return {whole};
  if (has_grants(scene, ResourceKind::type)) {
    std::vector<Resource> parts;
    for (const std::string& name : names_read(sentence)) {
      parts.push_back({ResourceKind::type, dtmi + "/" + name});
    }
    const bool all = std::all_of(parts.begin(), parts.end(), [&](const Resource& part) {
      return allowed(scene, Verb::ask, part);
    });
    if (all && !parts.empty()) return parts;
  }
  if (!has_grants(scene, ResourceKind::twin)) return {whole};
  std::vector<Resource> twins;
  for (const std::size_t index : scene.graph.members(dtmi)) {
    twins.push_back({ResourceKind::twin, scene.graph.twins()[index].id});
  }
  return twins.empty() ? std::vector<Resource>{whole} : twins;
}

std::vector<Resource> resources_of(const QuestionScene& scene, const Sentence& sentence) {
  if (const auto* type = std::get_if<federation::TypeTarget>(&sentence.target)) {
    return resources_of_type(scene, sentence, type->dtmi.text);
  }
  const auto& target = std::get<federation::NamedTarget>(sentence.target);
  const std::string& name = target.name.text;
  if (target.organisation && target.organisation->text != scene.self_name) {
    return {{ResourceKind::export_, name + "@" + target.organisation->text}};
  }
  const bool system = scene.systems.contains(name);
  return {{system ? ResourceKind::system : ResourceKind::export_, name}};
}

}  // namespace

Result<std::vector<Need>> question_needs(const QuestionScene& scene, const std::string& question,
                                         Asking asking) {
  auto sentence = federation::parse_question(question);
  if (!sentence) return std::move(sentence).error();
  std::vector<Need> needs;
  for (Resource& resource : resources_of(scene, *sentence)) {
    const bool look = asking == Asking::preview && !allowed(scene, Verb::ask, resource);
    needs.push_back({look ? Verb::preview : Verb::ask, std::move(resource)});
  }
  return needs;
}

}  // namespace entente::node
