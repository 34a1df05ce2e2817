// Times as files write them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/time.h"

namespace entente::node {

// A format is "iso" (RFC 3339 and its shortenings), "unix", "unix_ms", "unix_us" or "unix_ns"
// (numbers since the epoch), or a pattern of strptime's letters (%Y-%m-%d %H:%M:%S, %z for an
// offset, %d-%b-%y …; seconds may have a fraction). A time without an offset is of `zone`, a name
// of the IANA database. Threads: one at a time.
class TimeText {
 public:
  // What a local time means that the clocks passed twice, in autumn.
  enum class Twice { reject, earliest, latest };
  // Refuses (config_invalid): an unknown zone, a pattern that gives no date.
  static Result<TimeText> make(std::vector<std::string> formats, const std::string& zone,
                               Twice twice);
  TimeText(TimeText&&) noexcept;
  TimeText& operator=(TimeText&&) noexcept;
  ~TimeText();

  // By the first format that takes the whole text. Refuses (input_unreadable): no format fits; a
  // local time that does not exist, or exists twice and Twice says reject; beyond 1677 to 2262.
  Result<Instant> parse(std::string_view text) const;

 private:
  struct State;
  explicit TimeText(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace entente::node
