// Any bytes as entente.toml's neighbours: an agreement's text and declarations of domains, exports
// and systems. Refused with a place, never a crash.
#include "node/config/agreement_text.h"
#include "node/config/declarations.h"
#include "schemas/base/bytes.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(text_of({data, size}));
  (void)node::read_agreement(text, "fuzz.toml");
  node::Declarations declarations;
  (void)node::read_declarations(text, "fuzz.toml", "main", declarations);
  return 0;
}
