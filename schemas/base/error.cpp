#include "schemas/base/error.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "schemas/base/check.h"

namespace entente {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  int exit_code;
  int http;
  std::string_view reaction;
};

constexpr Row kRows[] = {
#define X(name, number, exit_code, http, reaction) \
  {ErrorCode::name, #name, exit_code, http, reaction},
    ENTENTE_ERROR_CODES(X)
#undef X
};

const Row& row(ErrorCode code) {
  for (const Row& r : kRows) {
    if (r.code == code) return r;
  }
  return row(ErrorCode::internal);
}

}  // namespace

std::string code_text(ErrorCode code) {
  return "ENT-" + std::to_string(static_cast<std::uint16_t>(row(code).code));
}
std::string_view code_name(ErrorCode code) {
  return row(code).name;
}
std::string_view reaction(ErrorCode code) {
  return row(code).reaction;
}
int exit_code(ErrorCode code) {
  return row(code).exit_code;
}
int http_status(ErrorCode code) {
  return row(code).http;
}

ErrorCode code_from_number(std::uint16_t number) {
  const auto known = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) {
    return static_cast<std::uint16_t>(r.code) == number;
  });
  return known == std::end(kRows) ? ErrorCode::internal : known->code;
}

std::string Error::text() const {
  std::string name(code_name(code));
  std::replace(name.begin(), name.end(), '_', ' ');
  return code_text(code) + " " + name + ": " + what + "; " + std::string(advice());
}

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "entente: internal check failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace entente
