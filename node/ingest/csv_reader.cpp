#include "node/ingest/csv_reader.h"

#include <algorithm>

#include "node/limits.h"

namespace entente::node {
namespace {

constexpr std::size_t kRejectText = 80;

Error unreadable(std::string what) {
  return make_error(ErrorCode::input_unreadable, std::move(what));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string listed(const std::vector<std::string>& names) {
  std::string all;
  for (std::size_t i = 0; i < names.size() && i < 12; ++i) all += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 12 ? all + ", …" : all;
}

}  // namespace

CsvReader::CsvReader(ByteSource source, Mapping mapping)
    : mapping_(std::move(mapping)), records_(std::move(source), mapping_.delimiter, bytes_) {}

Result<std::size_t> CsvReader::index_of(const std::vector<std::string>& names,
                                        const std::string& column) {
  const auto found = std::find(names.begin(), names.end(), column);
  if (found == names.end()) {
    return unreadable("the header has no column \"" + column + "\"; it has: " + listed(names));
  }
  if (std::find(found + 1, names.end(), column) != names.end()) {
    return unreadable("the header has two columns \"" + column + "\"");
  }
  return static_cast<std::size_t>(found - names.begin());
}

Outcome CsvReader::header() {
  records_.skip_lines(mapping_.skip_lines);
  const auto step = records_.next();
  if (step == CsvRecords::Step::end) return unreadable("the file is empty: a header is needed");
  if (step == CsvRecords::Step::bad) return unreadable("the header: " + records_.reason());
  if (records_.raw().starts_with("\xFF\xFE") || records_.raw().starts_with("\xFE\xFF")) {
    return unreadable("the file is UTF-16: save it as UTF-8");
  }
  std::vector<std::string> names;
  for (const auto field : records_.fields()) names.emplace_back(trimmed(field));
  width_ = names.size();
  const auto find = [&](const std::string& column, std::size_t& into) -> Outcome {
    auto index = index_of(names, column);
    if (!index) return std::move(index).error();
    into = *index;
    return {};
  };
  for (const auto& column : mapping_.time_columns) {
    time_columns_.emplace_back();
    if (auto found = find(column, time_columns_.back()); !found) return found;
  }
  if (!mapping_.twin.column.empty()) {
    if (auto found = find(mapping_.twin.column, twin_column_.emplace()); !found) return found;
  }
  if (mapping_.layout == Mapping::Layout::wide) return wide_targets(names);
  if (mapping_.layout == Mapping::Layout::columns) {
    for (const auto& [column, signal] : mapping_.signals) {
      targets_.push_back({0, {}, signal});
      if (auto found = find(column, targets_.back().column); !found) return found;
    }
    return {};
  }
  targets_.push_back({0, {}, mapping_.signal});
  if (auto found = find(mapping_.value_column, targets_.back().column); !found) return found;
  if (!mapping_.signal_column.empty()) {
    if (auto found = find(mapping_.signal_column, signal_column_.emplace()); !found) return found;
  }
  return {};
}

Outcome CsvReader::wide_targets(const std::vector<std::string>& names) {
  std::map<std::string, std::string> seen;  // twin -> column
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool is_time =
        std::find(time_columns_.begin(), time_columns_.end(), i) != time_columns_.end();
    const bool ignored = std::find(mapping_.ignore.begin(), mapping_.ignore.end(), names[i]) !=
                         mapping_.ignore.end();
    if (is_time || ignored || names[i].empty()) continue;
    auto twin = mapping_.twin.id_of(names[i]);
    if (!twin) continue;
    const auto [entry, fresh] = seen.emplace(*twin, names[i]);
    if (!fresh) {
      return unreadable("the columns \"" + entry->second + "\" and \"" + names[i] +
                        "\" both name the twin " + *twin);
    }
    targets_.push_back({i, std::move(*twin), mapping_.signal});
  }
  if (targets_.empty()) return unreadable("no column of the header names a twin");
  return {};
}

bool CsvReader::refuse(std::size_t column, std::string reason, std::string_view text) {
  reject_ = {records_.line(), column, std::move(reason), std::string(text.substr(0, kRejectText))};
  return false;
}

// Reads time and twin of the record; false with a reject when the row cannot be used.
Outcome CsvReader::begin_record() {
  const auto& fields = records_.fields();
  std::string text;
  for (std::size_t i = 0; i < time_columns_.size(); ++i) {
    if (i > 0) text += ' ';
    text += trimmed(fields[time_columns_[i]]);
  }
  if (!time_known_ || text != time_text_) {
    auto parsed = mapping_.time->parse(text);
    if (!parsed) {
      refuse(time_columns_.front() + 1, "the time: " + parsed.error().what, text);
      return unreadable("");
    }
    time_known_ = *parsed;
    time_text_ = text;
  }
  time_ = *time_known_;
  twin_ = mapping_.twin.fixed;
  if (twin_column_) {
    const auto name = trimmed(fields[*twin_column_]);
    auto twin = mapping_.twin.id_of(name);
    if (!twin || name.empty()) {
      refuse(*twin_column_ + 1, "no twin's name", name);
      return unreadable("");
    }
    twin_ = std::move(*twin);
  }
  return {};
}

// True: row_ or reject_ holds something; which of the two is told by reject_.line.
bool CsvReader::give(const Target& target) {
  const auto& fields = records_.fields();
  const auto text = trimmed(fields[target.column]);
  if (mapping_.is_missing(text)) return ++missing_, false;
  reject_.line = 0;
  std::string_view signal = target.signal;
  if (signal_column_) {
    signal = trimmed(fields[*signal_column_]);
    if (!mapping_.signals.empty()) {
      const auto found = mapping_.signals.find(signal);
      if (found == mapping_.signals.end()) {
        refuse(*signal_column_ + 1, "the mapping's [signals] has no such name", signal);
        return true;
      }
      signal = found->second;
    }
  }
  const auto value = parse_number(text, mapping_.decimal);
  if (!value) {
    refuse(target.column + 1, "no number", text);
    return true;
  }
  row_.twin = mapping_.layout == Mapping::Layout::wide ? std::string_view(target.twin) : twin_;
  row_.signal = signal;
  row_.time = time_;
  row_.value = *value;
  row_.line = records_.line();
  row_.column = target.column + 1;
  return true;
}

Result<RowReader::Step> CsvReader::next() {
  if (!header_read_) {
    if (auto read = header(); !read) return std::move(read).error();
    header_read_ = true;
  }
  while (true) {
    while (in_record_ && next_target_ < targets_.size()) {
      if (give(targets_[next_target_++])) return reject_.line > 0 ? Step::reject : Step::row;
    }
    in_record_ = false;
    const auto step = records_.next();
    if (step == CsvRecords::Step::end) return Step::end;
    if (step == CsvRecords::Step::bad) {
      reject_ = {records_.line(), 0, records_.reason(),
                 std::string(records_.raw().substr(0, kRejectText))};
      return Step::reject;
    }
    if (records_.fields().size() != width_) {
      refuse(0,
             std::to_string(records_.fields().size()) + " fields, but the header has " +
                 std::to_string(width_),
             records_.raw());
      return Step::reject;
    }
    if (!begin_record()) return Step::reject;
    in_record_ = true;
    next_target_ = 0;
  }
}

}  // namespace entente::node
