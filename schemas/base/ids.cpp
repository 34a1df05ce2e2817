#include "schemas/base/ids.h"

#include "schemas/base/limits.h"

namespace entente {

bool is_local_id(std::string_view text) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (text.empty() || text.size() > limits::kNameBytes || !alphanumeric(text.front())) return false;
  for (const char c : text) {
    if (!alphanumeric(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

Result<std::string> checked_local_id(std::string_view text, std::string_view kind) {
  if (is_local_id(text)) return std::string(text);
  return make_error(ErrorCode::invalid_argument,
                    "'" + std::string(text.substr(0, limits::kNameBytes)) + "' is no name for a " +
                        std::string(kind),
                    "use 1 to 63 of a-z 0-9 . _ - and begin with a letter or digit");
}

}  // namespace entente
