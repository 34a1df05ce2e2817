// Any bytes as a mapping file and a CSV file after a line of '%': neither reading ever crashes.
#include <cstddef>
#include <cstdint>

#include "node/ingest/csv_reader.h"
#include "schemas/base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entente;
  const auto text = text_of({data, size});
  const auto cut = text.find("\n%\n");
  const auto mapping = node::read_mapping(text.substr(0, cut), "fuzz.toml");
  if (!mapping) {
    ENTENTE_CHECK(mapping.error().code == ErrorCode::config_invalid);
    return 0;
  }
  const auto file =
      cut == std::string_view::npos ? std::string_view("t,a\n1,2\n") : text.substr(cut + 3);
  node::CsvReader reader(node::source_of(file), *mapping);
  while (true) {
    const auto step = reader.next();
    if (!step || *step == node::RowReader::Step::end) return 0;
  }
}
