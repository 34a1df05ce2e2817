// Interfaces of the Digital Twins Definition Language, versions 2 and 3, out of JSON-LD text.
//
// Source: DTDL.v2.md, DTDL.v3.md and the extensions' pages of Azure/opendigitaltwins-dtdl; judged
// against the accept and reject cases of the DTDL parser project. Understood: interfaces with their
// contents, schemas, co-types with units; the extensions quantitativeTypes, historization,
// annotation, overriding, mqtt, initialization, streaming, requirement and iotcentral, as far as their
// words go. Refused with a word: DTDL 4, local contexts, layering (one element in several places).
// Numbers that a signal may take: co-type "Ranged" with `minimum` and `maximum`, ours, which
// version 2 lets stand as an undefined type and version 3 needs "dtmi:entente:context;1" for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/result.h"

namespace entente::node {

// One rule broken at one place. `path` is "$[0].contents[3].schema".
struct TypeProblem {
  std::string file;
  std::string path;
  std::string rule;  // what the specification asks for
  // Only a definition is missing that somebody else may publish, here or below.
  bool dangling = false;
  std::string text() const { return file + ": " + path + ": " + rule; }
};

// Texts by language tag; "en" where none was given.
using LocalText = std::map<std::string, std::string>;

struct Schema;
using SchemaPtr = std::shared_ptr<Schema>;

// What a value may be. Primitives have nothing but their kind.
struct Schema {
  enum class Kind {
    boolean, date, date_time, double_, duration, float_, integer, long_, string, time,
    geospatial, array, enumeration, map, object, reference
  };
  struct Field {
    std::string name;
    SchemaPtr schema;
    std::string unit;
    std::string path;
  };
  struct EnumValue {
    std::string name;
    std::string value;  // as text, whatever value_kind
  };
  Kind kind = Kind::double_;
  std::string id;            // of complex schemas that have one; the target of a reference
  std::string word;          // "double", "point", "Object": how the document says it
  std::string path;          // where it stands, for complaints
  SchemaPtr element;         // array: element; map: value
  std::vector<Field> fields;  // object
  std::vector<EnumValue> values;
  Kind value_kind = Kind::integer;  // enumeration: integer or string

  bool numeric() const {
    return kind == Kind::double_ || kind == Kind::float_ || kind == Kind::integer ||
           kind == Kind::long_;
  }
};

struct Range {
  double minimum = 0;
  double maximum = 0;
  bool operator==(const Range&) const = default;
};

struct Content {
  enum class Kind { telemetry, property, relationship, component, command };
  Kind kind = Kind::telemetry;
  std::string name;
  std::string id;
  std::string path;
  std::vector<std::string> co_types;
  SchemaPtr schema;  // telemetry, property
  std::string unit;
  std::optional<Range> range;
  bool writable = false;
  std::optional<std::string> target;            // relationship
  std::optional<std::int64_t> max_multiplicity;  // relationship
  std::vector<Content> properties;              // relationship
  std::string component;                        // component: the interface's id
  SchemaPtr request;                            // command
  SchemaPtr response;                           // command
  LocalText display_name;
  LocalText description;
};

struct Interface {
  std::string id;
  int version = 2;
  std::string file;
  std::string path;
  std::vector<std::string> co_types;
  std::vector<Content> contents;
  std::vector<std::string> extends;
  std::map<std::string, SchemaPtr> schemas;  // every complex schema inside that has an id
  std::vector<std::string> element_ids;      // of everything else inside
  LocalText display_name;
  LocalText description;
  std::string comment;
};

// What to do with a context of somebody else's, whose words cannot be known.
enum class UnknownContexts { allow, refuse };

struct ParsedTypes {
  std::vector<Interface> interfaces;  // nested ones too; of no use when there are problems
  std::vector<TypeProblem> problems;
};

// All interfaces of one document: an object or an array of them, with or without a byte order mark.
// `file` only names it. Never throws on any text.
ParsedTypes parse_dtdl(std::string_view text, std::string_view file,
                       UnknownContexts unknown = UnknownContexts::allow);

}  // namespace entente::node
