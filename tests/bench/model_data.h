// What the benchmarks of models read: tables as text, and the folder of real data.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "node/model/model.h"

namespace entente::bench {

// ENTENTE_DATA names the folder; without one, a folder `shared/data` beside or above this tree.
inline std::optional<std::filesystem::path> data_folder(const std::string& part) {
  namespace files = std::filesystem;
  files::path folder;
  if (const char* named = std::getenv("ENTENTE_DATA")) {
    folder = named;
  } else {
    for (auto above = files::path(ENTENTE_SOURCE_DIR); above != above.root_path();
         above = above.parent_path()) {
      if (files::is_directory(above / "shared" / "data")) folder = above / "shared" / "data";
    }
  }
  if (!folder.empty() && files::exists(folder / part)) return folder / part;
  return std::nullopt;
}

// The file's text. Throws where it cannot be read.
inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  // The column of that name; throws where there is none.
  std::size_t column(const std::string& name) const {
    for (std::size_t j = 0; j < header.size(); ++j) {
      if (header[j] == name) return j;
    }
    throw std::runtime_error("there is no column '" + name + "'");
  }
};

// Cells by comma or semicolon (whichever the header has), quotes dropped; no quoted separators.
inline Table read_table(const std::filesystem::path& path) {
  std::istringstream text(text_of(path));
  Table table;
  std::string line;
  char separator = ',';
  while (std::getline(text, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (table.header.empty() && line.find(';') != std::string::npos) separator = ';';
    std::vector<std::string> cells;
    std::string cell;
    std::istringstream rest(line);
    while (std::getline(rest, cell, separator)) {
      std::erase(cell, '"');
      cells.push_back(cell);
    }
    if (table.header.empty()) {
      if (!cells.empty() && cells[0].starts_with("\xEF\xBB\xBF")) cells[0].erase(0, 3);
      table.header = cells;
    } else if (!cells.empty()) {
      cells.resize(table.header.size());
      table.rows.push_back(cells);
    }
  }
  return table;
}

// NaN for anything but a whole number text.
inline double number_of(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return text.empty() || *end != 0 ? node::kMissing : value;
}

}  // namespace entente::bench
