#include "federation/query/suggest.h"

#include <algorithm>
#include <array>

namespace entente::federation {
namespace {

constexpr std::size_t kWordBytes = 64;
constexpr std::size_t kNamesOffered = 3;
constexpr std::size_t kNamesListed = 12;
constexpr std::size_t kLineBefore = 60;  // code points shown before and after the place
constexpr std::size_t kLineAfter = 40;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool begins_with(std::string_view text, std::string_view start) {
  return text.size() >= start.size() &&
         std::equal(start.begin(), start.end(), text.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The line around `offset`: where it begins, and its text without the line end.
std::pair<std::size_t, std::string_view> line_at(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  std::size_t begin = offset;
  while (begin > 0 && text[begin - 1] != '\n') --begin;
  const std::size_t end = std::min(text.find('\n', offset), text.size());
  return {begin, text.substr(begin, end - begin)};
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::string quoted(std::string_view name) {
  return "'" + std::string(name) + "'";
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kWordBytes);
  b = b.substr(0, kWordBytes);
  using Row = std::array<std::size_t, kWordBytes + 1>;
  Row before{}, last{}, row{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

std::vector<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  std::vector<std::pair<std::size_t, const std::string*>> found;
  for (const std::string& name : known) {
    const std::size_t distance = edit_distance(word, name);
    const std::size_t allowed = std::max<std::size_t>(1, std::max(word.size(), name.size()) / 3);
    const bool short_miss = word.size() < 2 || name.size() < 2;
    if (distance == 0 || (distance <= allowed && !short_miss) ||
        (word.size() >= 2 && begins_with(name, word))) {
      found.emplace_back(distance, &name);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (const auto& [distance, name] : found) {
    if (names.size() == kNamesOffered) break;
    if (std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(*name);
  }
  return names;
}

std::string did_you_mean(std::span<const std::string> names) {
  if (names.empty()) return {};
  std::string text = "did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += quoted(names[i]);
  }
  return text + "?";
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  const auto names = nearest(word, known);
  return names.empty() ? std::string() : "; " + did_you_mean(names);
}

std::string listed(std::span<const std::string> names) {
  if (names.empty()) return "none";
  std::string text;
  const std::size_t shown = std::min(names.size(), kNamesListed);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += quoted(names[i]);
  }
  if (shown < names.size()) text += " and " + std::to_string(names.size() - shown) + " more";
  return text;
}

std::string pointed(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const auto [begin, line] = line_at(text, offset);
  std::size_t from = offset - begin;
  std::size_t column = 0;
  while (from > 0 && column < kLineBefore) {
    --from;
    if (!continues(line[from])) ++column;
  }
  while (from > 0 && continues(line[from])) --from;
  std::size_t to = offset - begin;
  for (std::size_t shown = 0; to < line.size() && (shown < kLineAfter || continues(line[to]));
       ++to) {
    if (!continues(line[to])) ++shown;
  }
  std::string shown = from > 0 ? "  …" : "  ";
  for (const char c : line.substr(from, to - from)) {
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
  if (to < line.size()) shown += "…";
  return shown + "\n" + std::string((from > 0 ? 3 : 2) + column, ' ') + "^";
}

std::string place(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const auto [begin, line] = line_at(text, offset);
  const std::string character =
      "character " + std::to_string(code_points(line.substr(0, offset - begin)) + 1);
  if (text.find('\n') == std::string_view::npos) return character;
  const auto lines =
      std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(begin), '\n');
  return "line " + std::to_string(lines + 1) + ", " + character;
}

}  // namespace entente::federation
