// How the command line finds its node: a home folder with entente.toml, admin.token and, when the
// port was chosen free, run/http.port.
#pragma once

#include <string>

#include "node/cli/streams.h"
#include "node/service/http_client.h"
#include "schemas/base/result.h"

namespace entente::node {

// --home, else ENTENTE_HOME, else ~/.entente.
std::string home_folder(const std::string& option, const Streams& streams);

// With `token` (ENTENTE_TOKEN) as its user, else as the administrator by admin.token.
// Refuses: not_found (no node was made there); config_invalid (entente.toml or run/http.port cannot
// be understood; admin.token can be read by others).
[[nodiscard]] Result<HttpEndpoint> endpoint_of(const std::string& home, const std::string& token);

// A whole file, or standard input for "-". Refuses (input_unreadable): absent, longer than `limit`.
[[nodiscard]] Result<std::string> read_whole(const std::string& path, Streams& streams,
                                             std::size_t limit);

}  // namespace entente::node
