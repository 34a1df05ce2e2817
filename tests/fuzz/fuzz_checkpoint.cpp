// Any bytes as a signed note, as a witness's line, and as what a partner offers to be witnessed.
#include "schemas/base/bytes.h"
#include "security/audit/checkpoint.h"
#include "security/audit/witness.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string note(text_of({data, size}));
  const std::vector<PublicKey> keys(1);
  (void)security::read_checkpoint(note);
  (void)security::verify_checkpoint(note, keys);
  (void)security::bare_note(note, keys);
  (void)security::cosigners(note);
  (void)security::verify_cosignature(note, {OrgId{}, "main"}, keys);
  return 0;
}
