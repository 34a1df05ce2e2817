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

  // "assets.toml:12", where `path` ("twin[0].properties.state") stands or what it is part of. A
  // JSON text is walked for its lines at the first question. Threads: one.
  std::string place(const std::string& path) const;

  mutable std::map<std::string, std::size_t> lines;  // by path; place() completes them
  mutable std::string walked;  // the JSON text whose lines nobody asked for yet
};

enum class TextFormat { toml, json };
// By the file's name: ".json" is JSON, everything else TOML.
TextFormat format_of(std::string_view file);

// Refuses (config_invalid) with file and line. Dates and times of TOML become their RFC 3339 text.
[[nodiscard]] Result<Document> parse_document(std::string_view text, std::string_view file,
                                              TextFormat format);

}  // namespace entente::node
