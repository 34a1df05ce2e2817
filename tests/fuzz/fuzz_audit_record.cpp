// Foreign bytes as an audit record: read, it has one form.
#include "security/audit/audit.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto record = security::audit_record_from_bytes(bytes)) {
    ENTENTE_CHECK(security::canonical_bytes(*record) == to_bytes(bytes));
  }
  return 0;
}
