// The words of DTDL: elements with their keys, primitive schemas, extensions with their co-types.
#pragma once

#include <optional>
#include <string_view>

#include "node/twin/dtdl.h"

namespace entente::node::dtdl {

// Element kinds as bits, so that an extension can say where its words may stand.
enum Element : unsigned {
  kInterface = 1,
  kTelemetry = 2,
  kProperty = 4,
  kRelationship = 8,
  kComponent = 16,
  kCommand = 32,
  kField = 64,
  kMapValue = 128,
  kMapKey = 256,
  kEnumValue = 512,
  kRequest = 1'024,
  kResponse = 2'048,
  kArray = 4'096,
  kEnum = 8'192,
  kMap = 16'384,
  kObject = 32'768,
};

// "Telemetry" -> kTelemetry; 0 for words that are no element's. CommandPayload is DTDL 2's word for
// requests and responses.
unsigned element_of(std::string_view word);
// Whether an element of this kind has this key (without @id, @type, @context).
bool has_key(Element element, std::string_view key);
bool is_abstract(std::string_view word);  // Schema, Entity, NamedEntity, …

struct Primitive {
  std::string_view word;
  Schema::Kind kind;
};
const Primitive* primitive(std::string_view word);
// Schemas that iotcentral's context adds.
bool is_central_schema(std::string_view word);

// A co-type of an extension, and the keys it brings.
struct CoType {
  std::string_view context;  // without version
  std::string_view word;
  unsigned elements;
  std::string_view keys;  // separated by spaces
};
const CoType* co_type(std::string_view word);
// Whether a telemetry or property of this co-type may have this schema.
bool takes_schema(const CoType& type, const Schema& schema);
bool brings_key(const CoType& type, std::string_view key);
// Contexts whose words stand in the tables here.
bool is_known_context(std::string_view without_version);

}  // namespace entente::node::dtdl
