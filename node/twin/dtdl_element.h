// What every element of a DTDL document has: contexts, an id, types, keys, a name, texts, a unit.
#pragma once

#include <boost/json/object.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "node/limits.h"
#include "node/twin/dtdl.h"
#include "node/twin/dtdl_literals.h"
#include "node/twin/dtdl_words.h"
#include "node/twin/dtmi.h"

namespace entente::node::dtdl {

namespace json = boost::json;

std::string at(const std::string& path, std::string_view key);
std::string at(const std::string& path, std::string_view key, std::size_t index, bool array);
inline std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}
// "dtmi:dtdl:class:Telemetry;2" -> "Telemetry"; in DTDL 2 "SemanticType/Velocity" -> "Velocity".
std::string_view bare_word(std::string_view word, int version);

// What the contexts in force say.
struct Scope {
  int version = 0;              // 0: no DTDL context seen yet
  bool unknown = false;         // somebody's context whose words nobody knows
  std::set<std::string> known;  // extensions, without version
};

// What @type says of an element.
struct Types {
  std::string material;               // "Telemetry"; empty when it may be inferred
  std::vector<std::string> co_types;  // every other word
  std::vector<const CoType*> known;
  std::string quantity;    // "Velocity"
  bool undefined = false;  // a word that nobody here defines
};

// Threads: one.
class ElementReader {
 protected:
  ElementReader(std::string_view file, UnknownContexts unknown)
      : problems_(file), unknown_(unknown) {}

  Scope scope_of(const json::object& object, const std::string& path, Scope scope, bool top);
  std::string id_of(const json::object& object, const std::string& path, const Scope& scope,
                    bool needed, std::size_t bytes);
  // The one element word out of `allowed`, and what stands beside it. `inferred` is taken where the
  // document may leave the word out.
  Types types_of(const json::object& object, const std::string& path, const Scope& scope,
                 unsigned allowed, std::string_view inferred);
  void check_keys(const json::object& object, const std::string& path, const Scope& scope,
                  Element element, const Types& types);
  std::string name_of(const json::object& object, const std::string& path, const Scope& scope);
  template <class T>
  void texts_of(const json::object& object, const std::string& path, const Scope& scope, T& into) {
    const int v = scope.version;
    into.display_name = local_text_at(object, "displayName", limits::kDisplayNameCharacters[v - 2],
                                      path, v, problems_);
    into.description = local_text_at(object, "description", limits::kDescriptionCharacters[v - 2],
                                     path, v, problems_);
    const auto comment = string_at(object, "comment", path, v, problems_);
    if (comment && characters(*comment) > limits::kDescriptionCharacters[v - 2]) {
      problems_.add(at(path, "comment"), "longer than 512 characters");
    }
  }
  void texts_of(const json::object& object, const std::string& path, const Scope& scope) {
    struct {
      LocalText display_name, description;
    } ignored;
    texts_of(object, path, scope, ignored);
  }
  // The unit that a quantity needs, and the numbers it needs to be of.
  std::string unit_of(const json::object& object, const std::string& path, const Scope& scope,
                      const Types& types, const SchemaPtr& schema);
  std::optional<Range> range_of(const json::object& object, const std::string& path,
                                const Types& types);

  Problems problems_;

 private:
  void dtdl_context(const Dtmi& dtmi, std::string_view word, const std::string& place,
                    Scope& scope);
  void other_context(const Dtmi& dtmi, std::string_view word, const std::string& place,
                     Scope& scope);
  void type_word(std::string_view whole, const std::string& place, const Scope& scope,
                 unsigned allowed, Types& types);
  const UnknownContexts unknown_;
  std::set<std::string> ids_;
  bool bad_type_said_ = false;  // @type has been complained about: no second word on it
};

}  // namespace entente::node::dtdl
