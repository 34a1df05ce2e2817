#include "node/daemon/readings_source.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "node/ingest/csv_reader.h"
#include "node/ingest/jsonl_reader.h"
#include "node/ingest/mapping.h"

namespace entente::node {
namespace {

std::string shortest(double value) {
  char buffer[64];
  const auto [end, failure] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return failure == std::errc{} ? std::string(buffer, end) : "null";
}

class FileSource final : public ReadingSource {
 public:
  FileSource(std::unique_ptr<std::ifstream> stream, std::unique_ptr<RowReader> reader,
             std::uintmax_t size)
      : stream_(std::move(stream)), reader_(std::move(reader)), size_(size) {}

  Result<std::optional<ReadingBatch>> next(std::size_t rows, std::size_t bytes) override {
    ReadingBatch batch;
    bool end = false;
    while (batch.sources.size() < rows && batch.json_lines.size() < bytes &&
           batch.rejects.size() < rows) {
      auto step = reader_->next();
      if (!step) return std::move(step).error();
      end = *step == RowReader::Step::end;
      if (end) break;
      if (*step == RowReader::Step::reject) {
        batch.rejects.push_back({reader_->reject().line, reader_->reject().reason});
      } else {
        add(batch, reader_->row());
      }
    }
    if (end && batch.sources.empty() && batch.rejects.empty()) return std::optional<ReadingBatch>{};
    if (size_ > 0) {
      batch.progress = std::min(1.0, static_cast<double>(reader_->bytes()) / static_cast<double>(size_));
    }
    return std::optional(std::move(batch));
  }

 private:
  // Ids and signals are plain words, so they need no escape.
  static void add(ReadingBatch& batch, const Row& row) {
    if (!std::isfinite(row.value)) {
      batch.rejects.push_back({row.line, "the value is not a finite number"});
      return;
    }
    batch.json_lines += "{\"twin\":\"" + row.twin + "\",\"signal\":\"" + row.signal + "\",\"time\":" +
                        std::to_string(row.time.ns) + ",\"value\":" + shortest(row.value) + "}\n";
    batch.sources.push_back(row.line);
  }

  std::unique_ptr<std::ifstream> stream_;
  std::unique_ptr<RowReader> reader_;
  std::uintmax_t size_;
};

Result<std::string> read_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return make_error(ErrorCode::input_unreadable, "cannot read " + path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace

Result<std::unique_ptr<ReadingSource>> open_readings(const ReadingsOptions& options) {
  auto stream = std::make_unique<std::ifstream>(options.path, std::ios::binary);
  if (!*stream) return make_error(ErrorCode::input_unreadable, "cannot read " + options.path);
  std::error_code unknown;
  const std::uintmax_t size = std::filesystem::file_size(options.path, unknown);
  std::unique_ptr<RowReader> reader;
  if (options.map_path.empty()) {
    reader = std::make_unique<JsonLinesReader>(source_of(*stream));
  } else {
    auto text = read_text(options.map_path);
    if (!text) return std::move(text).error();
    auto mapping = read_mapping(*text, options.map_path);
    if (!mapping) return std::move(mapping).error();
    reader = std::make_unique<CsvReader>(source_of(*stream), std::move(*mapping));
  }
  return std::unique_ptr<ReadingSource>(
      std::make_unique<FileSource>(std::move(stream), std::move(reader), unknown ? 0 : size));
}

}  // namespace entente::node
