#include "node/cli/terminal_text.h"

#include <clocale>
#include <cstdint>
#include <cwchar>
#include <memory>

namespace entente::node {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// wcwidth() and mbrtowc() of glibc, in UTF-8 whatever the process's locale is.
class Utf8Locale {
 public:
  Utf8Locale() : before_(uselocale(locale())) {}
  ~Utf8Locale() { uselocale(before_); }
  Utf8Locale(const Utf8Locale&) = delete;

 private:
  static locale_t locale() {
    static const locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
  }
  locale_t before_;
};

// Marks that reorder text on a screen.
bool reorders(wchar_t c) {
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E ||
         c == 0x200F || c == 0x061C;
}

// Calls `each(character, bytes)` for every character; a broken byte comes as character -1.
template <class Each>
void for_each_character(std::string_view text, Each each) {
  const Utf8Locale locale;
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t c = 0;
    std::size_t length = std::mbrtowc(&c, text.data(), text.size(), &state);
    if (length == 0) length = 1;  // U+0000
    if (length > text.size()) {   // (size_t)-1 or -2: broken or cut off
      state = {};
      each(static_cast<wchar_t>(-1), text.substr(0, 1));
      length = 1;
    } else {
      each(c, text.substr(0, length));
    }
    text.remove_prefix(length);
  }
}

}  // namespace

std::string printable(std::string_view text, LineFeeds feeds) {
  std::string out;
  for_each_character(text, [&](wchar_t c, std::string_view bytes) {
    const bool keep =
        c == L'\n' ? feeds == LineFeeds::keep
                   : c != static_cast<wchar_t>(-1) && wcwidth(c) >= 0 && c != 0 && !reorders(c);
    out += keep ? bytes : kReplacement;
  });
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for_each_character(text, [&](wchar_t c, std::string_view) {
    const int columns = c == static_cast<wchar_t>(-1) ? 1 : wcwidth(c);
    if (columns > 0) width += static_cast<std::size_t>(columns);
  });
  return width;
}

}  // namespace entente::node
