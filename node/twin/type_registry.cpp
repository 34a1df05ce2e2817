#include "node/twin/type_registry.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "node/limits.h"

namespace entente::node {
namespace {

template <class List>
auto find_named(const List& list, std::string_view name) -> decltype(&list.front()) {
  const auto found = std::lower_bound(
      list.begin(), list.end(), name,
      [](const auto& each, std::string_view wanted) { return each.name < wanted; });
  return found != list.end() && found->name == name ? &*found : nullptr;
}

template <class List>
void sort_named(List& list) {
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
}

// Checks what needs more than one element, and resolves.
class Linker {
 public:
  explicit Linker(std::vector<Interface> interfaces) : interfaces_(std::move(interfaces)) {}

  void link() {
    index();
    for (auto& each : interfaces_) schemas_of(each);
    for (auto& each : interfaces_) resolve(each.id);
    for (auto& each : interfaces_) components_of(each);
    drop_dependants();
  }

  std::vector<TypeProblem> problems;
  std::set<std::string> missing;
  std::map<std::string, ResolvedType> resolved;

 private:
  struct Node {
    Interface* interface = nullptr;
    bool broken = false;
    bool faulty = false;  // broken by more than a missing definition
    bool open = false;    // being resolved: meeting it again is a cycle
    bool done = false;
    std::size_t depth = 0;  // of the longest extends chain below
  };

  enum class Fault { rule, dangling };
  void add(const Interface& interface, const std::string& path, std::string rule,
           Fault fault = Fault::rule) {
    auto& node = nodes_[interface.id];
    node.broken = true;
    node.faulty = node.faulty || fault == Fault::rule;
    const bool dangling = fault == Fault::dangling;
    auto& count = dangling ? dangling_ : faults_;
    if (++count <= limits::kTypeProblems) {
      problems.push_back({interface.file, path, std::move(rule), dangling});
    }
  }
  // What stands on a broken interface is broken in the same way.
  Fault fault_of(const std::string& id) {
    return nodes_[id].faulty ? Fault::rule : Fault::dangling;
  }

  void index() {
    std::map<std::string, const Interface*> owners;
    const auto claim = [&](const std::string& id, const Interface& by, const std::string& path) {
      if (id.empty()) return;
      const auto [entry, fresh] = owners.emplace(id, &by);
      if (!fresh && entry->second != &by) {
        add(by, path, "\"" + id + "\" is defined in " + entry->second->file + " as well");
      }
    };
    for (auto& each : interfaces_) {
      auto& node = nodes_[each.id];
      if (node.interface == nullptr) node.interface = &each;
      claim(each.id, each, each.path);
      for (const auto& [id, schema] : each.schemas) claim(id, each, schema->path);
      for (const auto& id : each.element_ids) claim(id, each, each.path);
    }
  }

  // Replaces references by what they refer to, then looks at depth and arrays.
  void schemas_of(Interface& interface) {
    for (auto& [id, schema] : interface.schemas) replace_inside(interface, *schema);
    for (auto& [id, schema] : interface.schemas) check_depth(interface, schema, 1, false);
    for (auto& content : interface.contents) {
      replace(interface, content.schema);
      replace(interface, content.request);
      replace(interface, content.response);
      const bool plain = content.kind == Content::Kind::property && interface.version == 2;
      check_depth(interface, content.schema, 1, plain);
      check_depth(interface, content.request, 1, false);
      check_depth(interface, content.response, 1, false);
      for (auto& property : content.properties) {
        replace(interface, property.schema);
        check_depth(interface, property.schema, 1, interface.version == 2);
      }
    }
    cut_circles(interface);
  }

  // A schema that refers to itself would own itself for ever. Circles go through named schemas, and
  // make the interface broken, so that nobody needs what is cut here.
  void cut_circles(Interface& interface) {
    if (!nodes_[interface.id].broken) return;
    for (auto& [id, schema] : interface.schemas) {
      schema->element.reset();
      schema->fields.clear();
    }
  }

  void replace(Interface& interface, SchemaPtr& schema) {
    if (!schema) return;
    if (schema->kind != Schema::Kind::reference) return replace_inside(interface, *schema);
    const auto found = interface.schemas.find(schema->id);
    if (found != interface.schemas.end()) {
      schema = found->second;
    } else {
      add(interface, schema->path,
          "\"" + schema->id + "\" is no schema of this interface's own \"schemas\"");
    }
  }

  void replace_inside(Interface& interface, Schema& schema) {
    if (schema.kind == Schema::Kind::array || schema.kind == Schema::Kind::map) {
      replace(interface, schema.element);
    }
    for (auto& field : schema.fields) replace(interface, field.schema);
  }

  void check_depth(const Interface& interface, const SchemaPtr& schema, std::size_t depth,
                   bool without_arrays) {
    if (!schema) return;
    const bool nests = schema->kind == Schema::Kind::array || schema->kind == Schema::Kind::map;
    if (!nests && schema->kind != Schema::Kind::object) return;
    const auto most = limits::kSchemaDepth[interface.version - 2];
    if (depth > most) {
      return add(interface, schema->path,
                 "schemas are nested deeper than " + std::to_string(most) + ", or in a circle");
    }
    if (without_arrays && schema->kind == Schema::Kind::array) {
      return add(interface, schema->path, "a property of DTDL 2 holds no array");
    }
    if (nests) check_depth(interface, schema->element, depth + 1, without_arrays);
    for (const auto& field : schema->fields) {
      if (nodes_[interface.id].broken) return;
      check_depth(interface, field.schema, depth + 1, without_arrays);
    }
  }

  // The type with everything inherited, or null when it or something below it is broken.
  const ResolvedType* resolve(const std::string& id) {
    auto& node = nodes_[id];
    if (node.done) return node.broken ? nullptr : &resolved.at(id);
    Interface& interface = *node.interface;
    if (node.open) {
      add(interface, interface.path, "extends itself, over one or more steps");
      return nullptr;
    }
    node.open = true;
    ResolvedType type;
    type.id = id;
    type.display_name = interface.display_name;
    type.description = interface.description;
    std::map<std::string, std::string> origins;  // name -> interface
    std::set<std::string> ancestors{id};
    for (auto& content : interface.contents) {
      origins[content.name] = id;
      take(type, content, id);
    }
    for (const auto& base : interface.extends) inherit(interface, base, type, origins, ancestors);
    if (origins.size() > limits::kContents[interface.version - 2]) {
      add(interface, interface.path, "has too many contents, what it inherits included");
    }
    type.ancestors.assign(ancestors.begin(), ancestors.end());
    sort_named(type.signals);
    sort_named(type.properties);
    sort_named(type.relationships);
    sort_named(type.components);
    sort_named(type.commands);
    node.open = false;
    node.done = true;
    if (node.broken) return nullptr;
    return &resolved.emplace(id, std::move(type)).first->second;
  }

  void inherit(Interface& interface, const std::string& base, ResolvedType& type,
               std::map<std::string, std::string>& origins, std::set<std::string>& ancestors) {
    const auto path = interface.path + ".extends";
    const auto found = nodes_.find(base);
    if (found == nodes_.end() || found->second.interface == nullptr) {
      missing.insert(base);
      return add(interface, path, "nobody defines \"" + base + "\"", Fault::dangling);
    }
    auto& below = found->second;
    if (below.interface->version > interface.version) {
      return add(interface, path, "\"" + base + "\" is of a newer DTDL");
    }
    const auto* inherited = resolve(base);
    if (inherited == nullptr) {
      return add(interface, path, "\"" + base + "\" has problems of its own", fault_of(base));
    }
    auto& node = nodes_[interface.id];
    node.depth = std::max(node.depth, below.depth + 1);
    if (node.depth > limits::kExtendsDepth[interface.version - 2]) {
      return add(interface, path,
                 "the chain of extends is longer than " +
                     std::to_string(limits::kExtendsDepth[interface.version - 2]));
    }
    for (const auto& [name, origin] : origins_[base]) {
      const auto [entry, fresh] = origins.emplace(name, origin);
      if (!fresh && entry->second != origin) {
        add(interface, path,
            "\"" + name + "\" comes from " + entry->second + " and from " + origin);
      }
    }
    ancestors.insert(inherited->ancestors.begin(), inherited->ancestors.end());
    merge(type.signals, inherited->signals);
    merge(type.properties, inherited->properties);
    merge(type.relationships, inherited->relationships);
    merge(type.components, inherited->components);
    merge(type.commands, inherited->commands);
    origins_[interface.id] = origins;
  }

  // A diamond brings the same content twice; it is taken once.
  template <class List>
  static void merge(List& into, const List& from) {
    for (const auto& each : from) {
      const bool there = std::any_of(into.begin(), into.end(),
                                     [&](const auto& one) { return one.name == each.name; });
      if (!there) into.push_back(each);
    }
  }

  void take(ResolvedType& type, const Content& content, const std::string& origin) {
    origins_[origin][content.name] = origin;
    switch (content.kind) {
      case Content::Kind::telemetry:
        signals_of(type, content.name, content.schema, content.unit, content.range, origin);
        break;
      case Content::Kind::property:
        type.properties.push_back(content);
        break;
      case Content::Kind::relationship:
        type.relationships.push_back(content);
        break;
      case Content::Kind::component:
        type.components.push_back(content);
        break;
      case Content::Kind::command:
        type.commands.push_back(content);
        break;
    }
  }

  static void signals_of(ResolvedType& type, const std::string& name, const SchemaPtr& schema,
                         const std::string& unit, const std::optional<Range>& range,
                         const std::string& origin) {
    if (!schema) return;
    if (schema->kind == Schema::Kind::object) {
      for (const auto& field : schema->fields) {
        signals_of(type, name + "." + field.name, field.schema, field.unit, std::nullopt, origin);
      }
      return;
    }
    const bool numeric =
        schema->numeric() || schema->kind == Schema::Kind::boolean ||
        (schema->kind == Schema::Kind::enumeration && schema->value_kind == Schema::Kind::integer);
    type.signals.push_back({name, schema, unit, range, numeric, origin});
  }

  void components_of(Interface& interface) {
    const auto mine = resolved.find(interface.id);
    if (mine == resolved.end() || nodes_[interface.id].interface != &interface) return;
    std::vector<Signal> more;
    for (const auto& content : mine->second.components) {
      const auto found = nodes_.find(content.component);
      if (found == nodes_.end() || found->second.interface == nullptr) {
        missing.insert(content.component);
        add(interface, content.path, "nobody defines \"" + content.component + "\"",
            Fault::dangling);
        continue;
      }
      const auto type = resolved.find(content.component);
      if (type == resolved.end()) {
        add(interface, content.path, "\"" + content.component + "\" has problems of its own",
            fault_of(content.component));
        continue;
      }
      if (!type->second.components.empty()) {
        add(interface, content.path, "a component's interface has no components of its own");
        continue;
      }
      for (auto signal : type->second.signals) {
        signal.name = content.name + "." + signal.name;
        more.push_back(std::move(signal));
      }
    }
    auto& signals = mine->second.signals;
    signals.insert(signals.end(), more.begin(), more.end());
    sort_named(signals);
  }

  // What was found broken late takes along what stands on it.
  void drop_dependants() {
    bool more = true;
    while (more) {
      more = false;
      for (const auto& each : interfaces_) {
        const auto found = resolved.find(each.id);
        if (found == resolved.end()) continue;
        const auto gone = [&](const std::string& id) {
          return nodes_[id].broken || resolved.count(id) == 0;
        };
        const auto& type = found->second;
        const bool drop =
            std::any_of(type.ancestors.begin(), type.ancestors.end(), gone) ||
            std::any_of(type.components.begin(), type.components.end(),
                        [&](const Content& content) { return gone(content.component); });
        if (drop) {
          auto fault = Fault::dangling;
          const auto look = [&](const std::string& id) {
            if (nodes_[id].faulty) fault = Fault::rule;
          };
          for (const auto& id : type.ancestors) look(id);
          for (const auto& content : type.components) look(content.component);
          if (!nodes_[each.id].broken) {
            add(each, each.path, "stands on an interface that has problems of its own", fault);
          }
          resolved.erase(found);
          more = true;
        }
      }
    }
  }

  std::vector<Interface> interfaces_;
  std::map<std::string, Node> nodes_;
  std::size_t faults_ = 0;  // each kind is named up to its own limit
  std::size_t dangling_ = 0;
  std::map<std::string, std::map<std::string, std::string>> origins_;
};

}  // namespace

bool ResolvedType::is_a(std::string_view type) const {
  return std::binary_search(ancestors.begin(), ancestors.end(), type);
}
const Signal* ResolvedType::signal(std::string_view name) const {
  return find_named(signals, name);
}
const Content* ResolvedType::property(std::string_view name) const {
  return find_named(properties, name);
}
const Content* ResolvedType::relationship(std::string_view name) const {
  return find_named(relationships, name);
}

TypeRegistry::Built TypeRegistry::build(std::vector<Interface> interfaces) {
  Linker linker(std::move(interfaces));
  linker.link();
  auto registry = std::make_shared<TypeRegistry>();
  for (auto& [id, type] : linker.resolved) registry->types_.push_back(std::move(type));
  Built built;
  built.registry = std::move(registry);
  built.problems = std::move(linker.problems);
  built.missing.assign(linker.missing.begin(), linker.missing.end());
  return built;
}

const ResolvedType* TypeRegistry::find(std::string_view id) const {
  const auto found =
      std::lower_bound(types_.begin(), types_.end(), id,
                       [](const ResolvedType& a, std::string_view b) { return a.id < b; });
  return found != types_.end() && found->id == id ? &*found : nullptr;
}

bool TypeRegistry::is_a(std::string_view type, std::string_view ancestor) const {
  const auto* found = find(type);
  return found != nullptr && found->is_a(ancestor);
}

}  // namespace entente::node
