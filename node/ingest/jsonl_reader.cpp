#include "node/ingest/jsonl_reader.h"

#include <simdjson.h>

#include <optional>

#include "node/limits.h"

namespace entente::node {
namespace {

namespace ondemand = simdjson::ondemand;
constexpr std::size_t kRejectText = 80;
static_assert(simdjson::SIMDJSON_PADDING <= kBufferSlack);

enum Key : unsigned { twin = 1, signal = 2, time = 4, value = 8, all = 15 };

unsigned key_of(std::string_view name) {
  if (name == "twin") return Key::twin;
  if (name == "signal") return Key::signal;
  if (name == "time") return Key::time;
  return name == "value" ? Key::value : 0U;
}

// Why the time cannot be read; nothing when `into` has it.
std::optional<std::string> read_time(ondemand::value& given, Instant& into) {
  std::string_view text;
  if (given.get_string().get(text) == simdjson::SUCCESS) {
    const auto parsed = parse_instant(text);
    if (!parsed) return "the time: " + parsed.error().what;
    into = *parsed;
    return std::nullopt;
  }
  if (given.get_int64().get(into.ns) == simdjson::SUCCESS) return std::nullopt;
  return "the time is RFC 3339 text or whole nanoseconds";
}

}  // namespace

struct JsonLinesReader::Parser {
  ondemand::parser parser;
};

JsonLinesReader::JsonLinesReader(ByteSource source)
    : lines_(std::move(source), bytes_, limits::kJsonLineBytes),
      parser_(std::make_unique<Parser>()) {}
JsonLinesReader::~JsonLinesReader() = default;

RowReader::Step JsonLinesReader::refuse(std::string reason, std::string_view line) {
  reject_ = {lines_.number(), 0, std::move(reason), std::string(line.substr(0, kRejectText))};
  return Step::reject;
}

Result<RowReader::Step> JsonLinesReader::next() {
  switch (lines_.next()) {
    case Lines::Step::end:
      return Step::end;
    case Lines::Step::too_long:
      return refuse("the line is longer than " + std::to_string(limits::kJsonLineBytes) + " bytes",
                    lines_.text());
    case Lines::Step::line:
      break;
  }
  return read(lines_.text());
}

// On demand: values are parsed where they stand, so that every key is seen, a second one too.
RowReader::Step JsonLinesReader::read(std::string_view line) {
  const auto broken = [&] { return refuse("no JSON object", line); };
  ondemand::document document;
  ondemand::object object;
  const simdjson::padded_string_view padded(line, line.size() + kBufferSlack);
  if (parser_->parser.iterate(padded).get(document) != simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS) {
    return broken();
  }
  unsigned seen = 0;
  for (auto member : object) {
    ondemand::field field;
    std::string_view name;
    if (std::move(member).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(name) != simdjson::SUCCESS) {
      return broken();
    }
    const auto key = key_of(name);
    if (key == 0) return refuse("only twin, signal, time and value are known", line);
    if ((seen & key) != 0) return refuse("the key " + std::string(name) + " is there twice", line);
    seen |= key;
    auto given = field.value();
    if (key == Key::value) {
      // A broken number and no number at all are one to whoever reads the reject.
      if (given.get_double().get(row_.value) != simdjson::SUCCESS) {
        return refuse("the value is no number", line);
      }
    } else if (key == Key::time) {
      if (auto why = read_time(given, row_.time)) return refuse(std::move(*why), line);
    } else {
      auto& text = key == Key::twin ? row_.twin : row_.signal;
      if (given.get_string().get(text) != simdjson::SUCCESS ||
          text.size() > limits::kNameInFileBytes) {
        return refuse("twin and signal are short texts", line);
      }
    }
  }
  const char* rest = nullptr;  // there is a place after the object only when something stands there
  if (document.current_location().get(rest) != simdjson::OUT_OF_BOUNDS) return broken();
  if (seen != Key::all) return refuse("twin, signal, time and value are needed", line);
  row_.line = lines_.number();
  row_.column = 0;
  return Step::row;
}

}  // namespace entente::node
