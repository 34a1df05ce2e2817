// What fields of foreign values must look like, and how a refusal names the field. Used by the
// .cpp files of conversions only.
#pragma once

#include <string>
#include <string_view>

#include "schemas/base/bytes.h"
#include "schemas/base/result.h"

namespace entente::rules {

// UTF-8 without control characters, at most `bytes_max` bytes; may be empty. Overlong forms,
// surrogates and code points past U+10FFFF are no UTF-8.
bool is_clean_text(std::string_view text, std::size_t bytes_max);
// The same, but not empty.
bool is_label(std::string_view text, std::size_t bytes_max);
// A signal or property: a letter, then letters, digits and . _ -, at most limits::kLabelBytes.
bool is_property_name(std::string_view text);
// The name of a time zone: letters, digits and / _ + -, at most limits::kNameBytes.
bool is_zone_name(std::string_view text);

// Builds the refusals of one conversion: "charter: 'threshold' must be …".
struct Refuse {
  ErrorCode code;
  std::string_view what;
  Error operator()(std::string_view field, std::string_view rule) const {
    std::string text(what);
    text.append(": '").append(field).append("' ").append(rule);
    return make_error(code, std::move(text));
  }
};

// Passes `value` on when encoding it again gives exactly `bytes`. So a value has one encoding and
// one signature, and a field that this version does not know is refused rather than ignored.
template <class Value, class Encode>
Result<Value> only_encoding(Result<Value> value, ByteView bytes, const Refuse& refuse,
                            Encode encode) {
  if (!value) return value;
  const Bytes again = encode(*value);
  if (again.size() == bytes.size() && text_of(again) == text_of(bytes)) return value;
  return refuse("bytes", "hold something that this version does not know");
}

}  // namespace entente::rules
