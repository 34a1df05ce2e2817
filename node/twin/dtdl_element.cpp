#include "node/twin/dtdl_element.h"

#include <cmath>
#include <span>

#include "node/twin/units.h"

namespace entente::node::dtdl {

std::string at(const std::string& path, std::string_view key) {
  return path + "." + std::string(key);
}

std::string at(const std::string& path, std::string_view key, std::size_t index, bool array) {
  return array ? at(path, key) + "[" + std::to_string(index) + "]" : at(path, key);
}

// "dtmi:dtdl:class:Telemetry;2" -> "Telemetry"; "SemanticType/Velocity" -> "Velocity".
// The last two and those of dtmi:standard: are of DTDL 2 alone.
std::string_view bare_word(std::string_view word, int version) {
  constexpr std::string_view kNew[] = {
      "dtmi:dtdl:class:", "dtmi:dtdl:instance:", "dtmi:dtdl:extension:quantitativeTypes:v1:class:",
      "dtmi:dtdl:extension:quantitativeTypes:v1:unit:"};
  constexpr std::string_view kOld[] = {
      "dtmi:dtdl:class:",    "dtmi:dtdl:instance:", "dtmi:standard:class:",
      "dtmi:standard:unit:", "SemanticType/",       "Unit/"};
  for (auto prefix : version < 3 ? std::span<const std::string_view>(kOld)
                                 : std::span<const std::string_view>(kNew)) {
    if (word.starts_with(prefix)) {
      word.remove_prefix(prefix.size());
      return word.substr(0, word.find(';'));
    }
  }
  return word;
}

namespace {

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !letter(text.front()) || text.back() == '_') return false;
  for (char c : text) {
    if (!letter(c) && !digit(c) && c != '_') return false;
  }
  return true;
}

}  // namespace

Scope ElementReader::scope_of(const json::object& object, const std::string& path, Scope scope,
                              bool top) {
  const auto* context = object.if_contains("@context");
  const auto place = at(path, "@context");
  if (context == nullptr) {
    if (top) problems_.add(path, "needs \"@context\", e.g. \"dtmi:dtdl:context;3\"");
    return scope;
  }
  const auto all = many(*context);
  if (top && all.empty()) problems_.add(place, "is empty");
  const int outer = scope.version;
  bool dtdl_seen = false;
  bool other_seen = false;
  for (const auto* each : all) {
    if (each->is_object()) {
      problems_.add(place, "terms defined in the document are not allowed");
      continue;
    }
    if (!each->is_string()) {
      problems_.add(place, "a context is a DTMI in quotes");
      continue;
    }
    const auto word = view(each->get_string());
    const auto dtmi = parse_dtmi(word);
    if (!dtmi) {
      problems_.add(place, "\"" + std::string(word) + "\" is not a DTMI");
    } else if (dtmi->path == "dtmi:dtdl:context") {
      dtdl_context(*dtmi, word, place, scope);
      if (other_seen && scope.version >= 3) {
        problems_.add(place, "the DTDL context comes first");
      }
      dtdl_seen = true;
    } else {
      other_context(*dtmi, word, place, scope);
      other_seen = true;
    }
  }
  if (top && !dtdl_seen && !all.empty()) problems_.add(place, "names no dtmi:dtdl:context");
  if (outer != 0 && scope.version > outer) {
    problems_.add(
        place, "DTDL " + std::to_string(scope.version) + " inside DTDL " + std::to_string(outer));
  }
  return scope;
}

void ElementReader::dtdl_context(const Dtmi& dtmi, std::string_view word, const std::string& place,
                                 Scope& scope) {
  if (dtmi.major == 2 || dtmi.major == 3) {
    if (dtmi.has_minor || dtmi.has_fragment) {
      problems_.add(place, "\"" + std::string(word) + "\" has more than a version");
    }
    scope.version = dtmi.major;
    return;
  }
  problems_.add(place, dtmi.major == 0 ? "the DTDL context needs a version, 2 or 3"
                                       : "DTDL " + std::to_string(dtmi.major) +
                                             " is not understood, only 2 and 3");
  if (scope.version == 0) scope.version = dtmi.major > 3 ? 3 : 2;
}

void ElementReader::other_context(const Dtmi& dtmi, std::string_view word, const std::string& place,
                                  Scope& scope) {
  const std::string name(dtmi.path);
  if (name == "dtmi:dtdl:extension:layering") {
    problems_.add(place, "layering is not understood: define each element in one place");
    return;
  }
  if (dtmi.major == 0 || (dtmi.has_minor && scope.version < 3)) {
    problems_.add(place, "the context \"" + std::string(word) +
                             "\" needs a version that is one "
                             "whole number");
    return;
  }
  if (scope.version == 2 && dtmi.major <= 4 && name.starts_with("dtmi:dtdl:extension:")) {
    problems_.add(place, "the extension \"" + std::string(word) + "\" is for DTDL 3 on");
  }
  if (is_known_context(name) && dtmi.major <= 4) {
    scope.known.insert(name);
    return;
  }
  if (unknown_ == UnknownContexts::refuse) {
    problems_.add(place, "nobody here knows the context \"" + std::string(word) + "\"");
  }
  scope.unknown = true;
}

std::string ElementReader::id_of(const json::object& object, const std::string& path,
                                 const Scope& scope, bool needed, std::size_t bytes) {
  const auto* value = object.if_contains("@id");
  if (value == nullptr) {
    if (needed) problems_.add(path, "needs \"@id\"");
    return {};
  }
  const auto place = at(path, "@id");
  if (!value->is_string()) {
    problems_.add(place, "a DTMI in quotes is expected");
    return {};
  }
  const auto text = view(value->get_string());
  auto complaint = dtmi_complaint(text, scope.version, bytes);
  if (complaint.empty() && text.starts_with("dtmi:iotcentral:") &&
      scope.known.count("dtmi:iotcentral:context") > 0) {
    complaint = "has a prefix that is reserved for the extension";
  }
  if (!complaint.empty()) {
    problems_.add(place, "\"" + std::string(text.substr(0, 80)) + "\" " + complaint);
    return {};
  }
  if (!ids_.insert(std::string(text)).second) {
    problems_.add(place, "\"" + std::string(text) + "\" is defined twice");
  }
  return std::string(text);
}

Types ElementReader::types_of(const json::object& object, const std::string& path,
                              const Scope& scope, unsigned allowed, std::string_view inferred) {
  Types types;
  const auto place = at(path, "@type");
  const auto* value = object.if_contains("@type");
  if (value != nullptr) {
    for (const auto* each : many(*value)) {
      if (!each->is_string()) {
        problems_.add(place, "a type is a word in quotes");
        continue;
      }
      type_word(view(each->get_string()), place, scope, allowed, types);
    }
  }
  if (types.material.empty()) {
    types.material = inferred;
    if (!inferred.empty() && value != nullptr && !bad_type_said_) {
      problems_.add(place, "names no \"" + std::string(inferred) + "\"");
    }
    if (inferred.empty() && !(value != nullptr && bad_type_said_)) {
      problems_.add(path, "needs \"@type\" with one of the words that may stand here");
    }
  }
  bad_type_said_ = false;
  return types;
}

void ElementReader::type_word(std::string_view whole, const std::string& place, const Scope& scope,
                              unsigned allowed, Types& types) {
  const auto word = bare_word(whole, scope.version);
  const unsigned element = element_of(word);
  if (element != 0 && !(word == "CommandPayload" && scope.version > 2)) {
    if ((element & allowed) == 0) {
      bad_type_said_ = true;
      return problems_.add(place, "\"" + std::string(word) + "\" may not stand here");
    }
    if (!types.material.empty()) {
      return problems_.add(place, "is both " + types.material + " and " + std::string(word));
    }
    types.material = word;
    return;
  }
  types.co_types.emplace_back(word);
  if (is_abstract(word) || is_unit_type(word) || primitive(word) != nullptr) {
    bad_type_said_ = true;
    return problems_.add(place, "\"" + std::string(word) + "\" is no co-type");
  }
  const bool quantities =
      scope.version == 2 || scope.known.count("dtmi:dtdl:extension:quantitativeTypes") > 0;
  if (quantities && unit_type_of(word, scope.version)) {
    if (!types.quantity.empty() && types.quantity != word) {
      return problems_.add(place, "is both " + types.quantity + " and " + std::string(word));
    }
    types.quantity = word;
    return;
  }
  const auto* co_type = dtdl::co_type(word);
  const bool ours = co_type != nullptr && co_type->context == "dtmi:entente:context";
  if (co_type != nullptr &&
      (scope.known.count(std::string(co_type->context)) > 0 || (ours && scope.version == 2))) {
    types.known.push_back(co_type);
    return;
  }
  if (whole.starts_with("dtmi:") && !parse_dtmi(whole)) {
    return problems_.add(place, "\"" + std::string(whole) + "\" is not a DTMI");
  }
  if (scope.version >= 3 && !scope.unknown) {
    return problems_.add(place, "nobody defines the word \"" + std::string(word) +
                                    "\"; an extension's context may be missing");
  }
  if (scope.version >= 3 && !parse_dtmi(whole) && !is_name(word)) {
    return problems_.add(place, "\"" + std::string(whole) + "\" is neither a word nor a DTMI");
  }
  types.undefined = true;
}

void ElementReader::check_keys(const json::object& object, const std::string& path,
                               const Scope& scope, Element element, const Types& types) {
  for (const auto* each : types.known) {
    if ((each->elements & element) == 0) {
      problems_.add(at(path, "@type"),
                    "\"" + std::string(each->word) + "\" may not stand on " + types.material);
    }
  }
  for (const auto& member : object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (key == "@id" || key == "@type" || key == "@context") continue;
    const auto place = at(path, key);
    if (key.starts_with('@')) {
      if (key == "@graph" || scope.version >= 3) {
        problems_.add(place, "the keyword may not stand here");
      }
      continue;
    }
    if (has_key(element, key)) continue;
    if (key == "unit" && !types.quantity.empty()) continue;
    bool brought = false;
    for (const auto* each : types.known) brought = brought || brings_key(*each, key);
    if (brought) continue;
    if (!types.undefined) {
      problems_.add(place, "no type of this element has this key");
    } else if (scope.version >= 3 && !is_name(key) && !parse_dtmi(key)) {
      problems_.add(place, "is neither a word nor a DTMI");
    }
  }
}

std::string ElementReader::name_of(const json::object& object, const std::string& path,
                                   const Scope& scope) {
  const auto name = string_at(object, "name", path, scope.version, problems_);
  if (!name) {
    problems_.add(path, "needs \"name\"");
    return {};
  }
  const auto bytes = limits::kTypeNameBytes[scope.version - 2];
  if (!is_name(*name) || name->size() > bytes) {
    problems_.add(at(path, "name"),
                  "a name has letters, digits and '_', begins with a letter, "
                  "ends with no '_' and has at most " +
                      std::to_string(bytes) + " characters");
  }
  return *name;
}

std::string ElementReader::unit_of(const json::object& object, const std::string& path,
                                   const Scope& scope, const Types& types,
                                   const SchemaPtr& schema) {
  if (types.quantity.empty()) return {};
  const auto unit_type = *unit_type_of(types.quantity, scope.version);
  if (schema && schema->kind != Schema::Kind::reference && !schema->numeric()) {
    problems_.add(at(path, "schema"), types.quantity + " is a number");
  }
  if (schema && schema->kind == Schema::Kind::reference) {
    problems_.add(at(path, "schema"), types.quantity + " is a number");
  }
  const auto* value = object.if_contains("unit");
  const auto* one = value == nullptr ? nullptr : single(*value, at(path, "unit"), problems_);
  if (one == nullptr) {
    problems_.add(path, types.quantity + " needs \"unit\", a " + std::string(unit_type));
    return {};
  }
  const auto word =
      one->is_string() ? bare_word(view(one->get_string()), scope.version) : std::string_view();
  if (!is_unit_of(word, unit_type, scope.version)) {
    problems_.add(at(path, "unit"), "\"" + std::string(word) + "\" is no " +
                                        std::string(unit_type) +
                                        "; those are: " + std::string(units_of(unit_type)));
  }
  return std::string(word);
}

std::optional<Range> ElementReader::range_of(const json::object& object, const std::string& path,
                                             const Types& types) {
  bool ranged = false;
  for (const auto* each : types.known) ranged = ranged || each->word == "Ranged";
  if (!ranged) return std::nullopt;
  Range range;
  const auto number = [&](const char* key, double& into) {
    const auto* value = object.if_contains(key);
    boost::system::error_code failure;
    if (value != nullptr) into = value->to_number<double>(failure);
    if (value == nullptr || failure || !std::isfinite(into)) {
      problems_.add(at(path, key), "Ranged needs a number here");
    }
  };
  number("minimum", range.minimum);
  number("maximum", range.maximum);
  if (range.minimum > range.maximum) problems_.add(path, "minimum is above maximum");
  return range;
}

}  // namespace entente::node::dtdl
