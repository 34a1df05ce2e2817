#include "node/twin/dtdl_literals.h"

#include "node/limits.h"

namespace entente::node::dtdl {
namespace {

namespace json = boost::json;

// BCP 47 as DTDL narrows it: ll[l[l]](-Ssss)?(-(RR|ddd))?
bool is_language(std::string_view text) {
  const auto all = [](std::string_view part, auto&& test) {
    for (char c : part) {
      if (!test(c)) return false;
    }
    return true;
  };
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::vector<std::string_view> parts;
  while (true) {
    const auto dash = text.find('-');
    parts.push_back(text.substr(0, dash));
    if (dash == std::string_view::npos) break;
    text.remove_prefix(dash + 1);
  }
  if (parts[0].size() < 2 || parts[0].size() > 4 || !all(parts[0], lower)) return false;
  std::size_t next = 1;
  if (next < parts.size() && parts[next].size() == 4 && upper(parts[next][0]) &&
      all(parts[next].substr(1), lower)) {
    ++next;
  }
  if (next < parts.size() && ((parts[next].size() == 2 && all(parts[next], upper)) ||
                              (parts[next].size() == 3 && all(parts[next], digit)))) {
    ++next;
  }
  return next == parts.size();
}

// Members that a value object may not have; DTDL 2 passes over keywords it does not know.
bool check_value_object(const json::object& object, bool language_allowed, const std::string& path,
                        int version, Problems& problems) {
  bool good = true;
  for (const auto& member : object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (key == "@value" || key == "@type") continue;
    if (key == "@language" && (language_allowed || version < 3)) continue;
    const bool harmless = key.starts_with('@') && key != "@id" && key != "@context" &&
                          key != "@graph" && version < 3;
    if (harmless) continue;
    problems.add(path, "a value object may not have \"" + std::string(key) + "\"");
    good = false;
  }
  if (!object.contains("@value")) {
    problems.add(path, "a value object needs \"@value\"");
    good = false;
  }
  return good;
}

void add_text(LocalText& texts, std::string_view language, const json::value& value,
              std::size_t bytes, const std::string& path, Problems& problems) {
  if (!is_language(language)) {
    problems.add(path, "\"" + std::string(language) + "\" is not a language tag");
    return;
  }
  if (!value.is_string()) {
    problems.add(path, "a text is expected");
    return;
  }
  if (value.get_string().size() > bytes) {
    problems.add(path, "longer than " + std::to_string(bytes) + " characters");
    return;
  }
  const auto& text = value.get_string();
  if (!texts.emplace(std::string(language), std::string(text.data(), text.size())).second) {
    problems.add(path, "the language \"" + std::string(language) + "\" is given twice");
  }
}

void add_tagged(LocalText& texts, const json::value& value, std::size_t bytes,
                const std::string& path, int version, Problems& problems) {
  if (value.is_string()) return add_text(texts, "en", value, bytes, path, problems);
  if (!value.is_object()) return problems.add(path, "a text or a tagged text is expected");
  const auto& object = value.get_object();
  if (!check_value_object(object, true, path, version, problems)) return;
  if (version >= 3 && object.contains("@type")) {
    return problems.add(path, "a tagged text may not have \"@type\"");
  }
  std::string language = "en";
  if (const auto* tag = object.if_contains("@language")) {
    if (!tag->is_string()) return problems.add(path, "\"@language\" is not a text");
    language = std::string(tag->get_string().data(), tag->get_string().size());
  }
  add_text(texts, language, object.at("@value"), bytes, path, problems);
}

void add_map(LocalText& texts, const json::object& object, std::size_t bytes,
             const std::string& path, Problems& problems) {
  for (const auto& member : object) {
    const std::string key(member.key().data(), member.key().size());
    const auto place = path + "." + key;
    if (key.starts_with('@')) {
      problems.add(place, "a language map may not have keywords");
    } else {
      add_text(texts, key, member.value(), bytes, place, problems);
    }
  }
}

}  // namespace

void Problems::add(std::string path, std::string rule) {
  if (list_.size() < limits::kTypeProblems) {
    list_.push_back({file_, std::move(path), std::move(rule), false});
  }
}

const json::value* single(const json::value& value, const std::string& path, Problems& problems) {
  if (value.is_null()) {
    problems.add(path, "null is no value");
    return nullptr;
  }
  if (!value.is_array()) return &value;
  const auto& array = value.get_array();
  if (array.empty()) return nullptr;
  if (array.size() > 1) {
    problems.add(path, "one value is expected, not " + std::to_string(array.size()));
    return nullptr;
  }
  return single(array.front(), path, problems);
}

std::vector<const json::value*> many(const json::value& value) {
  std::vector<const json::value*> all;
  if (!value.is_array()) return all.push_back(&value), all;
  for (const auto& each : value.get_array()) all.push_back(&each);
  return all;
}

const json::value* literal(const json::value& value, std::string_view xsd_type,
                           const std::string& path, int version, Problems& problems) {
  if (!value.is_object()) return &value;
  const auto& object = value.get_object();
  if (!check_value_object(object, false, path, version, problems)) return nullptr;
  const json::value* inner = &object.at("@value");
  const auto* type = object.if_contains("@type");
  if (type == nullptr) return inner;
  const auto* word = single(*type, path, problems);
  if (word == nullptr || !word->is_string()) {
    problems.add(path, "\"@type\" of a value is one text");
    return nullptr;
  }
  const std::string_view text(word->get_string().data(), word->get_string().size());
  const bool full = text.starts_with("http://www.w3.org/2001/XMLSchema#");
  const auto name = full ? text.substr(33) : text.starts_with("xsd:") ? text.substr(4) : text;
  if (!xsd_type.empty() && name != xsd_type) {
    problems.add(path, "the value is typed " + std::string(text) + ", not xsd:" +
                           std::string(xsd_type));
    return nullptr;
  }
  const bool fits = (name == "string" && inner->is_string()) ||
                    (name == "boolean" && inner->is_bool()) ||
                    (name == "integer" && inner->is_int64()) ||
                    (name == "integer" && inner->is_uint64());
  if (!fits) {
    problems.add(path, "the value does not have the type it states, " + std::string(text));
    return nullptr;
  }
  return inner;
}

std::optional<std::string> string_at(const json::object& object, std::string_view key,
                                     const std::string& path, int version, Problems& problems) {
  const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr) return std::nullopt;
  const auto place = path + "." + std::string(key);
  const auto* one = single(*value, place, problems);
  if (one != nullptr) one = literal(*one, "string", place, version, problems);
  if (one == nullptr) return std::nullopt;
  if (!one->is_string()) {
    problems.add(place, "a text is expected");
    return std::nullopt;
  }
  return std::string(one->get_string().data(), one->get_string().size());
}

std::optional<std::int64_t> integer_at(const json::object& object, std::string_view key,
                                       const std::string& path, int version, Problems& problems) {
  const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr) return std::nullopt;
  const auto place = path + "." + std::string(key);
  const auto* one = single(*value, place, problems);
  if (one != nullptr) one = literal(*one, "integer", place, version, problems);
  if (one == nullptr) return std::nullopt;
  if (!one->is_int64()) {
    problems.add(place, "a whole number is expected");
    return std::nullopt;
  }
  return one->get_int64();
}

std::optional<bool> boolean_at(const json::object& object, std::string_view key,
                               const std::string& path, int version, Problems& problems) {
  const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr) return std::nullopt;
  const auto place = path + "." + std::string(key);
  const auto* one = single(*value, place, problems);
  if (one != nullptr) one = literal(*one, "boolean", place, version, problems);
  if (one == nullptr) return std::nullopt;
  if (!one->is_bool()) {
    problems.add(place, "true or false is expected");
    return std::nullopt;
  }
  return one->get_bool();
}

LocalText local_text_at(const json::object& object, std::string_view key, std::size_t bytes,
                        const std::string& path, int version, Problems& problems) {
  LocalText texts;
  const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr) return texts;
  const auto place = path + "." + std::string(key);
  if (value->is_object()) {
    add_map(texts, value->get_object(), bytes, place, problems);
    return texts;
  }
  std::size_t index = 0;
  for (const auto* each : many(*value)) {
    const auto inner = value->is_array() ? place + "[" + std::to_string(index++) + "]" : place;
    add_tagged(texts, *each, bytes, inner, version, problems);
  }
  return texts;
}

}  // namespace entente::node::dtdl
