#include "node/twin/dtdl_words.h"

#include <algorithm>
#include <iterator>

namespace entente::node::dtdl {
namespace {

bool in_list(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto space = list.find(' ');
    if (list.substr(0, space) == word) return true;
    if (space == std::string_view::npos) return false;
    list.remove_prefix(space + 1);
  }
  return false;
}

struct ElementRow {
  std::string_view word;
  unsigned element;
  std::string_view keys;
};

constexpr ElementRow kElements[] = {
    {"Interface", kInterface, "contents extends schemas"},
    {"Telemetry", kTelemetry, "name schema"},
    {"Property", kProperty, "name schema writable"},
    {"Relationship", kRelationship,
     "name target minMultiplicity maxMultiplicity properties writable"},
    {"Component", kComponent, "name schema"},
    {"Command", kCommand, "name request response commandType"},
    {"Field", kField, "name schema"},
    {"MapValue", kMapValue, "name schema"},
    {"MapKey", kMapKey, "name schema"},
    {"EnumValue", kEnumValue, "name enumValue"},
    {"CommandRequest", kRequest, "name schema"},
    {"CommandResponse", kResponse, "name schema"},
    {"CommandPayload", kRequest | kResponse, "name schema"},
    {"Array", kArray, "elementSchema"},
    {"Enum", kEnum, "enumValues valueSchema"},
    {"Map", kMap, "mapKey mapValue"},
    {"Object", kObject, "fields"},
};

constexpr Primitive kPrimitives[] = {
    {"boolean", Schema::Kind::boolean},       {"date", Schema::Kind::date},
    {"dateTime", Schema::Kind::date_time},    {"double", Schema::Kind::double_},
    {"duration", Schema::Kind::duration},     {"float", Schema::Kind::float_},
    {"integer", Schema::Kind::integer},       {"long", Schema::Kind::long_},
    {"string", Schema::Kind::string},         {"time", Schema::Kind::time},
    {"lineString", Schema::Kind::geospatial}, {"multiLineString", Schema::Kind::geospatial},
    {"multiPoint", Schema::Kind::geospatial}, {"multiPolygon", Schema::Kind::geospatial},
    {"point", Schema::Kind::geospatial},      {"polygon", Schema::Kind::geospatial},
};

constexpr unsigned kReadings = kTelemetry | kProperty;

constexpr CoType kCoTypes[] = {
    {"dtmi:dtdl:extension:historization", "Historized", kReadings, ""},
    {"dtmi:dtdl:extension:annotation", "ValueAnnotation", kReadings, "annotates"},
    {"dtmi:dtdl:extension:overriding", "Override", kReadings, "overrides"},
    {"dtmi:dtdl:extension:mqtt", "Mqtt", kInterface, "telemetryTopic commandTopic payloadFormat"},
    {"dtmi:dtdl:extension:mqtt", "Indexed",
     kReadings | kField | kRequest | kResponse | kCommand | kRelationship | kComponent, "index"},
    {"dtmi:dtdl:extension:mqtt", "Idempotent", kCommand, ""},
    {"dtmi:dtdl:extension:mqtt", "Cacheable", kCommand, "ttl"},
    {"dtmi:dtdl:extension:mqtt", "Transparent", kRequest | kResponse | kTelemetry, ""},
    {"dtmi:dtdl:extension:mqtt", "Result", kObject, ""},
    {"dtmi:dtdl:extension:mqtt", "NormalResult", kField, ""},
    {"dtmi:dtdl:extension:mqtt", "ErrorResult", kField, ""},
    {"dtmi:dtdl:extension:mqtt", "Error", kObject, ""},
    {"dtmi:dtdl:extension:mqtt", "ErrorMessage", kField, ""},
    {"dtmi:dtdl:extension:initialization", "Initialized", kProperty, "initialValue"},
    {"dtmi:dtdl:extension:streaming", "Streaming", kReadings, ""},
    {"dtmi:dtdl:extension:requirement", "Required", kField, ""},
    {"dtmi:dtdl:extension:requirement", "Optional", kRequest | kResponse | kField, ""},
    {"dtmi:iotcentral:context", "AccelerationVector", kReadings, "unit"},
    {"dtmi:iotcentral:context", "VelocityVector", kReadings, "unit"},
    {"dtmi:iotcentral:context", "Event", kTelemetry, ""},
    {"dtmi:iotcentral:context", "State", kReadings, ""},
    {"dtmi:iotcentral:context", "Location", kReadings, ""},
    {"dtmi:entente:context", "Ranged", kTelemetry | kField, "minimum maximum"},
};

constexpr std::string_view kKnownContexts[] = {"dtmi:dtdl:extension:quantitativeTypes",
                                               "dtmi:dtdl:extension:historization",
                                               "dtmi:dtdl:extension:annotation",
                                               "dtmi:dtdl:extension:overriding",
                                               "dtmi:dtdl:extension:mqtt",
                                               "dtmi:dtdl:extension:initialization",
                                               "dtmi:dtdl:extension:streaming",
                                               "dtmi:dtdl:extension:requirement",
                                               "dtmi:iotcentral:context",
                                               "dtmi:entente:context"};

}  // namespace

unsigned element_of(std::string_view word) {
  for (const auto& row : kElements) {
    if (row.word == word) return row.element;
  }
  return 0;
}

bool has_key(Element element, std::string_view key) {
  if (key == "displayName" || key == "description" || key == "comment") return true;
  return std::any_of(std::begin(kElements), std::end(kElements), [&](const ElementRow& row) {
    return (row.element & element) != 0 && in_list(row.keys, key);
  });
}

bool is_abstract(std::string_view word) {
  return in_list(
      "Entity NamedEntity Content Schema ComplexSchema PrimitiveSchema NumericSchema "
      "TemporalSchema Unit UnitAttribute LatentType NamedLatentType CommandType "
      "CapabilityModel SemanticType SemanticUnit",
      word);
}

const Primitive* primitive(std::string_view word) {
  for (const auto& each : kPrimitives) {
    if (each.word == word) return &each;
  }
  return nullptr;
}

bool is_central_schema(std::string_view word) {
  return in_list("vector geopoint", word);
}

const CoType* co_type(std::string_view word) {
  for (const auto& each : kCoTypes) {
    if (each.word == word) return &each;
  }
  return nullptr;
}

bool takes_schema(const CoType& type, const Schema& schema) {
  const bool vector = type.word == "AccelerationVector" || type.word == "VelocityVector";
  if (vector) return schema.word == "vector";
  if (type.word == "Location") return schema.kind == Schema::Kind::geospatial;
  if (type.word == "State") return schema.kind == Schema::Kind::enumeration;
  if (type.word == "Event") return schema.word == "integer" || schema.word == "string";
  return type.word != "Ranged" || schema.numeric();
}

bool brings_key(const CoType& type, std::string_view key) {
  return in_list(type.keys, key);
}

bool is_known_context(std::string_view without_version) {
  return std::find(std::begin(kKnownContexts), std::end(kKnownContexts), without_version) !=
         std::end(kKnownContexts);
}

}  // namespace entente::node::dtdl
