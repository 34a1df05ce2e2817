#include "node/ingest/line_protocol_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "node/limits.h"

namespace entente::node {
namespace {

constexpr std::size_t kRejectText = 80;

// What a character means to names.
constexpr unsigned kComma = 1, kSpace = 2, kEquals = 4, kBackslash = 8;

constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> all{};
  all[','] = kComma;
  all[' '] = kSpace;
  all['='] = kEquals;
  all['\\'] = kBackslash;
  return all;
}();

unsigned class_of(char c) {
  return kClasses[static_cast<unsigned char>(c)];
}

bool is_true(std::string_view text) {
  return text == "t" || text == "T" || text == "true" || text == "True" || text == "TRUE";
}
bool is_false(std::string_view text) {
  return text == "f" || text == "F" || text == "false" || text == "False" || text == "FALSE";
}

template <class Whole>
bool whole_number(std::string_view text, Whole& out) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failure == std::errc() && end == text.data() + text.size();
}

// By Unicode 15, table 3-7. Bytes below 0x80 pass eight at a time.
bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = at + text.size();
  while (at < end) {
    if (end - at >= 8) {
      std::uint64_t eight = 0;
      std::copy_n(at, 8, reinterpret_cast<unsigned char*>(&eight));
      if ((eight & 0x8080808080808080U) == 0) {
        at += 8;
        continue;
      }
    }
    const unsigned lead = *at++;
    if (lead < 0x80) continue;
    if (lead < 0xC2 || lead > 0xF4) return false;
    const int more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    if (end - at < more) return false;
    const unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (*at < least || *at > most) return false;
    for (int i = 1; i < more; ++i) {
      if (at[i] < 0x80 || at[i] > 0xBF) return false;
    }
    at += more;
  }
  return true;
}

}  // namespace

std::optional<std::int64_t> precision_ns(std::string_view word) {
  if (word == "ns") return 1;
  if (word == "us") return 1'000;
  if (word == "ms") return 1'000'000;
  if (word == "s") return 1'000'000'000;
  return std::nullopt;
}

LineProtocolReader::LineProtocolReader(ByteSource source, LineOptions options)
    : options_(std::move(options)),
      plain_twins_(options_.naming.twin.is_plain()),
      lines_(std::move(source), bytes_, limits::kLineProtocolBytes) {}

Result<RowReader::Step> LineProtocolReader::next() {
  while (true) {
    while (next_field_ < fields_.size()) {
      const auto& field = fields_[next_field_++];
      if (give(field)) return field.is_text ? Step::reject : Step::row;
    }
    const auto step = lines_.next();
    if (step == Lines::Step::end) return Step::end;
    const auto line = lines_.text();
    fields_.clear();
    next_field_ = 0;
    if (step == Lines::Step::too_long) {
      reject_ = {lines_.number(), 0,
                 "the line is longer than " + std::to_string(limits::kLineProtocolBytes) + " bytes",
                 std::string(line)};
      return Step::reject;
    }
    if (parse(line)) continue;
    fields_.clear();
    reject_ = {lines_.number(), 0, reason_, std::string(line.substr(0, kRejectText))};
    return Step::reject;
  }
}

bool LineProtocolReader::wrong(const char* reason) {
  reason_ = reason;
  return false;
}

// True: row_ or reject_ holds the field.
bool LineProtocolReader::give(const Field& field) {
  const auto signal = signal_of(field);
  const auto& naming = options_.naming;
  if (!naming.ignore.empty() &&
      std::find(naming.ignore.begin(), naming.ignore.end(), signal) != naming.ignore.end()) {
    return false;
  }
  if (field.is_text) {
    reject_ = {lines_.number(), next_field_, "a text is no reading; a mapping may ignore the field",
               std::string(field.name)};
    return true;
  }
  row_.twin = *twin_;
  row_.signal = signal;
  if (!naming.signals.empty()) {
    const auto found = naming.signals.find(signal);
    if (found != naming.signals.end()) row_.signal = found->second;
  }
  row_.time = time_;
  row_.value = field.value;
  row_.line = lines_.number();
  row_.column = next_field_;
  return true;
}

std::string_view LineProtocolReader::signal_of(const Field& field) {
  switch (options_.naming.signal) {
    case LineNaming::Signal::field:
      return field.name;
    case LineNaming::Signal::measurement:
      return measurement_;
    case LineNaming::Signal::measurement_field:
      break;
  }
  signal_.assign(measurement_).append(1, '.').append(field.name);
  return signal_;
}

bool LineProtocolReader::parse(std::string_view line) {
  at_ = line.data();
  end_ = at_ + line.size();
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\t')) ++at_;
  if (at_ == end_ || *at_ == '#') return true;  // no fields: nothing to give
  while (end_ > at_ && (end_[-1] == ' ' || end_[-1] == '\t')) --end_;
  if (!is_utf8({at_, static_cast<std::size_t>(end_ - at_)})) return wrong("the line is not UTF-8");
  plain_.clear();
  if (plain_.capacity() < line.size()) plain_.reserve(line.size());  // it never moves from here on
  twin_.reset();
  if (!name(kComma | kSpace, kComma | kSpace, measurement_)) return false;
  if (measurement_.empty()) return wrong("the measurement is missing");
  if (!tags() || !fields() || !timestamp()) return false;
  if (!twin_) return wrong("no tag names the twin");
  return true;
}

// A name up to a character of the class `stops`, which is left standing, or to the line's end.
bool LineProtocolReader::name(unsigned stops, unsigned escapes, std::string_view& out) {
  const char* begin = at_;
  bool escaped = false;
  while (at_ < end_) {
    const unsigned what = class_of(*at_);
    if (what == 0) {
      ++at_;
      continue;
    }
    if (what == kBackslash && at_ + 1 < end_ && (class_of(at_[1]) & escapes) != 0) {
      escaped = true;
      at_ += 2;
      continue;
    }
    if ((what & stops) != 0) break;
    ++at_;
  }
  out = {begin, static_cast<std::size_t>(at_ - begin)};
  if (out.size() > limits::kNameInFileBytes) return wrong("a name is too long");
  if (!escaped) return true;
  const auto from = plain_.size();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == '\\' && i + 1 < out.size() && (class_of(out[i + 1]) & escapes) != 0) ++i;
    plain_.push_back(out[i]);
  }
  out = std::string_view(plain_).substr(from);
  return true;
}

bool LineProtocolReader::tags() {
  while (at_ < end_ && *at_ == ',') {
    ++at_;
    std::string_view key, text;
    if (!name(kComma | kSpace | kEquals, kComma | kSpace | kEquals, key)) return false;
    if (key.empty()) return wrong("a tag has no name");
    if (at_ == end_ || *at_ != '=') return wrong("a tag has no value");
    ++at_;
    if (!name(kComma | kSpace | kEquals, kComma | kSpace | kEquals, text)) return false;
    if (text.empty()) return wrong("a tag has no value");
    if (at_ < end_ && *at_ == '=') return wrong("a tag's value has an = without a backslash");
    if (key != options_.naming.twin_tag) continue;
    if (twin_) return wrong("the tag that names the twin is there twice");
    if (!name_twin(text)) return wrong("no twin's name");
  }
  if (at_ == end_) return wrong("the line has no fields");
  while (at_ < end_ && *at_ == ' ') ++at_;
  return true;
}

bool LineProtocolReader::name_twin(std::string_view text) {
  if (plain_twins_) {
    twin_ = text;
    return true;
  }
  auto id = options_.naming.twin.id_of(text);
  if (!id || id->empty()) return false;
  twin_id_ = std::move(*id);
  twin_ = twin_id_;
  return true;
}

bool LineProtocolReader::fields() {
  while (true) {
    Field field;
    if (!name(kComma | kSpace | kEquals, kComma | kSpace | kEquals, field.name)) return false;
    if (field.name.empty()) return wrong("a field has no name");
    if (at_ == end_ || *at_ != '=') return wrong("a field has no value");
    ++at_;
    if (!field_value(field)) return false;
    fields_.push_back(field);
    if (at_ == end_ || *at_ == ' ') return true;
    if (*at_ != ',') return wrong("text after a closing quote");
    ++at_;
  }
}

bool LineProtocolReader::field_value(Field& field) {
  if (at_ < end_ && *at_ == '"') {
    field.is_text = true;
    for (++at_; at_ < end_ && *at_ != '"'; ++at_) {
      if (*at_ == '\\' && at_ + 1 < end_ && (at_[1] == '"' || at_[1] == '\\')) ++at_;
    }
    if (at_ == end_) return wrong("a quoted text does not end on its line");
    ++at_;
    return true;
  }
  const char* begin = at_;
  while (at_ < end_ && (class_of(*at_) & (kComma | kSpace)) == 0) ++at_;
  return number({begin, static_cast<std::size_t>(at_ - begin)}, field);
}

bool LineProtocolReader::number(std::string_view text, Field& field) {
  if (text.empty()) return wrong("a field has no value");
  const auto digits = text.substr(0, text.size() - 1);
  if (text.back() == 'i') {
    std::int64_t whole = 0;
    if (!whole_number(digits, whole)) return wrong("no integer of 64 bits stands before the i");
    field.value = static_cast<double>(whole);
    return true;
  }
  if (text.back() == 'u') {
    std::uint64_t whole = 0;
    if (!whole_number(digits, whole)) return wrong("no unsigned integer stands before the u");
    field.value = static_cast<double>(whole);
    return true;
  }
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), field.value);
  if (end == text.data() + text.size() && failure == std::errc() && std::isfinite(field.value)) {
    return true;
  }
  if (end == text.data() + text.size() && failure == std::errc::result_out_of_range) {
    return wrong("a number is beyond what 64 bits hold");
  }
  if (is_true(text) || is_false(text)) {
    field.value = is_true(text) ? 1 : 0;
    return true;
  }
  return wrong("a field's value is no number, boolean or quoted text");
}

bool LineProtocolReader::timestamp() {
  while (at_ < end_ && *at_ == ' ') ++at_;
  if (at_ == end_) {
    time_ = options_.clock != nullptr ? options_.clock->now() : options_.arrival;
    return true;
  }
  std::int64_t units = 0;
  if (!whole_number({at_, static_cast<std::size_t>(end_ - at_)}, units)) {
    return wrong("the timestamp is no whole number");
  }
  if (__builtin_mul_overflow(units, options_.unit_ns, &time_.ns)) {
    return wrong("the time lies beyond the years 1677 to 2262; see the precision");
  }
  return true;
}

}  // namespace entente::node
