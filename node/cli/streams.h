// What a command line has besides its words: three streams, whether people sit at them, and the
// environment. Tests bring their own.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

namespace entente::node {

struct Streams {
  std::istream& in;
  std::ostream& out;  // data
  std::ostream& err;  // words
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  std::function<std::optional<std::string>(const std::string&)> environment;
};

// The process's own.
Streams process_streams();

}  // namespace entente::node
