// A TOML or JSON text as one tree of JSON values, with the line where each part stands.
#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>

#include "schemas/base/result.h"

namespace entente::node {

struct Document {
  std::string file;
  boost::json::value root;
  // Path ("twin[0].properties.state") -> line. A path without an entry stands on its parent's line.
  std::map<std::string, std::size_t> lines;

  // "assets.toml:12".
  std::string place(const std::string& path) const;
};

enum class TextFormat { toml, json };
// By the file's name: ".json" is JSON, everything else TOML.
TextFormat format_of(std::string_view file);

// Refuses (config_invalid) with file and line. Dates and times of TOML become their RFC 3339 text.
[[nodiscard]] Result<Document> parse_document(std::string_view text, std::string_view file,
                                              TextFormat format);

}  // namespace entente::node
