// Any bytes as a type file: parsing and resolving never crash, and what is accepted resolves to a
// type for every interface, or says why not.
#include <cstddef>
#include <cstdint>

#include "node/twin/type_registry.h"
#include "schemas/base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entente;
  auto parsed = node::parse_dtdl(text_of({data, size}), "fuzz.json");
  if (!parsed.problems.empty()) return 0;
  const auto count = parsed.interfaces.size();
  const auto built = node::TypeRegistry::build(std::move(parsed.interfaces));
  ENTENTE_CHECK(built.registry->types().size() == count || !built.problems.empty());
  for (const auto& type : built.registry->types()) ENTENTE_CHECK(type.is_a(type.id));
  return 0;
}
