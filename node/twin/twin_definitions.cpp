#include "node/twin/twin_definitions.h"

#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <regex>
#include <unordered_map>

#include "node/limits.h"
#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente::node {
namespace {

namespace json = boost::json;

std::string text(const json::string& value) {
  return {value.data(), value.size()};
}
std::string key_of(const json::key_value_pair& member) {
  return {member.key().data(), member.key().size()};
}

Error broken(const std::string& place, const std::string& what) {
  return make_error(ErrorCode::config_invalid, place + ": " + what);
}

std::string choices(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "" : ", ") + name;
  return all.empty() ? "it has none" : "it has: " + all;
}

template <class List>
std::vector<std::string> names_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& each : list) names.push_back(each.name);
  return names;
}

// Whether a JSON value fits a schema; empty when it does, else why not.
std::string misfit(const json::value& value, const Schema& schema);

std::string misfit_inside(const json::value& value, const Schema& schema) {
  if (schema.kind == Schema::Kind::array) {
    if (!value.is_array()) return "an array is expected";
    for (const auto& each : value.get_array()) {
      if (auto why = misfit(each, *schema.element); !why.empty()) return why;
    }
    return {};
  }
  if (!value.is_object()) return "a table is expected";
  for (const auto& member : value.get_object()) {
    const Schema* inner = schema.element.get();
    if (schema.kind == Schema::Kind::object) {
      const auto found = std::find_if(schema.fields.begin(), schema.fields.end(),
                                      [&](const auto& f) { return f.name == key_of(member); });
      if (found == schema.fields.end()) return "there is no field \"" + key_of(member) + "\"";
      inner = found->schema.get();
    }
    if (auto why = misfit(member.value(), *inner); !why.empty()) return key_of(member) + ": " + why;
  }
  return {};
}

std::string misfit_enumeration(const json::value& value, const Schema& schema) {
  const bool integer = schema.value_kind == Schema::Kind::integer;
  const auto given = value.is_int64()    ? std::to_string(value.get_int64())
                     : value.is_string() ? text(value.get_string())
                                         : std::string();
  std::string all;
  for (const auto& each : schema.values) {
    if (each.value == given && value.is_int64() == integer) return {};
    all += (all.empty() ? "" : ", ") + each.value;
  }
  return "one of " + all + " is expected";
}

std::string misfit(const json::value& value, const Schema& schema) {
  constexpr std::int64_t kInteger = 2'147'483'647;
  const bool whole = value.is_int64();
  switch (schema.kind) {
    case Schema::Kind::boolean:
      return value.is_bool() ? "" : "true or false is expected";
    case Schema::Kind::integer:
      return whole && std::abs(value.get_int64()) <= kInteger ? "" : "a whole number is expected";
    case Schema::Kind::long_:
      return whole ? "" : "a whole number is expected";
    case Schema::Kind::double_:
    case Schema::Kind::float_:
      if (value.is_double() && !std::isfinite(value.get_double()))
        return "a finite number is expected";
      return whole || value.is_double() ? "" : "a number is expected";
    case Schema::Kind::string:
      if (!value.is_string()) return "a text is expected";
      return value.get_string().size() <= limits::kPropertyTextBytes ? "" : "the text is too long";
    case Schema::Kind::date:
    case Schema::Kind::date_time:
      return value.is_string() && parse_instant(text(value.get_string())) ? ""
                                                                          : "a date is expected";
    case Schema::Kind::time: {
      static const std::regex kTime(R"(\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?)");
      return value.is_string() && std::regex_match(text(value.get_string()), kTime)
                 ? ""
                 : "a time of day, hh:mm:ss, is expected";
    }
    case Schema::Kind::duration: {
      static const std::regex kDuration(
          R"(P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)");
      return value.is_string() && std::regex_match(text(value.get_string()), kDuration)
                 ? ""
                 : "an ISO 8601 duration is expected";
    }
    case Schema::Kind::enumeration:
      return misfit_enumeration(value, schema);
    case Schema::Kind::geospatial:
      return value.is_object() ? "" : "a GeoJSON object is expected";
    default:
      return misfit_inside(value, schema);
  }
}

PropertyValue converted(const json::value& value, const Schema& schema) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_string()) return text(value.get_string());
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) {
    const bool real = schema.kind == Schema::Kind::double_ || schema.kind == Schema::Kind::float_;
    if (real) return static_cast<double>(value.get_int64());
    return value.get_int64();
  }
  return Structured{json::serialize(value)};
}

class Reader {
 public:
  Reader(const Document& document, const TypeRegistry& types)
      : document_(document), types_(types) {}

  Result<TwinDefinition> definition(const json::value& value, const std::string& path) {
    TwinDefinition made;
    made.path = path;
    if (!value.is_object()) return broken(document_.place(path), "a twin is a table");
    const auto& object = value.get_object();
    for (const auto& member : object) {
      static constexpr std::string_view kKeys[] = {"id", "type", "properties", "relationships",
                                                   "components"};
      const auto key = key_of(member);
      if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys)) {
        return broken(document_.place(path + "." + key), "unknown key \"" + key +
                                                             "\"; a twin has id, type, properties, "
                                                             "relationships, components");
      }
    }
    auto& twin = made.twin;
    auto id = word(object, "id", path);
    if (!id) return std::move(id).error();
    twin.id = std::move(*id);
    if (!is_local_id(twin.id)) {
      return broken(document_.place(path + ".id"),
                    "\"" + twin.id + "\" is no id: [a-z0-9][a-z0-9._-]{0,62}");
    }
    auto type_id = word(object, "type", path);
    if (!type_id) return std::move(type_id).error();
    twin.type = std::move(*type_id);
    const auto* type = types_.find(twin.type);
    if (type == nullptr) {
      return broken(document_.place(path + ".type"),
                    "no type \"" + twin.type + "\" is known; see 'entente type list'");
    }
    if (auto done = properties(object, path, *type, twin.properties); !done) {
      return std::move(done).error();
    }
    if (auto done = relationships(object, path, *type, twin); !done) return std::move(done).error();
    if (auto done = components(object, path, *type, twin); !done) return std::move(done).error();
    return made;
  }

 private:
  Result<std::string> word(const json::object& object, const char* key, const std::string& path) {
    const auto* value = object.if_contains(key);
    if (value == nullptr || !value->is_string()) {
      return broken(document_.place(value == nullptr ? path : path + "." + key),
                    std::string("a twin needs ") + key + ", a text");
    }
    return text(value->get_string());
  }

  Outcome properties(const json::object& object, const std::string& path, const ResolvedType& type,
                     Properties& into) {
    const auto* value = object.if_contains("properties");
    return value == nullptr ? Outcome() : property_table(*value, path + ".properties", type, into);
  }

  Outcome property_table(const json::value& value, const std::string& path,
                         const ResolvedType& type, Properties& into) {
    if (!value.is_object()) return broken(document_.place(path), "properties are a table");
    into.reserve(value.get_object().size());
    for (const auto& member : value.get_object()) {
      auto name = key_of(member);
      const auto place = [&] { return document_.place(path + "." + name); };
      const auto* property = type.property(name);
      if (property == nullptr) {
        return broken(place(), type.id + " has no property \"" + name + "\"; " +
                                   choices(names_of(type.properties)));
      }
      if (auto why = misfit(member.value(), *property->schema); !why.empty()) {
        return broken(place(), "property \"" + name + "\": " + why);
      }
      into.emplace(std::move(name), converted(member.value(), *property->schema));
    }
    return {};
  }

  Outcome relationships(const json::object& object, const std::string& path,
                        const ResolvedType& type, Twin& twin) {
    const auto* value = object.if_contains("relationships");
    if (value == nullptr) return {};
    const auto base = path + ".relationships";
    if (!value->is_object()) return broken(document_.place(base), "relationships are a table");
    twin.relationships.reserve(value->get_object().size());
    for (const auto& member : value->get_object()) {
      const auto name = key_of(member);
      const auto place = [&] { return document_.place(base + "." + name); };
      if (type.relationship(name) == nullptr) {
        return broken(place(), type.id + " has no relationship \"" + name + "\"; " +
                                   choices(names_of(type.relationships)));
      }
      if (!member.value().is_array()) return broken(place(), "a list of twins is expected");
      auto& targets = twin.relationships[name];
      targets.reserve(member.value().get_array().size());
      for (const auto& each : member.value().get_array()) {
        if (!each.is_string()) return broken(place(), "a list of twins' ids is expected");
        targets.push_back(text(each.get_string()));
      }
      std::sort(targets.begin(), targets.end());
      if (std::adjacent_find(targets.begin(), targets.end()) != targets.end()) {
        return broken(place(), "relationship \"" + name + "\" names a twin twice");
      }
    }
    return {};
  }

  Outcome components(const json::object& object, const std::string& path, const ResolvedType& type,
                     Twin& twin) {
    const auto* value = object.if_contains("components");
    if (value == nullptr) return {};
    const auto base = path + ".components";
    if (!value->is_object()) return broken(document_.place(base), "components are a table");
    for (const auto& member : value->get_object()) {
      const auto name = key_of(member);
      const auto found = std::find_if(type.components.begin(), type.components.end(),
                                      [&](const Content& each) { return each.name == name; });
      if (found == type.components.end()) {
        return broken(
            document_.place(base + "." + name),
            type.id + " has no component \"" + name + "\"; " + choices(names_of(type.components)));
      }
      const auto* inner = types_.find(found->component);
      auto done = property_table(member.value(), base + "." + name, *inner, twin.components[name]);
      if (!done) return done;
    }
    return {};
  }

  const Document& document_;
  const TypeRegistry& types_;
};

json::value to_value(const PropertyValue& value) {
  struct {
    json::value operator()(bool v) const { return v; }
    json::value operator()(std::int64_t v) const { return v; }
    json::value operator()(double v) const { return v; }
    json::value operator()(const std::string& v) const { return json::value(v); }
    json::value operator()(const Structured& v) const { return json::parse(v.json); }
  } visitor;
  return std::visit(visitor, value);
}

json::object to_object(const Properties& properties) {
  json::object object;
  for (const auto& [name, value] : properties) object[name] = to_value(value);
  return object;
}

}  // namespace

Result<std::vector<TwinDefinition>> read_definitions(const Document& document,
                                                     const TypeRegistry& types) {
  if (!document.root.is_object()) return broken(document.file, "a table with [[twin]] is expected");
  std::vector<TwinDefinition> all;
  std::unordered_map<std::string, std::size_t> seen;  // -> place in `all`
  Reader reader(document, types);
  for (const auto& member : document.root.get_object()) {
    const auto key = key_of(member);
    if (key != "twin") {
      return broken(document.place(key),
                    "unknown key \"" + key + "\"; only [[twin]] may stand here");
    }
    if (!member.value().is_array()) {
      return broken(document.place(key), "twins are a list: write [[twin]]");
    }
    const auto& list = member.value().get_array();
    if (list.size() > limits::kTwins) return broken(document.place(key), "too many twins");
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto made = reader.definition(list[i], "twin[" + std::to_string(i) + "]");
      if (!made) return std::move(made).error();
      const auto [entry, fresh] = seen.emplace(made->twin.id, all.size());
      if (!fresh) {
        return broken(document.place(made->path), "twin \"" + made->twin.id + "\" stands at " +
                                                      document.place(all[entry->second].path) +
                                                      " already");
      }
      all.push_back(std::move(*made));
    }
  }
  return all;
}

Result<Twin> read_twin(std::string_view text, std::string_view place, const TypeRegistry& types) {
  // Most twins' trees fit in here; the rest takes more by itself.
  unsigned char room[4'096];
  json::monotonic_resource memory(room, sizeof room);
  boost::system::error_code failure;
  Document document;
  document.file = place;
  const auto root = json::parse({text.data(), text.size()}, failure, &memory);
  if (failure) return broken(document.file, "a twin is no JSON");
  auto made = Reader(document, types).definition(root, "twin");
  if (!made) return std::move(made).error();
  return std::move(made->twin);
}

std::string to_json(const Twin& twin) {
  json::object object;
  object["id"] = twin.id;
  object["type"] = twin.type;
  if (!twin.properties.empty()) object["properties"] = to_object(twin.properties);
  if (!twin.relationships.empty()) {
    json::object relationships;
    for (const auto& [name, targets] : twin.relationships) {
      relationships[name] = json::array(targets.begin(), targets.end());
    }
    object["relationships"] = std::move(relationships);
  }
  if (!twin.components.empty()) {
    json::object components;
    for (const auto& [name, properties] : twin.components) components[name] = to_object(properties);
    object["components"] = std::move(components);
  }
  return json::serialize(object);
}

Outcome check_relationships(const Twin& twin, const TwinGraph& graph) {
  const auto broken = [](std::string what) {
    return make_error(ErrorCode::config_invalid, std::move(what));
  };
  const auto* type = graph.type_of(twin);
  for (const auto& [name, targets] : twin.relationships) {
    const auto* declared = type->relationship(name);
    if (declared == nullptr) {
      return broken(type->id + " has no relationship \"" + name + "\"");
    }
    if (declared->max_multiplicity &&
        targets.size() > static_cast<std::size_t>(*declared->max_multiplicity)) {
      return broken("relationship \"" + name + "\" of " + twin.id + " may have at most " +
                    std::to_string(*declared->max_multiplicity) + " targets");
    }
    for (const auto& id : targets) {
      const auto* target = graph.find(id);
      if (target == nullptr) {
        return broken(twin.id + "." + name + " points at \"" + id + "\", which is no twin");
      }
      if (declared->target && !graph.types().is_a(target->type, *declared->target)) {
        return broken(twin.id + "." + name + " wants " + *declared->target + ", but \"" + id +
                      "\" is " + target->type);
      }
    }
  }
  return {};
}

}  // namespace entente::node
