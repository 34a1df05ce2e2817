#include "node/cli/table_source.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>

#include "node/cli/limits.h"
#include "node/ingest/csv_reader.h"
#include "node/service/json_text.h"

namespace entente::node {
namespace {

Error cannot_open(const std::string& path) {
  return make_error(ErrorCode::input_unreadable, "cannot open " + path,
                    "name a file that exists and that you may read");
}

void append_line(std::string& out, const Row& row) {
  char value[64];
  const auto end = std::to_chars(value, value + sizeof value, row.value);
  out += "{\"twin\":" + json_text(boost::json::value(boost::core::string_view(row.twin)));
  out += ",\"signal\":" + json_text(boost::json::value(boost::core::string_view(row.signal)));
  out += ",\"time\":" + std::to_string(row.time.ns) + ",\"value\":";
  out.append(value, end.ptr);
  out += "}\n";
}

std::string reason_of(const Reject& reject) {
  std::string out = reject.reason;
  if (reject.column > 0) out = "column " + std::to_string(reject.column) + ": " + out;
  if (!reject.text.empty()) out += " '" + reject.text + "'";
  return out;
}

class TableSource final : public ReadingSource {
 public:
  TableSource(std::unique_ptr<std::ifstream> file, std::istream& in, Mapping mapping,
              std::uint64_t size)
      : file_(std::move(file)), reader_(source_of(in), std::move(mapping)), size_(size) {}

  Result<std::optional<ReadingBatch>> next(std::size_t rows, std::size_t bytes) override {
    ReadingBatch batch;
    while (batch.sources.size() < rows && batch.json_lines.size() < bytes &&
           batch.rejects.size() < rows) {
      auto step = reader_.next();
      if (!step) return std::move(step).error();
      if (*step == RowReader::Step::end) break;
      if (*step == RowReader::Step::reject) {
        batch.rejects.push_back({reader_.reject().line, reason_of(reader_.reject())});
        continue;
      }
      const Row& row = reader_.row();
      if (!std::isfinite(row.value)) {
        batch.rejects.push_back({row.line, "the value is not finite"});
        continue;
      }
      append_line(batch.json_lines, row);
      batch.sources.push_back(row.line);
    }
    if (batch.sources.empty() && batch.rejects.empty()) return std::optional<ReadingBatch>{};
    if (size_ > 0) {
      const double read = static_cast<double>(reader_.bytes());
      batch.progress = std::min(1.0, read / static_cast<double>(size_));
    }
    return std::optional<ReadingBatch>(std::move(batch));
  }

 private:
  std::unique_ptr<std::ifstream> file_;  // nothing for standard input
  CsvReader reader_;
  std::uint64_t size_;
};

}  // namespace

Result<std::unique_ptr<ReadingSource>> open_table(const ReadingFiles& files,
                                                  std::istream& standard_input) {
  std::ifstream map(files.map_path, std::ios::binary);
  if (!map) return cannot_open(files.map_path);
  const std::string text{std::istreambuf_iterator<char>(map), {}};
  auto mapping = read_mapping(text, files.map_path);
  if (!mapping) return std::move(mapping).error();
  std::unique_ptr<std::ifstream> file;
  std::uint64_t size = 0;
  if (files.path != "-") {
    file = std::make_unique<std::ifstream>(files.path, std::ios::binary | std::ios::ate);
    if (!*file || file->tellg() < 0) return cannot_open(files.path);
    size = static_cast<std::uint64_t>(file->tellg());
    file->seekg(0);
  }
  std::istream& in = file ? *file : standard_input;
  return std::unique_ptr<ReadingSource>(
      std::make_unique<TableSource>(std::move(file), in, std::move(*mapping), size));
}

}  // namespace entente::node
