// Preloaded (LD_PRELOAD) into a node under test: its time of day is ENTENTE_LATER_SECONDS ahead, so
// that a block which begins tomorrow can be over today.
#include <dlfcn.h>
#include <time.h>

#include <cstdlib>

extern "C" int clock_gettime(clockid_t clock, timespec* out) {
  using Function = int (*)(clockid_t, timespec*);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "clock_gettime"));
  static const char* const text = std::getenv("ENTENTE_LATER_SECONDS");
  static const long later = text == nullptr ? 0 : std::atol(text);
  const int done = real(clock, out);
  if (done == 0 && clock == CLOCK_REALTIME) out->tv_sec += later;
  return done;
}
