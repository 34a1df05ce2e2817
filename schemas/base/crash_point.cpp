#include "schemas/base/crash_point.h"

#ifdef ENTENTE_CRASH_POINTS
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <string>

namespace entente {
namespace {

struct Armed {
  std::string name;
  long passes = 0;
};

Armed armed_by_environment() {
  const char* text = std::getenv("ENTENTE_CRASH_AT");
  if (text == nullptr) return {};
  const std::string whole(text);
  const auto colon = whole.find(':');
  if (colon == std::string::npos) return {whole, 1};
  return {whole.substr(0, colon), std::strtol(whole.c_str() + colon + 1, nullptr, 10)};
}

std::atomic<CrashHook> crash_hook{nullptr};

}  // namespace

void set_crash_hook(CrashHook hook) {
  crash_hook = hook;
}

void crash_point(std::string_view name) {
  if (const CrashHook hook = crash_hook) hook(name);
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  static Armed armed = armed_by_environment();
  if (armed.passes > 0 && name == armed.name && --armed.passes == 0) std::raise(SIGKILL);
}

}  // namespace entente
#endif
