#include "tests/simulation/trace.h"

#include <cinttypes>
#include <cstdio>

namespace entente::simulation {

void Trace::note(Duration now, const std::string& who, const std::string& what) {
  char time[32];
  std::snprintf(time, sizeof time, "%12.6f", now.seconds());
  const std::string line = std::string(time) + "  " + who + "  " + what;
  for (const char c : line) {
    hash_ = (hash_ ^ static_cast<std::uint8_t>(c)) * 1'099'511'628'211u;
  }
  if (keeps_) lines_.push_back(line);
}

}  // namespace entente::simulation
