// When a handshake may begin (acceptor.h): each source at once for a burst, then at its rate, and
// never two of different sources together.
//
// By the generic cell rate algorithm (ITU-T I.371): of each source, until when it would take to pay
// for all that it has begun. Who is ahead of its burst waits until it is not, and delays nobody
// else. Pure but for what it remembers: at most kPacedSources that still owe; further ones share an
// account. Threads: one at a time.
#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "schemas/base/time.h"

namespace entente::federation {

namespace limits {
inline constexpr double kHandshakeRate = 10, kHandshakeBurst = 32;  // of a source, a second
inline constexpr Duration kHandshakeSpacing = milliseconds(1);      // of any two
inline constexpr std::size_t kPacedSources = 4'096;
}  // namespace limits

class HandshakePace {
 public:
  // How long a handshake of `source` waits, at `now` (steady). It counts as begun.
  Duration wait(const std::string& source, Duration now) {
    constexpr Duration kGap{static_cast<std::int64_t>(1e9 / limits::kHandshakeRate)};
    constexpr Duration kBurst{
        static_cast<std::int64_t>(static_cast<double>(kGap.ns) * limits::kHandshakeBurst)};
    if (paid_.size() >= limits::kPacedSources && !paid_.contains(source)) {
      std::erase_if(paid_, [now](const auto& one) { return one.second <= now; });
    }
    const bool room = paid_.contains(source) || paid_.size() < limits::kPacedSources;
    Duration& paid = room ? paid_[source] : others_;
    paid = std::max(paid, now) + kGap;
    if (paid - kBurst > now) return paid - kBurst - now;
    const Duration begins = std::max(now, next_);
    next_ = begins + limits::kHandshakeSpacing;
    return begins - now;
  }
  std::size_t remembered() const { return paid_.size(); }

 private:
  std::map<std::string, Duration> paid_;  // until when
  Duration others_{}, next_{};
};

}  // namespace entente::federation
