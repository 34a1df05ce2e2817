// `system …`: twins composed of partners' exports.
#pragma once

#include "node/cli/command.h"

namespace entente::node {

void add_system_commands(CommandTable& table);

}  // namespace entente::node
