// The command line `entente <noun> <verb>`: parses, acts, renders.
//
// Data go to `streams.out` as table, json, jsonl or csv; words to `streams.err`. The value is the
// process's exit code (schemas/base/error.h). Never throws.
#pragma once

#include <string>
#include <vector>

#include "node/cli/local_commands.h"
#include "node/cli/streams.h"

namespace entente::node {

// `arguments` without the program's name.
int run_cli(const std::vector<std::string>& arguments, Streams& streams,
            const LocalCommands& local);

}  // namespace entente::node
