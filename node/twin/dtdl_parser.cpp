#include <boost/json/value.hpp>
#include <set>

#include "node/limits.h"
#include "node/twin/dtdl.h"
#include "node/twin/dtdl_element.h"
#include "node/twin/dtmi.h"
#include "node/twin/json_text.h"
#include "node/twin/units.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using dtdl::Element;

using dtdl::at;
using dtdl::bare_word;
using dtdl::Scope;
using dtdl::Types;
using dtdl::view;

class Parser : private dtdl::ElementReader {
 public:
  Parser(std::string_view file, UnknownContexts unknown) : ElementReader(file, unknown) {}

  ParsedTypes parse(std::string_view text) {
    ParsedTypes parsed;
    if (text.size() > limits::kTypeFileBytes) {
      problems_.add("$", "larger than " + std::to_string(limits::kTypeFileBytes) + " bytes");
    } else if (auto document = parse_json(text, problems_.file(), limits::kTypeNesting);
               !document) {
      problems_.add("$", document.error().what);
    } else {
      document_of(*document);
    }
    parsed.interfaces = std::move(interfaces_);
    parsed.problems = problems_.take();
    return parsed;
  }

 private:
  void document_of(const json::value& document) {
    if (!document.is_object() && !document.is_array()) {
      return problems_.add("$", "an object or an array of objects is expected");
    }
    std::size_t index = 0;
    for (const auto* each : dtdl::many(document)) {
      const auto path = document.is_array() ? "$[" + std::to_string(index++) + "]" : "$";
      if (!each->is_object()) {
        problems_.add(path, "an object is expected");
        continue;
      }
      interface_of(each->get_object(), path, Scope(), true);
    }
  }

  // --- schemas --------------------------------------------------------------------------------

  // A word, a DTMI, or a complex schema on the spot.
  SchemaPtr schema_at(const json::object& object, std::string_view key, const std::string& path,
                      const Scope& scope) {
    const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
    const auto place = at(path, key);
    const auto* one = value == nullptr ? nullptr : dtdl::single(*value, place, problems_);
    if (one == nullptr) {
      problems_.add(path, "needs \"" + std::string(key) + "\"");
      return nullptr;
    }
    if (one->is_string()) return schema_word(view(one->get_string()), place, scope);
    if (one->is_object()) return complex_schema(one->get_object(), place, scope, false);
    problems_.add(place, "a schema's word, a DTMI or a schema is expected");
    return nullptr;
  }

  SchemaPtr schema_word(std::string_view word, const std::string& path, const Scope& scope) {
    auto schema = std::make_shared<Schema>();
    schema->path = path;
    for (std::string_view prefix :
         {"dtmi:dtdl:instance:Schema:", "dtmi:standard:schema:geospatial:"}) {
      if (word.starts_with(prefix)) {
        word = word.substr(prefix.size(), word.find(';') - prefix.size());
      }
    }
    schema->word = word;
    if (const auto* primitive = dtdl::primitive(word)) {
      schema->kind = primitive->kind;
      return schema;
    }
    if (is_unit_type(word) && scope.known.count("dtmi:dtdl:extension:overriding") > 0) {
      schema->kind = Schema::Kind::string;  // a unit by name, which overrides another content's
      return schema;
    }
    if (dtdl::is_central_schema(word) && scope.known.count("dtmi:iotcentral:context") > 0) {
      schema->kind = Schema::Kind::geospatial;
      return schema;
    }
    const auto complaint = dtmi_complaint(word, scope.version, limits::kElementIdBytes);
    if (!complaint.empty()) {
      problems_.add(path, "\"" + std::string(word) + "\" is no schema's word and " + complaint);
      return nullptr;
    }
    schema->kind = Schema::Kind::reference;
    schema->id = word;
    return schema;
  }

  SchemaPtr complex_schema(const json::object& object, const std::string& path, const Scope& outer,
                           bool shared) {
    constexpr unsigned kComplex = dtdl::kArray | dtdl::kEnum | dtdl::kMap | dtdl::kObject;
    const auto scope = scope_of(object, path, outer, false);
    auto schema = std::make_shared<Schema>();
    schema->path = path;
    schema->id = id_of(object, path, scope, shared, limits::kElementIdBytes);
    const auto types = types_of(object, path, scope, kComplex, "");
    const auto element = static_cast<Element>(dtdl::element_of(types.material));
    schema->word = types.material;
    if (element == 0) return nullptr;
    if (!types.quantity.empty()) problems_.add(at(path, "@type"), "a schema has no quantity");
    check_keys(object, path, scope, element, types);
    texts_of(object, path, scope);
    switch (element) {
      case dtdl::kArray:
        schema->kind = Schema::Kind::array;
        schema->element = schema_at(object, "elementSchema", path, scope);
        break;
      case dtdl::kEnum:
        enumeration(object, path, scope, *schema);
        break;
      case dtdl::kMap:
        map_schema(object, path, scope, *schema);
        break;
      default:
        schema->kind = Schema::Kind::object;
        object_schema(object, path, scope, *schema);
    }
    if (!schema->id.empty()) current_->schemas.emplace(schema->id, schema);
    return schema;
  }

  const json::object* part(const json::value& value, const std::string& path) {
    if (value.is_object()) return &value.get_object();
    problems_.add(path, "an object is expected");
    return nullptr;
  }

  void enumeration(const json::object& object, const std::string& path, const Scope& scope,
                   Schema& schema) {
    schema.kind = Schema::Kind::enumeration;
    const auto kind = dtdl::string_at(object, "valueSchema", path, scope.version, problems_);
    const auto word = kind ? schema_word(*kind, at(path, "valueSchema"), scope) : nullptr;
    if (!word || (word->kind != Schema::Kind::integer && word->kind != Schema::Kind::string)) {
      problems_.add(at(path, "valueSchema"), "needs \"integer\" or \"string\"");
      return;
    }
    schema.value_kind = word->kind;
    std::set<std::string> names, values;
    const auto* list = object.if_contains("enumValues");
    const auto all = list == nullptr ? std::vector<const json::value*>() : dtdl::many(*list);
    count(all.size(), scope.version == 2 ? 1 : 0, limits::kEnumValues[scope.version - 2],
          at(path, "enumValues"));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto place = at(path, "enumValues", i, list->is_array());
      const auto* inner = part(*all[i], place);
      if (inner == nullptr) continue;
      schema.values.push_back(enum_value(*inner, place, scope, schema.value_kind));
      if (!names.insert(schema.values.back().name).second) {
        problems_.add(at(place, "name"), "\"" + schema.values.back().name + "\" stands twice");
      }
      if (!values.insert(schema.values.back().value).second) {
        problems_.add(at(place, "enumValue"), schema.values.back().value + " stands twice");
      }
    }
  }

  Schema::EnumValue enum_value(const json::object& object, const std::string& path,
                               const Scope& outer, Schema::Kind kind) {
    const auto scope = scope_of(object, path, outer, false);
    current_->element_ids.push_back(id_of(object, path, scope, false, limits::kElementIdBytes));
    const auto types = types_of(object, path, scope, dtdl::kEnumValue, "EnumValue");
    check_keys(object, path, scope, dtdl::kEnumValue, types);
    texts_of(object, path, scope);
    Schema::EnumValue made{name_of(object, path, scope), {}};
    const auto place = at(path, "enumValue");
    const auto* value = object.if_contains("enumValue");
    const auto* one = value == nullptr ? nullptr : dtdl::single(*value, place, problems_);
    if (one != nullptr) one = dtdl::literal(*one, "", place, scope.version, problems_);
    const bool integer = kind == Schema::Kind::integer;
    if (one != nullptr && integer && one->is_int64()) {
      made.value = std::to_string(one->get_int64());
    } else if (one != nullptr && !integer && one->is_string()) {
      made.value = view(one->get_string());
    } else {
      problems_.add(place, integer ? "a whole number is expected" : "a text is expected");
    }
    return made;
  }

  // Field, MapKey, MapValue, CommandRequest, CommandResponse: a named schema.
  Schema::Field named_schema(const json::object& object, const std::string& path,
                             const Scope& outer, Element element, std::string_view word) {
    const auto scope = scope_of(object, path, outer, false);
    current_->element_ids.push_back(id_of(object, path, scope, false, limits::kElementIdBytes));
    const auto types = types_of(object, path, scope, element, word);
    check_keys(object, path, scope, element, types);
    texts_of(object, path, scope);
    Schema::Field field{
        name_of(object, path, scope), schema_at(object, "schema", path, scope), {}, path};
    if (!types.quantity.empty() && (scope.version == 2 || element == dtdl::kMapKey)) {
      problems_.add(at(path, "@type"), types.quantity + " may not stand on " + types.material);
    } else {
      field.unit = unit_of(object, path, scope, types, field.schema);
    }
    return field;
  }

  void map_schema(const json::object& object, const std::string& path, const Scope& scope,
                  Schema& schema) {
    schema.kind = Schema::Kind::map;
    const auto inner = [&](const char* key, Element element, const char* word) {
      const auto* value = object.if_contains(key);
      const auto place = at(path, key);
      const auto* one = value == nullptr ? nullptr : dtdl::single(*value, place, problems_);
      const auto* found = one == nullptr ? nullptr : part(*one, place);
      if (found == nullptr) {
        problems_.add(path, std::string("needs \"") + key + "\"");
        return Schema::Field();
      }
      return named_schema(*found, place, scope, element, word);
    };
    const auto key = inner("mapKey", dtdl::kMapKey, "MapKey");
    if (key.schema && key.schema->kind != Schema::Kind::string) {
      problems_.add(at(path, "mapKey") + ".schema", "a map's key is a string");
    }
    schema.element = inner("mapValue", dtdl::kMapValue, "MapValue").schema;
  }

  void object_schema(const json::object& object, const std::string& path, const Scope& scope,
                     Schema& schema) {
    std::set<std::string> names;
    const auto* list = object.if_contains("fields");
    const auto all = list == nullptr ? std::vector<const json::value*>() : dtdl::many(*list);
    count(all.size(), scope.version == 2 ? 1 : 0, limits::kObjectFields[scope.version - 2],
          at(path, "fields"));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto place = at(path, "fields", i, list->is_array());
      const auto* inner = part(*all[i], place);
      if (inner == nullptr) continue;
      schema.fields.push_back(named_schema(*inner, place, scope, dtdl::kField, "Field"));
      if (!names.insert(schema.fields.back().name).second) {
        problems_.add(at(place, "name"), "\"" + schema.fields.back().name + "\" stands twice");
      }
    }
  }

  void count(std::size_t got, std::size_t least, std::size_t most, const std::string& path) {
    if (got < least) problems_.add(path, "needs at least " + std::to_string(least));
    if (got > most) problems_.add(path, "has more than " + std::to_string(most));
  }

  // --- interfaces and their contents ---------------------------------------------------------

  std::string interface_of(const json::object& object, const std::string& path, const Scope& outer,
                           bool top) {
    const auto scope = scope_of(object, path, outer, top);
    if (scope.version == 0) return {};
    Interface made;
    Interface* const around = current_;
    current_ = &made;
    made.version = scope.version;
    made.file = problems_.file();
    made.path = path;
    const auto types = types_of(object, path, scope, dtdl::kInterface, "");
    if (types.material == "Interface") interface_body(object, path, scope, types, made);
    current_ = around;
    auto id = made.id;
    interfaces_.push_back(std::move(made));
    return id;
  }

  void interface_body(const json::object& object, const std::string& path, const Scope& scope,
                      const Types& types, Interface& made) {
    made.id = id_of(object, path, scope, true, limits::kInterfaceIdBytes);
    made.co_types = types.co_types;
    if (!types.quantity.empty()) problems_.add(at(path, "@type"), "an interface is no quantity");
    check_keys(object, path, scope, dtdl::kInterface, types);
    texts_of(object, path, scope, made);
    if (const auto* list = object.if_contains("schemas")) {
      std::size_t index = 0;
      for (const auto* each : dtdl::many(*list)) {
        const auto place = at(path, "schemas", index++, list->is_array());
        if (const auto* inner = part(*each, place)) complex_schema(*inner, place, scope, true);
      }
    }
    extends_of(object, path, scope, made);
    const auto* list = object.if_contains("contents");
    const auto all = list == nullptr ? std::vector<const json::value*>() : dtdl::many(*list);
    count(all.size(), 0, limits::kContents[scope.version - 2], at(path, "contents"));
    std::set<std::string> names;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto place = at(path, "contents", i, list->is_array());
      if (!all[i]->is_object()) {
        problems_.add(place, "contents are written out here, not referred to");
        continue;
      }
      constexpr unsigned kContent = dtdl::kTelemetry | dtdl::kProperty | dtdl::kRelationship |
                                    dtdl::kComponent | dtdl::kCommand;
      made.contents.push_back(content_of(all[i]->get_object(), place, scope, kContent));
      const auto& name = made.contents.back().name;
      if (!name.empty() && !names.insert(name).second) {
        problems_.add(at(place, "name"), "\"" + name + "\" stands twice in this interface");
      }
    }
  }

  void extends_of(const json::object& object, const std::string& path, const Scope& scope,
                  Interface& made) {
    const auto* list = object.if_contains("extends");
    if (list == nullptr) return;
    const auto all = dtdl::many(*list);
    count(all.size(), 0, limits::kExtends[scope.version - 2], at(path, "extends"));
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto id = interface_reference(*all[i], at(path, "extends", i, list->is_array()), scope);
      if (!id.empty()) made.extends.push_back(std::move(id));
    }
  }

  // An interface's DTMI, or the interface itself on the spot.
  std::string interface_reference(const json::value& value, const std::string& path,
                                  const Scope& scope) {
    if (value.is_object()) return interface_of(value.get_object(), path, scope, false);
    if (!value.is_string()) {
      problems_.add(path, "an interface's DTMI is expected");
      return {};
    }
    const auto text = view(value.get_string());
    const auto complaint = dtmi_complaint(text, scope.version, limits::kInterfaceIdBytes);
    if (complaint.empty()) return std::string(text);
    problems_.add(path, "\"" + std::string(text.substr(0, 80)) + "\" " + complaint);
    return {};
  }

  Content content_of(const json::object& object, const std::string& path, const Scope& outer,
                     unsigned allowed) {
    const auto scope = scope_of(object, path, outer, false);
    Content made;
    made.path = path;
    made.id = id_of(object, path, scope, false, limits::kElementIdBytes);
    if (!made.id.empty()) current_->element_ids.push_back(made.id);
    const auto types = types_of(object, path, scope, allowed, "");
    const auto element = static_cast<Element>(dtdl::element_of(types.material));
    if (element == 0) return made;
    made.co_types = types.co_types;
    check_keys(object, path, scope, element, types);
    texts_of(object, path, scope, made);
    made.name = name_of(object, path, scope);
    made.writable =
        dtdl::boolean_at(object, "writable", path, scope.version, problems_).value_or(false);
    if (!types.quantity.empty() && element != dtdl::kTelemetry && element != dtdl::kProperty) {
      problems_.add(at(path, "@type"), types.quantity + " may not stand on " + types.material);
    }
    switch (element) {
      case dtdl::kTelemetry:
      case dtdl::kProperty:
        made.kind = element == dtdl::kProperty ? Content::Kind::property : Content::Kind::telemetry;
        made.schema = schema_at(object, "schema", path, scope);
        made.unit = unit_of(object, path, scope, types, made.schema);
        made.range = range_of(object, path, types);
        for (const auto* each : types.known) {
          if (made.schema && !dtdl::takes_schema(*each, *made.schema)) {
            problems_.add(at(path, "schema"), std::string(each->word) + " has another schema");
          }
        }
        break;
      case dtdl::kRelationship:
        relationship(object, path, scope, made);
        break;
      case dtdl::kComponent:
        made.kind = Content::Kind::component;
        component(object, path, scope, made);
        break;
      default:
        made.kind = Content::Kind::command;
        command(object, path, scope, made);
    }
    return made;
  }

  void relationship(const json::object& object, const std::string& path, const Scope& scope,
                    Content& made) {
    made.kind = Content::Kind::relationship;
    if (const auto* value = object.if_contains("target")) {
      const auto place = at(path, "target");
      if (const auto* one = dtdl::single(*value, place, problems_)) {
        if (!one->is_string() || !parse_dtmi(view(one->get_string()))) {
          problems_.add(place, "a DTMI in quotes is expected");
        } else {
          made.target = std::string(view(one->get_string()));
        }
      }
    }
    const int v = scope.version;
    const auto least = dtdl::integer_at(object, "minMultiplicity", path, v, problems_);
    if (least && *least != 0) problems_.add(at(path, "minMultiplicity"), "can only be 0");
    made.max_multiplicity = dtdl::integer_at(object, "maxMultiplicity", path, v, problems_);
    const auto most = limits::kMultiplicity[v - 2];
    if (made.max_multiplicity && (*made.max_multiplicity < 1 || *made.max_multiplicity > most)) {
      problems_.add(at(path, "maxMultiplicity"), "lies in 1 to " + std::to_string(most));
    }
    const auto* list = object.if_contains("properties");
    if (list == nullptr) return;
    std::set<std::string> names;
    std::size_t index = 0;
    for (const auto* each : dtdl::many(*list)) {
      const auto place = at(path, "properties", index++, list->is_array());
      const auto* inner = part(*each, place);
      if (inner == nullptr) continue;
      made.properties.push_back(content_of(*inner, place, scope, dtdl::kProperty));
      if (!names.insert(made.properties.back().name).second) {
        problems_.add(at(place, "name"), "stands twice in this relationship");
      }
    }
  }

  void component(const json::object& object, const std::string& path, const Scope& scope,
                 Content& made) {
    const auto place = at(path, "schema");
    const auto* value = object.if_contains("schema");
    const auto* one = value == nullptr ? nullptr : dtdl::single(*value, place, problems_);
    if (one == nullptr) return problems_.add(path, "needs \"schema\", an interface");
    made.component = interface_reference(*one, place, scope);
  }

  void command(const json::object& object, const std::string& path, const Scope& scope,
               Content& made) {
    const auto inner = [&](const char* key, Element element, const char* word) -> SchemaPtr {
      const auto* value = object.if_contains(key);
      const auto place = at(path, key);
      const auto* one = value == nullptr ? nullptr : dtdl::single(*value, place, problems_);
      const auto* found = one == nullptr ? nullptr : part(*one, place);
      return found == nullptr ? nullptr : named_schema(*found, place, scope, element, word).schema;
    };
    made.request = inner("request", dtdl::kRequest, "CommandRequest");
    made.response = inner("response", dtdl::kResponse, "CommandResponse");
    const auto kind = dtdl::string_at(object, "commandType", path, scope.version, problems_);
    const auto word = kind ? bare_word(*kind, scope.version) : std::string_view();
    if (kind && word != "synchronous" && word != "asynchronous") {
      problems_.add(at(path, "commandType"), "is \"synchronous\" or \"asynchronous\"");
    }
  }

  std::vector<Interface> interfaces_;
  Interface* current_ = nullptr;
};

}  // namespace

ParsedTypes parse_dtdl(std::string_view text, std::string_view file, UnknownContexts unknown) {
  return Parser(file, unknown).parse(text);
}

}  // namespace entente::node
