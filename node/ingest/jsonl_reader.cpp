#include "node/ingest/jsonl_reader.h"

#include <boost/json/parse.hpp>

#include "node/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
constexpr std::size_t kRejectText = 80;

bool blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

}  // namespace

RowReader::Step JsonLinesReader::refuse(std::string reason, std::string_view line) {
  reject_ = {line_, 0, std::move(reason), std::string(line.substr(0, kRejectText))};
  return Step::reject;
}

Result<RowReader::Step> JsonLinesReader::next() {
  buffer_.consume(pending_);
  pending_ = 0;
  while (true) {
    const auto text = buffer_.text();
    const auto end = text.find('\n');
    if (end == text.npos && text.size() <= limits::kJsonLineBytes) {
      if (buffer_.more()) continue;
      const auto rest = buffer_.text();  // reading on has moved it
      if (blank(rest)) return Step::end;
      ++line_;
      pending_ = rest.size();
      return read(rest);
    }
    ++line_;
    if (end == text.npos || end > limits::kJsonLineBytes) {
      const auto step = refuse("the line is longer than " +
                                   std::to_string(limits::kJsonLineBytes) + " bytes", text);
      auto rest = end;
      while (rest == std::string_view::npos) {
        buffer_.consume(buffer_.text().size());
        if (!buffer_.more()) return step;
        rest = buffer_.text().find('\n');
      }
      buffer_.consume(rest + 1);
      return step;
    }
    const auto line = text.substr(0, end);
    if (blank(line)) {
      buffer_.consume(end + 1);
      continue;
    }
    pending_ = end + 1;
    return read(line);
  }
}

RowReader::Step JsonLinesReader::read(std::string_view line) {
  json::parse_options options;
  options.max_depth = 2;
  boost::system::error_code failure;
  const auto value = json::parse(json::string_view(line.data(), line.size()), failure, {}, options);
  if (failure || !value.is_object()) return refuse("no JSON object", line);
  const auto& object = value.get_object();
  const auto* twin = object.if_contains("twin");
  const auto* signal = object.if_contains("signal");
  const auto* time = object.if_contains("time");
  const auto* number = object.if_contains("value");
  if (twin == nullptr || signal == nullptr || time == nullptr || number == nullptr) {
    return refuse("twin, signal, time and value are needed", line);
  }
  if (object.size() != 4) return refuse("only twin, signal, time and value are known", line);
  if (!twin->is_string() || !signal->is_string() ||
      twin->get_string().size() > limits::kNameInFileBytes ||
      signal->get_string().size() > limits::kNameInFileBytes) {
    return refuse("twin and signal are short texts", line);
  }
  if (time->is_string()) {
    const auto parsed = parse_instant({time->get_string().data(), time->get_string().size()});
    if (!parsed) return refuse("the time: " + parsed.error().what, line);
    row_.time = *parsed;
  } else if (time->is_int64()) {
    row_.time = {time->get_int64()};
  } else {
    return refuse("the time is RFC 3339 text or whole nanoseconds", line);
  }
  if (!number->is_number()) return refuse("the value is no number", line);
  row_.value = number->to_number<double>();
  row_.twin.assign(twin->get_string().data(), twin->get_string().size());
  row_.signal.assign(signal->get_string().data(), signal->get_string().size());
  row_.line = line_;
  row_.column = 0;
  return Step::row;
}

}  // namespace entente::node
