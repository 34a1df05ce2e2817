// A folder for a benchmark's files, on the disk that it is to measure, gone at the end.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace entente::bench {

class Scratch {
 public:
  explicit Scratch(const std::string& parent) {
    std::string name = parent + "/entente-bench-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot write " + parent);
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  double megabytes(const std::string& prefix) const {
    double bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(path_)) {
      if (file.path().filename().string().starts_with(prefix)) {
        bytes += static_cast<double>(file.file_size());
      }
    }
    return bytes / 1e6;
  }

 private:
  std::string path_;
};

}  // namespace entente::bench
