// A file of readings for `entente ingest`: CSV by its mapping, or JSON Lines as they are, in batches
// of the JSON Lines that POST /api/v1/readings takes.
#pragma once

#include "node/cli/local_commands.h"

namespace entente::node {

// Without a mapping the file is JSON Lines. Refuses: input_unreadable, config_invalid.
[[nodiscard]] Result<std::unique_ptr<ReadingSource>> open_readings(const ReadingsOptions& options);

}  // namespace entente::node
