// Any bytes as a policy file: refused with a place, or read and written the same again.
#include "schemas/base/bytes.h"
#include "security/policy/policy.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto policy = security::Policy::from_toml(std::string(text_of({data, size})));
  if (!policy) return 0;
  const std::string written = policy->to_toml();
  const auto again = security::Policy::from_toml(written);
  ENTENTE_CHECK(again.has_value());
  ENTENTE_CHECK(again->to_toml() == written);
  return 0;
}
