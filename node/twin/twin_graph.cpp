#include "node/twin/twin_graph.h"

#include <algorithm>
#include <charconv>

namespace entente::node {

std::string to_text(const PropertyValue& value) {
  struct {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const {
      char text[40];
      const auto end = std::to_chars(text, text + sizeof text, v).ptr;
      return std::string(text, end);
    }
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(const Structured& v) const { return v.json; }
  } visitor;
  return std::visit(visitor, value);
}

TwinGraph::TwinGraph(std::shared_ptr<const TypeRegistry> types, std::vector<Twin> twins)
    : types_(std::move(types)), twins_(std::move(twins)) {
  for (const auto& twin : twins_) {
    for (const auto& [name, targets] : twin.relationships) {
      for (const auto& target : targets) incoming_.emplace(target, Incoming{twin.id, name});
    }
  }
}

const Twin* TwinGraph::find(std::string_view id) const {
  const auto found =
      std::lower_bound(twins_.begin(), twins_.end(), id,
                       [](const Twin& twin, std::string_view wanted) { return twin.id < wanted; });
  return found != twins_.end() && found->id == id ? &*found : nullptr;
}

std::vector<TwinGraph::Incoming> TwinGraph::incoming(std::string_view id) const {
  std::vector<Incoming> all;
  const auto [first, last] = incoming_.equal_range(id);
  for (auto each = first; each != last; ++each) all.push_back(each->second);
  return all;
}

std::vector<std::size_t> TwinGraph::members(std::string_view type) const {
  std::vector<std::size_t> all;
  std::map<std::string_view, bool> known;  // few types, many twins
  for (std::size_t i = 0; i < twins_.size(); ++i) {
    const auto [entry, fresh] = known.try_emplace(twins_[i].type, false);
    if (fresh) entry->second = types_->is_a(twins_[i].type, type);
    if (entry->second) all.push_back(i);
  }
  return all;
}

}  // namespace entente::node
