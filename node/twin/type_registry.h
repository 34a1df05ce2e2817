// Types resolved: what a twin of a type has, inheritance and components included.
//
// A registry is an immutable snapshot. Interfaces that break a rule, and those that stand on them,
// are left out and named in the problems; whoever installs types refuses when there are any.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "node/twin/dtdl.h"

namespace entente::node {

// A telemetry that has readings. Readings are numbers: telemetry of other schemas is listed with
// numeric = false and takes none. Fields of an object telemetry are signals "accel.x", those of a
// component "pump.pressure".
struct Signal {
  std::string name;
  SchemaPtr schema;
  std::string unit;
  std::optional<Range> range;
  bool numeric = false;
  std::string origin;  // the interface that says so
};

struct ResolvedType {
  std::string id;
  LocalText display_name;
  LocalText description;
  std::vector<std::string> ancestors;  // ids, sorted, itself included
  std::vector<Signal> signals;         // the rest as well sorted by name
  std::vector<Content> properties;
  std::vector<Content> relationships;
  std::vector<Content> components;
  std::vector<Content> commands;

  bool is_a(std::string_view type) const;
  const Signal* signal(std::string_view name) const;
  const Content* property(std::string_view name) const;
  const Content* relationship(std::string_view name) const;
};

class TypeRegistry {
 public:
  struct Built {
    std::shared_ptr<const TypeRegistry> registry;
    std::vector<TypeProblem> problems;
    // References to interfaces that nobody gave, each once, sorted; their users are in `problems`.
    std::vector<std::string> missing;
  };
  static Built build(std::vector<Interface> interfaces);

  const ResolvedType* find(std::string_view id) const;
  const std::vector<ResolvedType>& types() const { return types_; }  // by id
  // `type` is `ancestor` or extends it. False for unknown ids.
  bool is_a(std::string_view type, std::string_view ancestor) const;

 private:
  std::vector<ResolvedType> types_;
};

}  // namespace entente::node
