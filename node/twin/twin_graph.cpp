#include "node/twin/twin_graph.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>

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

bool TwinList::operator==(const TwinList& other) const {
  return std::equal(twins_.begin(), twins_.end(), other.twins_.begin(), other.twins_.end(),
                    [](const Shared& a, const Shared& b) { return a == b || *a == *b; });
}

// Relationships backwards: those at twin i are edges[ends[i - 1]] to edges[ends[i]].
struct TwinGraph::Pointers {
  struct Edge {
    std::uint32_t from = 0;  // index of the twin
    std::uint32_t name = 0;  // of its relationships
  };
  std::once_flag made;
  std::vector<std::uint32_t> ends;
  std::vector<Edge> edges;
};

TwinGraph::TwinGraph(std::shared_ptr<const TypeRegistry> types, std::vector<TwinList::Shared> twins)
    : types_(std::move(types)), twins_(std::move(twins)), pointers_(std::make_shared<Pointers>()) {
  by_id_.reserve(twins_.size());
  for (std::size_t i = 0; i < twins_.size(); ++i) {
    by_id_.add(twins_[i].id, static_cast<std::uint32_t>(i));
  }
}

std::optional<std::uint32_t> TwinGraph::number_of(std::string_view id) const {
  return by_id_.find(id, [this](std::uint32_t i) -> std::string_view { return twins_[i].id; });
}

const Twin* TwinGraph::find(std::string_view id) const {
  const auto number = number_of(id);
  return number ? &twins_[*number] : nullptr;
}

std::size_t TwinGraph::lower_bound(std::string_view id) const {
  const auto found =
      std::lower_bound(twins_.begin(), twins_.end(), id,
                       [](const Twin& twin, std::string_view wanted) { return twin.id < wanted; });
  return static_cast<std::size_t>(found - twins_.begin());
}

const TwinGraph::Pointers& TwinGraph::pointers() const {
  auto& all = *pointers_;
  std::call_once(all.made, [&] {
    const auto each_edge = [this](const auto& visit) {
      for (std::uint32_t i = 0; i < twins_.size(); ++i) {
        std::uint32_t name = 0;
        for (const auto& relationship : twins_[i].relationships) {
          for (const auto& target : relationship.second) {
            if (const auto number = number_of(target)) visit(*number, Pointers::Edge{i, name});
          }
          ++name;
        }
      }
    };
    std::vector<std::uint32_t> counts(twins_.size() + 1);
    each_edge([&](std::uint32_t target, Pointers::Edge) { ++counts[target + 1]; });
    for (std::size_t i = 1; i < counts.size(); ++i) counts[i] += counts[i - 1];
    all.edges.resize(counts.back());
    each_edge(
        [&](std::uint32_t target, Pointers::Edge edge) { all.edges[counts[target]++] = edge; });
    counts.pop_back();  // where each twin's edges begin has become where they end
    all.ends = std::move(counts);
  });
  return all;
}

std::vector<TwinGraph::Incoming> TwinGraph::incoming(std::string_view id) const {
  std::vector<Incoming> all;
  const auto number = number_of(id);
  if (!number) return all;
  const auto& known = pointers();
  for (auto i = *number == 0 ? 0 : known.ends[*number - 1]; i < known.ends[*number]; ++i) {
    const auto& edge = known.edges[i];
    const auto& from = twins_[edge.from];
    all.push_back({from.id, from.relationships.nth(edge.name)->first});
  }
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
