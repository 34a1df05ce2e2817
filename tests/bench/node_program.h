// A real node as a benchmark measures it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/bench/program.h"

namespace entente::bench {

// A node of its own in `home`: made, then served by the binary of this build.
class NodeProgram {
 public:
  static void make(const std::string& home);
  // Starts it and waits until it is ready; at most ten minutes.
  explicit NodeProgram(const std::string& home);

  std::uint16_t http_port() const { return port_; }
  // From its start until /readyz said so.
  double ready_s() const { return ready_s_; }
  std::string token() const;
  Program& program() { return *program_; }

 private:
  const std::string home_;
  std::optional<Program> program_;
  std::uint16_t port_ = 0;
  double ready_s_ = 0;
};

}  // namespace entente::bench
