// ENTENTE_CHECK: a bug ends the process, in release too; state is durable and a release cannot be
// recalled. Never on input. As an expression it is void, so it can stand before a comma.
#pragma once

namespace entente {
[[noreturn]] void check_failed(const char* expression, const char* file, int line);
}

#define ENTENTE_CHECK(x) \
  (static_cast<bool>(x) ? void(0) : ::entente::check_failed(#x, __FILE__, __LINE__))
