// Any bytes as line protocol: reading never crashes, always ends, names are texts that a reply can
// hold, and no line gives more than it has fields.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "node/ingest/line_protocol_reader.h"
#include "node/limits.h"
#include "schemas/base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entente;
  using Signal = node::LineNaming::Signal;
  const auto text = text_of({data, size});
  for (const auto signal : {Signal::field, Signal::measurement_field}) {
    node::LineOptions options;
    options.naming.signal = signal;
    options.unit_ns = 1'000;
    node::LineProtocolReader reader(node::source_of(text), options);
    // Each field has an equals sign of its own; each line without one is at most one reject.
    for (std::size_t results = 0, line = 0;; ++results) {
      ENTENTE_CHECK(results <= size + 1);
      const auto step = reader.next();
      ENTENTE_CHECK(step.has_value());
      if (*step == node::RowReader::Step::end) break;
      const bool is_row = *step == node::RowReader::Step::row;
      const auto at = is_row ? reader.row().line : reader.reject().line;
      ENTENTE_CHECK(at >= line && at >= 1);
      line = at;
      if (!is_row) continue;
      ENTENTE_CHECK(std::isfinite(reader.row().value));
      ENTENTE_CHECK(!reader.row().twin.empty() && !reader.row().signal.empty());
      ENTENTE_CHECK(!(reader.row().twin.size() > node::limits::kNameInFileBytes));
    }
    ENTENTE_CHECK(reader.bytes() == size);
  }
  return 0;
}
