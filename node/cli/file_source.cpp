#include "node/cli/file_source.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>

#include "node/cli/limits.h"
#include "node/ingest/csv_reader.h"
#include "node/ingest/line_protocol_reader.h"
#include "node/limits.h"
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

// Where the bytes come from: a file, standard input, or a file that grows.
struct Input {
  std::unique_ptr<std::ifstream> file;
  std::unique_ptr<FollowedFile> followed;
  std::istream* stream = nullptr;
  std::uint64_t size = 0;  // 0: unknown

  ByteSource source() const {
    if (followed == nullptr) return source_of(*stream);
    return [followed = followed.get()](char* into, std::size_t most) {
      return followed->read(into, most);
    };
  }
  double progress(std::uint64_t read) const {
    if (size == 0) return -1;
    return std::min(1.0, static_cast<double>(read) / static_cast<double>(size));
  }
};

// Collects batches; what an entry of the input is, a subclass knows.
class FileSource : public ReadingSource {
 public:
  explicit FileSource(Input input) : input_(std::move(input)) {}

  Result<std::optional<ReadingBatch>> next(std::size_t rows, std::size_t bytes) override {
    ReadingBatch batch;
    while (batch.sources.size() < rows && batch.json_lines.size() < bytes &&
           batch.rejects.size() < rows) {
      auto more = take(batch);
      if (!more) return std::move(more).error();
      if (*more) continue;
      if (input_.followed == nullptr || input_.followed->finished()) break;
      if (input_.followed->take_turned()) begin();
      if (!batch.sources.empty() || !batch.rejects.empty()) break;
    }
    if (input_.stream != nullptr && input_.stream->bad()) {
      return make_error(ErrorCode::input_unreadable, "the file cannot be read on");
    }
    if (batch.sources.empty() && batch.rejects.empty()) return std::optional<ReadingBatch>{};
    batch.progress = input_.progress(bytes_read());
    return std::optional<ReadingBatch>(std::move(batch));
  }

 protected:
  // Reads from the beginning of a file.
  virtual void begin() = 0;
  // One entry into the batch; false at the end of what is there.
  virtual Result<bool> take(ReadingBatch& batch) = 0;
  virtual std::uint64_t bytes_read() const = 0;

  const Input input_;
};

class RowSource final : public FileSource {
 public:
  using Make = std::function<std::unique_ptr<RowReader>(ByteSource)>;
  RowSource(Input input, Make make) : FileSource(std::move(input)), make_(std::move(make)) {
    begin();
  }

 private:
  void begin() override { reader_ = make_(input_.source()); }
  std::uint64_t bytes_read() const override { return reader_->bytes(); }
  Result<bool> take(ReadingBatch& batch) override {
    auto step = reader_->next();
    if (!step) return std::move(step).error();
    if (*step == RowReader::Step::end) return false;
    if (*step == RowReader::Step::reject) {
      const auto& reject = reader_->reject();
      batch.rejects.push_back({reject.line, reason_of(reject), reject.column, reject.text});
      return true;
    }
    const Row& row = reader_->row();
    if (!std::isfinite(row.value)) {
      batch.rejects.push_back({row.line, "the value is not finite", row.column, {}});
      return true;
    }
    append_line(batch.json_lines, row);
    batch.sources.push_back(row.line);
    return true;
  }

  const Make make_;
  std::unique_ptr<RowReader> reader_;
};

class LinesSource final : public FileSource {
 public:
  explicit LinesSource(Input input) : FileSource(std::move(input)) { begin(); }

 private:
  void begin() override { lines_.emplace(input_.source(), read_, limits::kJsonLineBytes); }
  std::uint64_t bytes_read() const override { return read_; }
  Result<bool> take(ReadingBatch& batch) override {
    const auto step = lines_->next();
    if (step == Lines::Step::end) return false;
    if (step == Lines::Step::too_long) {
      batch.rejects.push_back(
          {lines_->number(),
           "the line is longer than " + std::to_string(limits::kJsonLineBytes) + " bytes", 0,
           std::string(lines_->text())});
      return true;
    }
    batch.json_lines += lines_->text();
    batch.json_lines += '\n';
    batch.sources.push_back(lines_->number());
    return true;
  }

  std::uint64_t read_ = 0;
  std::optional<Lines> lines_;
};

Result<std::string> format_of_file(const ReadingFiles& files, const std::optional<Mapping>& map) {
  const bool line_map = map && map->layout == Mapping::Layout::line;
  auto format = files.format;
  if (format.empty()) {
    const auto ends = [&](const char* end) { return files.path.ends_with(end); };
    format = map                                                      ? (line_map ? "line" : "csv")
             : ends(".lp") || ends(".line")                           ? "line"
             : ends(".jsonl") || ends(".ndjson") || files.path == "-" ? "jsonl"
                                                                      : "csv";
  }
  if (format != "csv" && format != "jsonl" && format != "line") {
    return make_error(ErrorCode::invalid_argument, "--format " + format + " is unknown",
                      "use csv, jsonl or line");
  }
  if (format == "csv" && !map) {
    return make_error(ErrorCode::invalid_argument, "a table needs a mapping of its columns",
                      "add --map MAP.toml; only .jsonl, .ndjson, .lp and --format go without");
  }
  if (map && (format == "jsonl" || (format == "line") != line_map)) {
    return make_error(ErrorCode::invalid_argument, "the mapping is not for the format " + format,
                      "[line] is for line protocol, a layout for tables; JSON Lines take none");
  }
  if (format != "line" && !files.precision.empty()) {
    return make_error(ErrorCode::invalid_argument, "--precision is for line protocol only");
  }
  return format;
}

Result<Input> open_input(const ReadingFiles& files, std::istream& standard_input,
                         FollowedFile::Hooks hooks) {
  Input input;
  if (files.follow && files.path != "-") {
    auto followed = FollowedFile::open(files.path, std::move(hooks));
    if (!followed) return std::move(followed).error();
    input.followed = std::move(*followed);
  } else if (files.path != "-") {
    input.file = std::make_unique<std::ifstream>(files.path, std::ios::binary | std::ios::ate);
    if (!*input.file || input.file->tellg() < 0) return cannot_open(files.path);
    input.size = static_cast<std::uint64_t>(input.file->tellg());
    input.file->seekg(0);
    input.stream = input.file.get();
  } else {
    input.stream = &standard_input;
  }
  return input;
}

}  // namespace

Result<std::unique_ptr<ReadingSource>> open_source(const ReadingFiles& files,
                                                   std::istream& standard_input,
                                                   FollowedFile::Hooks hooks) {
  std::optional<Mapping> mapping;
  if (!files.map_path.empty()) {
    std::ifstream map(files.map_path, std::ios::binary);
    if (!map) return cannot_open(files.map_path);
    const std::string text{std::istreambuf_iterator<char>(map), {}};
    auto read = read_mapping(text, files.map_path);
    if (!read) return std::move(read).error();
    mapping = std::move(*read);
  }
  auto format = format_of_file(files, mapping);
  if (!format) return std::move(format).error();
  const auto unit = precision_ns(files.precision.empty() ? "ns" : files.precision);
  if (!unit) {
    return make_error(ErrorCode::invalid_argument, "--precision " + files.precision + " is unknown",
                      "use ns, us, ms or s");
  }
  auto input = open_input(files, standard_input, std::move(hooks));
  if (!input) return std::move(input).error();
  if (*format == "jsonl") {
    return std::unique_ptr<ReadingSource>(std::make_unique<LinesSource>(std::move(*input)));
  }
  RowSource::Make make;
  if (*format == "csv") {
    make = [map = std::move(*mapping)](ByteSource source) -> std::unique_ptr<RowReader> {
      return std::make_unique<CsvReader>(std::move(source), map);
    };
  } else {
    LineOptions options;
    if (mapping) options.naming = std::move(mapping->line);
    options.unit_ns = *unit;
    make = [options, clock = std::make_shared<SystemClock>()](
               ByteSource source) mutable -> std::unique_ptr<RowReader> {
      options.clock = clock.get();
      return std::make_unique<LineProtocolReader>(std::move(source), options);
    };
  }
  return std::unique_ptr<ReadingSource>(
      std::make_unique<RowSource>(std::move(*input), std::move(make)));
}

}  // namespace entente::node
