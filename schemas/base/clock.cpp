#include "schemas/base/clock.h"

#include <chrono>

namespace entente {

Instant SystemClock::now() const {
  using namespace std::chrono;
  return {duration_cast<std::chrono::nanoseconds>(system_clock::now().time_since_epoch()).count()};
}

Duration SystemClock::steady() const {
  using namespace std::chrono;
  return {duration_cast<std::chrono::nanoseconds>(steady_clock::now().time_since_epoch()).count()};
}

}  // namespace entente
