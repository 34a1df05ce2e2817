// Named places where a test may end the process as a power cut would (SIGKILL, nothing flushed).
//
// Armed by ENTENTE_CRASH_AT=name[:n] in builds with ENTENTE_CRASH_POINTS: the n-th pass (1 by
// default) does not return. Other builds contain none of it. Within a process a test may instead
// look at what is on the disk at each of them: a hook is called on the thread that passes.
#pragma once

#include <string_view>

namespace entente {

#ifdef ENTENTE_CRASH_POINTS
void crash_point(std::string_view name);
using CrashHook = void (*)(std::string_view name);
void set_crash_hook(CrashHook hook);  // null: none; while nothing passes a crash point
#else
inline void crash_point(std::string_view) {}
#endif

}  // namespace entente
