#include "node/service/nearest_name.h"

#include <algorithm>
#include <cctype>

namespace entente::node {
namespace {

constexpr std::size_t kWordBytes = 64;

std::string lowered(std::string_view word) {
  std::string out(word.substr(0, kWordBytes));
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
std::size_t distance(const std::string& a, const std::string& b) {
  const std::size_t columns = b.size() + 1;
  std::vector<std::size_t> before(columns), last(columns), row(columns);
  for (std::size_t j = 0; j < columns; ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j < columns; ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = row;
  }
  return last.back();
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view word, std::span<const std::string> known) {
  if (word.empty()) return {};
  const std::string wanted = lowered(word);
  const std::size_t most = std::max<std::size_t>(1, wanted.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& name : known) {
    const std::string low = lowered(name);
    const std::size_t edits = distance(wanted, low);
    if (edits <= most) {
      found.emplace_back(edits, name);
    } else if (wanted.size() >= 2 && low.starts_with(wanted)) {
      found.emplace_back(most + 1, name);
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  for (const auto& [edits, name] : found) {
    if (names.size() == 3) break;
    names.push_back(name);
  }
  return names;
}

std::string did_you_mean(std::span<const std::string> names) {
  if (names.empty()) return {};
  std::string out = "did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
    out += "'" + names[i] + "'";
  }
  return out + "?";
}

}  // namespace entente::node
