// Any bytes as a CSV file: reading never crashes, always ends, and what comes in pieces of another
// size gives the same records.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "node/ingest/csv_records.h"
#include "schemas/base/bytes.h"

namespace {

std::vector<std::string> records(std::string_view text, std::size_t piece) {
  using namespace entente::node;
  std::uint64_t counted = 0;
  const ByteSource source = [text, piece](char* into, std::size_t size) mutable {
    const auto taken = std::min({size, piece, text.size()});
    std::copy_n(text.data(), taken, into);
    text.remove_prefix(taken);
    return taken;
  };
  CsvRecords reader(source, ',', counted);
  std::vector<std::string> all;
  while (true) {
    const auto step = reader.next();
    if (step == CsvRecords::Step::end) return all;
    std::string line = std::to_string(reader.line());
    if (step == CsvRecords::Step::bad) {
      line += "!" + reader.reason();
    } else {
      for (const auto field : reader.fields()) line.append(1, '|').append(field);
    }
    all.push_back(std::move(line));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = entente::text_of({data, size});
  ENTENTE_CHECK(records(text, 1) == records(text, 1 << 20));
  return 0;
}
