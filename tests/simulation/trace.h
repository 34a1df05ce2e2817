// What happened in a run: a hash of every line, and the lines when somebody wants to read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schemas/base/time.h"

namespace entente::simulation {

class Trace {
 public:
  explicit Trace(bool keeps) : keeps_(keeps) {}
  // `who` is a node's name, or a part of the world's.
  void note(Duration now, const std::string& who, const std::string& what);
  std::uint64_t hash() const { return hash_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  const bool keeps_;
  std::uint64_t hash_ = 14'695'981'039'346'656'037u;  // FNV-1a
  std::vector<std::string> lines_;
};

}  // namespace entente::simulation
