// Digital Twin Model Identifiers: dtmi:segment(:segment)*[;major[.minor]][#fragment].
//
// Source: DTMI/README.md of Azure/opendigitaltwins-dtdl. Compared by exact bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace entente::node {

struct Dtmi {
  std::string_view path;  // "dtmi:a:b", without version and fragment
  int major = 0;          // 0: no version
  int minor = 0;
  bool has_minor = false;
  bool has_fragment = false;
  bool system = false;    // a segment begins with an underscore: made by processors only
  bool reserved = false;  // dtmi:dtdl: or dtmi:standard:
};

// The parts of `text`, which must outlive them; nothing when it is no DTMI.
std::optional<Dtmi> parse_dtmi(std::string_view text);

// What DTDL allows as a name in a document, in words, or empty: a user DTMI, not reserved, without
// fragment; versions are whole numbers in DTDL 2.
std::string dtmi_complaint(std::string_view text, int dtdl_version, std::size_t bytes_max);

}  // namespace entente::node
