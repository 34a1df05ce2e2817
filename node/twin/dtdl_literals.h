// JSON-LD values as DTDL allows them: bare, as a value object, or alone in an array.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/twin/dtdl.h"

namespace entente::node::dtdl {

// Characters of UTF-8 text, which the specification counts where people read them.
std::size_t characters(std::string_view text);

// Where complaints go.
class Problems {
 public:
  explicit Problems(std::string_view file) : file_(file) {}
  void add(std::string path, std::string rule);
  bool any() const { return !list_.empty(); }
  std::vector<TypeProblem> take() { return std::move(list_); }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  std::vector<TypeProblem> list_;
};

// One value of a key: what an array of one holds, or the value itself; null for an empty array.
// Complains about arrays of more than one, and about JSON null.
const boost::json::value* single(const boost::json::value& value, const std::string& path,
                                 Problems& problems);
// Every value of a key: an array's elements, or the one value.
std::vector<const boost::json::value*> many(const boost::json::value& value);

std::optional<std::string> string_at(const boost::json::object& object, std::string_view key,
                                     const std::string& path, int version, Problems& problems);
std::optional<std::int64_t> integer_at(const boost::json::object& object, std::string_view key,
                                       const std::string& path, int version, Problems& problems);
std::optional<bool> boolean_at(const boost::json::object& object, std::string_view key,
                               const std::string& path, int version, Problems& problems);
// A literal inside a value object or bare, for enumValue; null with a complaint.
const boost::json::value* literal(const boost::json::value& value, std::string_view xsd_type,
                                  const std::string& path, int version, Problems& problems);
// displayName, description: a string, a language map, or an array of tagged values.
LocalText local_text_at(const boost::json::object& object, std::string_view key,
                        std::size_t characters_max, const std::string& path, int version,
                        Problems& problems);

}  // namespace entente::node::dtdl
