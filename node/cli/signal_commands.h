// The commands of derived signals: "signal …".
#pragma once

#include "node/cli/command.h"

namespace entente::node {

void add_signal_commands(CommandTable& table);

}  // namespace entente::node
