// Where a bundle says that its node listens.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>

namespace entente::node {

struct CollectorAddress {
  std::string host;
  std::uint16_t port = 0;
};

// "host:port", an IPv6 literal in brackets; empty when there is no port.
inline CollectorAddress collector_address(const std::string& text) {
  const auto colon = text.rfind(':');
  CollectorAddress out;
  if (colon == std::string::npos) return out;
  out.host = text.substr(0, colon);
  if (out.host.starts_with('[') && out.host.ends_with(']')) {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), out.port);
  return out;
}

}  // namespace entente::node
