// Pass phrases from people: from a file, or typed without being shown.
#pragma once

#include <string>

#include "node/cli/session.h"

namespace entente::node {

// The option `file` names a file ("-" is standard input), of which the line feed at the end does
// not count; without it a person types it, twice when `again`. Refuses: invalid_argument (nobody
// can be asked; the two differ), not_found.
[[nodiscard]] Result<std::string> secret_of(Session& session, std::string_view file,
                                            const std::string& question, bool again = false);

}  // namespace entente::node
