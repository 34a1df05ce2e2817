// Text for a terminal: widths in columns, and nothing in it that could steer the terminal.
#pragma once

#include <string>
#include <string_view>

namespace entente::node {

// Control characters (escape sequences among them), bidirectional overrides and bytes that are not
// UTF-8 become U+FFFD: names and reasons come from partners. Line feeds stay when `lines`.
enum class LineFeeds { replace, keep };
std::string printable(std::string_view text, LineFeeds feeds = LineFeeds::replace);

// Columns that a printable text takes: wide characters two, combining ones none.
std::size_t display_width(std::string_view text);

}  // namespace entente::node
