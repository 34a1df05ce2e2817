// Files of the tests: vectors of this tree, and the folder of real data where there is one.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace entente::node::test {

inline std::filesystem::path vectors() {
  return std::filesystem::path(ENTENTE_SOURCE_DIR) / "tests" / "vectors";
}

// ENTENTE_DATA names the folder; without one, a folder `shared/data` beside or above the tree.
// Nothing, with a clear word, when `part` is not there.
inline std::optional<std::filesystem::path> real_data(const std::string& part) {
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
  MESSAGE("skipped: there is no real data \"" << part << "\" here; ENTENTE_DATA can name its folder");
  return std::nullopt;
}

inline std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace entente::node::test
