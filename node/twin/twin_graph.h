// The twins of a site at one moment: what they are, and how they hang together.
//
// Immutable; shared by pointer between threads. Twins are in id order, their relationships' targets
// exist and have the type that the relationship asks for.
#pragma once

#include <boost/container/flat_map.hpp>
#include <boost/iterator/indirect_iterator.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "node/twin/type_registry.h"
#include "schemas/base/name_index.h"

namespace entente::node {

// An array, map or object, as JSON text.
struct Structured {
  std::string json;
  bool operator==(const Structured&) const = default;
};
using PropertyValue = std::variant<bool, std::int64_t, double, std::string, Structured>;
// As a public key and as people read it: "WA", "12", "0.5", "true".
std::string to_text(const PropertyValue& value);

// Sorted by name. A twin has few of each, and a site a million twins: no node an entry.
template <class Value>
using ByName = boost::container::flat_map<std::string, Value, std::less<>>;
using Properties = ByName<PropertyValue>;

struct Twin {
  std::string id;
  std::string type;
  Properties properties;
  ByName<std::vector<std::string>> relationships;  // name -> twin ids
  ByName<Properties> components;                   // properties of the component
  bool operator==(const Twin&) const = default;
};

// Twins in id order. Snapshots share the twins that they have in common.
class TwinList {
 public:
  using Shared = std::shared_ptr<const Twin>;
  using Iterator = boost::indirect_iterator<std::vector<Shared>::const_iterator>;
  TwinList() = default;
  explicit TwinList(std::vector<Shared> twins) : twins_(std::move(twins)) {}

  Iterator begin() const { return twins_.begin(); }
  Iterator end() const { return twins_.end(); }
  std::size_t size() const { return twins_.size(); }
  bool empty() const { return twins_.empty(); }
  const Twin& operator[](std::size_t i) const { return *twins_[i]; }
  const std::vector<Shared>& shared() const { return twins_; }
  // Twin by twin.
  bool operator==(const TwinList& other) const;

 private:
  std::vector<Shared> twins_;
};

class TwinGraph {
 public:
  TwinGraph() : TwinGraph(std::make_shared<const TypeRegistry>(), {}) {}
  // `twins` in id order and checked (twin_registry.h does).
  TwinGraph(std::shared_ptr<const TypeRegistry> types, std::vector<TwinList::Shared> twins);

  const TypeRegistry& types() const { return *types_; }
  std::shared_ptr<const TypeRegistry> shared_types() const { return types_; }
  const TwinList& twins() const { return twins_; }
  const Twin* find(std::string_view id) const;
  // Index into twins() of the first twin whose id is not less.
  std::size_t lower_bound(std::string_view id) const;
  // Its resolved type; never null for a twin of this graph.
  const ResolvedType* type_of(const Twin& twin) const { return types_->find(twin.type); }

  struct Incoming {
    std::string from;
    std::string relationship;
  };
  // Who points at this twin, in id order.
  std::vector<Incoming> incoming(std::string_view id) const;
  // Indices into twins() of all twins of `type` or a subtype, in id order.
  std::vector<std::size_t> members(std::string_view type) const;

 private:
  struct Pointers;
  std::optional<std::uint32_t> number_of(std::string_view id) const;
  const Pointers& pointers() const;

  std::shared_ptr<const TypeRegistry> types_;
  TwinList twins_;
  NameIndex by_id_;
  std::shared_ptr<Pointers> pointers_;  // made at its first use
};

}  // namespace entente::node
