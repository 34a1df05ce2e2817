// Any bytes as a receipt of `ask --receipts`: a code, never a crash.
#include <boost/json.hpp>

#include "node/daemon/answer_receipt.h"
#include "schemas/base/bytes.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  boost::system::error_code failed;
  const auto value = boost::json::parse(text_of({data, size}), failed);
  if (!failed) (void)node::verify_receipt(value, OrgId{});
  return 0;
}
