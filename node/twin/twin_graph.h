// The twins of a site at one moment: what they are, and how they hang together.
//
// Immutable; shared by pointer between threads. Twins are in id order, their relationships' targets
// exist and have the type that the relationship asks for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "node/twin/type_registry.h"

namespace entente::node {

// An array, map or object, as JSON text.
struct Structured {
  std::string json;
  bool operator==(const Structured&) const = default;
};
using PropertyValue = std::variant<bool, std::int64_t, double, std::string, Structured>;
// As a public key and as people read it: "WA", "12", "0.5", "true".
std::string to_text(const PropertyValue& value);

using Properties = std::map<std::string, PropertyValue, std::less<>>;

struct Twin {
  std::string id;
  std::string type;
  Properties properties;
  std::map<std::string, std::vector<std::string>, std::less<>> relationships;  // name -> twin ids
  std::map<std::string, Properties, std::less<>> components;  // properties of the component
  bool operator==(const Twin&) const = default;
};

class TwinGraph {
 public:
  TwinGraph() = default;
  // `twins` in id order and checked (twin_registry.h does).
  TwinGraph(std::shared_ptr<const TypeRegistry> types, std::vector<Twin> twins);

  const TypeRegistry& types() const { return *types_; }
  std::shared_ptr<const TypeRegistry> shared_types() const { return types_; }
  const std::vector<Twin>& twins() const { return twins_; }
  const Twin* find(std::string_view id) const;
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
  std::shared_ptr<const TypeRegistry> types_ = std::make_shared<const TypeRegistry>();
  std::vector<Twin> twins_;
  std::multimap<std::string, Incoming, std::less<>> incoming_;
};

}  // namespace entente::node
