// Any bytes as JSON Lines: reading never crashes, always ends, and every line is at most one
// result.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "node/ingest/jsonl_reader.h"
#include "schemas/base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entente;
  const auto text = text_of({data, size});
  node::JsonLinesReader reader(node::source_of(text));
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  for (std::size_t results = 0;; ++results) {
    ENTENTE_CHECK(results <= lines);
    const auto step = reader.next();
    ENTENTE_CHECK(step.has_value());
    if (*step == node::RowReader::Step::end) return 0;
    if (*step == node::RowReader::Step::row) ENTENTE_CHECK(!(reader.row().line > lines));
  }
}
