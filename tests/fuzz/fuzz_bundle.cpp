// Any bytes as an audit bundle.
#include <sstream>

#include "node/cli/audit_bundle.h"
#include "schemas/base/bytes.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream in{std::string(text_of({data, size}))};
  (void)node::verify_bundle(in, OrgId{});
  return 0;
}
