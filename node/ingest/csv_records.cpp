#include "node/ingest/csv_records.h"

#include <algorithm>

#include "node/limits.h"

namespace entente::node {
namespace {
constexpr std::size_t kRawBytes = 512;  // of a bad record, for the rejects
constexpr std::size_t kRescanBytes = 64 << 10;
}  // namespace

// Splits the record at the front of `text`. Views point into `text` or into unquoted_, whose
// strings never move: it is sized before.
CsvRecords::Scan CsvRecords::scan(std::string_view text, bool at_end) {
  fields_.clear();
  unquoted_.clear();
  newlines_ = 0;
  std::size_t at = 0;
  std::vector<std::pair<std::size_t, std::size_t>> doubled;  // field, index in unquoted_
  while (true) {
    if (at < text.size() && text[at] == '"') {
      const auto begin = ++at;
      bool twice = false;
      while (true) {
        const auto quote = text.find('"', at);
        if (quote == std::string_view::npos) return at_end ? Scan::torn : Scan::more;
        if (quote + 1 >= text.size() && !at_end) return Scan::more;
        if (quote + 1 < text.size() && text[quote + 1] == '"') {
          twice = true;
          at = quote + 2;
          continue;
        }
        at = quote + 1;
        break;
      }
      const auto inner = text.substr(begin, at - 1 - begin);
      newlines_ += static_cast<std::size_t>(std::count(inner.begin(), inner.end(), '\n'));
      fields_.push_back(inner);
      if (twice) {
        std::string plain;
        for (std::size_t i = 0; i < inner.size(); ++i) {
          plain.push_back(inner[i]);
          if (inner[i] == '"') ++i;
        }
        doubled.emplace_back(fields_.size() - 1, unquoted_.size());
        unquoted_.push_back(std::move(plain));
      }
    } else {
      const auto begin = at;
      while (at < text.size() && text[at] != delimiter_ && text[at] != '\n') ++at;
      if (at == text.size() && !at_end) return Scan::more;
      auto field = text.substr(begin, at - begin);
      if ((at == text.size() || text[at] == '\n') && field.ends_with('\r')) field.remove_suffix(1);
      fields_.push_back(field);
    }
    if (at < text.size() && text[at] == '\r' && (at + 1 == text.size() || text[at + 1] == '\n')) {
      if (at + 1 == text.size() && !at_end) return Scan::more;
      ++at;
    }
    if (at >= text.size()) {
      if (!at_end) return Scan::more;
      break;
    }
    if (text[at] == '\n') {
      ++at;
      ++newlines_;
      break;
    }
    if (text[at] != delimiter_) return Scan::bad_quote;
    ++at;
    if (fields_.size() > limits::kCsvColumns) return Scan::torn;
  }
  used_ = at;
  for (const auto& [field, index] : doubled) fields_[field] = unquoted_[index];
  return Scan::complete;
}

CsvRecords::Step CsvRecords::bad_line(std::string reason) {
  const auto text = buffer_.text();
  const auto end = text.find('\n');
  raw_ = text.substr(0, std::min(end, kRawBytes));
  reason_ = std::move(reason);
  if (end == std::string_view::npos) {
    // The rest of an endless line; what follows its end is read afresh.
    buffer_.consume(text.size());
    bool found = false;
    while (!found && buffer_.more()) {
      const auto more = buffer_.text();
      const auto stop = more.find('\n');
      found = stop != std::string_view::npos;
      buffer_.consume(found ? stop + 1 : more.size());
    }
  } else {
    buffer_.consume(end + 1);
  }
  ++next_line_;
  return Step::bad;
}

CsvRecords::Step CsvRecords::next() {
  buffer_.consume(pending_);
  pending_ = 0;
  ended_ = false;
  while (true) {
    line_ = next_line_;
    auto text = buffer_.text();
    if (text.empty()) {
      if (ended_ || !buffer_.more()) return Step::end;
      continue;
    }
    if (text.front() == '\n' || text.starts_with("\r\n")) {
      buffer_.consume(text.front() == '\n' ? 1 : 2);
      ++next_line_;
      continue;
    }
    const auto result = scan(text, ended_);
    if (result == Scan::more) {
      if (text.size() > limits::kRecordBytes) {
        return bad_line("the record is longer than " + std::to_string(limits::kRecordBytes) +
                        " bytes; a quote may be missing");
      }
      // A long record is scanned from its beginning each time: look again when it has doubled.
      const auto enough = text.size() > kRescanBytes ? 2 * text.size() : 0;
      do {
        if (!buffer_.more()) ended_ = true;
      } while (!ended_ && buffer_.text().size() < enough);
      continue;
    }
    if (result == Scan::torn) return bad_line("a quote is never closed, or too many fields");
    if (result == Scan::bad_quote) return bad_line("text after a closing quote");
    raw_ = text.substr(0, std::min(used_, kRawBytes));
    pending_ = used_;
    next_line_ += newlines_;
    return Step::record;
  }
}

void CsvRecords::skip_lines(std::size_t lines) {
  while (lines > 0) {
    const auto text = buffer_.text();
    const auto end = text.find('\n');
    if (end == std::string_view::npos) {
      if (text.size() > limits::kRecordBytes) buffer_.consume(text.size());
      if (!buffer_.more()) return;
      continue;
    }
    buffer_.consume(end + 1);
    ++next_line_;
    --lines;
  }
}

}  // namespace entente::node
