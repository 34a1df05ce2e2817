// A rate with a burst. Units: tokens, tokens a second. Threads: one at a time.
#pragma once

#include <algorithm>
#include <cmath>

#include "schemas/base/time.h"

namespace entente::federation {

class TokenBucket {
 public:
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  // `now` is steady time. False when it is empty; nothing is taken then.
  [[nodiscard]] bool take(Duration now) {
    refill(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  // How long until one token is there; zero when there is one.
  Duration wait(Duration now) {
    refill(now);
    if (tokens_ >= 1) return {};
    return {static_cast<std::int64_t>(std::ceil((1 - tokens_) / rate_ * 1e9))};
  }

 private:
  void refill(Duration now) {
    if (now > last_) tokens_ = std::min(burst_, tokens_ + (now - last_).seconds() * rate_);
    last_ = std::max(last_, now);
  }
  double rate_, burst_, tokens_;
  Duration last_{};
};

}  // namespace entente::federation
