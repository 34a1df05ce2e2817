// Gzip request bodies, inflated as they come, under a limit that a bomb cannot pass.
//
// The limit holds for the inflated total and is checked every 16 KiB, so a bomb costs no more than
// an honest body of that size.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "schemas/base/result.h"

namespace entente::node {

class Inflater {
 public:
  explicit Inflater(std::size_t limit);
  ~Inflater();
  // Appends what `input` inflates to. Several gzip members in a row are one text (RFC 1952).
  // Refuses: payload_too_large; invalid_argument (not gzip, or a wrong checksum).
  [[nodiscard]] Outcome add(std::string_view input, std::string& output);
  // Whether the text ended where a member ends.
  bool complete() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// For the client and for tests.
std::string gzip(std::string_view text);

}  // namespace entente::node
